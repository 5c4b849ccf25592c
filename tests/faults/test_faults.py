"""A bad day: killed runs, full and read-only disks, damaged files, models that fail, two runs at once.

The quick ones are part of `make test`; `make test-faults` runs all.
"""

import csv
import html
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import h5py
import pytest
import yaml
from faults.disks import filled, read_only, small_disk
from support import ROOT, require_permissions_bind, without_privileges
from workflow.snake import assert_equal_datasets, clean_environment, jobs_of_dry_run, snakemake

from allenrec.settings.recordings import Recording
from allenrec.settings.recordings.formats import EXPORTED_FORMATS, FORMATS

MODELS = ("473863510", "473863035", "472912177")
LIBRARY = "results/libraries/neuronexus"


def begin(folder, *arguments, cores=2):
    """Start Snakemake in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def left_overs(folder):
    """Half-written files and folders."""
    return [path for part in ("results", "allen_models") for path in (folder / part).rglob(".*part*")]


def first_error(result):
    """The line that says what went wrong."""
    return next(line.strip() for line in result.stderr.splitlines() if line.strip().startswith("error: "))


# Killed


#: How many runs are killed, and how often each
RUNS, KILLS = 5, 4


@pytest.fixture(scope="session")
def seconds(workflow):
    """How long an undisturbed run takes here until it has planned its jobs, and from then on."""
    folder, times = workflow("timed"), []
    for arguments in (["--dry-run"], []):
        start = time.monotonic()
        assert begin(folder, *arguments).wait(900) == 0
        times.append(time.monotonic() - start)
    return times[0], times[1] - times[0]


@pytest.mark.faults
@pytest.mark.parametrize("run", range(RUNS))
def test_run_killed_at_any_moment_is_finished_with_the_same_bytes(run, seconds, finished, workflow):
    """Twenty moments, evenly over the time of a run. Each run is killed, goes on, and is killed again, four times."""
    folder, (to_plan, to_make) = workflow(f"killed_{run}"), seconds
    for kill in range(KILLS):
        process = begin(folder)
        time.sleep(to_plan + to_make * ((run + 0.5) / RUNS if kill == 0 else 1) / KILLS)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert snakemake(folder, "--unlock").returncode == 0
    result = snakemake(folder, "--cores", "2")
    assert result.returncode == 0, result.stderr
    assert_equal_datasets(folder, finished)
    assert left_overs(folder) == []


def working_in(folder):
    """Return the processes that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.joinpath("cwd").readlink().is_relative_to(folder):
                found.append(process.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGHUP, marks=pytest.mark.faults)])
