"""The whole workflow on real cells: the same bytes however it is run, nothing done twice, and one bad model alone."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pandas as pd
import pytest
import spikeinterface
import yaml
from workflow.snake import datasets, jobs_of_dry_run, snakemake


def test_everything_that_was_asked_for_is_there(finished):
    results = finished / "results"
    for path in (
        "config.yaml",
        "intracellular/473863510.h5",
        "libraries/neuronexus/cells/472912177.h5",
        "libraries/neuronexus/templates.h5",
        "libraries/neuronexus/templates.csv",
        "recordings/demo/recording.h5",
        "figures/cells/473863035/morphology.png",
        "figures/libraries/neuronexus/poses.png",
        "figures/recordings/demo/traces.png",
        "report.html",
    ):
        assert (results / path).stat().st_size > 0
    assert (finished / "allen_models" / "neuronal_model_473863510" / "model_metadata.json").exists()
    assert "8 of 8 templates" in (results / "logs" / "models" / "473863510" / "compute_eaps" / "neuronexus.log").read_text()
    # One compilation for all models: the one that was there.
    assert len([p for p in (results / "mechanisms").iterdir() if p.is_dir()]) == 1


def test_second_run_finds_nothing_to_do(finished):
    start = time.perf_counter()
    result = snakemake(finished, "--cores", "2")
    assert result.returncode == 0 and "Nothing to be done" in result.stderr
    assert time.perf_counter() - start < 60  # a hang, not a measurement; docs/benchmarks.md has that


#: Moments at which a run is killed: as soon as such a file is there
MOMENTS = ("results/intracellular/*.h5", "results/libraries/neuronexus/templates.h5")


def test_run_on_two_cores_that_is_killed_twice_gives_the_same_bytes(finished, workflow):
    """SIGKILL to the main process and its jobs, as soon as a file of either stage is there; then the run goes on.

    It takes as long as a run, without the report and the figures of two of three cells: `make test-faults` has these, and kills
    runs at twenty more moments. That two cores give the bytes of one is the same comparison, so it has no run of its own.
    """
    folder, expected = workflow("killed"), datasets(finished)
    wanted = {name for name in expected if "/cells/" not in name or name.endswith(".h5") or "473863510" in name}
    assert len([name for name in wanted if name.endswith(".png")]) == 5 + 1 + 5 + 1 + 10
    targets = ["--", *(f"results/{name}" for name in sorted(wanted))]
    for moment in MOMENTS:
        kill_when_there(folder, moment, targets)
        assert list(folder.glob(moment)) and not (folder / "results" / "recordings" / "demo" / "recording.h5").exists()
        # The lock of a killed run is Snakemake's own, and taken away as it says.
        assert snakemake(folder, "--unlock").returncode == 0
    result = snakemake(folder, "--cores", "2", *targets)
    assert result.returncode == 0, result.stderr
    made = datasets(folder)
    assert made.keys() == wanted and [name for name in made if made[name] != expected[name]] == []
    assert not list((folder / "results").rglob(".*part*"))


def kill_when_there(folder, pattern, targets):
    """Run the workflow on two cores; kill it as soon as a file matches the pattern."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *targets]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while not list(folder.glob(pattern)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_other_formats_without_the_file_that_they_are_written_from(finished, tmp_path):
    """The HDF5 file goes when figures and formats are made; nothing is made again for lack of it, and all when it changes.

    A recording with its figures is made, and exported three times, by a process each. There is no report.
    """
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    change = {"format": ["binary", "zarr", "nwb"], "recordings": {"dtype": "int16", "gain": 0.5, "adc_bit_depth": 7}}
    (folder / "change.yaml").write_text(yaml.safe_dump({"recordings": {"demo": change}}))
    targets = ("recordings", "figures", "--configfile", "change.yaml")
    result = snakemake(folder, "--cores", "2", *targets)
    assert result.returncode == 0, result.stderr
    results = folder / "results"
    assert sorted(p.name for p in (results / "recordings" / "demo").iterdir()) == ["binary", "recording.nwb", "recording.zarr"]
    traces = spikeinterface.load(results / "recordings" / "demo" / "binary").get_traces()
    assert traces.dtype == np.int16 and traces.shape == (96000, 32)
    assert np.array_equal(spikeinterface.load(results / "recordings" / "demo" / "recording.zarr").get_traces(), traces)
    assert all((results / "figures" / "recordings" / "demo" / f"{name}.png").stat().st_size for name in ("raster", "traces"))
    log = (results / "logs" / "generate_recording" / "demo.log").read_text()
    assert re.search(r"recording\.h5: about 6\.1 MB; [0-9.]+ [GT]B are free", log) and "block/s]" in log
    assert "exceed the range of the ADC and are clipped" in log
    assert "chunk/s]" in (results / "logs" / "export_zarr" / "demo.log").read_text()
    assert jobs_of_dry_run(folder, *targets) - {"recordings", "figures"} == set()
    change["recordings"]["gain"] = 1.0
    (folder / "change.yaml").write_text(yaml.safe_dump({"recordings": {"demo": change}}))
    exports = {"export_binary", "export_zarr", "export_nwb"}
    again = {"save_config", "generate_passing_recording", "plot_recording", "view_recording", "write_report"} | exports
    assert jobs_of_dry_run(folder, "--configfile", "change.yaml") == again


