"""Keys that name files and libraries are found by their marks, and what they name is checked and digested."""

import hashlib
import json
import re
from typing import get_args

import pytest
from support import ROOT, require_permissions_bind, run_python, without_privileges

from allenrec.common.errors import UserError
from allenrec.settings import Settings, load_settings
from allenrec.settings.base import Block, NamesFile, NamesLibrary
from allenrec.settings.input_files import check_input_files, file_digests, input_files, named_libraries

#: All keys that name a file or a library, without the names and numbers between blocks
FILES = {
    *("cells.table", "libraries.probe", "libraries.poses", "recordings.spiketrains.file"),
    *("libraries.templates", "libraries.templates_table"),
    "recordings.recordings.drift_dicts.drift_file",
    *(f"recordings.background.{key}" for key in ("recording", "sorting", "motion")),
}
LIBRARIES = {
    *("libraries.poses_from", "recordings.library", "recordings.stream.library"),
    "recordings.recordings.far_neurons_library",
}


def parts_of(annotation):
    """Yield an annotation and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from parts_of(part)


def keys_of(block, prefix=""):
    """Yield each key of a class of blocks and of the blocks in it, with its field."""
    for name, field in block.model_fields.items():
        yield f"{prefix}{name}", field
        for part in parts_of(field.annotation):
            if isinstance(part, type) and issubclass(part, Block):
                yield from keys_of(part, f"{prefix}{name}.")


def has_mark(field, kind):
    marks = [*field.metadata, *(mark for part in parts_of(field.annotation) for mark in getattr(part, "__metadata__", ()))]
    return any(isinstance(mark, kind) for mark in marks)


def test_the_marked_keys_are_those_that_name_files_and_libraries():
    assert {key for key, field in keys_of(Settings) if has_mark(field, NamesFile)} == FILES
    assert {key for key, field in keys_of(Settings) if has_mark(field, NamesLibrary)} == LIBRARIES


def test_a_key_whose_description_speaks_of_a_file_or_a_library_is_marked():
    """A new key that names a file must not be forgotten."""
    unmarked = {
        key
        for key, field in keys_of(Settings)
        if str in parts_of(field.annotation)
        and re.search(r"\b([Ff]iles?|[Pp]ath of|`libraries:`|[Aa]nother library)\b", field.description)
        and not (has_mark(field, NamesFile) or has_mark(field, NamesLibrary))
    }
    # `file` is for one command, whose rule takes the files as inputs
    assert unmarked == {"recordings.spiketrains.file_units", "models.known_mechanisms", "file"}


@pytest.fixture
def config(tmp_path):
    """A configuration with a file at each key that may name one."""
    for name in ("probe.yaml", "poses.csv", "trains.csv", "drift.csv"):
        (tmp_path / name).write_text(name)
    motion = tmp_path / "motion" / "deep"
    motion.mkdir(parents=True)
    (motion.parent / "info.json").write_text("{}")
    (motion / "displacement.npy").write_bytes(b"1")
    movements = [
        {"drift_mode_speed": "slow"},
        {"drift_mode_speed": "file", "drift_file": str(tmp_path / "drift.csv")},
        {"drift_mode_speed": "file", "drift_file": str(tmp_path / "motion")},
    ]
    return {
        "libraries": {
            "named": {"probe": "tetrode"},
            "given": {"probe": str(tmp_path / "probe.yaml"), "poses": str(tmp_path / "poses.csv")},
            "other": {"probe": "tetrode", "poses_from": "named"},
        },
        "recordings": {
            "demo": {
                "library": "named",
                "spiketrains": {"file": str(tmp_path / "trains.csv")},
                "recordings": {"drift_dicts": movements, "far_neurons_library": "other"},
            }
        },
    }


def test_files_are_found_in_all_blocks_and_folders_as_their_files(config, tmp_path):
    settings = load_settings(config)
    files = input_files(settings)
    assert files.pop("cells.table") == "config/cells.tsv"
    expected = {
        "libraries.given.probe": "probe.yaml",
        "libraries.given.poses": "poses.csv",
        "recordings.demo.spiketrains.file": "trains.csv",
        "recordings.demo.recordings.drift_dicts.1.drift_file": "drift.csv",
        "recordings.demo.recordings.drift_dicts.2.drift_file/deep/displacement.npy": "motion/deep/displacement.npy",
        "recordings.demo.recordings.drift_dicts.2.drift_file/info.json": "motion/info.json",
    }
    assert files == {key: str(tmp_path / name) for key, name in expected.items()}
    assert input_files(settings.libraries["named"]) == {}
    assert next(iter(input_files(settings.recordings["demo"]))) == "spiketrains.file"


def test_libraries_are_found(config):
    assert named_libraries(load_settings(config)) == {
        "libraries.other.poses_from": "named",
        "recordings.demo.library": "named",
        "recordings.demo.recordings.far_neurons_library": "other",
    }


def test_digests_are_those_of_the_contents(config):
    assert file_digests(load_settings(config).libraries["given"]) == {
        "probe": hashlib.sha256(b"probe.yaml").hexdigest(),
        "poses": hashlib.sha256(b"poses.csv").hexdigest(),
    }


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("probe.yaml", "libraries.given.probe"),
        ("poses.csv", "libraries.given.poses"),
        ("trains.csv", "recordings.demo.spiketrains.file"),
        ("drift.csv", "recordings.demo.recordings.drift_dicts.1.drift_file"),
    ],
)
def test_a_missing_file_is_one_line_with_its_key(name, key, config, tmp_path):
    (tmp_path / name).unlink()
    with pytest.raises(UserError) as caught:
        load_settings(config)
    assert str(caught.value) == f"config: {key}: no such file {str(tmp_path / name)!r}"


def test_a_folder_is_a_file_only_where_it_may_be_one(config, tmp_path):
    settings = load_settings(config)
    (tmp_path / "trains.csv").unlink()
    (tmp_path / "trains.csv").mkdir()
    with pytest.raises(UserError, match=r"spiketrains\.file: no such file"):
        check_input_files("recordings.demo", settings.recordings["demo"])


#: What is closed, relative to the folder of the files, with the key that names it, and what is closed of it or above it
CLOSED = [
    ("probe.yaml", "libraries.given.probe", "probe.yaml", "file"),
    ("poses.csv", "libraries.given.poses", "poses.csv", "file"),
    ("templates.zarr", "libraries.taken.templates", "templates.zarr", "folder"),
    ("templates.zarr/.zattrs", "libraries.taken.templates", "templates.zarr/.zattrs", "file"),
    ("templates.zarr/templates_array", "libraries.taken.templates", "templates.zarr/templates_array", "folder"),
    ("templates.csv", "libraries.taken.templates_table", "templates.csv", "file"),
    ("trains.csv", "recordings.demo.spiketrains.file", "trains.csv", "file"),
    ("drift.csv", "recordings.demo.recordings.drift_dicts.1.drift_file", "drift.csv", "file"),
    ("motion/deep", "recordings.demo.recordings.drift_dicts.2.drift_file", "motion/deep", "folder"),
    ("motion/info.json", "recordings.demo.recordings.drift_dicts.2.drift_file", "motion/info.json", "file"),
    ("real", "libraries.here.probe", "real", "folder"),
    ("real.nwb", "recordings.hybrid.background.recording", "real.nwb", "file"),
    ("sorting", "recordings.hybrid.background.sorting", "sorting", "folder"),
    ("shift/info.json", "recordings.hybrid.background.motion", "shift/info.json", "file"),
    # It is not known what a reader takes of a large folder, so that it finds out itself.
    ("real/other.bin", None, None, None),
]
#: Print what is said of each, in a process that permissions bind
ASK = """
import json, os
from allenrec.common.errors import UserError
from allenrec.settings import load_settings
folder, config = sys.argv[1], json.loads(sys.argv[2])
def said(name):
    path = os.path.normpath(os.path.join(folder, name))
    os.chmod(path, 0)
    try:
        load_settings(config)
    except UserError as error:
        return str(error)
    finally:
        os.chmod(path, 0o755)
