"""The faithful cell is compared with the numbers that AllenSDK gives."""

import shutil

import numpy as np
import pytest
from made_data import legacy_all_active_model
from support import run_python

#: AllenSDK: rest (mV), and spikes at 0.2, 0.3 and 0.5 nA from 500 to 1000 ms, dt 0.025 ms, upward crossings of -20 mV
ALLENSDK = {
    "472363762": (-92.1, [20, 31, 47]),
    "472912177": (-95.3, [14, 35, 60]),
    "473862421": (-88.2, [36, 71, 4]),
    "473863035": (-89.3, [12, 25, 45]),
    "473863510": (-82.3, [16, 31, 49]),
}

RESPOND = """
import json
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import step_response
cell = load_cell(sys.argv[1], sys.argv[2], dt=0.025, tstop=1010.0)
counts = []
for amplitude in (0.2, 0.3, 0.5):
    time, vmem = step_response(cell, amplitude, delay=500, duration=500)
    during = (time[1:] > 500) & (time[1:] <= 1000)
    counts.append(int(((vmem[:-1] < -20) & (vmem[1:] >= -20) & during).sum()))
    rest = float(vmem[time < 500][-1])
axon = cell.get_idx("axon")
print(json.dumps({
    "counts": counts, "rest": rest, "time": [float(time[0]), float(time[-1]), len(time)],
    "soma": cell.somapos.tolist(), "axon": cell.axon, "n_axon": len(axon),
    "stub": [cell.x[axon].tolist(), cell.y[axon].tolist(), cell.z[axon].tolist()], "length": cell.length[axon].tolist(),
    "diameter": cell.d[axon].tolist(),
}))
"""


@pytest.mark.parametrize("model", ALLENSDK)
def test_spike_counts_and_rest_are_those_of_allensdk(model, models_folder, mechanisms):
    rest, counts = ALLENSDK[model]
    found = run_python(RESPOND, models_folder / f"neuronal_model_{model}", mechanisms)
    assert found["counts"] == counts
    assert found["rest"] == pytest.approx(rest, abs=0.1)
    assert found["time"] == pytest.approx([0.0, 1010.0, 40401])
    # The stub: two sections of 30 µm and 1 µm thick, in one line from the soma's centre, which is the origin.
    stub = np.array(found["stub"])  # axis, section, end
    assert found["axon"] == "stub" and found["n_axon"] == 2
    assert found["length"] == pytest.approx([30, 30]) and found["diameter"] == pytest.approx([1, 1])
    assert np.allclose(found["soma"], 0, atol=1e-9) and np.allclose(stub[:, 0, 0], 0, atol=1e-3)
    assert np.linalg.norm(stub[:, 1, 1]) == pytest.approx(60, abs=1e-3)
    assert np.allclose(stub[:, 0, 1], stub[:, 1, 0], atol=1e-4)


def test_stub_runs_along_the_reconstructed_axon(models_folder, mechanisms):
    """The direction is computed from the SWC itself: from all axon points within 60 µm of the axon's beginning."""
    folder = models_folder / "neuronal_model_473863510"
    found = run_python(RESPOND, folder, mechanisms)
    tip = np.array(found["stub"])[:, 1, 1] / 60
    rows = np.loadtxt(folder / "reconstruction.swc")
    soma, axon = rows[rows[:, 1] == 1, 2:5][0], rows[rows[:, 1] == 2, 2:5]
    near = axon[np.linalg.norm(axon - axon[0], axis=1) <= 60]
    towards = near.mean(axis=0) - soma
    assert tip @ (towards / np.linalg.norm(towards)) > np.cos(np.radians(20))


ALL_ACTIVE = """
import json
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import step_response
folder, mechanisms, amplitude, axon, duration = sys.argv[1:]
cell = load_cell(folder, mechanisms, dt=0.025, tstop=float(duration) + 100, axon=axon)
time, vmem = step_response(cell, float(amplitude), delay=50, duration=float(duration))
spikes = int(((vmem[:-1] < -20) & (vmem[1:] >= -20)).sum())
print(json.dumps({"spikes": spikes, "axon": cell.axon, "kind": cell.model.kind,
                  "rest": float(vmem[time < 50][-1])}))
"""


