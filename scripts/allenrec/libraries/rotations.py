"""Rotations as angles and as matrices, and random ones.

SciPy's `Rotation` gives the same, but its import takes a third of the processor time of a job for a small library. As with it,
all bits are the same on any processor: the functions are those of `math`, since NumPy's differ between processors in the last
bit, and products are sums in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: The order of rotations: angles (rad) are about x, then y, then z (the fixed axes), R = Rz Ry Rx, as in MEArec
AXES = "xyz"
#: The cosine of the angle about y below which the angles about x and z are not told apart (gimbal lock)
LOCKED = 1e-7


def rotation_matrices(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrices (..., 3, 3) of rotations by angles (..., 3) rad; see `AXES`."""
    (sx, sy, sz), (cx, cy, cz) = (np.moveaxis(_each(function, angles), -1, 0) for function in (math.sin, math.cos))
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_angles(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles (..., 3) rad of rotations (..., 3, 3), the inverse of `rotation_matrices`; x is 0 in gimbal lock."""
    r = np.moveaxis(matrices, (-2, -1), (0, 1))
    cy = np.sqrt(r[0, 0] ** 2 + r[1, 0] ** 2)
    locked = cy < LOCKED
    x = np.where(locked, 0.0, _each(math.atan2, r[2, 1], r[2, 2]))
    z = np.where(locked, _each(math.atan2, -r[0, 1], r[1, 1]), _each(math.atan2, r[1, 0], r[0, 0]))
    return np.stack([x, _each(math.atan2, -r[2, 0], cy), z], axis=-1)


def uniform_rotations(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Draw matrices (n, 3, 3) of rotations that are uniform over all.

    A normalised vector of four normal numbers is a uniform unit quaternion (Shoemake 1992, Graphics Gems III).
    """
    quaternions = rng.standard_normal((n, 4))
    i, j, k, r = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (j * j + k * k), 2 * (i * j - k * r), 2 * (i * k + j * r)],
        [2 * (i * j + k * r), 1 - 2 * (i * i + k * k), 2 * (j * k - i * r)],
        [2 * (i * k - j * r), 2 * (j * k + i * r), 1 - 2 * (i * i + j * j)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def upright_rotations(rng: np.random.Generator, n: int, upright: NDArray[np.float64], tilt: float) -> NDArray[np.float64]:
    """Draw matrices (n, 3, 3) of rotations that turn a direction (3,), of length 1, to z, tilted.

    The rotation about that axis is uniform, and so is the tilted axis over all directions that make an angle of at most `tilt`
    (rad) with z.
    """
    spin, direction = rng.uniform(-np.pi, np.pi, (2, n))
    polar = _each(math.acos, rng.uniform(math.cos(tilt), 1.0, n))
    zero = np.zeros(n)
    spun, tilted = (rotation_matrices(np.stack(angles, axis=1)) for angles in ([zero, zero, spin], [zero, polar, direction]))
    return _product(tilted, _product(spun, _rotation_to_z(upright)))


def _rotation_to_z(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix (3, 3) of the shortest rotation that turns a direction (3,) of length 1 to z (Rodrigues' formula)."""
    x, y, z = direction
    square = x * x + y * y
    one_plus_cosine = 1 + z if z > 0 else square / (1 - z)  # the sum would cancel
    if one_plus_cosine == 0:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0.0, 0.0, -x], [0.0, 0.0, -y], [x, y, 0.0]])
    return np.eye(3) + cross + _product(cross, cross) / one_plus_cosine


def _product(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products (..., 3, 3) of matrices."""
    product: NDArray[np.float64] = (left[..., :, :, np.newaxis] * right[..., np.newaxis, :, :]).sum(axis=-2)
    return product


def _each(function: Callable[..., float], *values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a function of each value, or of values at the same place of several arrays."""
    # Half of the time of `np.vectorize`
    return np.fromiter(map(function, *(array.ravel().tolist() for array in values)), float).reshape(values[0].shape)
