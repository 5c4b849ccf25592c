"""Helpers of several tests."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from allenrec.common.checksums import WrittenChecksums

ROOT = Path(__file__).parents[1]

#: The names of the tests that this session has collected, also of those that it does not run
COLLECTED = pytest.StashKey()

#: The complete models of the bmtk wheel
WHEEL_MODELS = ("472363762", "473863510", "473863035", "472912177", "473862421")

#: Two of the 13 models of the Blue Brain Project in the wheel of MEArec: an interneuron and a pyramidal cell
BBP_MODELS = ("L5_BP_bAC217_1", "L5_STPC_cADpyr232_1")

#: The cells of the fixture `mixed`, these two and one of the Allen Institute, with their types
MIXED_CELLS = {BBP_MODELS[0]: "L5_BP", BBP_MODELS[1]: "L5_STPC", "473863510": "spiny"}


def run_python(code, *arguments, **options):
    """Run code in a process of its own, with the library on its path; return what it prints as JSON on its last line.

    `options` are those of `subprocess.run`.
    """
    scripts = str(ROOT / "scripts")
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {scripts!r})\n{code}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1]) if result.stdout.strip() else None


#: Numbers of Linux: to take a capability from this process and all that it starts; to read and write, and to change, any file
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER = 24, 1, 2, 3


def without_privileges():
    """Let permissions bind the program that this process becomes, also if it is root's; for `preexec_fn` of `subprocess`."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def require_permissions_bind(folder):
    """Skip a test if permissions do not bind programs even so, as on some file systems."""
    closed = folder / "closed"
    closed.touch(mode=0)
    if run_python("import json, os; print(json.dumps(os.access(sys.argv[1], os.R_OK)))", closed, preexec_fn=without_privileges):
        pytest.skip("permissions do not bind this user here, and the privileges of root cannot be dropped")
    closed.unlink()


def add_checksums(path):
    """Give a file that a test changed, as with h5py, checksums of what it holds now."""
    with open(path, "r+b") as file:
        WrittenChecksums().append_to(file)


def session_folder(tmp_path_factory):
    """Return the temporary folder of the session, which all workers of pytest-xdist share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def made_once(folder, make):
    """Let the first worker that needs a folder make it, and the others wait for it; return the folder.

    This is the pattern of pytest-xdist's documentation for session fixtures. `make` gets the path and creates the folder.
    """
    done = folder.with_name(f"{folder.name}.done")
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            make(folder)
            done.touch()
    return folder
