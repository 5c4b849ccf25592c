"""What is shown of programs that fail: real outputs, and what a person must be told of each."""

import subprocess
import sys

import pytest

from allenrec.common.processes import describe_exception, describe_exit, last_words, reason_in_log

CALLED = """Traceback (most recent call last):
  File "/env/bin/nrnivmodl", line 126, in <module>
    subprocess.check_call([exe, *sys.argv[1:]])
  File "/usr/lib/python3.11/subprocess.py", line 413, in check_call
    raise CalledProcessError(retcode, cmd)
subprocess.CalledProcessError: Command '['/env/bin/nrnivmodl', '.']' returned non-zero exit status 2.
"""

#: Standard output of nrnivmodl; it speaks of errors also where there are none
TALK = """Mod files: "./CaDynamics.mod"
 -> \x1b[32mNMODL\x1b[0m .././CaDynamics.mod

NOTE: If you are encountering MOD file compilation errors only with NEURON version 9.0 or later
refer to the C++ migration guide at https://www.neuronsimulator.org/en/9.0.0/guide/porting_mechanisms_to_cpp.html
"""

#: Of each case: standard output, standard error, what must be shown, and what must not
OUTPUTS = {
    "nrnivmodl, no library of Python": (
        "",
        """Traceback (most recent call last):
  File "/env/bin/nrnivmodl", line 121, in <module>
    exe = _config_exe(os.path.basename(sys.argv[0]))
          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/env/bin/nrnivmodl", line 93, in _config_exe
    raise ValueError(
ValueError: unable to locate the Python shared library; please make sure it is installed
""",
        "ValueError: unable to locate the Python shared library; please make sure it is installed",
        "Traceback",
    ),
    "nrnivmodl, syntax": (
        TALK,
        f"""Translating CaDynamics.mod into /tmp/x86_64/CaDynamics.cpp
syntax error:
 Error: Illegal block at line 6 in file CaDynamics.mod
\tUSEION ca READ ica +* WRITE cai
\t                   ^
make: *** [makemod2c_inc:3: CaDynamics.cpp] Error 1
{CALLED}""",
        "Error: Illegal block at line 6 in file CaDynamics.mod | USEION ca READ ica +* WRITE cai",
        "CalledProcessError",
    ),
    "nrnivmodl, compiler killed": (
        TALK,
        f"""\x1b[01mg++:\x1b[0m fatal error: Killed signal terminated program cc1plus
compilation terminated.
make: *** [nrnmech_makefile:145: mod_func.o] Error 1
{CALLED}""",
        "g++: fatal error: Killed signal terminated program cc1plus",
        "migration guide",
    ),
    "nrnivmodl, compiler missing": (
        TALK,
        f"""make: clang++: No such file or directory
make: *** [nrnmech_makefile:145: mod_func.o] Error 127
{CALLED}""",
        "make: clang++: No such file or directory",
        "Traceback",
    ),
    "nrnivmodl, only the wrapper speaks": (TALK, CALLED, "returned non-zero exit status 2", "Traceback"),
    "pip, no network": (
        "",
        """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(Connection refused)': /simple/bmtk/
ERROR: Could not find a version that satisfies the requirement bmtk==1.2.0 (from versions: none)
ERROR: No matching distribution found for bmtk==1.2.0
""",
        "Connection refused",
        "\n",
    ),
    "pip, disk full": (
        "",
        """ERROR: Exception:
Traceback (most recent call last):
  File "/env/pip/_internal/cli/base_command.py", line 180, in exc_logging_wrapper
    status = run_func(*args)
             ^^^^^^^^^^^^^^^
OSError: [Errno 28] No space left on device: '/tmp/pip-unpack/bmtk-1.2.0-py2.py3-none-any.whl'
""",
        "OSError: [Errno 28] No space left on device",
        "run_func",
    ),
    "no pip": ("", "/usr/bin/python3: No module named pip\n", "/usr/bin/python3: No module named pip", "\n"),
    "two exceptions": (
        "",
        """Traceback (most recent call last):
  File "<string>", line 1, in <module>
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "<string>", line 3, in <module>
filelock.Timeout: the lock could not be had
""",
        "filelock.Timeout: the lock could not be had",
        "line 3",
    ),
    "standard output only": ("one\n\ntwo\n", " \n", "one | two", "without any output"),
    "nothing": ("", "\n\x1b[0m\n", "exit code 1, without any output", "\n"),
}


@pytest.mark.parametrize(("stdout", "stderr", "shown", "hidden"), OUTPUTS.values(), ids=OUTPUTS)
def test_the_reason_is_shown_on_one_line(stdout, stderr, shown, hidden):
    words = last_words(subprocess.CompletedProcess(["program"], 1, stdout, stderr))
    assert shown in words and hidden not in words
    assert words == words.strip() and "\n" not in words and "\x1b" not in words


def test_a_killed_program_is_said_to_be_killed():
    result = subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], capture_output=True, text=True)
    assert last_words(result) == "the signal SIGKILL, without any output"
    assert describe_exit(7) == "exit code 7"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("mean error 0.1\nerror: model 1: fit.json is missing\n", "model 1: fit.json is missing"),
        (OUTPUTS["two exceptions"][1], "filelock.Timeout: the lock could not be had"),
        (OUTPUTS["two exceptions"][1] + "error: the last\nbye\n", "the last"),
        ("Traceback (most recent call last):\n  cut off", None),
        ("mean error 0.1 µV\n", None),
        ("", None),
    ],
)
def test_a_log_says_why_a_job_failed(log, reason):
    assert reason_in_log(log) == reason


def test_an_exception_without_a_message_is_named():
    assert describe_exception(NotImplementedError()) == "NotImplementedError"
    assert describe_exception(OSError("two\nlines")) == "two lines"
    cure = "; free some, or make less at once"
    assert describe_exception(MemoryError()) == f"out of memory: no more could be had{cure}"
    assert describe_exception(MemoryError("Unable to allocate 7 GiB")) == f"out of memory: Unable to allocate 7 GiB{cure}"