@pytest.mark.parametrize(("axon", "treatment", "fires"), [("auto", "truncated", True), ("stub", "stub", False)])
def test_all_active_model_fires_with_the_axon_it_was_fitted_with(axon, treatment, fires, models_folder, mechanisms, tmp_path):
    """The all-active Pvalb cell of the wheel at 0.25 nA for 0.5 s: a fast-spiking train, and silence with the other axon."""
    folder = legacy_all_active_model(models_folder, tmp_path / "neuronal_model_1")
    found = run_python(ALL_ACTIVE, folder, mechanisms, 0.25, axon, 500)
    assert (found["kind"], found["axon"]) == ("all active", treatment)
    assert found["spikes"] > 25 if fires else found["spikes"] == 0


@pytest.mark.parametrize(("axon", "treatment", "spikes"), [("auto", "truncated", 18), ("stub", "stub", 0)])
def test_all_active_model_of_the_site_fires_as_the_site_shows(
    axon, treatment, spikes, shared_data, models_folder, mechanisms, tmp_path
):
    """A legacy all-active model at 0.33 nA for 1 s: 18 spikes, as the Allen site shows, and silence with the other axon."""
    folder = tmp_path / "neuronal_model_1"
    shutil.copytree(shared_data / "models" / "468193142_all_active", folder)
    shutil.copytree(models_folder / "neuronal_model_473863510" / "modfiles", folder / "modfiles")
    found = run_python(ALL_ACTIVE, folder, mechanisms, 0.33, axon, 1000)
    assert (found["kind"], found["axon"], found["spikes"]) == ("all active", treatment, spikes)


DIAMETERS = """
import json, neuron
from allenrec.intracellular.cell import load_cell
cell = load_cell(sys.argv[1], sys.argv[2])
axon = list(neuron.h.axon)
print(json.dumps({"diameters": [section.diam for section in axon], "lengths": [section.L for section in axon]}))
"""

RECONSTRUCTED = """
import json
from neuron import h
h.load_file("stdrun.hoc"), h.load_file("import3d.hoc")
reader = h.Import3d_SWC_read()
reader.input(sys.argv[1])
h.Import3d_GUI(reader, False).instantiate(None)
for section in h.allsec():
    section.nseg = 1 + 2 * int(section.L / 40)
h.distance(0, h.soma[0](0))
beyond = [section.diam for section in h.axon if h.distance(section(0.5)) > 60]
print(json.dumps([h.axon[0].diam, (beyond or [h.axon[0].diam])[0]]))
"""


def test_diameters_of_a_truncated_axon_are_those_of_the_reconstruction_to_the_last_bit(models_folder, mechanisms, tmp_path):
    """They do not pass through the single precision of 3-D points. The reconstruction is read by NEURON alone."""
    folder = legacy_all_active_model(models_folder, tmp_path / "neuronal_model_1")
    found = run_python(DIAMETERS, folder, mechanisms)
    assert found["diameters"] == run_python(RECONSTRUCTED, folder / "reconstruction.swc") and found["lengths"] == [30, 30]
    assert found["diameters"] != [float(np.float32(diameter)) for diameter in found["diameters"]]


SEGMENTS = """
from allenrec.intracellular.cell import load_cell
print(load_cell(*sys.argv[1:]).totnsegs)
"""


def test_model_in_a_folder_with_any_name(models_folder, mechanisms, tmp_path):
    """NEURON takes paths in ASCII only."""
    folder = models_folder / "neuronal_model_473863510"
    elsewhere = shutil.copytree(folder, tmp_path / "josé" / folder.name)
    assert run_python(SEGMENTS, elsewhere, mechanisms) == run_python(SEGMENTS, folder, mechanisms) > 100
