"""For any change of any key, the answer is one line or a valid configuration."""

import math
import re
import tempfile
from pathlib import Path

import pytest
import yaml
from support import ROOT

pytest.importorskip("hypothesis")

from fuzz.wild import changed, edited, is_one_short_line
from hypothesis import example, given

from allenrec.cells.table import read_cells
from allenrec.common.errors import UserError
from allenrec.settings import Settings, load_settings
from allenrec.settings.config_files import check_config_file
from allenrec.settings.input_files import file_digests
from allenrec.settings.job_params import job_params
from allenrec.settings.sizes import check_sizes

BASE = {"libraries": {"lib": {"probe": "Neuronexus-32"}}, "recordings": {"rec": {"library": "lib"}}}
DEFAULT_TEXT = (ROOT / "config" / "config.yaml").read_text(encoding="utf-8")


def whole():
    """A configuration in which every key stands, with drift and two libraries."""
    drifting = {
        "probe": "tetrode",
        "drifting": True,
        "drift_grid": {"z": [-4, 4]},
        "bins": {"of": "distance", "edges": [0, 5, 9]},
    }
    libraries = BASE["libraries"] | {"b": drifting, "c": {"probe": "tetrode", "n": {"spiny": 3}}}
    signal = {"drifting": True, "drift_dicts": [{"drift_mode_speed": "fast"}, {}]}
    recordings = BASE["recordings"] | {"second": {"library": "b", "recordings": signal}}
    config = load_settings({"libraries": libraries, "recordings": recordings}).model_dump(mode="json")
    return config | {"pathvars": {"results": "results", "models": "allen_models"}}


WHOLE = whole()


def answer(config, command_line=None):
    """The settings, or None if the configuration is refused in one line."""
    try:
        settings = load_settings(config, command_line)
        check_sizes(settings, [""] * 3, lambda probe: 32, Path(tempfile.gettempdir()) / "results", memory=8e9)
    except UserError as error:
        assert is_one_short_line(error)
        return None
    assert isinstance(settings, Settings)
    return settings


def numbers(value):
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif isinstance(value, int | float):
        yield value


#: What the search, and people, have found
CORPUS = [
    ("recordings", "rec", "spiketrains", {"gamma_shape": 1e-300}),
    ("recordings", "rec", "spiketrains", {"duration": 1e305}),
    ("recordings", "rec", "spiketrains", {"burst_spikes": [2, 1_000_000_000]}),
    ("recordings", "rec", "spiketrains", {"types": [[1], {}], "rates": [1, 2]}),
    ("recordings", "rec", "recordings", {"filter_cutoff": [1e-300, 6000]}),
    ("recordings", "rec", "recordings", {"fs": 1}),
    ("recordings", "rec", "recordings", {"noise_level": 1e39}),
    ("libraries", "lib", "n", 1_000_000_000),
    ("intracellular", "dt", 1e-9),
    ("libraries", "lib", "drift_grid", {"z": [-1, 1], "step": 1e-12}),
    ("libraries", "lib", "probe", "x" * 5000),
    ("libraries", "lib", "probe", "\0"),
]


@pytest.mark.parametrize("path", CORPUS, ids=[f"{path[-2]}={str(path[-1])[:40]!r}" for path in CORPUS])
def test_what_was_found_is_refused(path):
    *blocks, key, value = path
    config = {**WHOLE}
    place = config
    for block in blocks:
        place[block] = {**place[block]}
        place = place[block]
    place[key] = {**place[key], **value} if isinstance(value, dict) and isinstance(place.get(key), dict) else value
    assert answer(config) is None


def test_the_changed_configuration_is_valid_itself():
    assert answer(WHOLE) is not None


@given(config=changed(WHOLE))
def test_any_change_of_any_key_is_one_line_or_valid(config):
    settings = answer(config)
    if settings is None:
        return
    # What is saved with the results may be used again, and means the same.
    saved = settings.model_dump(mode="json")
    assert load_settings(yaml.safe_load(yaml.safe_dump(saved))) == settings.model_copy(
        update={"pathvars": Settings.model_fields["pathvars"].default}
    )
    assert all(
        math.isfinite(number) and (abs(number) <= 1e12 or number == settings.seed) for number in numbers(saved["recordings"])
    )
    for name, recording in settings.recordings.items():
        file_digests(recording)
        assert job_params(settings, recording=f"recordings.{name}", library=f"libraries.{recording.library}", seed="seed")


@given(config=changed(WHOLE))
def test_what_the_command_line_gives_is_one_line_or_valid(config):
    """There, numbers are text."""

    def as_text(value):
        if isinstance(value, dict):
            return {key: as_text(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [as_text(inner) for inner in value]
        return (
            "null"
            if value is None
            else str(value).lower()
            if isinstance(value, bool)
            else value
            if value != value
            else short(value)
        )

    def short(value):
        return value if isinstance(value, int) and abs(value) > 10**100 else str(value)

    text = as_text(config)
    with_text, plain = answer(text, text), answer(config)
    if plain is not None and with_text is not None:
        assert with_text.libraries.keys() == plain.libraries.keys()


@given(text=edited(DEFAULT_TEXT))
@example(text="a: " + "[" * 700 + "]" * 700)
@example(text="a: &a [*a]")
@example(text="seed: " + "1" * 5000)
@example(text="a: 2026-13-45")
@example(text="? [a]\n: 1")
@example(text="{")
@example(text="a: 1_:30")
@example(text="a: 0x_")
def test_any_edit_of_the_file_is_one_line_or_read(text):
    """What the check lets pass can be read as Snakemake does it, and is one line or valid."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            check_config_file(path)
        except UserError as error:
            assert is_one_short_line(error)
            return
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.FullLoader)
    if content is not None:
        assert isinstance(content, dict)
        answer(content)


@given(text=edited("model_id\tspecimen_id\tcell_type\tlayer\n473863510\t\tspiny\t5\n473863035\t7\t\t2/3\n"))
@example(text='""model_id\tcell_type\n1\tspiny\n')
@example(text="\x80specimen_id\n7\n")
@example(text="model_id\tcell_type\nL5_cell\tspiny\n")
def test_any_edit_of_the_cell_table_is_one_line_or_read(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cells.tsv")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            rows = read_cells(path)
        except UserError as error:
            assert is_one_short_line(error)
            return
    # Ids are parts of paths.
    assert rows and all(re.fullmatch(r"\w[\w.-]{0,99}", row.model_id, re.ASCII) or row.specimen_id.isdigit() for row in rows)
    assert all("/" not in column for row in rows for column in row.columns())
