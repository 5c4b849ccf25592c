"""Isolation: what an isolated process cannot do, tried in processes of their own, as root and as an ordinary user."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from support import ROOT

from allenrec.common.isolation import missing_isolation

#: It needs nothing but Python, so that the system's Python can load it, which all users can run
MODULE = ROOT / "scripts" / "allenrec" / "common" / "isolation.py"

TRY = """
import encodings.idna, json, os, socket, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import isolation
folder, listener = Path(sys.argv[2]), int(sys.argv[3])
if sys.argv[4:] == ["refused"]:
    isolation._namespaces = isolation._landlock_version = lambda: 0
start = time.perf_counter()
offline, restricted = isolation.leave_network(), isolation.restrict_writing([folder / "own"])
missing = isolation.describe_missing(offline=offline, restricted=restricted)
seconds = time.perf_counter() - start
def works(action):
    try:
        action()
        return True
    except (OSError, subprocess.CalledProcessError):
        return False
def shell(command):
    subprocess.run(command, shell=True, check=True, stderr=subprocess.DEVNULL, cwd=folder)
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", listener))
own, other = folder / "own", folder / "other"
print(json.dumps({"missing": missing, "seconds": seconds, "works": {
    "tcp": works(lambda: socket.create_connection(("127.0.0.1", listener), 2)),
    "udp": works(udp),
    "read": works((other / "file").read_bytes),
    "write": works(lambda: (other / "file").write_text("x")),
    "truncate": works(lambda: os.truncate(other / "file", 0)),
    "create": works(lambda: (other / "new").write_text("x")),
    "remove": works((other / "file").unlink),
    "rename": works(lambda: os.replace(other / "file", own / "file")),
    "link": works(lambda: os.symlink("/etc/passwd", other / "link")),
    "child": works(lambda: shell("echo x > other/from_child")),
    "own": works(lambda: (own / "new").write_text("x")),
    "own rename": works(lambda: os.replace(own / "new", own / "newer")),
    "own child": works(lambda: shell("mkdir own/deep && echo x > own/deep/from_child 2> /dev/null")),
}}))
"""

ALLOWED = {"read", "own", "own rename", "own child"}


@pytest.fixture
def listener():
    """A port of the loopback interface on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def tried(tmp_path, listener, *options, python=sys.executable, **user):
    """Return what an isolated process could do with two folders and a port."""
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    (tmp_path / "other" / "file").write_text("content")
    (tmp_path / "other" / "file").chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    command = [python, "-c", TRY, str(MODULE.parent), str(tmp_path), str(listener), *options]
    result = subprocess.run(command, capture_output=True, text=True, **user)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


ORDINARY = {"user": 65534, "group": 65534, "extra_groups": []}


def python_of(user):
    """Return a Python that a user can run."""
    for python in filter(os.path.exists, (sys.executable, "/usr/bin/python3")):
        try:
            if subprocess.run([python, "-c", "import ctypes, encodings.idna"], cwd="/", **user).returncode == 0:
                return python
        except PermissionError:
            continue
    pytest.skip("only root can become another user, who must be able to run Python")


@pytest.mark.parametrize("user", [{}, ORDINARY], ids=["this user", "an ordinary user"])
def test_isolated_process_reaches_no_network_and_writes_in_its_folder_only(user, tmp_path, listener):
    if missing_isolation():
        pytest.skip(f"this system does not take away {missing_isolation()}")
    found = tried(tmp_path, listener, python=python_of(user), **user)
    assert found["missing"] == ""
    assert {name for name, works in found["works"].items() if works} == ALLOWED
    assert (tmp_path / "other" / "file").read_text() == "content"


def test_isolation_takes_no_time(tmp_path, listener):
    """The bound is that of a whole job; a busy machine gets several tries."""
    times = []
    for attempt in range(5):
        (tmp_path / str(attempt)).mkdir()
        times.append(tried(tmp_path / str(attempt), listener)["seconds"])
        if times[-1] < 0.05:
            break
    assert min(times) < 0.05


def test_system_that_offers_nothing_leaves_all_as_it_was_and_it_is_said(tmp_path, listener):
    """As an old kernel, or a container that forbids namespaces."""
    found = tried(tmp_path, listener, "refused")
    assert "the network" in found["missing"] and "files elsewhere" in found["missing"]
    works = found["works"]
    assert works["own"] and works["tcp"] and works["child"] and works["create"]


SLEEP = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from allenrec.common.isolation import isolate
isolate([Path(sys.argv[2])])
print("ready", flush=True)
time.sleep(60)
"""


def test_isolated_process_ends_when_it_is_told_to(tmp_path):
    command = [sys.executable, "-c", SLEEP, str(ROOT / "scripts"), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        start = time.monotonic()
        process.terminate()
        assert process.wait() == -15 and time.monotonic() - start < 5


def test_questions_are_answered_and_end():
    code = "import sys; from allenrec.common.isolation import answer_with_return; answer_with_return()"
    code += "; print([len(input()), len(sys.stdin.read())])"
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": ""}
    result = subprocess.run([sys.executable, "-c", code], env=environment, input=b"mine\n", capture_output=True, timeout=60)
    answer, more = json.loads(result.stdout)
    assert answer == 0 and 1000 < more < 2**16
