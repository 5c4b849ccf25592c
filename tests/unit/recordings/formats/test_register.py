"""The register of formats: settings, writers and paths agree for every entry."""

import inspect

import pytest

from allenrec.common.errors import UserError
from allenrec.recordings.formats.register import load_writer
from allenrec.settings import load_settings
from allenrec.settings.recordings import Nwb, Recording
from allenrec.settings.recordings.formats import EXPORT_KEYS, EXPORTED_FORMATS, FORMATS, GENERATED_FORMAT

ENTRIES = pytest.mark.parametrize("entry", FORMATS.values(), ids=list(FORMATS))


@ENTRIES
def test_every_writer_has_the_same_signature(entry):
    path, recording, compression, *others = inspect.signature(load_writer(entry.name)).parameters.values()
    if entry.threads > 1:
        threads = others.pop()
        assert (threads.name, threads.default) == ("threads", 1) and threads.kind is threads.KEYWORD_ONLY
    assert all(other.kind is other.KEYWORD_ONLY and other.default is None for other in others)
    assert (path.name, recording.name, compression.name) == ("path", "recording", "compression")
    assert compression.kind is compression.KEYWORD_ONLY and compression.default in ("none", "zstd")


@ENTRIES
def test_options_are_keys_of_settings_and_arguments_of_the_writer(entry):
    assert set(entry.options) <= set(inspect.signature(load_writer(entry.name)).parameters)
    assert set(entry.options.values()) <= set(Recording.model_fields)


def test_options_have_the_values_of_the_settings():
    settings = Recording(library="a", compression="gzip", zarr_compression="none")
    assert FORMATS["mearec"].options_of(settings) == {"compression": "gzip"}
    assert FORMATS["nwb"].options_of(settings) == {"compression": "gzip", "metadata": Nwb()}
    assert FORMATS["zarr"].options_of(settings) == {"compression": "none"} and FORMATS["binary"].options_of(settings) == {}


def test_settings_take_every_format_and_no_other():
    def formats(value):
        recordings = {"r": {"library": "a", "format": value}}
        return load_settings({"libraries": {"a": {"probe": "tetrode"}}, "recordings": recordings}).recordings["r"].format

    *most, last = map(repr, FORMATS)
    assert formats(list(FORMATS)) == list(FORMATS)
    with pytest.raises(UserError, match=f"'hdf5' must be {', '.join(most)} or {last}"):
        formats(["hdf5"])
    assert Recording(library="a").format == [GENERATED_FORMAT.name]


def test_paths_differ_and_one_format_is_generated():
    assert len({entry.path for entry in FORMATS.values()}) == len(FORMATS)
    assert {entry.name for entry in EXPORTED_FORMATS} == set(FORMATS) - {"mearec"}
    # `compression` also changes the generated file.
    assert {"format", "zarr_compression"} <= EXPORT_KEYS and "compression" not in EXPORT_KEYS
