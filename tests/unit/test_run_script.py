"""`make run` says a line a stage. A program that prints what Snakemake prints stands in for it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from support import ROOT

#: What Snakemake 9 writes to standard error, shortened
OUTPUT = """Building DAG of jobs...
Job stats:
job                  count
-----------------  -------
all                      1
plot_cell                2
simulate_spikes          3
total                    6

[Thu Nov 26 00:48:08 2026]
Finished jobid: 13 (Rule: simulate_spikes)
1 of 6 steps (17%) done
Finished jobid: 9 (Rule: simulate_spikes)
Finished jobid: 4 (Rule: simulate_spikes)
Finished jobid: 5 (Rule: plot_cell)
model 4711 failed in download_model: no such file
"""


@pytest.fixture
def run(tmp_path):
    """Start the script with a `snakemake` of Python code."""

    def start(code, **streams):
        program = tmp_path / "snakemake"
        program.write_text(f"#!{sys.executable}\nimport sys, time\n{code}\n")
        program.chmod(0o755)
        environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        command = [sys.executable, ROOT / "scripts" / "run.py", "--cores", "1"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)

    return start


def test_finished_stages_are_lines_and_the_rest_is_left_out(run):
    out, errors = run(f"print({OUTPUT!r}, file=sys.stderr)").communicate()
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0].startswith("6 jobs; ") and lines[1].endswith("Spikes simulated: 3 jobs") and len(lines) == 2
    assert errors.splitlines() == ["model 4711 failed in download_model: no such file"]


def test_error_of_ours_is_shown_and_the_exit_code_passed_on(run):
    process = run(f"print({OUTPUT!r}, file=sys.stderr); print('  error: no room', file=sys.stderr); sys.exit(1)")
    _, errors = process.communicate()
    assert process.returncode == 1 and errors.splitlines()[-1] == "error: no room" and "Building" not in errors


def test_last_words_are_shown_if_there_is_no_error_of_ours(run):
    process = run("print('LockException: locked', file=sys.stderr); sys.exit(2)")
    assert "LockException: locked" in process.communicate()[1] and process.returncode == 2


def test_interrupted_run_ends_in_one_line(run):
    """Ctrl-C reaches all processes of the terminal."""
    process = run(
        "print('ready', flush=True)\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    sys.exit('Traceback ...')"
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert [line for line in errors.splitlines() if line] == [
        "Stopped. Run the same command again to go on from here: what is finished is not made again."
    ]


def closed():
    """Close the standard output, as `>&-` does."""
    os.close(1)


@pytest.mark.parametrize("way", ["nobody reads", "full", "closed", "all is closed"])
def test_run_goes_on_if_its_lines_are_lost(way, run, tmp_path):
    """The exit code is that of Snakemake, which writes a file here after some lines."""
    code = f"print({OUTPUT!r}, file=sys.stderr, flush=True); time.sleep(0.2); print({OUTPUT!r}, file=sys.stderr)"
    code += f"; open({str(tmp_path / 'made')!r}, 'w').close(); sys.exit(3)"
    if way == "full":
        with open("/dev/full", "w") as full:
            process = run(code, stdout=full, stderr=full)
    elif way == "nobody reads":
        process = run(code)
        process.stdout.close()
    else:
        process = run(code, preexec_fn=closed if way == "closed" else lambda: [os.close(number) for number in (0, 1, 2)])
    errors = process.communicate()[1] or ""
    assert process.returncode == 3 and (tmp_path / "made").exists()
    assert "Traceback" not in errors and "Exception ignored" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_snakemake_ends_with_the_script(number, run, tmp_path):
    """As where `timeout 3600 make run` ends `make`, which ends the script."""
    process = run(f"import os, pathlib\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(60)")
    deadline = time.monotonic() + 20
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    started = int((tmp_path / "pid").read_text())
    process.send_signal(number)
    process.communicate()
    while os.path.exists(f"/proc/{started}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.returncode == -number and not os.path.exists(f"/proc/{started}")
