"""Real models with their compiled mechanisms, and a small workflow with its results.

They are made once a session, for all workers. The wheel of bmtk and the mechanisms are kept from session to session, in
pytest's cache: both are verified by digests when they are used again.
"""

import gc
import shutil
import signal

import pytest
import yaml
from support import BBP_MODELS, COLLECTED, ROOT, WHEEL_MODELS, made_once, session_folder
from workflow.snake import copy_kernels, copy_workflow, snakemake

from allenrec.models.mechanisms import compile_mechanisms
from allenrec.models.sources import fetch_model
from allenrec.models.verified import read_verified, verified_mod_files
from allenrec.settings.models import Models

INSTITUTE = ROOT.parent / "shared" / "data"
#: The reason of a skipped test that needs data of the Allen Institute
WITHOUT_DATA = "data of the Allen Institute"

# Where SIGHUP is ignored, as under `nohup`, all programs that are started ignore it too; tests send it to some. A handler is
# not passed on.
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="module", autouse=True)
def no_search_for_garbage_in_imports():
    """Let the garbage collector leave out what is there when a module begins, which is some hundred thousand objects.

    SpikeInterface collects after each chunk that it writes, which took most of the time of the tests of formats.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def session(tmp_path_factory):
    """The temporary folder that all workers share."""
    return session_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def kept(request, session):
    """A folder that is kept from session to session; without pytest's cache, one of this session."""
    cache = getattr(request.config, "cache", None)
    return cache.mkdir("models") if cache else session


@pytest.fixture(scope="session")
def models_folder(session, kept):
    """A folder with the five models of the bmtk wheel."""

    def make(folder):
        folder.mkdir()
        if (kept / "wheel").exists():
            shutil.copytree(kept / "wheel", folder / "wheel")
        for model in WHEEL_MODELS:
            fetch_model(model, folder, Models(sources=["bmtk"]))
        shutil.copytree(folder / "wheel", kept / "wheel", dirs_exist_ok=True)

    return made_once(session / "allen_models", make)


@pytest.fixture(scope="session")
def mechanisms(models_folder, kept):
    """Their compiled mechanisms; all five share one set."""
    return compile_mechanisms(models_folder / f"neuronal_model_{WHEEL_MODELS[0]}" / "modfiles", kept / "mechanisms")


@pytest.fixture(scope="session")
def cell_models_folder(session, kept):
    """A folder with two of the models in MEArec's wheel."""

    def make(folder):
        folder.mkdir()
        if (kept / ".wheel").exists():
            shutil.copytree(kept / ".wheel", folder / ".wheel")
        for model in BBP_MODELS:
            fetch_model(model, folder, Models(sources=["mearec"]))
        shutil.copytree(folder / ".wheel", kept / ".wheel", dirs_exist_ok=True)

    return made_once(session / "cell_models", make)


@pytest.fixture(scope="session")
def bbp_mechanisms(cell_models_folder, kept):
    """Return the compiled mechanisms of one of them, by its id."""

    def compiled(model):
        folder = cell_models_folder / model
        return compile_mechanisms(verified_mod_files(folder, read_verified(folder)), kept / "mechanisms")

    return compiled


@pytest.fixture(scope="session")
def shared_data():
    """Data of the Allen Institute, which may not be part of the repository; tests that need them are skipped without."""
    if not INSTITUTE.is_dir():
        pytest.skip(WITHOUT_DATA)
    return INSTITUTE


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Let the long tests come first, so that no worker waits for another one at the end; and none at the beginning.

    Modules are given to the workers in this order.
    """
    config.stash[COLLECTED] = {item.nodeid.split("[")[0] for item in items}
    tests = ROOT / "tests"
    items.sort(key=lambda item: (place(str(item.path.relative_to(tests))), item.path.is_relative_to(tests / "unit")))


#: The modules that begin. The first makes the finished run, on one core; the others need it not.
FIRST = ["docs/test_documents.py", *(f"workflow/test_{name}.py" for name in ("default_run", "blue_brain", "cell_models"))]


def place(name):
    """Return the place of a module among those that begin; the same one for all that come after."""
    return FIRST.index(name) if name in FIRST else len(FIRST)


def pytest_terminal_summary(terminalreporter):
    """Say in one line how many tests need data from outside of the repository."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if WITHOUT_DATA in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests were skipped: they compare with data of the Allen Institute, which may not be in the "
            f"repository and are not in {INSTITUTE}. All else is tested on made data."
        )


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
def prepared(models_folder, mechanisms, session):
    """A folder with a small configuration, models, and compiled mechanisms and kernels. Not to be changed.

    The kernels serve the tests that call the library as well.
    """

    def make(folder):
        with_models(copy_workflow(folder), models_folder, mechanisms)
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG))
        result = snakemake(folder, "--cores", "1", "results/kernels/recordings.json")
        assert result.returncode == 0, result.stderr
        copy_kernels(folder, ROOT)

    return made_once(session / "prepared", make)


def with_models(folder, models, mechanisms):
    """Put the wheel that holds the models, and their compiled mechanisms, where a run finds them."""
    shutil.copytree(mechanisms, folder / "results" / "mechanisms" / mechanisms.name)
    shutil.copytree(models / "wheel", folder / "allen_models" / "wheel")


@pytest.fixture(scope="session")
def workflow(prepared, tmp_path_factory):
    """Make a copy of this folder."""

    def make(name):
        return shutil.copytree(prepared, tmp_path_factory.mktemp(name), symlinks=True, dirs_exist_ok=True)

    return make


@pytest.fixture(scope="session")
def finished(prepared, session):
    """A copy of it with all its results, made on one core. Not to be changed."""

    def make(folder):
        shutil.copytree(prepared, folder, symlinks=True)
        result = snakemake(folder, "--cores", "1")
        assert result.returncode == 0, result.stderr

    return made_once(session / "finished", make)


@pytest.fixture(scope="session")
def default_run(models_folder, mechanisms, session):
    """A folder with the recording of the configuration as it comes, and all that it is made of. Not to be changed."""

    def make(folder):
        with_models(copy_workflow(folder), models_folder, mechanisms)
        result = snakemake(folder, "--cores", "2", "recordings", "results/cells.csv")
        assert result.returncode == 0, result.stderr

    return made_once(session / "default_run", make)
