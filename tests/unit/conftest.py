"""Membrane currents of real models, simulated once for all workers: a process each, because NEURON keeps its cells globally."""

import pytest
import scipy.linalg  # noqa: F401  # its own library of linear algebra is to be limited as well
from support import made_once, run_python
from threadpoolctl import threadpool_limits

from allenrec.intracellular.intracellular_file import read_currents
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.concatenate import concatenate_libraries
from allenrec.libraries.library_file import read_library
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


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_blas():
    """Linear algebra runs in one thread, as in jobs (`common/job_log.py`): with several, sums differ in their last bits."""
    with threadpool_limits(1, user_api="blas"):
        yield


class CurrentsByModel(dict):
    """The `Currents` of models by id, each of which is made when it is asked for."""

    def __init__(self, make):
        self.make = make

    def __missing__(self, model):
        self[model] = self.make(model)
        return self[model]


@pytest.fixture(scope="session")
def currents(models_folder, mechanisms, session):
    """The `Currents` of any of the five models of the wheel, by model id. Their files are in `currents` of the session."""
    folder = session / "currents"
    folder.mkdir(exist_ok=True)

    def simulated(model):
        def make(path):
            run_python(SIMULATE, models_folder / f"neuronal_model_{model}", mechanisms, path)

        return read_currents(made_once(folder / f"{model}.h5", make))

    return CurrentsByModel(simulated)


@pytest.fixture(scope="session")
def library_path(currents, session):
    """A library of three real cells on Neuronexus-32, 40 templates each."""

    def make(folder):
        folder.mkdir()
        settings = Library(probe="Neuronexus-32", n=40)
        paths = []
        for model, cell_type in LIBRARY_CELLS.items():
            paths.append(folder / f"{model}.h5")
            cell = {"model_id": model, "specimen_id": "1", "cell_type": cell_type, "layer": "5"}
            build_cell_library(paths[-1], currents[model], cell, settings, name="test", seed=0)
        concatenate_libraries(paths, folder / "templates.h5")

    return made_once(session / "library", make) / "templates.h5"


@pytest.fixture(scope="session")
def library(library_path):
    """The same, read."""
    return read_library(library_path)
