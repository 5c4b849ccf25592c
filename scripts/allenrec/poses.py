"""Poses: where a soma is and how its cell is turned."""

from dataclasses import dataclass

import numba
import numpy as np
from scipy.spatial.transform import Rotation

from .seeds import generator

#: Candidates are drawn in blocks, each at an address of its own; candidate k is the same whatever comes after it
BLOCK = 64

#: Angles are those of rotations about x, then y, then z (the fixed axes), rad: R = Rz Ry Rx, as in MEArec
AXES = "xyz"


@dataclass(frozen=True)
class Candidates:
    """A block of candidate poses: `positions` (n, 3) µm, `rotations` (n, 3) rad, `spikes` (n,) indices of stored spikes."""

    positions: np.ndarray
    rotations: np.ndarray
    spikes: np.ndarray

    def first(self, n):
        """Return the first `n` of them, or all if there are fewer."""
        return Candidates(positions=self.positions[:n], rotations=self.rotations[:n], spikes=self.spikes[:n])


def position_limits(contacts, *, xlim, ylim, zlim, overhang):
    """Return the box of soma positions, (3, 2) µm; where a limit is None, the contacts' extent and `overhang`."""
    extent = np.stack([contacts.min(axis=0) - overhang, contacts.max(axis=0) + overhang], axis=1)
    return np.array([box if limit is None else limit for limit, box in zip((xlim, ylim, zlim), extent, strict=True)])


def draw_candidates(address, block, *, limits, rot, x_distr, beta_distr_params, n_spikes):
    """Draw one block of candidates.

    Parameters
    ----------
    address : tuple
        Seed and address of the stream; see `seeds.generator`.
    block : int
        Number of the block.
    limits : numpy.ndarray
        (3, 2) µm.
    rot : {"norot", "xrot", "yrot", "zrot", "3drot"}
    x_distr : {"uniform", "beta"}
        Of x; y and z are uniform.
    beta_distr_params : (float, float)
    n_spikes : int
        How many stored spikes there are to choose from.
    """
    rng = generator(*address, block)
    fractions = rng.random((BLOCK, 3))
    if x_distr == "beta":
        fractions[:, 0] = rng.beta(*beta_distr_params, BLOCK)
    return Candidates(
        positions=limits[:, 0] + fractions * (limits[:, 1] - limits[:, 0]),
        rotations=draw_rotations(rng, BLOCK, rot),
        spikes=rng.integers(n_spikes, size=BLOCK),
    )


def draw_rotations(rng, n, rot):
    """Return `n` rotations as angles (n, 3) rad.

    "3drot" is uniform over all rotations: a normalised vector of four normal numbers is a uniform unit quaternion
    (Shoemake 1992, Graphics Gems III). "xrot", "yrot" and "zrot" are uniform about one axis.
    """
    if rot == "3drot":
        return Rotation.from_quat(rng.standard_normal((n, 4))).as_euler(AXES)
    angles = np.zeros((n, 3))
    if rot != "norot":
        angles[:, AXES.index(rot[0])] = rng.uniform(-np.pi, np.pi, n)
    return angles


def place(points, rotations, positions):
    """Turn points about the origin and move them.

    Parameters
    ----------
    points : numpy.ndarray
        (n, 3) µm.
    rotations, positions : numpy.ndarray
        (3,) or (n_poses, 3); rad and µm.

    Returns
    -------
    numpy.ndarray
        (n, 3) or (n_poses, n, 3) µm.
    """
    return points @ np.swapaxes(turns(rotations), -1, -2) + np.asarray(positions)[..., np.newaxis, :]


def turns(rotations):
    """Return the matrices (..., 3, 3) of rotations (..., 3) rad: what `place` turns points with."""
    return Rotation.from_euler(AXES, rotations).as_matrix()


@numba.njit(cache=True, nogil=True)
def seen_from_cell(point, matrix, position):
    """Turn and move a point (3,) µm into the frame of a cell that is placed, the inverse of `place`; return x, y and z.

    The matrix (3, 3) is one of `turns`.
    """
    x, y, z = point[0] - position[0], point[1] - position[1], point[2] - position[2]
    return (
        x * matrix[0, 0] + y * matrix[1, 0] + z * matrix[2, 0],
        x * matrix[0, 1] + y * matrix[1, 1] + z * matrix[2, 1],
        x * matrix[0, 2] + y * matrix[1, 2] + z * matrix[2, 2],
    )
