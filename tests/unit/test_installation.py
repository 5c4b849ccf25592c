"""What `make` says before it installs anything, and when it installs anew: with a Python that only pretends to."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults.disks import read_only
from fresh.debian import needed_packages
from support import ROOT

#: A Debian without any of the README's packages has these, and many more
BARE = ("sh", "env", "df", "du", "awk", "cut", "head", "touch", "rm", "mkdir", "chmod", "ls", "cat", "perl")

#: It makes environments whose `pip` works, and notes what it is called for
PYTHON = """#!/bin/sh
echo "$@" >> "$RECORD"
case "$*" in
  *version_info*) exit ${TOO_OLD:-0} ;;
  *ensurepip*) exit ${NO_VENV:-0} ;;
  *--version) echo "Python 3.9.2" ;;
  "-m venv --clear "*)
    rm -rf "$4"; mkdir -p "$4/bin"; cat "$0" > "$4/bin/python"
    echo "#!$PWD/$4/bin/python" > "$4/bin/pip"; chmod +x "$4"/bin/* ;;
  "-m pip install "*) exit ${PIP_FAILS:-0} ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """A folder with what `make` needs of a clone; `PATH` and the like are set by `install`."""
    clone = tmp_path / "clone"
    (clone / "envs").mkdir(parents=True)
    for name in ("Makefile", "envs/install.sh", "requirements.lock", "requirements-test.lock"):
        shutil.copy(ROOT / name, clone / name)
    return clone


def path_with(folder, *tools):
    """Return a folder with the tools of a bare system and others; python3 is the one above."""
    folder.mkdir(exist_ok=True)
    for tool in (*BARE, *tools):
        if tool.startswith("python"):
            (folder / tool).write_text(PYTHON)
            (folder / tool).chmod(0o755)
        else:
            (folder / tool).symlink_to(shutil.which(tool) or "/bin/true")
    return folder


def install(clone, tools=("python3", "g++", "make"), megabytes=1, **variables):
    """Run envs/install.sh with these tools on the PATH; return its result, and what Python was called for."""
    path = clone.parent / "bin"
    shutil.rmtree(path, ignore_errors=True)
    record = clone.parent / "calls"
    record.write_text("")
    environment = {"PATH": str(path_with(path, *tools)), "RECORD": str(record)} | variables
    command = ["sh", "envs/install.sh", ".venv", "requirements.lock", str(megabytes)]
    result = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    return result, record.read_text()


def refused(clone, **options):
    """Return the one line with which it stops, before Python is asked to make or fetch anything."""
    result, calls = install(clone, **options)
    assert result.returncode != 0 and result.stdout == "" and "-m" not in calls
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and not (clone / ".venv").exists()
    return line


def test_bare_system_is_told_the_packages_of_the_readme(clone):
    line = refused(clone, tools=())
    assert line.endswith(f"apt install {' '.join(needed_packages())}")
    assert needed_packages() == ["python3-venv", "g++", "make"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tools": ("python3", "make")}, r"missing here: g\+\+\. .*apt install g\+\+$"),
        ({"tools": ("python3", "make"), "CXX": "no-compiler -m64"}, r"apt install g\+\+$"),
        ({"NO_VENV": "1"}, "missing here: python3-venv.*apt install python3-venv$"),
        ({"tools": ("python3.12", "g++", "make"), "PYTHON": "python3.12", "NO_VENV": "1"}, "apt install python3.12-venv$"),
        ({"TOO_OLD": "1"}, r"3\.11 or later is needed; python3 is Python 3\.9\.2\."),
        ({"PYTHON": "python9"}, "PYTHON=python9: there is no such program"),
        ({"megabytes": 10**9}, r"\.venv takes 1000000000 MB, but only \d+ MB are free"),
    ],
    ids=["compiler", "CXX", "venv", "venv of another Python", "old", "no such Python", "disk"],
)
def test_one_line_says_what_is_missing(clone, options, expected):
    assert re.search(expected, refused(clone, **options))


def test_perl_is_named_where_a_system_lacks_it(clone, monkeypatch):
    monkeypatch.setitem(globals(), "BARE", tuple(tool for tool in BARE if tool != "perl"))
    assert refused(clone).endswith("apt install perl")


def test_path_with_a_space_is_refused(clone):
    assert "without spaces" in refused(clone.rename(clone.with_name("my clone")))


def test_folder_that_cannot_be_written_is_named(clone):
    with read_only(clone):
        assert f"{clone}: no permission to write there" in refused(clone)


def test_compiler_may_be_chosen(clone):
    assert install(clone, tools=("python3", "make", "my-g++"), CXX="my-g++ -m64")[0].returncode == 0


def test_environment_is_kept_if_it_works_and_made_anew_if_not(clone):
    result, calls = install(clone)
    assert result.returncode == 0 and calls.count("-m venv") == calls.count("-m pip install") == 1
    assert "--require-hashes -r requirements.lock" in calls
    assert "-m venv" not in install(clone)[1]
    # Broken off, or without a network, and once more
    result, calls = install(clone, PIP_FAILS="1")
    assert result.returncode == 1 and "-m venv" not in calls
    assert result.stderr == "error: pip could not install requirements.lock (above); the same command once more tries again\n"
    assert "-m venv" in install(clone)[1] and "-m venv" not in install(clone)[1]
    # Its scripts name the folder that it was made in.
    moved = clone.rename(clone.with_name("moved"))
    assert "-m venv" in install(moved)[1]


def make(clone, *arguments, **variables):
    """Return what `make` prints."""
    environment = {"PATH": os.environ["PATH"]} | variables
    return subprocess.run(["make", *arguments], cwd=clone, env=environment, capture_output=True, text=True, check=True).stdout


def test_make_installs_where_the_environment_does_not_work(clone):
    install(clone)
    (clone / ".venv" / "run").touch()
    record = {"RECORD": str(clone.parent / "calls")}
    assert "install.sh" not in make(clone, "-n", "run", **record)
    moved = clone.rename(clone.with_name("moved"))
    assert "install.sh .venv requirements.lock" in make(moved, "-n", "run", **record)


def test_caches_are_in_the_home_folder_where_it_can_be_written(clone, tmp_path):
    show = "--eval=show:;@echo $$XDG_CACHE_HOME"
    assert make(clone, show, "show", HOME=str(tmp_path)) == f"{tmp_path}/.cache\n"
    assert make(clone, show, "show", HOME=str(tmp_path), XDG_CACHE_HOME=f"{tmp_path}/own") == f"{tmp_path}/own\n"
    for home in ({"HOME": "/proc/none"}, {}):  # where not even root can make a folder
        assert make(clone, show, "show", **home).startswith(f"{clone}/.snakemake/")


def test_python_may_keep_what_it_compiles(clone):
    """Images of containers often forbid it."""
    show = "--eval=show:;@echo [$$PYTHONDONTWRITEBYTECODE]"
    assert make(clone, show, "show", PYTHONDONTWRITEBYTECODE="1") == "[]\n"


def test_run_says_what_it_will_do_before_it_installs(clone):
    said, installed, _ = make(clone, "-n", "run").partition("install.sh")
    assert said.startswith("printf ") and installed
    assert all(word in said for word in ("results/", "minute", "MB", "GB", ".venv"))


def test_containers_are_built_from_the_packages_of_the_readme():
    """The file for apptainer, which cannot be tested everywhere, runs the commands of the Dockerfile."""
    docker = Path(ROOT, "Dockerfile").read_text().replace(" \\\n", "\n")
    apptainer = Path(ROOT, "envs", "allenrec.def").read_text()
    lines = re.sub("^(RUN| *&&) ", "", docker, flags=re.MULTILINE).splitlines()
    commands = [line for line in lines if line.startswith(("apt-get", "rm ", "python3", "pip "))]
    same = apptainer.split("%post")[1].split("%")[0].replace("/opt/allenrec/bin/pip", "pip").split("\n")
    assert commands == [line.strip() for line in same if line]
    assert f"apt-get install -y --no-install-recommends {' '.join(needed_packages())}" in commands
    assert "ARG LOCK=requirements.lock" in lines and "requirements.lock /opt/allenrec.lock" in apptainer


@pytest.mark.parametrize(("script", "where"), [("fresh", "on a bare system"), ("container", "in a container")])
def test_machine_that_can_make_no_bare_system_says_so(script, where, tmp_path):
    """Here it lacks debootstrap; as an ordinary user it lacks root."""
    command = [sys.executable, ROOT / "tests" / "fresh" / f"{script}.py"]
    result = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (3, "")
    assert re.fullmatch(rf"NOT TESTED {where}: (root|debootstrap) is needed.*\n", result.stderr)
