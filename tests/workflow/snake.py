"""Run the workflow as a person does: the real `snakemake`, in a folder of its own."""

import atexit
import compileall
import functools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from support import ROOT

from allenrec.common.files import written_beside
from allenrec.common.job_log import ONE_THREAD

#: What a checkout holds that a run needs
PARTS = (
    "Snakefile",
    "rules",
    "scripts",
    "config",
    "profiles",
    "envs",
    "allen_models/README.md",
    "cell_models/README.md",
    "CITATION.cff",
)

#: Results that are data or pictures
DATASETS = ("**/*.h5", "**/*.csv", "**/*.png", "config.yaml")

#: Settings of the session that runs the tests, which must not reach the runs
OF_THE_SESSION = ("PYTEST", "PYTHON", "SNAKEMAKE", "NRN", "NEURON", "CONDA", "VIRTUAL_ENV", "COVERAGE")


def copy_workflow(folder):
    """Copy the workflow to a folder, without results, models or compiled kernels; return the folder.

    What Python compiles goes along, so that not each copy compiles it again. It is valid there, as the sources have the same
    times. Kernels come from the user's cache, as in any checkout.
    """
    folder = Path(folder)
    compileall.compile_dir(ROOT / "scripts", quiet=2)  # what is compiled already takes no time
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.nb[ci]"), dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def copy_kernels(origin, folder):
    """Copy what numba compiled in a copy of the workflow to where it is missing; code (.nbc) comes before its index (.nbi)."""
    for compiled in sorted((origin / "scripts").rglob("__pycache__/*.nb[ci]"), key=lambda path: path.suffix):
        target = folder / compiled.relative_to(origin)
        if not target.exists():
            with written_beside(target) as temporary:
                shutil.copyfile(compiled, temporary)


def snakemake(folder, *arguments, timeout=900, environment=()):
    """Run `snakemake` in a folder with this interpreter; return the `CompletedProcess` with its output as text.

    Its environment is not activated: the interpreter's folder is taken off the PATH, where the workflow has to find its tools.
    The process is a fork of one that has imported Snakemake, and its jobs are forks of one that has imported their packages;
    `snakemake_server.py` and `job_server.py` say how they are like others.
    """
    command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as written:
        stdout, stderr = Path(written, "stdout"), Path(written, "stderr")
        request = {"folder": str(folder), "arguments": command[3:], "environment": clean_environment() | dict(environment)}
        for name, path in (("stdout", stdout), ("stderr", stderr)):
            path.touch()
            request[name] = str(path)
        server = snakemake_server()
        server.stdin.write(json.dumps(request).encode() + b"\n")
        process = int(server.stdout.readline())
        ended = select.select([server.stdout], [], [], timeout)[0]
        if not ended:
            os.kill(process, signal.SIGKILL)
        code = int(server.stdout.readline())
        if not ended:
            raise subprocess.TimeoutExpired(command, timeout, stdout.read_text(), stderr.read_text())
        return subprocess.CompletedProcess(command, code, stdout.read_text(), stderr.read_text())


@functools.cache
def snakemake_server():
    """Start the process that `snakemake` asks; it ends with this one.

    BLAS reads how many threads it may have as it is imported; jobs let it have one.
    """
    command = [sys.executable, Path(__file__).with_name("snakemake_server.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}  # `select` knows nothing of buffers.
    server = subprocess.Popen(command, env=clean_environment() | ONE_THREAD, **pipes)
    atexit.register(server.communicate)
    return server


def clean_environment():
    """The environment variables of this process, without those of the test session."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_SESSION)}
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if folder and Path(folder) != own]
    return environment | {"PATH": os.pathsep.join(folders)}


def datasets(folder):
    """The content of every result that is data or a picture."""
    results = folder / "results"
    return {str(p.relative_to(results)): p.read_bytes() for glob in DATASETS for p in results.glob(glob)}


def assert_equal_datasets(folder, reference):
    """The same results in both, to the last byte."""
    ours, theirs = datasets(folder), datasets(reference)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []


def jobs_of_dry_run(folder, *arguments):
    """The rules that a dry run would run."""
    result = snakemake(folder, "-n", *arguments)
    assert result.returncode == 0, result.stderr
    # The table of job counts; it is printed at the beginning and at the end.
    return set(re.findall(r"^(\w+) +[0-9]+$", result.stdout + result.stderr, re.MULTILINE)) - {"all", "total"}
