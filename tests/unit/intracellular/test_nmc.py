"""Cells of the Blue Brain Project are those of MEArec's loader, which builds them in a process of its own."""

import numpy as np
import pytest
from support import BBP_MODELS, run_python

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
    """The same segments at the same places, and the same potential to the last bit, with the same NEURON."""
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
