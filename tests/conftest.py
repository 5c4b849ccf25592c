"""Real models and their compiled mechanisms, fetched and built once a session; a small workflow, and its results."""

import shutil

import pytest
import yaml
from support import ROOT, WHEEL_MODELS
from workflow.snake import copy_workflow, snakemake

from allenrec.models.mechanisms import compile_mechanisms
from allenrec.models.sources import fetch_model
from allenrec.settings.models import Models


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    """A folder with the five models of the bmtk wheel."""
    folder = tmp_path_factory.mktemp("allen_models")
    for model in WHEEL_MODELS:
        fetch_model(model, folder, Models(sources=["bmtk"]))
    return folder


@pytest.fixture(scope="session")
def mechanisms(models_folder, tmp_path_factory):
    """Their compiled mechanisms; all five share one set."""
    return compile_mechanisms(models_folder / f"neuronal_model_{WHEEL_MODELS[0]}" / "modfiles", tmp_path_factory.mktemp("m"))


@pytest.fixture(scope="session")
def shared_data():
    """Real data of the Allen Institute that are not part of the repository; tests that need them are skipped without."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside the repository")
    return folder


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
    """Make a folder with a small configuration, models and mechanisms, and what numba compiled in the first such folder."""
    made = []

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        made.append(copy_workflow(folder))
        for compiled in (made[0] / "scripts").rglob("*.nb[ic]"):
            target = folder / compiled.relative_to(made[0])
            if target != compiled:
                target.parent.mkdir(exist_ok=True)
                shutil.copy2(compiled, target)
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
        shutil.copytree(mechanisms, folder / "results" / "mechanisms" / mechanisms.name)
        shutil.copytree(models_folder / "wheel", folder / "allen_models" / "wheel")
        return folder

    return make


@pytest.fixture(scope="session")
def finished(workflow):
    """Such a folder with all its results, made on one core. Not to be changed."""
    folder = workflow("one_core")
    result = snakemake(folder, "--cores", "1")
    assert result.returncode == 0, result.stderr
    return folder
