"""A copy of the workflow with a small configuration, models downloaded and compiled."""

import shutil

import pytest
import yaml
from workflow.snake import copy_workflow, snakemake

CONFIG = {
    "libraries": {"neuronexus": {"probe": "Neuronexus-32", "n": 8}},
    "recordings": {
        "demo": {
            "library": "neuronexus",
            "spiketrains": {"duration": 3.0, "n_exc": 2, "n_inh": 1},
            "templates": {"min_dist": 10.0},
        }
    },
}


@pytest.fixture(scope="session")
def workflow(models_folder, mechanisms, tmp_path_factory):
    """Make a folder with a small configuration, the models downloaded and compiled."""

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        copy_workflow(folder)
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
        shutil.copytree(mechanisms, folder / "results" / "mechanisms" / mechanisms.name)
        shutil.copytree(models_folder / "wheel", folder / "allen_models" / "wheel")
        return folder

    return make


@pytest.fixture(scope="session")
def finished(workflow):
    """A folder in which the whole workflow has run, on one core."""
    folder = workflow("one_core")
    result = snakemake(folder, "--cores", "1")
    assert result.returncode == 0, result.stderr
    return folder
