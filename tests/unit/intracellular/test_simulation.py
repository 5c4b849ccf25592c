"""Runs of real cells: windows are compared with what LFPy records, verdicts with how the cells behave."""

import re

import pytest
from support import run_python

WINDOWS = """
import json
import neuron, numpy as np
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import simulate_spikes
from allenrec.settings.models import Intracellular
settings = Intracellular(spike_dt=2**-5, target_spikes=(3, int(sys.argv[3])))
cell = load_cell(sys.argv[1], sys.argv[2], dt=settings.dt)
result = simulate_spikes(cell, settings)
clamp = neuron.h.IClamp(neuron.h.soma[0](0.5))
clamp.delay, clamp.dur, clamp.amp = settings.delay, 1000 * settings.sim_time - settings.delay, result.amplitude
cell.simulate(rec_imem=True, rec_somav=True)
worst, total = 0, 0
for spike, time in enumerate(result.spike_times):
    peak = round(time / cell.dt)
    window = slice(peak - 64, peak + 160)
    worst = max(worst, np.abs(result.imem[spike] - cell.imem[:, window]).max() / np.abs(cell.imem).max())
    total = max(total, np.abs(result.imem[spike].sum(axis=0) - result.amplitude).max())
    assert cell.somav[peak] == cell.somav[peak - 20 : peak + 20].max()
crossings = np.flatnonzero((cell.somav[:-1] < -20) & (cell.somav[1:] >= -20))
print(json.dumps({"worst": float(worst), "total": float(total), "crossings": len(crossings),
    "kept": len(result.spike_times), "counts": result.search_n_spikes.tolist(),
    "trace": float(np.abs(result.vmem - cell.somav).max())}))
"""


@pytest.mark.parametrize(("model", "most"), [("473863510", 50), ("473862421", 100)])
def test_windows_hold_the_currents_that_lfpy_records(model, most, models_folder, mechanisms):
    """LFPy simulates the same run, with one time step throughout, and records all currents. Our windows differ by the rounding
    of float32, and add up to the injected current."""
    found = run_python(WINDOWS, models_folder / f"neuronal_model_{model}", mechanisms, most)
    assert found["worst"] < 1e-6
    assert found["total"] < 1e-5  # nA, of up to 0.2
    assert found["trace"] < 1e-3  # mV, float32
    assert found["crossings"] == found["counts"][-1]
    assert 3 < found["crossings"] <= most
    # The first spike is dropped, and the last if its window leaves the step.
    assert found["crossings"] - 2 <= found["kept"] <= found["crossings"] - 1


COMPARED = """
import json, sys
from pathlib import Path
from allenrec.intracellular.simulation import simulate_model
from allenrec.settings.models import Intracellular
folder, mechanisms, work = map(Path, sys.argv[1:])
copy = work / folder.name
copy.mkdir()
for path in folder.iterdir():
    (copy / path.name).symlink_to(path)
sweep = {"stimulus_name": "Long Square", "stimulus_duration": 1.0}
rows = [(100.0, 0), (150.0, 1), (200.0, 2), (200.0, 3)]
sweeps = [sweep | {"stimulus_absolute_amplitude": amplitude, "num_spikes": n} for amplitude, n in rows]
(copy / "ephys_sweeps.json").write_text(json.dumps(sweeps))
currents = simulate_model(copy, mechanisms, Intracellular(), specimen_id="7", cell_type="mine", recorded_steps=3)
print(json.dumps({"flags": currents.info.facts.flags, "kind": currents.info.facts.model_kind, "amplitude": currents.amplitude,
    "type": currents.info.cell_type, "specimen": currents.info.specimen_id, "line": currents.info.facts.line,
    "recorded": [currents.recorded_amplitude.tolist(), currents.recorded_cell_spikes.tolist()],
    "model": currents.recorded_model_spikes.tolist(), "rheobase": currents.rheobase.tolist(),
    "found": currents.search_n_spikes.tolist(),
    "digests": sorted(currents.info.digests)}))
"""


CROSSINGS = """
import json
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import step_response
cell = load_cell(sys.argv[1], sys.argv[2], dt=0.025, tstop=1150.0)
counts = []
for amplitude in map(float, sys.argv[3:]):
    _, vmem = step_response(cell, amplitude, delay=100.0, duration=1000.0)
    counts.append(int(((vmem[:-1] < -20) & (vmem[1:] >= -20)).sum()))
print(json.dumps(counts))
"""