def test_jobs_end_with_a_snakemake_that_is_ended_alone(number, workflow):
    """The signal reaches Snakemake only, not its jobs, and takes effect while a model is simulated. That
    takes as long as a run up to there."""
    folder = workflow(f"ended_{number.name}")
    process = begin(folder)
    deadline = time.monotonic() + 120
    while not list(folder.glob("results/logs/models/*/simulate_spikes.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(working_in(folder)) > 1
    os.kill(process.pid, number)
    # Told to end, Snakemake waits for the jobs that run, which may compile kernels just now.
    assert process.wait(300) == (-signal.SIGKILL if number == signal.SIGKILL else 1)
    deadline = time.monotonic() + 20
    while working_in(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert working_in(folder) == []
    assert list(folder.glob("results/libraries/*/templates.h5")) == [], "the run did not go on"


@pytest.mark.faults
def test_second_run_in_the_same_folder_stops_and_breaks_nothing(finished, workflow):
    folder = workflow("two_runs")
    process = begin(folder)
    deadline = time.monotonic() + 60
    while not list((folder / ".snakemake" / "locks").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    second = snakemake(folder, "--cores", "2")
    assert process.poll() is None, "the first run was over before the second began"
    assert second.returncode != 0 and "Directory cannot be locked" in second.stderr
    assert process.wait(600) == 0
    assert_equal_datasets(folder, finished)


# Disks

#: What is made by each rule that writes, and how many bytes are free on its disk when it begins
WRITING = {
    "save_config": ("results/config.yaml", 0),
    "download_model": (f"allen_models/neuronal_model_{MODELS[0]}/verified.json", 8192),
    "compile_mechanisms": (f"results/mechanisms/{MODELS[0]}.json", 8192),
    "simulate_spikes": (f"results/intracellular/{MODELS[0]}.h5", 8192),
    "tabulate_cells": ("results/cells.csv", 0),
    "tabulate_left_out": ("results/left_out.csv", 0),
    "compute_eaps": (f"{LIBRARY}/cells/{MODELS[0]}.h5", 8192),
    "concatenate_library": (f"{LIBRARY}/templates.h5", 8192),
    "generate_recording": ("results/recordings/demo/recording.h5", 8192),
    "plot_cell": (f"results/figures/cells/{MODELS[0]}/spikes.png", 8192),
    "plot_library": ("results/figures/libraries/neuronexus/poses.png", 8192),
    "plot_realism": ("results/figures/realism/in_vivo.png", 8192),
    "plot_mean_eap": (f"results/figures/{LIBRARY[8:]}/cells/{MODELS[0]}/mean_eap.png", 8192),
    "plot_recording": ("results/figures/recordings/demo/traces.png", 8192),
    "view_recording": ("results/figures/recordings/demo/viewer.html", 8192),
    "write_report": ("results/report.html", 8192),
    "list_probes": ("results/probes.csv", 0),
}
WRITING |= {f"export_{entry.name}": (f"results/recordings/demo/{entry.path}", 8192) for entry in EXPORTED_FORMATS}
#: The rules that write samples as they are
UNCOMPRESSED = {"generate_recording"} | {
    f"export_{entry.name}" for entry in EXPORTED_FORMATS if entry.compression_of(Recording(library="neuronexus")) == "none"
}


@pytest.mark.parametrize(
    "rule", [rule if rule == "concatenate_library" else pytest.param(rule, marks=pytest.mark.faults) for rule in WRITING]
)
def test_full_disk_is_named_and_leaves_nothing_half_written(rule, damaged, finished):
    target, free = WRITING[rule]
    disk, made = damaged / target.split("/")[0], damaged / target
    if rule.startswith("export_"):
        change_config(damaged, lambda config: config["recordings"]["demo"].update(format=list(FORMATS)))
    with small_disk(disk):
        remove_products(damaged, rule, target)
        with filled(disk, free):
            result = snakemake(damaged, "--cores", "1", target)
            # Uncompressed, it is known beforehand how much a recording will take.
            known = rule in UNCOMPRESSED
            expected = "make room" if known else "No space left on device"
            assert result.returncode == 1 and expected in result.stderr
            assert "Traceback" not in result.stderr
            assert not made.exists() and left_overs(damaged) == []
        result = snakemake(damaged, "--cores", "1", target)
        assert result.returncode == 0, result.stderr
        if target.endswith((".h5", ".csv", ".png", ".yaml")) and (finished / target).exists():  # not all rules are of every run
            assert made.read_bytes() == (finished / target).read_bytes()
        assert made.exists()


@pytest.mark.faults
def test_disk_that_fills_amid_a_recording_leaves_nothing_half_written(damaged):
    """How much a compressed recording takes is not known beforehand, so it is begun."""
    change_config(damaged, lambda config: config["recordings"]["demo"].update(compression="gzip"))
    recording = damaged / "results" / "recordings" / "demo" / "recording.h5"
    with small_disk(damaged / "results"):
        recording.unlink()
        with filled(damaged / "results", 3 * 2**20):
            result = snakemake(damaged, "--cores", "2", "recordings")
            assert result.returncode == 1 and "Traceback" not in result.stderr
            assert first_error(result).endswith("No space left on device: 'results/recordings/demo/recording.h5'")
            assert not recording.exists() and left_overs(damaged) == []
        result = snakemake(damaged, "--cores", "2", "recordings")
        assert result.returncode == 0, result.stderr
        assert recording.stat().st_size > 3 * 2**20


def remove_products(folder, rule, target):
    """Remove what a rule made, with its log, as if it had never run."""
    made = folder / target
    if not made.exists():
        return
    if rule == "download_model":
        shutil.rmtree(made.parent)
    elif rule == "compile_mechanisms":
        for path in (folder / "results" / "mechanisms").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif made.suffix == ".png":
        shutil.rmtree(made.parent)
    else:
        made.unlink()
    for log in (folder / "results" / "logs").rglob("*.log"):
        if rule in (log.parent.name, log.parents[1].name, log.stem):
            log.unlink()


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (
            ("left_out.csv", "report.html"),
            r"^error: .*/results: no permission to write here, or the file system is read-only; change its permissions",
        ),
        # What is there, but must be made anew, is Snakemake's own to say, for whichever of the jobs it comes to first.
        (("figures/realism/in_vivo.png",), r"Write-protected output files for rule \w+:\n +output: results/"),
    ],
)
def test_read_only_folder_is_named_before_anything_runs(missing, expected, damaged):
    for name in missing:
        (damaged / "results" / name).unlink()
    with read_only(damaged / "results"):
        result = snakemake(damaged, "--cores", "1")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert re.search(expected, result.stderr, re.MULTILINE) and "Finished job" not in result.stderr
    assert snakemake(damaged, "--cores", "1").returncode == 0


WRITE, READ = "no permission to write here, or the file system is read-only", "no permission to read this folder"
CURE = "change its permissions (chmod) or its owner (chown)"
#: What is closed, its mode, and what is said of it and of what. The report is to be written anew.
CLOSED = {
    "config": (0o000, "config: permission denied"),
    "config/config.yaml": (0o000, "config/config.yaml: permission denied"),
    "config/cells.tsv": (0o000, "config/cells.tsv: permission denied"),
    ".snakemake": (0o555, f"{{}}/.snakemake: {WRITE}"),
    "allen_models": (0o000, f"allen_models: {READ}"),
    f"allen_models/neuronal_model_{MODELS[0]}": (0o000, f"allen_models/neuronal_model_{MODELS[0]}: {READ}"),
    "results": (0o000, f"results: {READ}"),
    "results/recordings/demo": (0o000, f"results/recordings/demo: {READ}"),
    "results/logs": (0o555, f"{{}}/results/logs: {WRITE}"),
    "results/benchmarks/rules": (0o555, f"{{}}/results/benchmarks/rules: {WRITE}"),
    "results/benchmarks/rules/write_report.tsv": (
        *(0o444, "results/benchmarks/rules/write_report.tsv: no permission to write this file"),
    ),
    "results/left_out.csv": (0o000, "results/left_out.csv: no permission to read this file"),
}


@pytest.mark.parametrize(
    "closed", [name if name == "results/recordings/demo" else pytest.param(name, marks=pytest.mark.faults) for name in CLOSED]
)
def test_what_may_not_be_read_or_written_is_named_before_anything_runs(closed, damaged):
    """Root is bound by permissions as well here."""
    require_permissions_bind(damaged)
    mode, said = CLOSED[closed]
    (damaged / "results" / "report.html").unlink()
    (damaged / closed).chmod(mode)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1"],
            **{"cwd": damaged, "env": clean_environment(), "preexec_fn": without_privileges},
            **{"capture_output": True, "text": True},
        )
    finally:
        (damaged / closed).chmod(0o755)
    assert result.returncode == 1 and "Traceback" not in result.stderr and "Finished job" not in result.stderr
    assert first_error(result) == f"error: {said.format(damaged)}; {CURE}"
    assert left_overs(damaged) == []


# Damaged files


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def reshape(path):
    """Take the last row from a dataset of an HDF5 file."""
    with h5py.File(path, "r+") as file:
        name = next(name for name in ("segments/diameter", "rotations", "channel_positions") if name in file)
        values = file[name][:-1]
        del file[name]
        file[name] = values


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


INTERMEDIATE = (
    f"results/intracellular/{MODELS[0]}.h5",
    f"{LIBRARY}/cells/{MODELS[0]}.h5",
    f"{LIBRARY}/templates.h5",
    "results/recordings/demo/recording.h5",
)
DAMAGES = [(path, damage) for path in INTERMEDIATE for damage in (truncate, reshape, zero)]


@pytest.mark.parametrize(
    ("path", "damage"),
    # The last file is the one from which least is made again; `make test-faults` damages the others as well.
    [pytest.param(*case, marks=[] if case == (INTERMEDIATE[-1], reshape) else [pytest.mark.faults]) for case in DAMAGES],
)
def test_damaged_file_is_named_and_never_used(path, damage, damaged, finished):
    """Two runs: what can be made without the file, and all that comes after it once it is deleted."""
    damage(damaged / path)
    result = snakemake(damaged, "--cores", "2")
    assert result.returncode == 1
    assert path in first_error(result) and "delete it and run again" in first_error(result)
    assert "Traceback" not in result.stderr and "failed in" not in result.stderr
    # Meanwhile there is a report of what is there.
    whole, so_far = (damaged / "results" / name for name in ("report.html", "report_so_far.html"))
    assert so_far.exists() and not whole.exists() and "report_so_far.html shows what there is" in result.stdout
    (damaged / path).unlink()
    result = snakemake(damaged, "--cores", "2")
    assert result.returncode == 0, result.stderr
    assert whole.exists() and not so_far.exists()
    assert_equal_datasets(damaged, finished)


@pytest.mark.faults
def test_damaged_mechanisms_are_compiled_anew(damaged, finished):
    (library,) = (damaged / "results" / "mechanisms").rglob("libnrnmech.so")
    truncate(library)
    simulated = f"results/intracellular/{MODELS[0]}.h5"
    (damaged / simulated).unlink()
    result = snakemake(damaged, "--cores", "2", simulated)
    assert result.returncode == 0, result.stderr
    assert_equal_datasets(damaged, finished)


SWAPPED = {
    # the file, the file in its place, what the message says of it, and a target for which the file is read
    "currents": (
        *(INTERMEDIATE[0], f"results/intracellular/{MODELS[1]}.h5"),
        *(f"it is that of model {MODELS[1]}, not of model ", "library"),
    ),
    "templates": (
        *(INTERMEDIATE[1], f"{LIBRARY}/cells/{MODELS[1]}.h5"),
        *(f"it is that of model {MODELS[1]}, not of model ", "library"),
    ),
    "library": (
        *(INTERMEDIATE[2], f"{LIBRARY}-2/templates.h5"),
        *("it is that of library neuronexus-2, not of library neuronexus", "recordings"),
    ),
    "recording": (
        *(INTERMEDIATE[3], "results/recordings/two/recording.h5"),
        *("it is that of recording two, not of recording demo", "figures"),
    ),
}


@pytest.mark.parametrize(
    "kind", [kind if kind == "currents" else pytest.param(kind, marks=pytest.mark.faults) for kind in SWAPPED]
)
def test_file_of_another_model_in_its_place_is_named(kind, damaged, finished):
    """It has the same shapes, and is a sound file of its own. Two runs of the library or the figures."""
    path, other, reason, target = SWAPPED[kind]
    if kind in ("library", "recording"):

        def twice(config):
            config["libraries"]["neuronexus-2"] = config["libraries"]["neuronexus"]
            config["recordings"]["two"] = config["recordings"]["demo"]

        change_config(damaged, twice)
        assert snakemake(damaged, "--cores", "2", other).returncode == 0
    shutil.copy(damaged / other, damaged / path)
    result = snakemake(damaged, "--cores", "2", target)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    error = first_error(result)
    assert path in error and reason in error and error.endswith("delete it and run again")
    (damaged / path).unlink()
    assert snakemake(damaged, "--cores", "2", path, target).returncode == 0
    assert (damaged / path).read_bytes() == (finished / path).read_bytes()


# Models that fail


def change_config(folder, change):
    path = folder / "config" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config))


