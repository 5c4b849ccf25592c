"""What docs/python.md and docs/notebook.ipynb show: the calls from Python, run as a reader would run them."""

import json
import re

import numpy as np
import probeinterface
import pytest
from matplotlib.colors import to_hex
from support import ROOT, run_python

import allenrec
from allenrec.common.errors import UserError
from allenrec.figures.look import UNIT_PALETTE
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.library_file import read_library
from allenrec.probes import load_probe
from allenrec.settings.libraries import Library

RUN = """
import os, matplotlib
matplotlib.use("Agg")
os.chdir(sys.argv[1])
before = sorted(os.listdir("."))
for cell in __import__("json").load(open(sys.argv[2]))["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(line for line in cell["source"] if not line.startswith("%")), globals())
assert sorted(os.listdir(".")) == before
print(json.dumps([list(eap.shape), list(library.templates.shape), recording.get_num_samples(), len(sorting.unit_ids)]))
"""


@pytest.fixture
def results(currents, session, tmp_path):
    """A folder with intracellular files where the workflow has them."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "intracellular").symlink_to(session / "currents")
    return tmp_path


def test_the_notebook_runs_from_top_to_bottom(results):
    """In a fresh process, in a folder with intracellular files only; no file is written there."""
    shapes = run_python("import json" + RUN, results, ROOT / "docs" / "notebook.ipynb")
    assert shapes == [[32, 224], [20, 32, 224], 320_000, 4]
    cells = json.loads((ROOT / "docs" / "notebook.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 10 and not any(cell["outputs"] for cell in code)


def test_a_library_in_memory_is_that_of_the_workflow(currents, tmp_path):
    cell = {"model_id": "473863510", "specimen_id": "1", "cell_type": "spiny"}
    settings = Library(probe="tetrode", n=5, min_amp=20.0)
    build_cell_library(tmp_path / "a.h5", currents["473863510"], cell, settings, name="t", seed=3)
    layout = load_probe("tetrode", 1).layout
    made = allenrec.library([currents["473863510"]], "tetrode", n=5, min_amp=20.0, name="t", seed=3)
    assert np.array_equal(made.templates, read_library(tmp_path / "a.h5").templates) and made.cells["cell_type"][0] == "spiny"
    with pytest.raises(UserError, match=r"^settings: n: 0 must be"):
        allenrec.library([currents["473863510"]], "tetrode", n=0)
    assert isinstance(layout, probeinterface.Probe)
    given = allenrec.library([currents["473863510"]], layout, n=5, min_amp=20.0, name="t", seed=3)
    assert len(given.templates) == 5 and np.allclose(given.channel_positions[:, 1:], layout.contact_positions)


@pytest.mark.parametrize("as_object", [False, True])
def test_a_template_is_drawn_at_its_contacts(as_object):
    """Each waveform is centred at its contact, as high as it is in µV, and the soma is where it is."""
    probe = load_probe("Neuronexus-32", 1)
    template = -np.exp(-(((np.arange(64) - 20) / 5) ** 2)) * np.arange(1.0, 33)[:, None]
    figure = allenrec.plot_template(template, probe.layout if as_object else "Neuronexus-32", (15, 5, 60))
    (axes,) = figure.axes
    lines = np.array(axes.collections[1].get_segments())
    assert lines.shape == (32, 64, 2)
    np.testing.assert_allclose(lines[:, :, 0].mean(axis=1), probe.positions[:, 1], atol=1e-6)
    heights = np.ptp(lines[:, :, 1], axis=1)
    np.testing.assert_allclose(heights / heights[-1], np.ptp(template, axis=1) / np.ptp(template[-1]), rtol=1e-6)
    assert axes.lines[0].get_xydata().tolist() == [[5, 60]]
    assert to_hex(axes.collections[1].get_edgecolor()[0]) == UNIT_PALETTE[0]  # no colour of a cell type
    with pytest.raises(UserError, match=r"the template has the shape \(4, 64\), but the probe has 32 contacts"):
        allenrec.plot_template(template[:4], "Neuronexus-32")


def test_calls_on_the_page_are_there():
    """Every name that docs/python.md uses of the package exists."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\ballenrec\.(\w+)\(", text))
    assert {"eap", "library", "generate", "plot_template", "read_library", "read_recording"} <= names
    assert all(hasattr(allenrec, name) for name in names)
