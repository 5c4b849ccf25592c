"""Cells of the Blue Brain Project are those of MEArec's loader, which builds them in a process of its own."""

import json
import shutil

import numpy as np
import pytest
from support import BBP_MODELS, run_python

from allenrec.libraries.contacts import contacts_of
from allenrec.libraries.eap import eap
from allenrec.libraries.medium import Medium
from allenrec.libraries.poses import Geometry
from allenrec.models.mechanisms import compile_mechanisms
from allenrec.models.sources import fetch_model
from allenrec.models.verified import read_verified, verified_mod_files
from allenrec.probes import load_probe
from allenrec.settings.models import Models

OURS = """
import json, numpy as np
from allenrec.intracellular import load_cell, step_response
folder, mechanisms, out = sys.argv[1:]
cell = load_cell(folder, mechanisms, dt=2**-5, tstop=60.0)
time, vmem = step_response(cell, 0.8, delay=5, duration=50)
np.savez(out, time=time, vmem=vmem, x=cell.x, y=cell.y, z=cell.z, d=cell.d, types=np.repeat(
    cell.section_types, [section.nseg for section in cell.allseclist]))
print(json.dumps([cell.axon, cell.celsius, cell.v_init]))
"""

#: The compiled mechanisms stand where MEArec keeps its own; it finds them by the name of the machine
MEAREC = """
import numpy as np, json
import MEArec.simulate_cells as mearec, neuron
folder, out = sys.argv[1:]
cell = mearec.return_bbp_cell(folder, end_T=60.0, dt=2**-5, start_T=0.0)
stimulus = neuron.h.IClamp(cell.template.soma[0](0.5))
stimulus.delay, stimulus.dur, stimulus.amp = 5, 50, 0.8
cell.simulate()
np.savez(out, vmem=cell.somav, x=cell.x, y=cell.y, z=cell.z, d=cell.d)
print(json.dumps(None))
"""


@pytest.mark.parametrize("model", BBP_MODELS)
def test_cell_and_its_potential_are_those_of_mearec(model, cell_models_folder, bbp_mechanisms, tmp_path):
    """The same segments at the same places, and the same potential to the last bit, with the same NEURON.

    It takes seconds; where nothing is kept of an earlier session, the mechanisms are compiled, for 15 s more.
    """
    folder, mechanisms = cell_models_folder / model, bbp_mechanisms(model)
    assert run_python(OURS, folder, mechanisms, tmp_path / "ours.npz") == ["stub of the model", 34.0, -70.0]
    (tmp_path / model).symlink_to(folder)
    (tmp_path / "mods").symlink_to(mechanisms)
    run_python(MEAREC, tmp_path / model, tmp_path / "theirs.npz")
    ours, theirs = np.load(tmp_path / "ours.npz"), np.load(tmp_path / "theirs.npz")
    assert len(ours["vmem"]) == len(theirs["vmem"]) == 60 * 32 + 1
    spikes = int(((ours["vmem"][:-1] < -30) & (ours["vmem"][1:] >= -30)).sum())
    assert spikes >= 2 and np.array_equal(ours["vmem"], theirs["vmem"])
    for name in "xyzd":  # MEArec's soma is at the origin to single precision
        assert np.allclose(ours[name], theirs[name], rtol=0, atol=1e-5)
    soma = ours["types"] == "soma"
    assert np.allclose([ours[axis][soma].mean() for axis in "xyz"], 0, atol=1e-9)
    assert set(ours["types"]) == {"soma", "axon", "dend"} | ({"apic"} if "TPC" in model else set())


#: Prints why a cell cannot be built
REFUSED = """
import json
from allenrec.common.errors import UserError
from allenrec.intracellular import load_cell
try:
    load_cell(*sys.argv[1:])
except UserError as error:
    print(json.dumps(str(error)))
"""


def test_files_that_end_too_early_are_one_line_with_the_place(cell_models_folder, bbp_mechanisms, tmp_path):
    """NEURON goes on with the part of a morphology that it could read."""
    model = BBP_MODELS[0]
    expected = {
        "morphology/*.asc": "NEURON cannot read its morphology: parse error itok=",
        "biophysics.hoc": "its hoc code fails: syntax error, in biophysics.hoc, line ",
    }
    for part, words in expected.items():
        folder = shutil.copytree(cell_models_folder / model, tmp_path / words[:3] / model)
        (path,) = folder.glob(part)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        message = run_python(REFUSED, folder, bbp_mechanisms(model))
        assert message.startswith(f"model {model}: {words}") and "\n" not in message