def fails_in_download(folder, bad):
    (bad / "reconstruction.swc").unlink()


def fails_in_compiling(folder, bad):
    with open(bad / "modfiles" / "Ih.mod", "a") as file:
        file.write("\nVERBATIM\nENDVERBATIM\n")


def fails_in_simulation(folder, bad):
    """A mechanism that stops NEURON."""
    path = bad / "modfiles" / "Ih.mod"
    stop = 'INITIAL {\nVERBATIM\nhoc_execerror("Ih stops here", 0);\nENDVERBATIM\n'
    path.write_text(re.sub(r"INITIAL *{", stop, path.read_text()))
    change_config(folder, lambda config: config.setdefault("models", {}).update(allow_unknown_mechanisms=True))


def fails_in_templates(folder, bad):
    """A cell type for which no number of templates is given."""
    change_config(folder, lambda config: config["libraries"]["neuronexus"].update(n={"spiny": 8, "aspiny": 8}))


FAILURES = {
    "download_model": (fails_in_download, "reconstruction.swc is missing"),
    "compile_mechanisms": (fails_in_compiling, "Ih.mod is not one of the Allen Institute's mod files"),
    "simulate_spikes": (fails_in_simulation, "Ih stops here"),
    "compute_eaps": (fails_in_templates, "no number for cell type 'odd'"),
}


