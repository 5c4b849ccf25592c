"""What the documents show works as it stands there: Python from top to bottom, configurations, and commands.

The kind of a block is the word after its three backticks:

* `python`: the blocks of a document are run one after the other, in one process, in a folder with the results that they name;
* `yaml`: a configuration, added to config/config.yaml, that passes all checks of values;
* `bash`: commands in a clone. Those of `snakemake` are run dry; of the others it is checked that make has such a target, or
  that the program is one that a reader has.

Blocks of other kinds are shown, not run.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import MEArec
import pytest
import yaml
from support import ROOT, made_once
from workflow.snake import clean_environment, snakemake

from allenrec.settings import load_settings

DOCUMENTS = [
    ROOT / name for name in ("README.md", "config/README.md", "CONTRIBUTING.md", "SECURITY.md") if (ROOT / name).exists()
] + sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(path, kind):
    """Return the blocks of a kind in a document."""
    return [
        "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
        for indent, word, text in BLOCK.findall(path.read_text(encoding="utf-8"))
        if word == kind
    ]


def all_blocks(kind):
    return [
        pytest.param(block, id=f"{path.relative_to(ROOT)}-{number}")
        for path in DOCUMENTS
        for number, block in enumerate(blocks(path, kind), 1)
    ]


def commands():
    """Return each command of the documents once, without its comment."""
    lines = [
        line.partition("  #")[0].strip() for path in DOCUMENTS for block in blocks(path, "bash") for line in block.splitlines()
    ]
    return list(dict.fromkeys(filter(None, lines)))


#: Files of a user that documents name
NAMED_FILES = {
    "mine.yaml": "{dim: [8, 1], pitch: 25, shape: circle, size: 6}",
    "real.zarr/templates_array/.zarray": "{}",
    "motion.csv": "time_s,depth_um,displacement_um\n0,0,0\n600,0,10\n",
    "trains.csv": "unit,time_s\n14,0.5\n7,0.75\n31,1.5\n",
}


@pytest.fixture(scope="session")
def documented(finished, session):
    """A home folder with the clone `allenrec`, in which all results and files are that the documents name.

    It takes the time of the finished run and of a recording in all formats, and comes first of all tests.
    """

    def make(home):
        folder = home / "allenrec"
        shutil.copytree(finished, folder, symlinks=True)
        config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
        config["libraries"]["neuronexus"]["format"] = ["mearec", "spikeinterface"]
        config["recordings"]["demo"]["format"] = ["mearec", "binary", "zarr", "nwb"]
        config["recordings"]["study"] = {"like": "demo", "grid": {"recordings.noise_level": [5, 10]}}
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
        for name in ("first", "second"):
            (folder / "config" / f"{name}.yaml").write_text(yaml.safe_dump({"pathvars": {"results": f"results_{name}"}}))
        for parameters in Path(MEArec.__file__).parent.joinpath("default_params").glob("*_params.yaml"):
            shutil.copy(parameters, folder)
        for name, text in NAMED_FILES.items():
            (folder / "config" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "config" / name).write_text(text)
        for name in ("real", "real_units"):
            (folder / name).mkdir()
        shutil.copytree(folder / "config", home / "study" / "config")
        result = snakemake(folder, "--cores", "2", "demo", "library")
        assert result.returncode == 0, result.stderr
        shutil.copy(folder / "config" / "config.yaml", folder / "results" / "mearec.yaml")  # what `convert_mearec` writes

    return made_once(session / "home", make) / "allenrec"


#: Documents whose code takes minutes, because spike sorters run in it, and what has to be made for them before
SLOW = {"docs/evaluation.md": "study"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for path in DOCUMENTS
        if blocks(path, "python") and (name := str(path.relative_to(ROOT)))
    ],
)
def test_python_runs_from_top_to_bottom(path, documented, tmp_path):
    """The first of all tests waits for the finished run, which takes half a minute on one core, and which all others read."""
    if target := SLOW.get(str(path.relative_to(ROOT))):
        made = snakemake(documented, "--cores", "2", target)
        assert made.returncode == 0, made.stderr
    code = tmp_path / "document.py"
    code.write_text("\n".join(blocks(path, "python")))
    environment = clean_environment() | {"PYTHONPATH": str(ROOT / "scripts"), "MPLBACKEND": "agg"}
    result = subprocess.run([sys.executable, code], cwd=documented, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def merged(base, change):
    """Return a configuration with another one added, block by block, as Snakemake adds it."""
    both = base.keys() & change.keys()
    inner = {
        key: merged(base[key], change[key]) for key in both if isinstance(base[key], dict) and isinstance(change[key], dict)
    }
    return {**base, **change, **inner}


@pytest.mark.parametrize("block", all_blocks("yaml"))
def test_configuration_is_valid(block, documented, monkeypatch):
    monkeypatch.chdir(documented)
    default = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    load_settings(merged(default, yaml.safe_load(block)))


def test_there_are_blocks_of_each_kind():
    assert all(all_blocks(kind) for kind in ("python", "yaml", "bash"))


@pytest.mark.parametrize("command", [command for command in commands() if command.startswith("snakemake")])
def test_command_of_snakemake_is_understood(command, documented):
    home = str(documented.parent)
    words = shlex.split(command.replace("~", home))[1:]
    result = snakemake(documented, *words, "--dry-run", "--quiet", "all", environment={"HOME": home})
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("command", [command for command in commands() if not command.startswith("snakemake")])
def test_other_command_exists(command):
    """A target of make, or a program of the environment or of Debian."""
    first, *rest = shlex.split(command)
    if first == "make":
        (target,) = [word for word in rest if "=" not in word]
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        known = {
            "git",
            "cd",
            "source",
            "pip",
            "python",
            "pytest",
            "pre-commit",
            "apt",
            "sbatch",
            "squeue",
            ".venv/bin/snakemake",
        }
        assert first in known


def paths_of_files():
    """Return the file of each section of docs/files.md with a path in it that the section's table names."""
    rows = []
    for section in (ROOT / "docs" / "files.md").read_text(encoding="utf-8").split("\n## `")[1:]:
        file = section.partition("`")[0].replace("<model>", "473863510").replace("<library>", "neuronexus")
        table = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
        rows += [(file.replace("<recording>", "demo"), path) for cell in table for path in re.findall(r"`(.+?)`", cell)]
    return rows


@pytest.mark.parametrize(("file", "path"), paths_of_files())
def test_files_have_what_the_reference_says(file, path, documented):
    with h5py.File(documented / file) as opened:
        group = opened
        for part in path.split("/"):
            group = group[next(iter(group)) if part.startswith("<") or part == "..." else part]
