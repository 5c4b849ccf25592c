"""Keys that name files and libraries: changed content reruns what uses it, a missing file is one line, digests are kept."""

import hashlib
import json
import re
import shutil

import h5py
import numpy as np
import pytest
import spikeinterface
import yaml
from workflow.snake import snakemake

MODEL = "473863510"
POSES = "model_id,x_um,y_um,z_um,rotation_x_rad,rotation_y_rad,rotation_z_rad,spike_index\n"
DRIFT = "time_s,depth_um,displacement_um\n0,0,0\n1,0,{}\n"
#: A library and recordings that use a file, or a library, at each key that may name one
CONFIG = {
    "cells": "files/cells.tsv",
    "libraries": {
        "own": {"probe": "files/probe.yaml", "poses": "files/poses.csv", "drifting": True, "drift_grid": {"z": [-6, 6]}},
        "taken": {"probe": "tetrode", "poses_from": "own", "drifting": True, "drift_grid": {"z": [-6, 6]}},
        "far": {"probe": "files/probe.yaml", "n": 3, "min_amp": 0.1, "xlim": [20, 60]},
    },
    "recordings": {
        "trains": {"library": "own", "spiketrains": {"file": "files/trains.csv"}},
        "drift": {
            "library": "taken",
            "recordings": {
                "drifting": True,
                "drift_dicts": [
                    {"drift_mode_speed": "file", "drift_file": "files/drift.csv"},
                    {"drift_mode_speed": "file", "drift_file": "files/motion"},
                ],
            },
        },
        "noise": {
            "library": "own",
            "recordings": {
                "noise_mode": "far-neurons",
                "far_neurons_library": "far",
                "far_neurons_n": 3,
                "far_neurons_max_amp": 10000.0,
                "far_neurons_exc_inh_ratio": 1.0,
            },
        },
    },
}
TEMPLATES = [
    f"Computing templates of model {MODEL} for {{library}}",
    "Joining the templates of {library}",
    "Tabulating the models that failed",
]


def made_again(libraries=(), recordings=(), cells=()):
    """Return the messages of the jobs that make libraries and recordings."""
    templates = [message.format(library=library) for library in libraries for message in TEMPLATES]
    return {*templates, *cells, *(f"Generating recording {name}" for name in recordings)}


#: Key; its file; a text in it, and what it becomes; the messages of the jobs that then run
FILES = [
    (
        "cells.table",
        "cells.tsv",
        "a note",
        "another note",
        made_again(["own", "taken", "far"], ["trains", "drift", "noise"], ["Tabulating the cells"]),
    ),
    (
        "libraries.far.probe",
        "probe.yaml",
        "pitch: 20",
        "pitch: 21",
        made_again(["own", "taken", "far"], ["trains", "drift", "noise"]),
    ),
    ("libraries.own.poses", "poses.csv", ",12,", ",13,", made_again(["own", "taken"], ["trains", "drift", "noise"])),
    ("recordings.trains.spiketrains.file", "trains.csv", "0.25", "0.5", made_again([], ["trains"])),
    ("recordings.drift.recordings.drift_dicts.0.drift_file", "drift.csv", "1,0,2", "1,0,3", made_again([], ["drift"])),
    ("recordings.drift.recordings.drift_dicts.1.drift_file", "motion", None, None, made_again([], ["drift"])),
]


def write_motion(folder, micrometres):
    shutil.rmtree(folder, ignore_errors=True)
    displacement = [np.array([[0.0], [micrometres]])]
    spikeinterface.core.motion.Motion(displacement, [np.array([0.0, 1.0])], np.array([0.0])).save(folder)


def write_files(folder):
    folder.mkdir()
    (folder / "cells.tsv").write_text(f"model_id\tcell_type\tnote\n{MODEL}\tspiny\ta note\n")
    (folder / "probe.yaml").write_text("{dim: [4, 2], pitch: 20, shape: square, size: 5}\n")
    (folder / "poses.csv").write_text(POSES + "".join(f"{MODEL},12,{y},{z},0.1,0.2,{y},0\n" for y in (0, 2) for z in (-20, 20)))
    (folder / "trains.csv").write_text("unit,time_s\n0,0.25\n0,0.75\n")
    (folder / "drift.csv").write_text(DRIFT.format(2))
    write_motion(folder / "motion", 1.0)


@pytest.fixture(scope="module")
def made(workflow):
    """A folder with this configuration, its libraries and recordings. A test may change `files` and puts them back.

    That is one run of a quarter of a minute for all tests here.
    """
    folder = workflow("files")
    write_files(folder / "files")
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    for recording in config["recordings"].values():
        recording.setdefault("spiketrains", {}).update(duration=1.0, n_exc=1, n_inh=0)
        recording["templates"] = {"min_amp": 0.0, "max_amp": 10000.0}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    result = snakemake(folder, "--cores", "2", *TARGETS)
    assert result.returncode == 0, result.stderr
    assert jobs_to_run(folder) == set()
    return folder


TARGETS = ("recordings", "library", "results/cells.csv")


