"""The workflow as a part of others: a module, in another folder, with its results elsewhere, twice in one clone."""

import shutil
import subprocess
import sys

import h5py
import pytest
import yaml
from workflow.snake import clean_environment, copy_workflow, snakemake

#: One cell and one small library are enough
CONFIG = {
    "cells": "one.tsv",
    "libraries": {"small": {"probe": "tetrode", "n": 2, "min_amp": 5.0}},
    "recordings": {
        "demo": {
            "library": "small",
            "spiketrains": {"duration": 1.0, "n_exc": 1, "n_inh": 0},
            "templates": {"min_amp": 0.0, "max_amp": 10000.0},
        }
    },
}
OUTER = """
configfile: "outer.yaml"


module simulation:
    snakefile:
        "{clone}/Snakefile"
    config:
        config["simulation"]
    {moved}


use rule * from simulation as simulated_*


rule count:
    default_target: True
    input:
        expand(rules.simulated_concatenate_library.output.library, library="small"),
    output:
        "counted.txt",
    shell:
        "{python} -c 'import h5py, sys; print(len(h5py.File(sys.argv[1])[\\"templates\\"]))' {{input}} > {{output}}"
"""


def table_of(*models):
    return "model_id\tcell_type\n" + "".join(f"{model}\tspiny\n" for model in models)


@pytest.fixture
def with_models(models_folder, mechanisms):
    """Put the wheel that holds the models, and compiled mechanisms, where a run finds them."""

    def put(models, results):
        shutil.copytree(models_folder / "wheel", models / "wheel")
        shutil.copytree(mechanisms, results / "mechanisms" / mechanisms.name)

    return put


def outer_workflow(folder, clone, moved):
    folder.mkdir()
    (folder / "Snakefile").write_text(OUTER.format(clone=clone, moved=moved, python=sys.executable))
    (folder / "outer.yaml").write_text(yaml.safe_dump({"simulation": CONFIG}))
    (folder / "one.tsv").write_text(table_of("473863510"))
    return folder


def test_an_outer_workflow_takes_the_library_and_adds_a_rule(clone, with_models, tmp_path):
    """A library of one cell is made from nothing, by a job of each stage up to there."""
    folder = outer_workflow(tmp_path / "outer", clone, 'prefix:\n        "inner"')
    with_models(folder / "inner" / "allen_models", folder / "inner" / "results")
    result = snakemake(folder, "--cores", "2")
    assert result.returncode == 0, result.stderr
    assert (folder / "counted.txt").read_text() == "2\n"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".") == ["inner"]
    assert "2 of 2 templates" in (folder / "inner/results/logs/models/473863510/compute_eaps/small.log").read_text()
    # Everything else of the workflow is there as well: scripts, environments, files of its own.
    result = snakemake(folder, "-n", "simulated_all")
    assert result.returncode == 0, result.stderr
    assert "simulated_write_report" in result.stdout and "simulated_generate_recording" in result.stdout
    assert not (clone / "results").exists() and not (clone / ".snakemake").exists()


def test_a_module_puts_its_files_where_its_pathvars_say(clone, tmp_path):
    moved = 'pathvars:\n        results="made/results",\n        models="made/models",'
    folder = outer_workflow(tmp_path / "outer", clone, moved)
    result = snakemake(folder, "--summary", "simulated_all")
    assert result.returncode == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.splitlines() if "\t" in line]
    outputs = {row[0] for row in rows[1:]}
    assert {"made/models/neuronal_model_473863510/verified.json", "made/results/report.html"} <= outputs
    assert len(outputs) > 20 and all(path.startswith("made/") for path in outputs)


def test_a_configuration_in_another_folder_is_run_there(clone, mixed):
    """It reads a run of all rules, which takes half a minute if no other test has waited for it."""
    assert (mixed / "results" / "report.html").stat().st_size
    assert not (clone / "results").exists() and not (clone / ".snakemake").exists()
    again = snakemake(clone, "--cores", "2", "--directory", mixed)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr
    forecast = snakemake(clone, "-n", "--directory", mixed, "--forceall")
    assert "By the benchmarks of earlier runs, it takes about" in forecast.stderr and "not counted" not in forecast.stderr


#: The layout that `snakedeploy deploy-workflow https://github.com/someone/allenrec study --tag v1` writes
DEPLOYED = """
configfile: "config/config.yaml"


module allenrec:
    snakefile:
        github("someone/allenrec", path="Snakefile", tag="v1")
    config:
        config


use rule * from allenrec
"""


@pytest.mark.skipif(shutil.which("git") is None, reason="Snakemake reads a workflow from the web with git")
def test_workflow_that_snakedeploy_writes_runs_from_the_web(tmp_path):
    """Git takes a folder for the site. A script runs that imports the package."""
    site, study = tmp_path / "site", tmp_path / "study"
    repository = copy_workflow(site / "someone" / "allenrec")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"], ["tag", "v1"]):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *command], cwd=repository, check=True)
    (tmp_path / "gitconfig").write_text(f'[url "file://{site}/"]\n    insteadOf = https://github.com/\n')
    for folder in ("config", "profiles"):
        shutil.copytree(repository / folder, study / folder)
    (study / "workflow").mkdir()
    (study / "workflow" / "Snakefile").write_text(DEPLOYED)
    web = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = snakemake(study, "--cores", "1", "results/config.yaml", environment=web)
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load((study / "results" / "config.yaml").read_text())["recordings"].keys() == {"demo"}
    planned = snakemake(study, "-n", environment=web)
    assert planned.returncode == 0 and "generate_recording" in planned.stdout, planned.stderr


def test_two_configurations_run_in_one_clone_at_the_same_time(models_folder, mechanisms, tmp_path):
    """Each has its results in a folder of its own; models are shared. Two runs up to the spikes of a cell."""
    folder = copy_workflow(tmp_path / "clone")
    shutil.copytree(models_folder / "wheel", folder / "allen_models" / "wheel")
    models = {"first": "473863510", "second": "473863035"}
    for name, model in models.items():
        (folder / f"{name}.tsv").write_text(table_of(model))
        change = CONFIG | {"cells": f"{name}.tsv", "pathvars": {"results": f"results_{name}"}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(change))
        shutil.copytree(mechanisms, folder / f"results_{name}" / "mechanisms" / mechanisms.name)
    commands = {
        name: [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "1",
            "--configfile",
            f"{name}.yaml",
            "--",
            *(f"results_{name}/{file}" for file in ("config.yaml", f"intracellular/{model}.h5")),
        ]
        for name, model in models.items()
    }
    options = {"cwd": folder, "env": clean_environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    runs = {name: subprocess.Popen(command, **options) for name, command in commands.items()}
    for name, run in runs.items():
        _, errors = run.communicate(timeout=600)
        assert run.returncode == 0, (name, errors)
    for name, model in models.items():
        with h5py.File(folder / f"results_{name}" / "intracellular" / f"{model}.h5") as file:
            assert len(file)
        assert yaml.safe_load((folder / f"results_{name}" / "config.yaml").read_text())["cells"]["table"] == f"{name}.tsv"
        # The other run made nothing here that has to be made anew.
        assert "Nothing to be done" in snakemake(folder, *commands[name][3:]).stderr
    assert sorted(path.name for path in (folder / "allen_models").glob("neuronal_*")) == [
        f"neuronal_model_{model}" for model in sorted(models.values())
    ]
    assert not (folder / "results").exists()
