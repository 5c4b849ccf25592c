"""The time step: spikes as the workflow simulates them, against a run of LFPy at 0.005 ms throughout."""

import numpy as np
import pytest
from support import run_python

COMPARE = """
import json
import neuron, numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import respond
from allenrec.libraries.forward_model import transfer_matrix
from allenrec.settings.models import Intracellular

points = 20 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])

def shapes(eap, dt):
    "Trough (mV), and half width of the filtered trough (ms), at each point; (n_points, n_t)."
    fine = np.arange(0, 6.9, 0.001)
    band = butter(3, (300, 6000), "bandpass", fs=1000 / dt, output="sos")
    filtered = CubicSpline(np.arange(eap.shape[1]) * dt, sosfiltfilt(band, eap), axis=1)(fine)
    return [[float(raw.min() - raw[0]), float((wave < wave.min() / 2).sum() * 0.001)] for raw, wave in zip(eap, filtered)]

cell = load_cell(sys.argv[1], sys.argv[2], tstop=250.0)
settings = Intracellular(sim_time=0.25)
response = respond(cell, 0.2, settings)
matrix = transfer_matrix(np.stack([cell.x[:, 0], cell.y[:, 0], cell.z[:, 0]], 1),
                         np.stack([cell.x[:, 1], cell.y[:, 1], cell.z[:, 1]], 1), cell.d, points)
ours = [shapes(matrix @ window.astype(float), cell.dt) for window in response.imem.values()]
error = max(float(abs(window.sum(axis=0, dtype=float) - 0.2).max()) for window in response.imem.values())

clamp = neuron.h.IClamp(neuron.h.soma[0](0.5))
clamp.delay, clamp.dur, clamp.amp = 10.0, 240.0, 0.2
cell.dt = 0.005
cell.simulate(rec_imem=True, rec_somav=True)
above = cell.somav >= -20
starts = np.flatnonzero(~above[:-1] & above[1:])
peaks = [int(start + cell.somav[start : start + 1000].argmax()) for start in starts]
theirs = [shapes(matrix @ cell.imem[:, peak - 400 : peak + 1000], 0.005) for peak in peaks[1 : len(ours) + 1]]
print(json.dumps({"ours": ours, "theirs": theirs, "spikes": [len(response.peaks), len(peaks)], "error": error,
                  "times": [(response.peaks * 2**-5).tolist(), [peak * 0.005 for peak in peaks]]}))
"""


@pytest.mark.parametrize("model", ["472912177", "473863510"])
def test_spikes_are_those_of_a_run_at_five_microseconds(model, models_folder, mechanisms):
    """A fast-spiking and a regular-spiking cell, six points 20 µm from the soma: amplitude and filtered width within 1.5 %."""
    found = run_python(COMPARE, models_folder / f"neuronal_model_{model}", mechanisms)
    ours, theirs = np.array(found["ours"]), np.array(found["theirs"])
    assert len(ours) >= 3 and found["spikes"][0] == found["spikes"][1]
    ratio = np.median(ours, axis=0) / np.median(theirs, axis=0)
    assert np.abs(ratio - 1).max() < 0.015
    assert found["error"] < 1e-5  # nA, of 0.2
    assert found["times"][0] == pytest.approx(found["times"][1], rel=0.005)