#: Cells of MEArec, the current into their soma (nA), and how many spikes it makes in 200 ms
COUNTS = {"L5_BP_bAC217_1": (0.4, 12), "L5_LBC_bAC217_1": (0.4, 7), "L5_TTPC1_cADpyr232_1": (0.8, 5)}

#: Our cell and its currents
OUR_CURRENTS = """
import json, numpy as np
from allenrec.intracellular import load_cell
from allenrec.intracellular.simulation import StepRun, fast_membrane_currents, membrane_currents
folder, mechanisms, amplitude, out = sys.argv[1:]
cell = load_cell(folder, mechanisms, dt=2**-5, tstop=250.0)
with fast_membrane_currents():
    run, gather, found = StepRun(cell, float(amplitude), 10, 200), membrane_currents(cell), []
    run.advance(run.n_steps, lambda: found.append(gather().copy()))
ends = lambda k: np.stack([getattr(cell, axis)[:, k] for axis in "xyz"], axis=1)
np.savez(out, vmem=run.vmem, imem=np.array(found).T, start=ends(0), end=ends(-1), diameter=cell.d)
print("null")
"""

#: MEArec's own cell, currents and potential on the probe at a pose
MEAREC_EAP = """
import json, numpy as np
import MEArec.simulate_cells as mearec, neuron
folder, amplitude, out, pose = sys.argv[1:]
position, rotation = json.loads(pose)
cell = mearec.return_bbp_cell(folder, end_T=250.0, dt=2**-5, start_T=0.0)
stimulus = neuron.h.IClamp(cell.template.soma[0](0.5))
stimulus.delay, stimulus.dur, stimulus.amp = 10, 200, float(amplitude)
cell.simulate(rec_imem=True)
vmem = np.array(cell.somav)
peak = int(np.flatnonzero((vmem[:-1] < -30) & (vmem[1:] >= -30))[1])
cell.imem, cell.tvec = cell.imem[:, peak - 64 : peak + 160], cell.tvec[peak - 64 : peak + 160]
np.random.seed(0)
field = mearec.calculate_extracellular_potential(cell, "Neuronexus-32", 1000, position, rotation)
np.savez(out, vmem=vmem, field=field)
print("null")
"""


def spike_times(vmem):
    return np.flatnonzero((vmem[:-1] < -30) & (vmem[1:] >= -30))


@pytest.mark.slow
@pytest.mark.parametrize("model", COUNTS)
def test_spikes_and_action_potentials_on_a_probe_are_those_of_mearec(model, kept, tmp_path):
    """MEArec's field of its own currents has 1,000 random points a contact, so its error is some tenths of a percent."""
    folder = fetch_model(model, tmp_path / "cells", Models(sources=["mearec"]))
    mechanisms = compile_mechanisms(verified_mod_files(folder, read_verified(folder)), kept / "mechanisms")
    amplitude, count = COUNTS[model]
    position, rotation = [30.0, 5.0, 20.0], [1.2, 0.4, -0.7]
    run_python(OUR_CURRENTS, folder, mechanisms, amplitude, tmp_path / "ours.npz")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / model).symlink_to(folder)
    (tmp_path / "theirs" / "mods").symlink_to(mechanisms)
    run_python(MEAREC_EAP, tmp_path / "theirs" / model, amplitude, tmp_path / "theirs.npz", json.dumps([position, rotation]))
    ours, theirs = np.load(tmp_path / "ours.npz"), np.load(tmp_path / "theirs.npz")
    crossings = [spike_times(run["vmem"]) for run in (ours, theirs)]
    assert np.array_equal(*crossings) and len(crossings[0]) == count
    peak, geometry = int(crossings[0][1]), Geometry(ours["start"], ours["end"], ours["diameter"])
    placed = geometry.placed(np.array(rotation), np.array(position))
    window = ours["imem"][:, peak - 65 : peak + 159]  # the first sample after a step is number 0 here and 1 in MEArec
    field = eap(window, placed, contacts_of(load_probe("Neuronexus-32", 10)), Medium())
    expected = theirs["field"]
    scale = np.abs(expected - expected[:, :1]).max()
    correlation = np.corrcoef(field.ravel(), expected.ravel())[0, 1]
    largest = np.abs(field - expected).max() / scale
    print(f"{model}: {scale:.1f} µV, correlation {correlation:.6f}, largest difference {largest:.2%}")
    assert correlation > 0.9999 and largest < 0.01
