"""The profiles of clusters on a real Slurm: the bytes of a workstation, also when jobs, nodes or Snakemake itself die."""

import re
import signal
import subprocess
import sys

import pytest
from slurm.cluster import cancel, jobs, wait_for
from workflow.snake import assert_equal_datasets, clean_environment, snakemake

pytestmark = pytest.mark.slurm

#: The profile as it is, but for waiting: this is no network file system, and jobs take seconds
ON_SLURM = (
    *("--workflow-profile", "profiles/slurm", "--latency-wait", "10"),
    *("--slurm-init-seconds-before-status-checks", "3"),
)

#: The profile for any batch system, whose commands are Slurm's
ON_ANY = (
    *("--workflow-profile", "profiles/cluster-generic", "--latency-wait", "10"),
    *("--seconds-between-status-checks", "3"),
)


@pytest.fixture
def start(idle):
    """Start Snakemake in the background, its messages in `run.log`; it is ended with the test."""
    started = []

    def begin(folder, *arguments, profile=ON_SLURM):
        command = [sys.executable, "-m", "snakemake", *profile, *arguments]
        with open(folder / "run.log", "w") as log:
            process = subprocess.Popen(command, cwd=folder, env=clean_environment(), stdout=log, stderr=subprocess.STDOUT)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def finished(process, folder, reference, seconds=900):
    """Wait for the end of a run, which must be a good one, with the results of the reference; return its messages."""
    assert process.wait(seconds) == 0, (folder / "run.log").read_text()[-5000:]
    assert_equal_datasets(folder, reference)
    return (folder / "run.log").read_text()


def running(what):
    """The first running job whose comment (rules and wildcards) has a word in it."""
    found = wait_for(lambda: [job for job in jobs(states="R") if what in job["comment"]], 300, f"a job of {what} runs")
    return found[0]


def attempts(what, after):
    """All jobs of a rule or group, submitted later than a job id."""
    return [job for job in jobs() if what in job["comment"] and int(job["id"]) > after]


@pytest.fixture
def last_job(idle):
    """Id of the last job of the tests before."""
    return max((int(job["id"]) for job in jobs()), default=0)


def test_same_bytes_as_on_a_workstation_from_few_jobs(start, two_cells, reference, last_job):
    folder = two_cells("plain")
    finished(start(folder), folder, reference)
    done = [job for job in jobs() if int(job["id"]) > last_job]
    assert {job["state"] for job in done} == {"COMPLETED"}
    # A job for each model, one for each of the library, the recording, the table of cells and the report
    assert len(done) == 2 + 4
    assert {job["node"] for job in done} == {"n1", "n2"}
    again = snakemake(folder, *ON_SLURM)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr


def test_cancelled_job_is_tried_again_with_more(start, two_cells, reference, last_job):
    folder = two_cells("cancelled")
    process = start(folder)
    victim = running("rule_cell_")
    subprocess.run(["scancel", victim["id"]], check=True)
    assert "Trying to restart" in finished(process, folder, reference)
    assert next(job for job in jobs() if job["id"] == victim["id"])["state"] == "CANCELLED"
    repeated = attempts("rule_cell_", int(victim["id"]))[-1]
    assert repeated["state"] == "COMPLETED" and megabytes(repeated) == 2 * megabytes(victim)


def test_job_over_its_memory_or_time_is_tried_again_with_more(start, two_cells, reference, last_job):
    """The recording gets too little memory; the report takes longer than the minute that it is given at first."""
    folder = two_cells("limits")
    script = folder / "scripts" / "report" / "write_report.py"
    script.write_text(script.read_text() + "    import time\n\n    time.sleep(75)\n")
    # What is drawn side by side adds up: the job asks for 300 MB.
    too_little = [
        "generate_recording:mem_mb=300*attempt",
        "plot_recording:mem_mb=150*attempt",
        "view_recording:mem_mb=150*attempt",
    ]
    process = start(folder, "--set-resources", *too_little, "write_report:runtime=attempt")
    finished(process, folder, reference)
    recording, report = attempts("recording", last_job), attempts("write_report", last_job)
    assert [megabytes(job) for job in recording] == [300 * (k + 1) for k in range(len(recording))] and len(recording) > 1
    assert {job["state"] for job in recording[:-1]} <= {"FAILED", "OUT_OF_MEMORY"} and recording[-1]["state"] == "COMPLETED"
    assert [(job["state"], job["limit"]) for job in report] == [("TIMEOUT", "1:00"), ("COMPLETED", "2:00")]


def test_lost_node_costs_no_result(start, two_cells, reference, idle):
    folder = two_cells("lost_node")
    process = start(folder)
    victim = running("rule_cell_")
    idle.crash_node(victim["node"])
    try:
        finished(process, folder, reference)
    finally:
        idle.start_node(victim["node"])
    assert next(job for job in jobs() if job["id"] == victim["id"])["state"] == "NODE_FAIL"
    other = {"n1": "n2", "n2": "n1"}[victim["node"]]
    assert attempts("rule_cell_", int(victim["id"]))[-1]["node"] == other


def test_killed_snakemake_finishes_the_rest_only(start, two_cells, reference, last_job):
    """As docs/cluster.md says: cancel what is still in the queue, unlock, run again."""
    folder = two_cells("killed")
    process = start(folder, "--jobs", "1")
    done = folder / "results" / "libraries" / "neuronexus" / "cells"
    first = wait_for(lambda: list(done.glob("[0-9]*.h5")), 300, "the templates of a model")[0]
    wait_for(lambda: len(attempts("rule_cell_", last_job)) == 2, 120, "the job of the other model")
    process.send_signal(signal.SIGKILL)
    process.wait()
    cancel()
    made = first.stat().st_mtime_ns
    assert snakemake(folder, "--unlock").returncode == 0
    messages = finished(start(folder), folder, reference)
    assert first.stat().st_mtime_ns == made and first.stem in ("473863510", "472912177")
    assert f"Simulating spikes of model {first.stem}" not in messages
    assert re.search("Simulating spikes of model [0-9]+", messages)
    assert not list((folder / "results").rglob(".*part*"))


def test_any_batch_system_gives_the_same_bytes_also_after_a_cancelled_job(start, two_cells, reference, last_job):
    """Only the status command sees that a job was cancelled: a killed script leaves no word of its end."""
    folder = two_cells("generic")
    process = start(folder, profile=ON_ANY)
    victim = wait_for(lambda: [job for job in jobs(states="R") if int(job["id"]) > last_job], 300, "a job runs")[0]
    log = folder / ".snakemake" / "batch_logs" / f"{victim['id']}.log"
    # Slurm may start a script although it has cancelled its job in the same second.
    wait_for(lambda: log.exists() and log.stat().st_size, 120, "its script has begun")
    subprocess.run(["scancel", victim["id"]], check=True)
    assert "Trying to restart" in finished(process, folder, reference)
    done = [job for job in jobs() if int(job["id"]) > last_job]
    assert [job["id"] for job in done if job["state"] != "COMPLETED"] == [victim["id"]]
    assert 2 * megabytes(victim) in [megabytes(job) for job in done]


def megabytes(job):
    """Memory that a job asked for."""
    number, unit = re.fullmatch(r"([0-9.]+)([MG])", job["memory"]).groups()
    return float(number) * {"M": 1, "G": 1024}[unit]
