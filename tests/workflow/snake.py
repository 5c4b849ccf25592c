"""Run the workflow as a person does: the real `snakemake`, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import ROOT

#: What a checkout holds that a run needs
PARTS = ("Snakefile", "rules", "scripts", "config", "profiles", "envs", "allen_models/README.md", "CITATION.cff")

#: Settings of the session that runs the tests, which must not reach the runs
OF_THE_SESSION = ("PYTEST", "PYTHON", "SNAKEMAKE", "NRN", "NEURON", "CONDA", "VIRTUAL_ENV", "COVERAGE")


def copy_workflow(folder):
    """Copy the workflow to a folder, without results, models or caches; return the folder."""
    folder = Path(folder)
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def snakemake(folder, *arguments, timeout=900):
    """Run `snakemake` in a folder with this interpreter; return the `CompletedProcess` with its output as text.

    Its environment is not activated: the interpreter's folder is taken off the PATH, where the workflow has to find its tools.
    """
    command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=timeout)


def clean_environment():
    """The environment variables of this process, without those of the test session."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_SESSION)}
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if folder and Path(folder) != own]
    return environment | {"PATH": os.pathsep.join(folders)}
