"""The EAP of one cell at one pose, against the library that has it, and against SciPy and the transfer matrix."""

import numpy as np
import probeinterface
import pytest
from scipy.spatial.transform import Rotation

import allenrec
from allenrec.common.errors import UserError
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.library_file import read_library
from allenrec.settings.libraries import Library

MODEL = "473863510"
CELL = {"model_id": MODEL, "specimen_id": "1", "cell_type": "spiny"}


@pytest.mark.parametrize("spike", ["random", "mean"])
def test_it_is_the_template_of_a_library_with_that_pose(spike, currents, tmp_path):
    settings = Library(probe="Neuronexus-32", n=3, spike=spike)
    build_cell_library(tmp_path / "l.h5", currents[MODEL], CELL, settings, name="t", seed=0)
    library = read_library(tmp_path / "l.h5")
    for row in range(3):
        wanted = int(library.spike_indices[row]) if spike == "random" else "mean"
        found = allenrec.eap(currents[MODEL], "Neuronexus-32", library.positions[row], library.rotations[row], spike=wanted)
        assert np.array_equal(found, library.templates[row])


def test_the_loudest_spike_is_the_one_with_the_deepest_trough(currents):
    probe = probeinterface.generate_tetrode()
    each = [allenrec.eap(currents[MODEL], probe, (25, 0, 10), spike=k) for k in range(len(currents[MODEL].imem))]
    loudest = allenrec.eap(currents[MODEL], probe, (25, 0, 10), spike="loudest")
    assert np.array_equal(loudest, min(each, key=np.min)) and loudest.shape[0] == 4
    with pytest.raises(UserError, match=f"spike: {len(each)} must be 'mean', 'loudest' or a number from 0 to {len(each) - 1}"):
        allenrec.eap(currents[MODEL], probe, (25, 0, 10), spike=len(each))


def test_it_is_the_field_of_the_currents_at_the_pose(currents):
    """Far from the cell, the points of a contact see the same potential as its centre, to the share of its size."""
    cell, position, angle = currents[MODEL], np.array([150.0, 10.0, -20.0]), 0.7
    probe = probeinterface.Probe(ndim=2)
    probe.set_contacts([[0.0, 0.0], [0.0, 40.0]], shapes="circle", shape_params={"radius": 1.0})
    turn = Rotation.from_rotvec([0, 0, angle])
    start, end = (turn.apply(points) + position for points in (cell.start, cell.end))
    kernel = allenrec.libraries.transfer_matrix(start, end, cell.diameter, [[0, 0, 0], [0, 0, 40.0]])
    imem = cell.imem.mean(axis=0, dtype=float)
    field = 2 * 1000 * kernel @ (imem - imem[:, :1])
    found = allenrec.eap(cell, probe, position, (0, 0, angle))
    shift = np.unravel_index(field.argmin(), field.shape)[1] - np.unravel_index(found.argmin(), found.shape)[1]
    middle = slice(40, 180)
    expected = field[:, middle.start + shift : middle.stop + shift]
    difference = found[:, middle] - expected
    assert np.ptp(difference, axis=1).max() < 0.01 * np.abs(field).max()