print(json.dumps([said(name) for name in sys.argv[3:]]))
"""


def test_a_file_that_may_not_be_read_is_one_line_with_its_key(config, tmp_path):
    require_permissions_bind(tmp_path)
    for name in ("templates.zarr/templates_array", "real", "sorting", "shift"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("templates.zarr/.zattrs", "templates.csv", "real/other.bin", "real.nwb", "shift/info.json"):
        (tmp_path / name).touch()
    at = {name: str(tmp_path / name) for name in ("templates.zarr", "templates.csv", "real", "real.nwb", "sorting", "shift")}
    config["libraries"] |= {
        "taken": {"templates": at["templates.zarr"], "templates_table": at["templates.csv"]},
        "here": {"probe": {"recording": at["real"]}},
    }
    background = {"recording": at["real.nwb"], "sorting": at["sorting"], "motion": at["shift"]}
    config["recordings"]["hybrid"] = {"library": "named", "background": background}
    answers = run_python(
        ASK, tmp_path, json.dumps(config), *[case[0] for case in CLOSED], ".", preexec_fn=without_privileges, cwd=ROOT
    )
    cure = "change its permissions (chmod) or its owner (chown)"
    for (name, key, closed, what), answer in zip(CLOSED, answers, strict=False):
        expected = key and f"config: {key}: {tmp_path / closed}: no permission to read this {what}; {cure}"
        assert answer == expected, name
    # A file in a closed folder is not called missing.
    assert answers[-1] == f"config: libraries.given.probe: {tmp_path}: no permission to read this folder; {cure}"
