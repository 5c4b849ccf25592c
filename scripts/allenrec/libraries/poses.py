"""Poses: where a soma is and how its cell is turned."""

from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from allenrec.common.errors import UserError
from allenrec.common.random_streams import generator

#: Candidates are drawn in blocks, each at an address of its own; candidate k is the same whatever comes after it
BLOCK = 256

#: Angles are those of rotations about x, then y, then z (the fixed axes), rad: R = Rz Ry Rx, as in MEArec
AXES = "xyz"


#: Of a table of poses: µm, rad, and which stored spike
POSE_COLUMNS = (
    *("x_um", "y_um", "z_um", "rotation_x_rad", "rotation_y_rad", "rotation_z_rad"),
    "spike_index",
)
#: How many paths are tried for a pose before it is given up
PATHS_TRIED = 100


@dataclass(frozen=True)
class Poses:
    """Poses of a cell: `positions` (n, 3) µm, `rotations` (n, 3) rad, `spikes` (n,) indices of stored spikes."""

    positions: np.ndarray
    rotations: np.ndarray
    spikes: np.ndarray

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, rows):
        return Poses(positions=self.positions[rows], rotations=self.rotations[rows], spikes=self.spikes[rows])

    def along(self, displacements):
        """The poses (n * n_steps) of cells that are moved by displacements, (n_steps, 3) or (n, n_steps, 3) µm."""
        displacements = np.broadcast_to(displacements, (len(self), *displacements.shape[-2:]))
        n_steps = displacements.shape[1]
        return Poses(
            positions=(self.positions[:, np.newaxis] + displacements).reshape(-1, 3),
            rotations=np.repeat(self.rotations, n_steps, axis=0),
            spikes=np.repeat(self.spikes, n_steps),
        )


def read_poses(path, model_id):
    """Read the poses of a model from a table, comma-separated, with columns as `templates.csv` has them.

    Parameters
    ----------
    path : path
        Columns `POSE_COLUMNS`; rows with another `model_id`, if there is this column, are for other models.
    model_id : str

    Returns
    -------
    Poses

    Raises
    ------
    UserError
        With the file and the column at fault.
    """
    try:
        table = pd.read_csv(path, dtype={"model_id": str})
    except FileNotFoundError:
        raise UserError(f"{path}: no such table of poses") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not a comma-separated table of poses: {error}") from None
    missing = [column for column in POSE_COLUMNS if column not in table]
    if missing:
        raise UserError(f"{path}: no column {missing[0]!r}; a table of poses has {', '.join(POSE_COLUMNS)}")
    for column in POSE_COLUMNS:
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = ~np.isfinite(values) | ((values != values.round()) if column == "spike_index" else False)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise UserError(f"{path}, line {row + 2}: {column} is {table[column][row]}, not a number that it can be")
        table[column] = values
    if "model_id" in table:
        table = table[table["model_id"] == model_id]
    return Poses(
        positions=table[list(POSE_COLUMNS[:3])].to_numpy(float),
        rotations=table[list(POSE_COLUMNS[3:6])].to_numpy(float),
        spikes=table[POSE_COLUMNS[6]].to_numpy(np.int64),
    )


def position_limits(contacts, *, xlim, ylim, zlim, overhang, offset=0.0):
    """Return the box of soma positions, (3, 2) µm; where a limit is None, the contacts' extent and `overhang`. `offset` moves
    it away from the plane of the probe."""
    extent = np.stack([contacts.min(axis=0) - overhang, contacts.max(axis=0) + overhang], axis=1)
    box = np.array(
        [box if limit is None else limit for limit, box in zip((xlim, ylim, zlim), extent, strict=True)], dtype=float
    )
    box[0] += offset
    return box


