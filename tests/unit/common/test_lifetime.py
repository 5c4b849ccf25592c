"""Jobs end with their workflow, and clean up when they are told to end."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest
from support import ROOT

from allenrec.common.lifetime import WORKFLOW

JOB = f"""
import os, sys, time
from types import SimpleNamespace
sys.path.insert(0, {str(ROOT / "scripts")!r})
from allenrec.common.files import written_beside
from allenrec.common.job_log import job_log
folder = sys.argv[1]
with job_log(SimpleNamespace(log=[folder + "/log"])) as terminal, written_beside(folder + "/result") as temporary:
    temporary.write_text("half")
    print(os.getpid(), file=terminal, flush=True)
    time.sleep(60)
"""
#: A workflow that starts a job by a shell, which waits for it, as Snakemake does
RUN = f"""
import os, subprocess, sys
os.environ[{WORKFLOW!r}] = str(os.getpid())
subprocess.run(["bash", "-c", 'set -e; "$0" -c "$1" "$2"; true', sys.executable, sys.argv[1], sys.argv[2]])
"""


def pid_of_job(process):
    assert select.select([process.stderr], [], [], 30)[0], "the job did not start"
    return int(process.stderr.readline())


def wait_for_end(pid, seconds=8):
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_job_that_is_told_to_end_leaves_nothing_half_written(number, tmp_path):
    job = subprocess.Popen([sys.executable, "-c", JOB, tmp_path], stderr=subprocess.PIPE, text=True)
    os.kill(pid_of_job(job), number)
    assert job.wait(8) == 128 + number
    assert os.listdir(tmp_path) == ["log"]


def test_job_ends_with_a_workflow_that_is_killed(tmp_path):
    """Nobody has waited for the killed workflow yet, so that its process is still to be seen."""
    workflow = subprocess.Popen([sys.executable, "-c", RUN, JOB, tmp_path], stderr=subprocess.PIPE, text=True)
    pid = pid_of_job(workflow)
    time.sleep(0.3)
    os.kill(workflow.pid, signal.SIGKILL)
    assert wait_for_end(pid)
    workflow.wait()
    assert os.listdir(tmp_path) == ["log"]


def test_hangup_that_is_ignored_stays_ignored(tmp_path):
    """As under `nohup`."""
    job = subprocess.Popen(
        ["nohup", sys.executable, "-c", JOB, tmp_path], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    first = job.stderr.readline()
    pid = int(first) if first.strip().isdigit() else pid_of_job(job)
    os.kill(pid, signal.SIGHUP)
    time.sleep(0.5)
    assert job.poll() is None
    job.terminate()
    assert job.wait(8) == 128 + signal.SIGTERM


def test_workflow_that_cannot_be_seen_is_no_reason_to_end(tmp_path):
    """A job in another container sees other processes."""
    environment = os.environ | {WORKFLOW: "4194304"}
    job = subprocess.Popen([sys.executable, "-c", JOB, tmp_path], env=environment, stderr=subprocess.PIPE, text=True)
    pid_of_job(job)
    time.sleep(0.5)
    assert job.poll() is None
    job.kill()
    job.wait()


@pytest.mark.parametrize("closed", ["1", "2", "0 1 2"])
def test_job_with_closed_streams_writes_its_log(closed, tmp_path):
    job = f"""
import sys
from types import SimpleNamespace
sys.path.insert(0, {str(ROOT / "scripts")!r})
from allenrec.common.job_log import job_log
with job_log(SimpleNamespace(log=[sys.argv[1] + "/log"])) as terminal:
    print("for the terminal", file=terminal, flush=True)
    print("for the log")
    raise OSError("full")
"""
    closing = " ".join(f"{number}>&-" for number in closed.split())
    result = subprocess.run(["bash", "-c", f'"$0" -c "$1" "$2" {closing}', sys.executable, job, tmp_path], capture_output=True)
    assert result.returncode == 1
    assert (tmp_path / "log").read_text() == "for the log\nerror: full\n"


def test_terminal_that_was_closed_fails_no_job(tmp_path):
    """As by `snakemake 2>&1 | head -1`."""
    job = f"""
import sys, time
from types import SimpleNamespace
sys.path.insert(0, {str(ROOT / "scripts")!r})
from allenrec.common.job_log import job_log
with job_log(SimpleNamespace(log=[sys.argv[1] + "/log"])) as terminal:
    time.sleep(0.2)
    print("for nobody", file=terminal, flush=True)
    print("for the log")
"""
    command = ["bash", "-c", '"$0" -c "$1" "$2" 2>&1 | true; exit ${PIPESTATUS[0]}', sys.executable, job, tmp_path]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert (tmp_path / "log").read_text() == "for the log\n"


@pytest.mark.parametrize("error", ["", "raise MemoryError"])
def test_job_that_answers_does_so_on_standard_output_and_complains_on_standard_error(error, tmp_path):
    job = f"""
import sys
from types import SimpleNamespace
sys.path.insert(0, {str(ROOT / "scripts")!r})
from allenrec.common.job_log import job_log
with job_log(SimpleNamespace(log=[sys.argv[1] + "/log"]), answers=True) as terminal:
    print("the answer", file=terminal)
    print("for the log")
    {error}
"""
    result = subprocess.run([sys.executable, "-c", job, tmp_path], capture_output=True, text=True)
    assert result.stdout == "the answer\n" and result.returncode == bool(error) and "Traceback" not in result.stderr
    last = "error: out of memory: no more could be had; free some, or make less at once\n" if error else ""
    assert (tmp_path / "log").read_text() == f"for the log\n{last}"


def test_job_that_succeeds_ends_at_once_after_all_that_it_has_begun(tmp_path):
    """Python does not take apart what is loaded; threads, what is registered for the end, and what C has printed are there."""
    job = f"""
import atexit, ctypes, sys, threading, time
from types import SimpleNamespace
sys.path.insert(0, {str(ROOT / "scripts")!r})
from allenrec.common.job_log import job_log
class TakenApart:
    def __del__(self):
        print("taken apart")
loaded = TakenApart()
def late():
    time.sleep(0.2)
    print("from a thread")
with job_log(SimpleNamespace(log=[sys.argv[1] + "/log"])) as terminal:
    atexit.register(print, "registered")
    threading.Thread(target=late).start()
    ctypes.CDLL(None).printf(b"from C\\n")
"""
    subprocess.run([sys.executable, "-c", job, tmp_path], check=True)
    assert sorted((tmp_path / "log").read_text().splitlines()) == ["from C", "from a thread", "registered"]
