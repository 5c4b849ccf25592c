"""Rotations against SciPy's."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from allenrec.libraries.rotations import AXES, rotation_angles, rotation_matrices, uniform_rotations, upright_rotations

ANGLES = np.random.default_rng(0).uniform(-np.pi, np.pi, (200, 3))
LOCKED = [[0.3, np.pi / 2, 1.0], [-2.0, -np.pi / 2, 0.5], [0.0, np.pi / 2 - 1e-9, 3.0]]
UPRIGHT = {
    "y": [0.0, 1.0, 0.0],
    "z": [0.0, 0.0, 1.0],
    "minus z": [0.0, 0.0, -1.0],
    "almost minus z": [1e-9, -2e-9, -1.0],
    "x": [1.0, 0.0, 0.0],
    "oblique": [-0.82, -0.56, -0.11],
}


def test_matrices_are_those_of_scipy():
    expected = Rotation.from_euler(AXES, ANGLES).as_matrix()
    np.testing.assert_allclose(rotation_matrices(ANGLES), expected, atol=1e-15)
    np.testing.assert_allclose(rotation_matrices(ANGLES.reshape(10, 20, 3)), expected.reshape(10, 20, 3, 3), atol=1e-15)
    np.testing.assert_allclose(rotation_matrices(ANGLES[0]), expected[0], atol=1e-15)


@pytest.mark.parametrize(("angles", "atol"), [(ANGLES, 1e-14), (LOCKED, 1e-8)], ids=["any", "gimbal lock"])
def test_angles_of_scipys_matrices_give_the_same_rotation(angles, atol):
    matrices = Rotation.from_euler(AXES, angles).as_matrix()
    found = rotation_angles(matrices)
    np.testing.assert_allclose(Rotation.from_euler(AXES, found).as_matrix(), matrices, atol=atol)


def test_uniform_rotations_are_those_of_unit_quaternions():
    quaternions = np.random.default_rng(3).standard_normal((50, 4))
    expected = Rotation.from_quat(quaternions).as_matrix()
    np.testing.assert_allclose(uniform_rotations(np.random.default_rng(3), 50), expected, atol=1e-15)


@pytest.mark.parametrize("upright", UPRIGHT)
def test_a_direction_is_turned_to_z_on_the_shortest_way_and_about_it(upright):
    """Without tilt the axis is z; the rest is a turn about it, after the rotation that SciPy aligns with."""
    direction = np.array(UPRIGHT[upright]) / np.linalg.norm(UPRIGHT[upright])
    matrices = upright_rotations(np.random.default_rng(5), 20, direction, 0.0)
    np.testing.assert_allclose(matrices @ direction, np.tile([0.0, 0, 1], (20, 1)), atol=1e-12)
    np.testing.assert_allclose(matrices @ np.swapaxes(matrices, 1, 2), np.tile(np.eye(3), (20, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0, atol=1e-12)
    if "minus" not in upright:  # where any axis across is as good
        spin = np.random.default_rng(5).uniform(-np.pi, np.pi, (2, 20)).sum(axis=0)
        aligned, _ = Rotation.align_vectors([0.0, 0.0, 1.0], direction)
        np.testing.assert_allclose(matrices, (Rotation.from_euler("z", spin[:, np.newaxis]) * aligned).as_matrix(), atol=1e-9)
    np.testing.assert_allclose(rotation_matrices(rotation_angles(matrices)), matrices, atol=1e-7)