#: The failure that `make test` tries, without figures and report. In these, test_report_page.py looks for a model that failed.
QUICK = "compile_mechanisms"


@pytest.mark.parametrize("rule", [rule if rule == QUICK else pytest.param(rule, marks=pytest.mark.faults) for rule in FAILURES])
def test_library_of_the_others_where_a_model_fails(rule, damaged, finished):
    """A run that makes the library without the model, and all that comes after it."""
    targets = ("library", "recordings", "results/cells.csv") if rule == QUICK else ()
    fail, why = FAILURES[rule]
    models = damaged / "allen_models"
    bad = models / "neuronal_model_4711"
    shutil.copytree(models / f"neuronal_model_{MODELS[0]}", bad)
    for record in ("verified.json", "model_metadata.json"):
        (bad / record).unlink()
    with open(damaged / "config" / "cells.tsv", "a") as file:
        file.write("4711\t\todd\n")
    fail(damaged, bad)
    for path in (damaged / LIBRARY).glob("templates.*"):
        path.unlink()
    result = snakemake(damaged, "--cores", "2", *targets)
    assert result.returncode == 0, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("model 4711 failed")]
    assert line.startswith(f"model 4711 failed in {rule}: ") and why in line and "Traceback" not in result.stderr
    with open(damaged / "results" / "left_out.csv") as file:
        (row,) = csv.DictReader(file)
    assert (row["model_id"], row["stage"]) == ("4711", rule) and why in row["reason"]
    # The same library as without that model.
    for path in (f"{LIBRARY}/templates.csv", f"{LIBRARY}/templates.h5", "results/recordings/demo/recording.h5"):
        if rule not in ("simulate_spikes", "compute_eaps"):  # the configuration, which files hold, is another one
            assert (damaged / path).read_bytes() == (finished / path).read_bytes()
        assert (damaged / path).exists()
    log = (damaged / "results" / "logs" / "concatenate_library" / "neuronexus.log").read_text()
    assert f"model 4711 failed in {rule}: " in log and "left out" in log
    if not targets:
        report = text_of_page(damaged / "results" / "report.html")
        assert "4711" in report and why in report
    # It is not tried again for nothing.
    assert jobs_of_dry_run(damaged, *targets) == set()


