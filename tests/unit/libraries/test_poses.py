"""Poses against LFPy's rotations and against the statistics that they should have."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation
from support import run_python

from allenrec.common.errors import UserError
from allenrec.libraries.poses import (
    BLOCK,
    Geometry,
    draw_path,
    draw_poses,
    draw_rotations,
    grid_displacements,
    in_cell_frame,
    place,
    position_limits,
    read_poses,
    upright_axis,
)
from allenrec.libraries.rotations import AXES, rotation_matrices
from allenrec.settings.libraries import DriftGrid, DriftPaths, PoseSampling

LIMITS = np.array([[10.0, 80], [-40, 40], [-150, 150]])


def draw(block, upright=None, name="test", **settings):
    return draw_poses((0, name), block, PoseSampling(**settings), limits=LIMITS, n_spikes=7, upright=upright)


def many(n_blocks=100, **changes):
    drawn = [draw(block, **changes) for block in range(n_blocks)]
    return (np.concatenate([getattr(d, name) for d in drawn]) for name in ("positions", "rotations", "spikes"))


def test_3drot_is_uniform_over_all_rotations():
    """The angle of a uniform rotation has the distribution (angle - sin(angle)) / pi; its axis is uniform on the sphere."""
    _, angles, _ = many()
    vectors = Rotation.from_euler(AXES, angles).as_rotvec()
    angle = np.linalg.norm(vectors, axis=1)
    assert stats.kstest(angle, lambda a: (a - np.sin(a)) / np.pi).pvalue > 1e-4
    for axis in (vectors / angle[:, np.newaxis]).T:
        assert stats.kstest(axis, stats.uniform(-1, 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("rot", "axis"), [("xrot", 0), ("yrot", 1), ("zrot", 2)])
def test_rotation_about_one_axis_is_uniform_over_the_whole_circle(rot, axis):
    angles = draw_rotations(np.random.default_rng(0), 5000, rot)
    assert stats.kstest(angles[:, axis], stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4
    assert not np.delete(angles, axis, axis=1).any()


def test_norot_does_not_turn():
    assert not draw_rotations(np.random.default_rng(0), 10, "norot").any()


def test_positions_are_uniform_in_the_limits():
    positions, _, spikes = many()
    for values, (low, high) in zip(positions.T, LIMITS, strict=True):
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4
    assert stats.chisquare(np.bincount(spikes, minlength=7)).pvalue > 1e-4


def test_beta_positions_follow_the_beta_distribution_in_depth_only():
    positions, _, _ = many(x_distr="beta")
    assert stats.kstest((positions[:, 0] - 10) / 70, stats.beta(1.5, 5).cdf).pvalue > 1e-4
    assert stats.kstest(positions[:, 1], stats.uniform(-40, 80).cdf).pvalue > 1e-4


def test_candidates_depend_on_their_stream_key_alone():
    first, again, next_block = draw(0), draw(0), draw(1)
    assert len(first.positions) == BLOCK
    assert np.array_equal(first.rotations, again.rotations)
    assert not np.intersect1d(first.rotations, next_block.rotations).size
    other = draw(0, name="other", beta_distr_params=(1, 1))
    assert not np.intersect1d(first.rotations, other.rotations).size


LFPY_ROTATION = """
import json
import LFPy, neuron, numpy as np
soma = neuron.h.Section(name="soma")
dendrite = neuron.h.Section(name="dend")
dendrite.connect(soma(1))
for section, end in ((soma, (10, 0, 0)), (dendrite, (40, 70, -30))):
    section.pt3dadd(-10 if section is soma else 10, 0, 0, 5)
    section.pt3dadd(*end, 5)
sections = neuron.h.SectionList()
for section in (soma, dendrite):
    sections.append(section)
cell = LFPy.Cell(sections, delete_sections=False, nsegs_method=None)
def ends():
    return np.stack([cell.x.ravel(), cell.y.ravel(), cell.z.ravel()], axis=1)
before = ends() - cell.somapos
cell.set_rotation(x=0.3, y=-1.1, z=2.4)
cell.set_pos(20, -5, 70)
print(json.dumps([before.tolist(), ends().tolist()]))
"""


def test_place_turns_as_lfpy_does():
    """The angles that are stored are those of LFPy's `set_rotation` (and of MEArec, which uses it)."""
    before, after = run_python(LFPY_ROTATION)
    placed = place(np.array(before), np.array([0.3, -1.1, 2.4]), np.array([20.0, -5.0, 70.0]))
    np.testing.assert_allclose(placed, after, atol=1e-6)


