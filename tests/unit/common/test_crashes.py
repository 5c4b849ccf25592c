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
from allenrec.common.crashes import go_on_in_child, time_limit
from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

snakemake = SimpleNamespace(log=["job.log"], input=dict(), output=["4711.json"], wildcards=SimpleNamespace(model="4711"))
with job_log(snakemake) as terminal, recorded_outcome(snakemake, "simulate_spikes", terminal):
    go_on_in_child("NEURON", "4711.json")
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
    assert "computing" in (tmp_path / "job.log").read_text()


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
        # It comes from outside, such as that of a system without memory
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, "computing"),
    ],
    ids=["end", "exit", "error", "disk", "killed"],
)
def test_other_ends_are_those_of_the_job(tmp_path, code, returncode, log):
    result = run(tmp_path, code)
    assert result.returncode == returncode and (tmp_path / "4711.json").exists() == (returncode == 0)
    text = (tmp_path / "job.log").read_text()
    assert text.splitlines()[-1] == log and text.count("computing") == 1


@pytest.mark.parametrize("code", ["os._exit(0)", "os._exit(3)", "pass"], ids=["well", "badly", "without result"])
def test_code_that_ends_the_process_is_the_failure_of_the_model(tmp_path, code):
    """NEURON's quit() ends the process with exit code 0, which looks like success."""
    run(tmp_path, code)
    failure = failure_of(tmp_path / "4711.json")
    assert failure.reason.startswith(f"its code ended NEURON with exit code {3 if '3' in code else 0}")


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
