"""A slice on an array of electrodes, against LFPykit's method of images, and what such a library refuses."""

import lfpykit
import numpy as np
import pytest
from lfpykit import lfpcalc

from allenrec.common.errors import UserError
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.contacts import contacts_of
from allenrec.libraries.eap import eap, spike_currents
from allenrec.libraries.layers import Layers, slice_transfer_matrix
from allenrec.libraries.library_file import read_library
from allenrec.libraries.medium import medium_of
from allenrec.libraries.poses import Geometry, Poses
from allenrec.probes import load_probe
from allenrec.settings.libraries import Library, Slice

MODEL = "472912177"  # the smallest of the wheel's cells
#: LFPykit takes contacts in the plane z = 0
BELOW, THICKNESS = 2, 700.0


def upright(cell, height=350.0):
    """A cell that lies wholly in a slice, soma at a height (µm) above the glass."""
    return Geometry(cell.start, cell.end, cell.diameter).placed(np.zeros(3), np.array([5.0, -3.0, height]))


def as_lfpykit(geometry):
    x, y, z = (np.stack(pair, axis=1) for pair in zip(geometry.start.T, geometry.end.T, strict=True))
    return lfpykit.CellGeometry(x=x, y=y, z=z, d=geometry.diameter)


@pytest.fixture
def cell(currents):
    return currents[MODEL]


@pytest.fixture
def contacts():
    """Forty points on the glass, as contacts of one point each."""
    return np.column_stack([np.random.default_rng(0).uniform(-300, 300, (40, 2)), np.zeros(40)])


@pytest.mark.parametrize(
    ("source", "method", "steps", "sigma_saline"),
    [("line", "linesource", 20, 1.5), ("line", "linesource", 3, 0.1), ("root_as_point", "root_as_point", 100, 1.5)],
)
def test_slice_equals_lfpykit(source, method, steps, sigma_saline, cell, contacts):
    """Every entry of the transfer matrix to 1e-9 of the largest in its row, with as many images as LFPykit takes.

    For a soma as a point it takes one image more at the saline, which is nothing at 100 steps.
    """
    geometry = upright(cell)
    x, y, z = contacts.T
    electrode = lfpykit.RecMEAElectrode(
        as_lfpykit(geometry), sigma_S=sigma_saline, h=THICKNESS, steps=steps, x=x, y=y, z=z, method=method
    )
    layers = Layers(BELOW, 0.0, Slice(thickness=THICKNESS, sigma_saline=sigma_saline, steps=steps))
    ours = slice_transfer_matrix(*geometry, contacts[:, np.newaxis], layers, source=source)
    theirs = electrode.get_transformation_matrix()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 * np.abs(theirs).max(axis=1).min())


def test_glass_that_conducts_equals_the_sum_for_points_of_lfpykit(cell, contacts):
    """LFPykit has such glass for points only. It takes one image more at the saline, so both sums are taken to their end."""
    geometry = upright(cell)
    ends = [np.stack(pair, axis=1) for pair in zip(geometry.start.T, geometry.end.T, strict=True)]
    layers = Layers(BELOW, 0.0, Slice(thickness=THICKNESS, sigma_glass=0.1, steps=200))
    ours = slice_transfer_matrix(*geometry, contacts[:, np.newaxis], layers, source="point")
    for row, (x, y, z) in zip(ours, contacts, strict=True):
        theirs = lfpcalc.calc_lfp_pointsource_moi(
            *(pair.copy() for pair in ends), x, y, z, 0.3, 1.5, 0.1, 200, THICKNESS, geometry.diameter / 2
        )
        np.testing.assert_allclose(row, theirs, rtol=1e-9)


def test_saline_shunts_and_an_insulator_confines():
    """A current at the glass, 500 µm away in a slice of 200 µm; without a border, the image of the glass alone is left."""
    centre = np.array([[0.0, 0, 20]])
    seen = [
        slice_transfer_matrix(
            centre, centre, [1.0], [[[500.0, 0, 0]]], Layers(BELOW, 0.0, Slice(thickness=200.0, sigma_saline=sigma, steps=1000))
        ).item()
        for sigma in (1.5, 0.3, 0.01)
    ]
    assert seen[1] == pytest.approx(2 / (4 * np.pi * 0.3 * np.hypot(500, 20)), rel=1e-12)
    assert seen[0] < 0.5 * seen[1] < seen[1] < 0.5 * seen[2]


def test_images_converge(cell):
    """With the default number of images, a spike is within 0.01 % of one with 500; without a difference at the upper face,
    that of an insulating plane is left."""
    probe = load_probe("SqMEA-10-15", 1)
    spike, geometry = spike_currents(cell.imem)[0], Geometry(cell.start, cell.end, cell.diameter)

    def template(**changes):
        settings = Library(probe="SqMEA-10-15", medium=Slice(thickness=200.0, outside="fold", **changes))
        medium = medium_of(settings, probe, "t")
        placed = geometry.placed(np.zeros(3), np.array([30.0, 0, 0]))
        return eap(spike, medium.layers.folded(placed), contacts_of(probe), medium)

    default, many, plane = template(), template(steps=500), template(sigma_saline=0.3)
    assert np.abs(default - many).max() < 1e-4 * np.abs(many).max()
    folded = Layers(0, 0.0, Slice(thickness=200.0)).folded(geometry.placed(np.zeros(3), np.array([30.0, 0, 0])))
    medium = medium_of(Library(probe="SqMEA-10-15"), probe, "t")
    np.testing.assert_allclose(plane, eap(spike, folded, contacts_of(probe), medium), atol=1e-5)