@pytest.fixture
def failed(damaged):
    """A copy of the finished run with a model that has no morphology, and nothing made of it yet."""
    models = damaged / "allen_models"
    bad = models / "neuronal_model_4711"
    shutil.copytree(models / f"neuronal_model_{MODELS[0]}", bad)
    for record in ("verified.json", "model_metadata.json", "reconstruction.swc"):
        (bad / record).unlink()
    (damaged / "config" / "one.tsv").write_text("model_id\tcell_type\n4711\tspiny\n")
    change_config(damaged, lambda config: config["recordings"]["demo"]["spiketrains"].update(n_inh=0))
    return damaged


SPIKES = "results/intracellular/4711.h5"


def test_file_of_a_failed_model_that_is_asked_for_is_an_error_until_the_model_is_mended(failed):
    """Also where there is nothing to do. A mended model is tried again by itself. Five starts of Snakemake and a simulation."""
    with open(failed / "config" / "cells.tsv", "a") as file:
        file.write("4711\t\tspiny\n")
    for done in ("failed in download_model", "Nothing to be done"):
        result = snakemake(failed, "--cores", "1", SPIKES)
        assert result.returncode == 1 and done in result.stderr and "Traceback" not in result.stderr
        last = result.stderr.splitlines()[-1]
        assert last.startswith("error: model 4711 failed in download_model: ") and "reconstruction.swc is missing" in last
    assert snakemake(failed, "-n", SPIKES).returncode == 0
    source = failed / "allen_models" / f"neuronal_model_{MODELS[0]}" / "reconstruction.swc"
    shutil.copy(source, failed / "allen_models" / "neuronal_model_4711")
    assert jobs_of_dry_run(failed, SPIKES) == {"download_model", "compile_mechanisms", "simulate_spikes"}
    result = snakemake(failed, "--cores", "1", SPIKES)
    assert result.returncode == 0, result.stderr
    with h5py.File(failed / SPIKES) as file:
        assert "failed" not in file.attrs