def jobs_to_run(folder):
    """Return the messages of the jobs that a dry run would run."""
    result = snakemake(folder, "-n", *TARGETS)
    assert result.returncode == 0, result.stderr
    return set(re.findall(r"^ *Job \d+: (.*)$", result.stdout, re.MULTILINE))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("key", "name", "before", "after", "expected"), FILES, ids=[case[0] for case in FILES])
def test_changed_content_runs_what_uses_the_file_and_nothing_else(key, name, before, after, expected, made):
    """The first one waits for the run, a quarter of a minute."""
    path, kept = made / "files" / name, made / "kept"
    path.rename(kept)
    try:
        if name == "motion":
            write_motion(path, 2.0)
        else:
            text = kept.read_text()
            assert before in text
            path.write_text(text.replace(before, after))
        assert jobs_to_run(made) == expected
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        kept.rename(path)
    assert jobs_to_run(made) == set()


@pytest.mark.parametrize(("key", "name"), [case[:2] for case in FILES], ids=[case[0] for case in FILES])
def test_a_missing_file_is_one_line_before_anything_runs(key, name, made):
    path, kept = made / "files" / name, made / "kept"
    path.rename(kept)
    try:
        result = snakemake(made, "--cores", "1", "--forceall", *TARGETS)
    finally:
        kept.rename(path)
    assert result.returncode == 1
    expected = {"cells.table": "files/cells.tsv: no such cell table (config: cells)"}
    line = expected.get(key, f"config: {key}: no such file 'files/{name}'")
    assert result.stderr.splitlines()[-1] == f"error: {line}" and "Job" not in result.stderr


def test_provenance_has_the_digests_of_files_and_libraries(made):
    libraries, files = made / "results" / "libraries", made / "files"
    for name, expected in (
        ("own", {"probe": files / "probe.yaml", "poses": files / "poses.csv"}),
        ("taken", {"poses_from": libraries / "own" / "cells" / f"{MODEL}.h5"}),
        ("far", {"probe": files / "probe.yaml"}),
    ):
        with h5py.File(libraries / name / "templates.h5") as file:
            found = json.loads(file["provenance"].attrs["digests"])[MODEL]
        model = {"mechanisms", "fit_parameters.json", "reconstruction.swc"}
        assert {key: value for key, value in found.items() if key not in model} == {k: sha256(p) for k, p in expected.items()}
        assert model <= found.keys()
    motion = files / "motion"
    folder = {str(path.relative_to(motion)): path for path in motion.rglob("*") if path.is_file()}
    assert len(folder) > 2
    movements = {"recordings.drift_dicts.0.drift_file": files / "drift.csv"}
    movements |= {f"recordings.drift_dicts.1.drift_file/{name}": path for name, path in folder.items()}
    for name, library, others in (
        ("trains", "own", {"spiketrains.file": files / "trains.csv"}),
        ("drift", "taken", movements),
        ("noise", "own", {"recordings.far_neurons_library": libraries / "far" / "templates.h5"}),
    ):
        expected = {"library": libraries / library / "templates.h5"} | others
        with h5py.File(made / "results" / "recordings" / name / "recording.h5") as file:
            assert json.loads(file["provenance"].attrs["digests"]) == {key: sha256(path) for key, path in expected.items()}
    # Of the cell table, each product has the row itself.
    with h5py.File(libraries / "own" / "templates.h5") as file:
        assert file["cells/note"].asstr()[()].tolist() == ["a note"]


def test_a_changed_library_of_far_neurons_runs_the_recordings_that_have_it(made, tmp_path):
    change = tmp_path / "change.yaml"
    change.write_text(yaml.safe_dump({"libraries": {"far": {"min_amp": 0.2}}}))
    result = snakemake(made, "-n", *TARGETS, "--configfile", change)
    assert set(re.findall(r"^ *Job \d+: (.*)$", result.stdout, re.MULTILINE)) == made_again(["far"], ["noise"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("two.json", {"specification": "probeinterface", "version": "0.2", "probes": [{}, {}]}, "holds 2 probes"),
        ("nan.yaml", {"pos": [[0, 0], [20, float("nan")]], "shape": "square", "size": 5}, "must have finite positions"),
    ],
)
def test_a_probe_that_cannot_be_used_is_one_line_before_anything_runs(name, content, says, made, tmp_path):
    probe, change = tmp_path / name, tmp_path / "change.yaml"
    probe.write_text(json.dumps(content) if name.endswith("json") else yaml.safe_dump(content))
    change.write_text(yaml.safe_dump({"libraries": {"new": {"probe": str(probe)}}}))
    result = snakemake(made, "--cores", "1", "library", "--configfile", change)
    assert result.returncode == 1 and "Job" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"error: {probe}: ") and says in last


def test_a_cell_type_that_no_cell_has_is_one_line_before_anything_runs(made, tmp_path):
    change = tmp_path / "change.yaml"
    change.write_text(yaml.safe_dump({"recordings": {"trains": {"cell_types": {"excitatory": ["pyramidal"]}}}}))
    result = snakemake(made, "--cores", "1", "recordings", "--configfile", change)
    assert result.returncode == 1 and "Job" not in result.stderr
    expected = (
        "error: config: recordings.trains.cell_types.excitatory: no cell has a type of ['pyramidal']; the cells have spiny"
    )
    assert result.stderr.splitlines()[-1] == expected