def test_model_is_compared_with_its_recorded_cell(models_folder, mechanisms, tmp_path):
    """The cell is said to have fired first at 0.15 nA, and two or three times 0.05 nA above that. The model fires with less,
    and much more often 0.05 nA above that."""
    folder = models_folder / "neuronal_model_473863035"
    found = run_python(COMPARED, folder, mechanisms, tmp_path)
    assert found["recorded"] == [[0.2], [2.5]] and found["amplitude"] == 0.2
    *cell, model = found["rheobase"]
    silent, just_firing, compared, shifted = run_python(CROSSINGS, folder, mechanisms, model - 0.01, model, 0.2, model + 0.05)
    assert (cell, silent) == ([0.1, 0.15], 0) and just_firing > 0
    assert abs(found["model"][0] - compared) <= 1 and shifted > 7.5
    assert (found["flags"], found["kind"]) == ("spike counts far off", "perisomatic")
    assert (found["type"], found["specimen"], found["line"]) == ("mine", "7", "Nr5a1-Cre")
    assert found["digests"] == ["fit_parameters.json", "mechanisms", "reconstruction.swc"]


VERDICTS = """
import json
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import respond
from allenrec.settings.models import Intracellular
cell = load_cell(sys.argv[1], sys.argv[2], tstop=1100.0)
amplitudes = [float(a) for a in sys.argv[3:]]
settings = Intracellular(delay=10.0, sim_time=1.0, target_spikes=(3, 50))
runs = [respond(cell, a, settings) for a in amplitudes]
print(json.dumps([(run.verdict, len(run.vmem)) for run in runs]))
"""


def test_responses_are_judged_as_they_look(models_folder, mechanisms):
    """A Pvalb cell is silent, fires too much (the run is stopped early), or is in depolarisation block, from which it recovers;
    a Scnn1a cell fires well."""
    folder = models_folder / "neuronal_model_473862421"
    (few, many, block) = run_python(VERDICTS, folder, mechanisms, 0.1, 0.3, 0.5)
    whole = 1100 * 32 + 1
    assert few == ["few", whole] and block == ["block", whole]
    assert many[0] == "many" and many[1] < whole / 2
    assert run_python(VERDICTS, models_folder / "neuronal_model_472363762", mechanisms, 0.1) == [["good", whole]]


FIRST_SPIKES = """
import json
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import simulate_spikes
from allenrec.settings.models import Intracellular
settings = Intracellular(target_spikes=(3, 8), sim_time=0.5)
cell = load_cell(sys.argv[1], sys.argv[2], dt=settings.dt)
spikes = simulate_spikes(cell, settings)
print(json.dumps({"times": spikes.spike_times.tolist(), "end": float(spikes.time[-1]), "shape": spikes.imem.shape,
    "runs": list(zip(spikes.search_amplitude.tolist(), spikes.search_n_spikes.tolist())), "amplitude": spikes.amplitude,
    "flags": spikes.search_flags(settings)}))
"""


def test_cell_that_fires_faster_than_the_target_gives_its_first_spikes(models_folder, mechanisms):
    """This Pvalb cell is silent at one amplitude and fires more than 8 spikes in half a second at one a little higher."""
    found = run_python(FIRST_SPIKES, models_folder / "neuronal_model_473862421", mechanisms)
    assert found["flags"] == [] and found["shape"][0] == len(found["times"])
    assert 5 <= len(found["times"]) <= 8 and found["times"] == sorted(found["times"])
    too_many = [amplitude for amplitude, count in found["runs"] if count > 8]
    assert found["amplitude"] == min(too_many) and max(a for a, count in found["runs"] if count <= 3) > 0.9 * found["amplitude"]
    assert found["end"] < 600  # the run stopped when it had enough


FAILED = """
import json
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import simulate_spikes
from allenrec.settings.models import Intracellular
settings = Intracellular(sim_time=0.3, max_runs=3, usable_peak=10.0)
cell = load_cell(sys.argv[1], sys.argv[2], dt=settings.dt)
spikes = simulate_spikes(cell, settings)
print(json.dumps({"flags": spikes.search_flags(settings), "shape": spikes.imem.shape, "highest": float(spikes.vmem.max())}))
"""


def test_model_whose_spikes_are_not_usable_gives_none_and_is_flagged_in_words(models_folder, mechanisms):
    """The peaks of this Pvalb cell stay below 0 mV; here they have to reach 10 mV."""
    found = run_python(FAILED, models_folder / "neuronal_model_472912177", mechanisms)
    assert found["shape"][0] == 0 and found["highest"] < 10
    (flag,) = found["flags"]
    peak, upstroke = re.fullmatch(r"no action potentials: peaks at (-?\d+) mV, upstroke (\d+) mV/ms", flag).groups()
    assert -10 < int(peak) <= found["highest"] + 0.5 and 200 < int(upstroke) < 500
