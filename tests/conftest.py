"""Real models and their compiled mechanisms, fetched and built once a session."""

import pytest
from support import ROOT, WHEEL_MODELS

from allenrec.mechanisms import compile_mechanisms
from allenrec.sources import fetch_model


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    """A folder with the five models of the bmtk wheel."""
    folder = tmp_path_factory.mktemp("allen_models")
    for model in WHEEL_MODELS:
        fetch_model(model, folder, ["bmtk"])
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