def test_recording_that_the_disk_cannot_hold_is_refused_before_it_is_computed(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    change = {"recordings": {"long": {"library": "neuronexus", "spiketrains": {"duration": 1e6}}}}
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    result = snakemake(folder, "--cores", "1", "recordings", "--configfile", "change.yaml")
    # 32 channels at 32 kHz in float32
    message = r"^error: config: recordings\.long[^:]*: takes about 4\.[0-9] TB, but the disk of .* has .* in all; .+$"
    assert result.returncode == 1 and re.search(message, result.stderr, re.MULTILINE), result.stderr
    assert not (folder / "results" / "recordings" / "long").exists()


def test_changed_library_code_runs_what_uses_it(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    with open(folder / "scripts" / "allenrec" / "recordings" / "traces" / "noise.py", "a") as file:
        file.write("\n# changed\n")
    recording = {"compile_recording_kernels", "generate_recording", "plot_recording", "view_recording"}
    assert jobs_of_dry_run(folder) == {*recording, "write_report"}


@pytest.mark.parametrize(
    ("change", "before", "now"),
    [
        (
            {"libraries": {"neuronexus": {"min_amp": 31.0}}},
            "libraries.neuronexus.min_amp: 30.0",
            "libraries.neuronexus.min_amp: 31.0",
        ),
        (
            {"recordings": {"demo": {"recordings": {"noise_level": 5.0}}}},
            "recordings.demo.recordings.noise_level: 10.0",
            "recordings.demo.recordings.noise_level: 5.0",
        ),
    ],
    ids=["library", "recording"],
)
def test_dry_run_says_which_key_had_which_value_and_has_now(change, before, now, finished, tmp_path):
    (tmp_path / "change.yaml").write_text(yaml.safe_dump(change))
    result = snakemake(finished, "-n", "recordings", "results/config.yaml", "--configfile", tmp_path / "change.yaml")
    assert result.returncode == 0, result.stderr
    reasons = set(re.findall(r"[Rr]eason: Params have changed since last execution: (.*)", result.stdout))
    (reason,) = {reason.strip() for reason in reasons}
    assert reason == f"Union of exclusive params before and now across all output: before: '{before}' now: '{now}'"


def test_changed_code_is_said_in_few_words(finished, tmp_path):
    """Snakemake says it of the kernels, which come first; all others have input files that are made anew."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    with open(folder / "scripts" / "allenrec" / "libraries" / "poses.py", "a") as file:
        file.write("\n# changed\n")
    result = snakemake(folder, "-n", "library")
    assert len(re.findall(r"before: 'code: [0-9a-f]{16}' now: 'code: [0-9a-f]{16}'", result.stdout)) == 1


def test_changed_file_of_a_probe_runs_what_is_on_it(finished, tmp_path):
    """A library of one model is made on the probe of a file."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    probe = folder / "config" / "mine.yaml"
    probe.write_text("{dim: [8, 4], pitch: 20, shape: rect, size: [4, 8]}")
    change = {"libraries": {"neuronexus": {"probe": "config/mine.yaml"}}, "models": {"leave_out": [473863035, 472912177]}}
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    arguments = ("library", "--configfile", "change.yaml")
    result = snakemake(folder, "--cores", "2", *arguments)
    assert result.returncode == 0, result.stderr
    assert jobs_of_dry_run(folder, *arguments) == set()
    probe.write_text(probe.read_text().replace("20", "21"))
    assert jobs_of_dry_run(folder, *arguments) == {"compute_eaps", "concatenate_library", "tabulate_left_out", "library"}


def test_spike_trains_of_a_file_are_those_of_the_recording(finished, tmp_path):
    """They are made again when the file changes; a bad file is named in one line. Four starts of Snakemake."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    trains = folder / "config" / "trains.csv"
    trains.write_text("unit,time_s\n4,1.5\n4,2.25\n11,0.5\n")
    change = {"spiketrains": {"duration": 3, "n_exc": 1, "n_inh": 1, "file": "config/trains.csv"}}
    (folder / "change.yaml").write_text(yaml.safe_dump({"recordings": {"demo": change}}))
    arguments = ("recordings", "--configfile", "change.yaml")
    result = snakemake(folder, "--cores", "2", *arguments)
    assert result.returncode == 0, result.stderr
    with h5py.File(folder / "results" / "recordings" / "demo" / "recording.h5") as file:
        assert file["spiketrains/0/times"][()].tolist() == [1.5, 2.25] and file["spiketrains/1/times"][()].tolist() == [0.5]
        assert "spiketrains.file" in file["provenance"].attrs["digests"]
    assert jobs_of_dry_run(folder, *arguments) == set()
    trains.write_text("unit,time_s\n4,1.5\n4,3.25\n11,0.5\n")
    assert jobs_of_dry_run(folder, *arguments) == {"generate_recording", "recordings"}
    assert snakemake(folder, "--cores", "2", *arguments).returncode == 1
    log = (folder / "results" / "logs" / "generate_recording" / "demo.log").read_text().splitlines()
    assert log[-1].startswith("error: config/trains.csv: unit 4: spike 2: 3.25 s is not before the end of the recording, 3 s")


def test_two_probes_see_the_same_neurons(finished, tmp_path):
    """A second library, of three models, that has its poses from the first; nothing of the first is made again."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    change = {"libraries": {"second": {"probe": "tetrode", "poses_from": "neuronexus"}}}
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    result = snakemake(folder, "library", "--cores", "2", "--configfile", "change.yaml")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("Computing templates of model") == 3
    tables = (folder / "results" / "libraries" / name / "templates.csv" for name in ("neuronexus", "second"))
    first, second = map(pd.read_csv, tables)
    same = ["model_id", "x_um", "y_um", "z_um", "rotation_x_rad", "rotation_y_rad", "rotation_z_rad", "spike_index"]
    assert first[same].equals(second[same]) and not first["amplitude_uV"].equals(second["amplitude_uV"])


def test_a_model_that_was_changed_after_its_check_is_not_run(finished, tmp_path):
    """Mod files are code. What runs is what was checked, also when only the simulation has to run again."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    changed = folder / "allen_models" / "neuronal_model_473863510" / "modfiles" / "Ih.mod"
    with open(changed, "a") as file:
        file.write('VERBATIM\nsystem("touch pwned");\nENDVERBATIM\n')
    currents = folder / "results" / "intracellular" / "473863510.h5"
    currents.unlink()
    result = snakemake(folder, "--cores", "1", "results/intracellular/473863510.h5")
    assert result.returncode == 1 and not currents.exists() and "Traceback" not in result.stderr
    assert f"error: {changed.relative_to(folder)} was changed after it was checked; check the model again" in result.stderr
    assert not list(folder.rglob("pwned"))
