"""Membrane currents of real models, simulated once a session: a process each, because NEURON keeps its cells globally."""

import pytest
from support import WHEEL_MODELS, run_python

from allenrec.intracellular.intracellular_file import read_currents
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.library_file import concatenate_libraries, read_library
from allenrec.settings.libraries import Library

LIBRARY_CELLS = {"473863510": "spiny", "473863035": "spiny", "472912177": "aspiny"}

SIMULATE = """
from allenrec.intracellular.intracellular_file import write_currents
from allenrec.intracellular.simulation import simulate_model
from allenrec.settings.models import Intracellular
folder, mechanisms, path = sys.argv[1:]
write_currents(path, simulate_model(folder, mechanisms, Intracellular(), specimen_id="1", cell_type="spiny"))
print("null")  # the last line is read as JSON
"""


@pytest.fixture(scope="session")
def currents(models_folder, mechanisms, tmp_path_factory):
    """The `Currents` of all five models of the wheel, by model id."""
    folder = tmp_path_factory.mktemp("currents")
    found = {}
    for model in WHEEL_MODELS:
        path = folder / f"{model}.h5"
        run_python(SIMULATE, models_folder / f"neuronal_model_{model}", mechanisms, path)
        found[model] = read_currents(path)
    return found


@pytest.fixture(scope="session")
def library_path(currents, tmp_path_factory):
    """A library of three real cells on Neuronexus-32, 40 templates each."""
    folder = tmp_path_factory.mktemp("library")
    settings = Library(probe="Neuronexus-32", n=40)
    paths = []
    for model, cell_type in LIBRARY_CELLS.items():
        paths.append(folder / f"{model}.h5")
        cell = {"model_id": model, "specimen_id": "1", "cell_type": cell_type, "layer": "5"}
        build_cell_library(paths[-1], currents[model], cell, settings, name="test", seed=0)
    concatenate_libraries(paths, folder / "templates.h5")
    return folder / "templates.h5"


@pytest.fixture(scope="session")
def library(library_path):
    """The same, read."""
    return read_library(library_path)
