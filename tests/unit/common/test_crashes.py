"""A job whose code in C crashes tells so in one line; any other end is that of the job itself."""

import signal
import subprocess
import sys
import time

import pytest
from support import ROOT

from allenrec.common.outcomes import Failure, failure_of

JOB = """
import os, signal, sys
from types import SimpleNamespace
from allenrec.common.crashes import in_child, time_limit
from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

snakemake = SimpleNamespace(log=["job.log"], input=dict(), output=["4711.json"], wildcards=SimpleNamespace(model="4711"))
with (
    job_log(snakemake) as terminal,
    recorded_outcome(snakemake, "simulate_spikes", terminal),
    in_child("NEURON", lambda: open("cleaned", "w").close()),
):
    print("computing", flush=True)
    {code}
    print("done")
"""


def run(tmp_path, code):
    command = [sys.executable, "-c", JOB.format(code=code)]
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": ""}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE", "SIGBUS"])
def test_crash_is_the_failure_of_the_model(tmp_path, name):
    result = run(tmp_path, f"os.kill(os.getpid(), signal.{name})")
    reason = f"NEURON crashed with the signal {name}; it cannot take some value in the model's files"
    assert failure_of(tmp_path / "4711.json") == Failure("4711", "simulate_spikes", reason)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == f"model 4711 failed in simulate_spikes: {reason}\n"
    assert "computing" in (tmp_path / "job.log").read_text() and (tmp_path / "cleaned").exists()


def test_real_crash_of_code_in_c(tmp_path):
    run(tmp_path, "import ctypes; ctypes.string_at(0)")
    assert "SIGSEGV" in failure_of(tmp_path / "4711.json").reason


@pytest.mark.parametrize(
    ("code", "returncode", "log"),
    [
        ("open('4711.json', 'w').write('{}')", 0, "done"),
        ("sys.exit(1)", 1, "computing"),
        ("raise ValueError('odd')", 1, "ValueError: odd"),
        ("raise OSError('full')", 1, "error: full"),
        # These come from outside
        ("os.kill(os.getpid(), signal.SIGTERM)", 128 + signal.SIGTERM, "computing"),
        ("os.kill(os.getpid(), signal.SIGUSR1)", -signal.SIGUSR1, "computing"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            -signal.SIGKILL,
            "error: NEURON was killed (SIGKILL), as the system does when memory is used up",
        ),
    ],
    ids=["end", "exit", "error", "disk", "ended", "other signal", "killed"],
)
def test_other_ends_are_those_of_the_job(tmp_path, code, returncode, log):
    result = run(tmp_path, code)
    assert result.returncode == returncode and (tmp_path / "4711.json").exists() == (returncode == 0)
    text = (tmp_path / "job.log").read_text()
    assert text.splitlines()[-1] == log and text.count("computing") == 1
    assert (tmp_path / "cleaned").exists() == (returncode < 0)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_code_that_ends_the_process_is_the_failure_of_the_model(tmp_path, code):
    """`quit()` in hoc ends with exit code 0, which looks like success, and `quit(1)` with that of a job that told its error."""
    result = run(tmp_path, f"os._exit({code})")
    failure = failure_of(tmp_path / "4711.json")
    assert failure.reason == f"its code ended NEURON with exit code {code}, as quit() in hoc or os._exit() in Python do"
    assert (result.returncode, result.stderr) == (0, f"{failure}\n") and (tmp_path / "cleaned").exists()


def test_programs_that_the_code_has_started_do_not_hold_the_job(tmp_path):
    start = time.monotonic()
    run(tmp_path, "import subprocess; subprocess.Popen(['/bin/sleep', '20'], close_fds=False, stderr=-3); os._exit(1)")
    assert failure_of(tmp_path / "4711.json") and time.monotonic() - start < 15


def test_code_that_does_not_end_is_the_failure_of_the_model(tmp_path):
    """The loop is one call in C, in which no Python handler of a signal would run."""
    code = "import itertools\n    with time_limit(1): sum(itertools.repeat(0))"
    run(tmp_path, code)
    reason = "its code does not end: the cell was not built within models.max_build_time"
    assert failure_of(tmp_path / "4711.json") == Failure("4711", "simulate_spikes", reason)
    run(tmp_path, "with time_limit(1): pass\n    import time; time.sleep(1.5); open('4711.json', 'w').write('{}')")
    assert failure_of(tmp_path / "4711.json") is None


def test_child_ends_with_its_parent(tmp_path):
    """Snakemake ends the process that it has started."""
    code = "open('child', 'w').write(str(os.getpid())); import time; time.sleep(60)"
    command = [sys.executable, "-c", JOB.format(code=code)]
    process = subprocess.Popen(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "scripts"), "PATH": ""})
    deadline = time.monotonic() + 30
    while not ((tmp_path / "child").exists() and (tmp_path / "child").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    process.wait()
    status = f"/proc/{(tmp_path / 'child').read_text()}/stat"
    while time.monotonic() < deadline:
        try:
            with open(status) as file:
                if file.read().split()[2] == "Z":  # dead, and not yet collected by the system
                    return
        except FileNotFoundError:
            return
        time.sleep(0.02)
    pytest.fail("the child lives on")
