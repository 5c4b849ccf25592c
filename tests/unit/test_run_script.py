"""`make run` says a line a stage. A program that prints what Snakemake prints stands in for it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from support import ROOT, require_permissions_bind, without_privileges

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

    def start(code, *arguments, environment=(), **streams):
        program = tmp_path / "snakemake"
        program.write_text(f"#!{sys.executable}\nimport sys, time\n{code}\n")
        program.chmod(0o755)
        environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"} | dict(environment)
        command = [sys.executable, ROOT / "scripts" / "run.py", "--cores", "1", *arguments]
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


BAD_PROFILE = """usage: snakemake [-h] [--dry-run]
                 [targets ...]
snakemake: error: Couldn't parse config file: while parsing a flow node
expected the node content, but found '<stream end>'
"""
TRACEBACK = """Using profile mine for setting default command line arguments.
Traceback (most recent call last):

  File "snakemake/cli.py", line 2400, in main
    parser, args = parse_args(argv)

PermissionError: [Errno 13] Permission denied: 'mine/config.yaml'
"""


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (BAD_PROFILE, "\n".join(BAD_PROFILE.splitlines()[2:])),
        (
            TRACEBACK,
            "error: PermissionError: [Errno 13] Permission denied: 'mine/config.yaml'; "
            "`snakemake` with the same arguments says where",
        ),
    ],
    ids=["option", "traceback"],
)
def test_list_of_options_and_traceback_are_left_out(printed, expected, run):
    process = run(f"print({printed!r}, file=sys.stderr, end=''); sys.exit(2)")
    assert process.communicate()[1].strip() == expected and process.returncode == 2


CURE = "change its permissions (chmod) or its owner (chown)"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--configfile", "missing.yaml"], "missing.yaml: cannot be read: No such file or directory"),
        (["--configfile=folder"], "folder: not a regular file"),
        (
            ["--configfile", "sound.yaml", "latin.yaml", "-n"],
            "latin.yaml: not text in UTF-8 (byte 4); save it in that encoding",
        ),
        (
            ["--configfiles", "broken.yaml"],
            "broken.yaml: not YAML: line 2: expected the node content, but found '<stream end>'",
        ),
        (["--configfile", "code.yaml"], "code.yaml"),
        (["--configfile", "closed.yaml"], f"closed.yaml: permission denied; {CURE}"),
        (["--configfile", "shut/mine.yaml"], f"shut: permission denied; {CURE}"),
        (["-n", "sound.yaml", "--configfile", "sound.yaml", "--cores", "2"], None),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_configuration_that_cannot_be_read_is_one_line_before_snakemake_reads_it(arguments, expected, run, tmp_path):
    require_permissions_bind(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "shut").mkdir(mode=0)
    for name, content in {
        "sound.yaml": b"seed: 1\n",
        "latin.yaml": b"a: \xe9\n",
        "broken.yaml": b"a: [\n",
        "code.yaml": b"__use_yte__: true\n",
        "closed.yaml": b"seed: 1\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "closed.yaml").chmod(0)
    process = run("sys.exit('Snakemake was started')", *arguments, cwd=tmp_path, preexec_fn=without_privileges)
    (line,) = process.communicate()[1].splitlines()
    assert process.returncode == 1
    assert line.startswith(f"error: {expected}") if expected else line == "Snakemake was started"


@pytest.mark.parametrize("home", ["sound", "closed", "missing", None])
def test_cache_lies_here_where_no_home_folder_can_be_written(home, run, tmp_path):
    require_permissions_bind(tmp_path)
    (tmp_path / "sound").mkdir()
    (tmp_path / "closed").mkdir(mode=0o555)
    path = "/proc/missing" if home == "missing" else str(tmp_path / home) if home else ""
    changes = {"HOME": path, "XDG_CACHE_HOME": ""} if home else {"XDG_CACHE_HOME": str(tmp_path / "closed" / "cache")}
    process = run(
        "import os; print(os.environ['XDG_CACHE_HOME'])", environment=changes, cwd=tmp_path, preexec_fn=without_privileges
    )
    expected = tmp_path / "sound" / ".cache" if home == "sound" else tmp_path / ".snakemake" / "cache"
    assert process.communicate()[0].strip() == str(expected)


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
