"""Helpers of several tests."""

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


def run_python(code, *arguments):
    """Run code in a process of its own, with the library on its path; return what it prints as JSON on its last line."""
    scripts = str(ROOT / "scripts")
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {scripts!r})\n{code}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1]) if result.stdout.strip() else None


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