def draw_poses(address, block, *, limits, rot, x_distr, beta_distr_params, n_spikes, upright=None, tilt=0.0):
    """Draw one block of candidate poses.

    Parameters
    ----------
    address : tuple
        Seed and address of the stream; see `seeds.generator`.
    block : int
        Number of the block.
    limits : numpy.ndarray
        (3, 2) µm.
    rot, upright, tilt
        See `draw_rotations`.
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
    return Poses(
        positions=limits[:, 0] + fractions * (limits[:, 1] - limits[:, 0]),
        rotations=draw_rotations(rng, BLOCK, rot, upright, tilt),
        spikes=rng.integers(n_spikes, size=BLOCK),
    )


def draw_rotations(rng, n, rot, upright=None, tilt=0.0):
    """Return `n` rotations as angles (n, 3) rad.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    rot : {"norot", "xrot", "yrot", "zrot", "3drot", "physrot"}
        "3drot" is uniform over all rotations: a normalised vector of four normal numbers is a uniform unit quaternion
        (Shoemake 1992, Graphics Gems III). "xrot", "yrot" and "zrot" are uniform about one axis. "physrot" turns `upright` to
        the probe's depth axis, z, tilted in a random direction, and is uniform about it; without `upright` it is "3drot".
    upright : numpy.ndarray, optional
        (3,), the direction in the reconstruction that points to the pia; see `upright_axis`.
    tilt : float
        rad. The tilted axis is uniform over the directions that lie within so much of z.
    """
    if rot == "3drot" or (rot == "physrot" and upright is None):
        return Rotation.from_quat(rng.standard_normal((n, 4))).as_euler(AXES)
    angles = np.zeros((n, 3))
    if rot == "physrot":
        spin, direction = rng.uniform(-np.pi, np.pi, (2, n))
        polar = np.arccos(rng.uniform(np.cos(tilt), 1.0, n))
        aligned, _ = Rotation.align_vectors([0.0, 0.0, 1.0], upright)
        turned = Rotation.from_euler("zyz", np.stack([spin, polar, direction], axis=1))
        return (turned * aligned).as_euler(AXES, suppress_warnings=True)
    if rot != "norot":
        angles[:, AXES.index(rot[0])] = rng.uniform(-np.pi, np.pi, n)
    return angles


def upright_axis(start, end, section, angle=None):
    """Return the direction (3,) in a reconstruction that points to the pia; None for a cell without an apical dendrite.

    Parameters
    ----------
    start, end : numpy.ndarray
        (n_seg, 3) µm, soma at the origin.
    section : numpy.ndarray
        (n_seg,) type of each segment.
    angle : float, optional
        rad, if it is known: the rotation about z after which the pia lies towards y (`rotation_angle_zaxis` of BMTK).

    Without an angle, the direction from the soma to the centroid of the apical dendrite, weighted by length.
    """
    if angle is not None:
        return np.array([np.sin(angle), np.cos(angle), 0.0])
    apical = section == "apic"
    if not apical.any():
        return None
    length = np.linalg.norm(end - start, axis=1)[apical]
    centroid = np.average(0.5 * (start + end)[apical], axis=0, weights=length)
    return centroid / np.linalg.norm(centroid)


def draw_path(address, candidate, position, *, limits, reach, min_drift, max_drift, within_bounds, n_steps):
    """Draw the straight path on which a cell drifts, with its pose in the middle.

    Parameters
    ----------
    address : tuple
        Seed and address of the stream.
    candidate : int
        Number of the candidate pose; the path depends on it alone.
    position : numpy.ndarray
        (3,) µm, of the middle.
    limits : numpy.ndarray
        (3, 2) µm, of soma positions.
    reach : numpy.ndarray
        (3, 2) µm: the vector from the first to the last step is uniform within it.
    min_drift, max_drift : float
        µm. Shortest and longest path.
    within_bounds : bool
        Whether both ends must lie within `limits`.
    n_steps : int
        Odd, ends included.

    Returns
    -------
    numpy.ndarray or None
        Displacements (n_steps, 3) µm; None if no path was found in `PATHS_TRIED`.
    """
    rng = generator(*address, "path", candidate)
    vectors = reach[:, 0] + rng.random((PATHS_TRIED, 3)) * (reach[:, 1] - reach[:, 0])
    length = np.linalg.norm(vectors, axis=1)
    good = (length >= min_drift) & (length <= max_drift)
    if within_bounds:
        for end in (position - vectors / 2, position + vectors / 2):
            good &= ((end > limits[:, 0]) & (end < limits[:, 1])).all(axis=1)
    if not good.any():
        return None
    return np.linspace(-0.5, 0.5, n_steps)[:, np.newaxis] * vectors[np.argmax(good)]


def grid_displacements(axis, lowest, highest, step):
    """Return displacements (n_steps, 3) µm along one axis ("x", "y" or "z"), a whole number of steps from zero, and the index
    of zero among them."""
    numbers = np.arange(-int(-lowest / step + 1e-9), int(highest / step + 1e-9) + 1)
    displacements = np.zeros((len(numbers), 3))
    displacements[:, AXES.index(axis)] = numbers * step
    return displacements, int(np.flatnonzero(numbers == 0)[0])


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
