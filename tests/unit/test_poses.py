"""Poses against LFPy's rotations and against the statistics that they should have."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation
from support import run_python

from allenrec.poses import AXES, BLOCK, draw_candidates, draw_rotations, place, position_limits

LIMITS = np.array([[10.0, 80], [-40, 40], [-150, 150]])


def draw(block, **changes):
    settings = {"limits": LIMITS, "rot": "3drot", "x_distr": "uniform", "beta_distr_params": (1.5, 5.0), "n_spikes": 7}
    return draw_candidates((0, "test"), block, **settings | changes)


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


def test_candidates_depend_on_their_address_alone():
    first, again, next_block = draw(0), draw(0), draw(1)
    assert len(first.positions) == BLOCK
    assert np.array_equal(first.rotations, again.rotations)
    assert not np.intersect1d(first.rotations, next_block.rotations).size
    other = draw_candidates(
        (0, "other"), 0, limits=LIMITS, rot="3drot", x_distr="uniform", beta_distr_params=(1, 1), n_spikes=7
    )
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
    limits = position_limits(contacts, xlim=(10, 80), ylim=None, zlim=(-5, 5), overhang=30)
    assert limits.tolist() == [[10, 80], [-50, 50], [-5, 5]]