def test_limits_that_are_null_follow_the_contacts():
    contacts = np.array([[0.0, -20, -100], [0.0, 20, 100]])
    limits = position_limits(contacts, PoseSampling(xlim=(10, 80), ylim=None, zlim=(-5, 5), overhang=30))
    assert limits.tolist() == [[10, 80], [-50, 50], [-5, 5]]


@pytest.mark.parametrize("upright", [[0.0, 1.0, 0.0], [-0.82, -0.56, -0.11], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], ids=str)
def test_physrot_keeps_the_apical_dendrite_in_its_cone(upright):
    """The axis is uniform on a cap of the sphere: the cosine of the tilt, the azimuth and the turn about it are uniform."""
    upright, tilt = np.array(upright) / np.linalg.norm(upright), 0.26
    _, angles, _ = many(rot="physrot", upright=upright, tilt=tilt)
    turned = Rotation.from_euler(AXES, angles)
    axis = turned.apply(upright)
    cosine = axis[:, 2]
    assert cosine.min() > np.cos(tilt) - 1e-9
    assert stats.kstest(cosine, stats.uniform(np.cos(tilt), 1 - np.cos(tilt)).cdf).pvalue > 1e-4
    assert stats.kstest(np.arctan2(axis[:, 1], axis[:, 0]), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4
    across = np.cross(upright, [1.0, 0.0, 0.3])
    side = turned.apply(across / np.linalg.norm(across))
    assert stats.kstest(np.arctan2(side[:, 1], side[:, 0]), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4


def test_physrot_without_an_apical_dendrite_is_any_rotation():
    _, physical, _ = many(3, rot="physrot", upright=None, tilt=0.26)
    _, free, _ = many(3)
    assert np.array_equal(physical, free)


#: BMTK's angles of its cells (`rotation_angle_zaxis` of its networks), rad, and the apical cells among them
KNOWN_ANGLES = {"472363762": 3.6469, "473863510": 4.1598, "473863035": 2.6393}


@pytest.mark.parametrize("model", KNOWN_ANGLES)
def test_apical_axis_is_where_the_pia_is(model, currents):
    """Two independent ways lead to the pia: the centroid of the dendrite, and the angle of the slice."""
    cell = currents[model]
    geometry = Geometry(cell.start, cell.end, cell.diameter)
    found = upright_axis(geometry, cell.section)
    known = upright_axis(geometry, cell.section, angle=KNOWN_ANGLES[model])
    assert np.linalg.norm(found) == pytest.approx(1) and found @ known > np.cos(np.radians(20))


def test_cell_without_an_apical_dendrite_has_no_axis(currents):
    cell = currents["472912177"]
    assert upright_axis(Geometry(cell.start, cell.end, cell.diameter), cell.section) is None


def path(candidate=0, position=(30.0, 0, 0), **changes):
    reach = {"drift_xlim": (-10.0, 10.0), "drift_ylim": (-10.0, 10.0), "drift_zlim": (30.0, 80.0)}
    settings = DriftPaths(**reach | {"min_drift": 30.0, "max_drift": 60.0, "drift_steps": 5} | changes)
    return draw_path((0, "test"), candidate, np.array(position), LIMITS, settings)


def test_path_is_straight_with_the_pose_in_its_middle():
    for candidate in range(50):
        displacements = path(candidate)
        length = np.linalg.norm(displacements[-1] - displacements[0])
        assert not displacements[2].any() and 30 <= length <= 60
        np.testing.assert_allclose(np.diff(displacements, n=2, axis=0), 0, atol=1e-12)
        across = np.abs(displacements[-1] - displacements[0])
        assert across[0] <= 10 and across[1] <= 10 and 30 <= across[2] <= 60
    assert np.array_equal(path(7), path(7)) and not np.array_equal(path(7), path(8))


def test_path_within_bounds_stays_there_or_is_given_up():
    ends = [path(k, (12.0, 0, 140.0), drift_within_bounds=True) for k in range(50)]
    assert all(p is None for p in ends)  # 140 + 15 is beyond 150 already
    inside = [path(k, (40.0, 0, 100.0), drift_within_bounds=True) for k in range(50)]
    assert all((100 + p[[0, -1], 2] < 150).all() for p in inside if p is not None)


@pytest.mark.parametrize(
    ("lowest", "highest", "step", "expected"),
    [
        (-60, 60, 2, np.arange(-60, 61, 2)),
        (0, 5, 2, [0, 2, 4]),
        (-3, 0, 1.5, [-3, -1.5, 0]),
        (-0.3, 0.3, 0.1, np.arange(-3, 4) / 10),
    ],
)
def test_grid_holds_zero_and_whole_steps(lowest, highest, step, expected):
    displacements, zero = grid_displacements(DriftGrid(y=(lowest, highest), step=step))
    np.testing.assert_allclose(displacements[:, 1], expected, atol=1e-12)
    assert not displacements[zero].any() and not displacements[:, [0, 2]].any()


def test_offset_moves_positions_away_from_the_plane():
    contacts = np.array([[0.0, -10, -20], [0, 10, 20]])
    near, far = (position_limits(contacts, PoseSampling(overhang=5, offset=offset)) for offset in (0, 7))
    assert np.array_equal(far - near, [[7, 7], [0, 0], [0, 0]])


GOOD_TABLE = "x_um,y_um,z_um,rotation_x_rad,rotation_y_rad,rotation_z_rad,spike_index,model_id\n"


def test_table_of_poses_is_read_for_its_model(tmp_path):
    table = tmp_path / "poses.csv"
    table.write_text(GOOD_TABLE + "1,2,3,0.1,0.2,0.3,4,0011\n5,6,7,0,0,0,1,12\n")
    poses = read_poses(table, "0011")
    assert poses.positions.tolist() == [[1, 2, 3]] and poses.rotations.tolist() == [[0.1, 0.2, 0.3]] and poses.spikes[0] == 4
    assert len(read_poses(table, "13")) == 0
    table.write_text(GOOD_TABLE.replace(",model_id", "") + "1,2,3,0,0,0,4\n")
    assert len(read_poses(table, "any")) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is not a comma-separated table"),
        ("x_um,y_um\n1,2\n", "no column 'z_um'"),
        (GOOD_TABLE + "1,2,3,0,0,0,1,1\n1,2,x,0,0,0,1,1\n", "line 3: z_um is x"),
        (GOOD_TABLE + "1,2,,0,0,0,1,1\n", "line 2: z_um is nan"),
        (GOOD_TABLE + "1,2,inf,0,0,0,1,1\n", "line 2: z_um is inf"),
        (GOOD_TABLE + "1,2,3,0,0,0,1.5,1\n", "line 2: spike_index is 1.5"),
        (GOOD_TABLE + "1,2,3,0,0,0,1e300,1\n", r"line 2: spike_index is 1e\+300, but must be a whole number"),
        (GOOD_TABLE + "1,2,1e300,0,0,0,1,1\n", r"line 2: z_um is 1e\+300, but must be a number within ±100000"),
        (GOOD_TABLE + f"1,2,{'x' * 5000},0,0,0,1,1\n", r"line 2: z_um is x{197}\.\.\., "),
        (GOOD_TABLE + "1,2,\0,0,0,0,1,1\n", "line 2 has a control character"),
        # pandas would take the first column for an index, and all others for the next one.
        (GOOD_TABLE + "1,2,3,0,0,0,1,1,9\n", "its rows have more values"),
        (GOOD_TABLE + "1,2,3,0,0,0,1,1\n\n1,2,3,0,0,0,1,1,9\n", "saw 9"),
    ],
)
def test_bad_table_of_poses_is_named(text, expected, tmp_path):
    (tmp_path / "poses.csv").write_text(text)
    with pytest.raises(UserError, match=expected) as caught:
        read_poses(tmp_path / "poses.csv", "1")
    assert "\n" not in str(caught.value) and "poses.csv" in str(caught.value)


@pytest.mark.parametrize("rot", ["norot", "xrot", "yrot", "zrot", "3drot", "physrot"])
def test_every_rotation_can_be_reversed(rot):
    """The opposite angles in the opposite order turn points back, and so does the frame of the cell that the sampling uses."""
    positions, angles, _ = many(5, rot=rot, upright=np.array([0.6, -0.8, 0.0]), tilt=0.3)
    points = np.random.default_rng(0).normal(0, 100, (20, 3))
    placed = place(points, angles, positions)
    for k in range(len(angles)):
        back = Rotation.from_euler("zyx", -angles[k][::-1]).apply(placed[k] - positions[k])
        np.testing.assert_allclose(back, points, atol=1e-9)
        matrix = rotation_matrices(angles[k])
        seen = [in_cell_frame(point, matrix, positions[k]) for point in placed[k]]
        np.testing.assert_allclose(seen, points, atol=1e-9)