def test_templates_are_those_of_the_transfer_matrix(currents, tmp_path):
    """Over contacts of a finite size, in a slice that is folded; to the rounding of float32 and the 0.1 % of their mean."""
    settings = Library(probe="SqMEA-10-15", n=3, min_amp=5.0, medium=Slice(outside="fold"))
    cell, probe = currents[MODEL], load_probe("SqMEA-10-15", 200)
    library = made(currents, tmp_path, settings)
    assert len(library.templates) == 3
    layers = medium_of(settings, probe, "t").layers
    for k in range(3):
        placed = Geometry(cell.start, cell.end, cell.diameter).placed(library.rotations[k], library.positions[k])
        spike = spike_currents(cell.imem)[library.spike_indices[k]]
        expected = 1000 * slice_transfer_matrix(*layers.folded(placed), probe.points, layers) @ spike
        shift = np.unravel_index(expected.argmin(), expected.shape)[1] - 64
        assert abs(shift) < 10
        inner = slice(20, -20)
        ours = library.templates[k][:, inner]
        theirs = np.roll(expected - expected[:, max(shift, 0), np.newaxis], -shift, axis=1)[:, inner]
        assert np.abs(ours - theirs).max() < 2e-3 * np.abs(expected).max()


def test_folded_cells_lie_in_the_slice_and_others_keep_their_shape(cell):
    layers = Layers(0, 10.0, Slice(thickness=100.0))
    geometry = Geometry(cell.start, cell.end, cell.diameter).placed(np.array([0.3, 1.0, -2.0]), np.array([40.0, 0, 0]))
    folded = layers.folded(geometry)
    for before, after in ((geometry.start, folded.start), (geometry.end, folded.end)):
        inside = (before[:, 0] >= 10) & (before[:, 0] <= 110)
        assert 0 < inside.sum() < len(inside)
        assert (after[:, 0] >= 10).all() and (after[:, 0] <= 110).all()
        np.testing.assert_allclose(after[inside], before[inside], rtol=1e-12)
        assert np.array_equal(after[:, 1:], before[:, 1:])


def test_poses_that_leave_the_slice_are_refused(currents, tmp_path):
    """In a slice of 700 µm a small cell has room, but not at its faces."""
    cell = currents[MODEL]
    settings = Library(probe="SqMEA-10-15", n=4, min_amp=0.0, xlim=(10.0, 690.0), medium=Slice(thickness=700.0))
    library = made(currents, tmp_path, settings)
    for rotation, position in zip(library.rotations, library.positions, strict=True):
        placed = Geometry(cell.start, cell.end, cell.diameter).placed(rotation, position)
        x = np.concatenate([placed.start, placed.end])[:, 0]
        assert x.min() >= 0 and x.max() <= 700
    assert library.candidates.sum() > 4


def test_thin_slice_says_in_words_why_there_are_no_templates(currents, tmp_path):
    settings = Library(probe="SqMEA-10-15", n=1, max_iterations=300, medium=Slice(thickness=100.0), on_shortfall="fail")
    with pytest.raises(UserError, match=r"0 of 1 templates.*leave the slice of 100 µm.*reaches \d+ µm.*fold"):
        made(currents, tmp_path, settings)


def test_given_pose_that_leaves_the_slice_is_refused_in_words(currents, tmp_path):
    given = Poses(np.array([[350.0, 0, 0], [3.0, 0, 0]]), np.zeros((2, 3)), np.zeros(2, dtype=np.int64)), np.zeros((2, 1, 3))
    settings = Library(probe="SqMEA-10-15", medium=Slice(thickness=700.0))
    with pytest.raises(UserError, match=r"given pose 2 leaves the slice of libraries.t.medium"):
        made(currents, tmp_path, settings, given)


def test_paths_stay_in_the_slice(currents, tmp_path):
    """Cells drift by 20 to 30 µm away from the glass on either side of their pose, and may begin 5 µm from a face."""
    drift = {"drifting": True, "drift_steps": 3, "drift_xlim": (40.0, 60.0), "drift_ylim": (0.0, 0.0), "drift_zlim": (0.0, 0.0)}
    medium = Slice(thickness=80.0, outside="fold")
    settings = Library(probe="SqMEA-10-15", n=4, min_amp=0.0, xlim=(5.0, 75.0), max_iterations=100, medium=medium, **drift)
    library = made(currents, tmp_path, settings)
    x = library.locations[..., 0]
    assert x.shape == (4, 3) and (x > 0).all() and (x < 80).all()
    assert (np.ptp(x, axis=1) >= 40).all()


def test_wires_have_no_glass(currents, tmp_path):
    with pytest.raises(UserError, match=r"libraries.t.medium: a slice lies on the contacts.*'tetrode' are not on a plane"):
        made(currents, tmp_path, Library(probe="tetrode", medium=Slice()))


def made(currents, folder, settings, given=None):
    """Build the library of the small cell and read it."""
    row = {"model_id": MODEL, "specimen_id": "1", "cell_type": "aspiny"}
    build_cell_library(folder / "slice.h5", currents[MODEL], row, settings, name="t", seed=0, given=given)
    return read_library(folder / "slice.h5")