@pytest.mark.parametrize("target", ["models", "intracellular", "library"])
def test_run_without_any_sound_model_is_an_error_that_names_the_reason(target, failed):
    result = snakemake(failed, "--cores", "1", target, "--config", "cells=config/one.tsv")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    error = first_error(result)
    assert error.startswith("error: no model is left: ") and "4711 failed in download_model" in error
    assert "reconstruction.swc is missing" in error


def test_failure_is_forced_to_be_tried_again(failed):
    arguments = ("--cores", "1", "models", "--config", "cells=config/one.tsv")
    assert snakemake(failed, *arguments).returncode == 1
    assert "Nothing to be done" in snakemake(failed, *arguments).stderr
    again = snakemake(failed, *arguments, "--forcerun", "download_model")
    assert again.returncode == 1 and "Fetching and checking model 4711" in again.stderr


def test_error_of_the_environment_is_no_failure_of_the_model(failed):
    """Pip has no index to download from, so that the source has to be tried again."""
    shutil.rmtree(failed / "allen_models" / "wheel")
    (failed / "config" / "one.tsv").write_text("model_id\n473862421\n")
    environment = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    arguments = ("--cores", "1", "models", "--config", "cells=config/one.tsv")
    result = snakemake(failed, *arguments, environment=environment)
    assert result.returncode == 1 and "pip could not download the wheel" in first_error(result)
    assert not (failed / "allen_models" / "neuronal_model_473862421" / "verified.json").exists()
    assert "failed in" not in result.stderr


def text_of_page(path):
    """The words of an HTML file."""
    return html.unescape(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))


# What runs again


def table_of_reruns():
    """The rows of the table in docs/faults.md: a change of the configuration, and the rules that run again."""
    rows = []
    for line in (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 and cells[0].startswith("`") and ": " in cells[0]:
            rows.append((cells[0].strip("`"), set(cells[1].replace(",", " ").split())))
    return rows


@pytest.mark.parametrize(("change", "expected"), table_of_reruns(), ids=lambda value: value if isinstance(value, str) else "")
def test_changed_value_runs_what_depends_on_it_and_nothing_else(change, expected, finished, tmp_path):
    keys, value = change.split(": ", 1)
    content = yaml.safe_load(value)
    for key in reversed(keys.split(".")):
        content = {key: content}
    (tmp_path / "change.yaml").write_text(yaml.safe_dump(content))
    assert jobs_of_dry_run(finished, "--configfile", str(tmp_path / "change.yaml")) == expected - {"nothing"} | (
        {"save_config", "write_report"} if expected != {"nothing"} else set()
    )
