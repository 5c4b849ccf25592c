"""Poses: the position of a soma, the rotation of its cell, and the paths on which it drifts."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.common.csv_text import read_users_table
from allenrec.common.errors import UserError, shortened
from allenrec.common.random_streams import StreamKey, generator

from .rotations import AXES, rotation_angles, rotation_matrices, uniform_rotations, upright_rotations

if TYPE_CHECKING:
    from allenrec.settings.libraries import DriftGrid, DriftPaths, PoseSampling

#: The number of candidates in a block. Each block has a random stream of its own, so that candidate k does not depend on what
#: comes after it.
BLOCK = 256

#: The columns of a table of poses: µm, rad, and the index of the stored spike
POSE_COLUMNS = (
    *("x_um", "y_um", "z_um", "rotation_x_rad", "rotation_y_rad", "rotation_z_rad"),
    "spike_index",
)
#: The largest number in such a table
FARTHEST = 1e5
#: The number of paths that are tried for a pose before it is refused
PATHS_TRIED = 100


class Geometry(NamedTuple):
    """The segments of a cell: `start` and `end` (n_seg, 3) and `diameter` (n_seg,), µm, the soma at the origin."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    diameter: NDArray[np.float64]

    def placed(self, rotation: NDArray[np.float64], position: NDArray[np.float64]) -> Geometry:
        """Return the segments of the cell in a pose, see `place`."""
        return Geometry(place(self.start, rotation, position), place(self.end, rotation, position), self.diameter)


@dataclass(frozen=True)
class Poses:
    """Poses of a cell: `positions` (n, 3) µm, `rotations` (n, 3) rad, `spikes` (n,) indices of stored spikes."""

    positions: NDArray[np.float64]
    rotations: NDArray[np.float64]
    spikes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: Any) -> Poses:
        return Poses(positions=self.positions[rows], rotations=self.rotations[rows], spikes=self.spikes[rows])

    def along(self, displacements: NDArray[np.float64]) -> Poses:
        """Return the poses (n * n_steps) of cells that are moved by displacements, (n_steps, 3) or (n, n_steps, 3) µm."""
        displacements = np.broadcast_to(displacements, (len(self), *displacements.shape[-2:]))
        n_steps = displacements.shape[1]
        return Poses(
            positions=(self.positions[:, np.newaxis] + displacements).reshape(-1, 3),
            rotations=np.repeat(self.rotations, n_steps, axis=0),
            spikes=np.repeat(self.spikes, n_steps),
        )


def read_poses(path: str | PathLike[str], model_id: str) -> Poses:
    """Read the poses of a model from a comma-separated table with the columns of `templates.csv`.

    Parameters
    ----------
    path : path
        A table with the columns `POSE_COLUMNS`. If it has a column `model_id`, rows of other models are left out.
    model_id : str

    Returns
    -------
    Poses

    Raises
    ------
    UserError
        If the table is missing or holds a wrong value; the message names the line and the column.
    """
    import pandas as pd  # few libraries have such a table

    try:
        table = read_users_table(path, dtype={"model_id": str}, skipinitialspace=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such table of poses") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not a comma-separated table of poses: {shortened(error)}") from None
    missing = [column for column in POSE_COLUMNS if column not in table]
    if missing:
        raise UserError(f"{path}: no column {missing[0]!r}; a table of poses has {', '.join(POSE_COLUMNS)}")
    for column in POSE_COLUMNS:
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = ~(values.abs() <= FARTHEST) | ((values != values.round()) if column == "spike_index" else False)
        if wrong.any():
            row = int(np.argmax(wrong))
            kind = "a whole number" if column == "spike_index" else f"a number within ±{FARTHEST:g}"
            value = shortened(table[column].iloc[row])
            raise UserError(f"{path}, line {row + 2}: {column} is {value}, but must be {kind}")
        table[column] = values
    if "model_id" in table:
        table = table[table["model_id"] == model_id]
    return Poses(
        positions=table[list(POSE_COLUMNS[:3])].to_numpy(float),
        rotations=table[list(POSE_COLUMNS[3:6])].to_numpy(float),
        spikes=table[POSE_COLUMNS[6]].to_numpy(np.int64),
    )


def position_limits(contacts: NDArray[np.float64], settings: PoseSampling) -> NDArray[np.float64]:
    """Return the box of soma positions.

    Parameters
    ----------
    contacts : numpy.ndarray
        (n_contacts, 3) µm.
    settings : allenrec.settings.libraries.PoseSampling
        If a limit is None, the box reaches `overhang` beyond the outermost contacts; `offset` moves the box along x.

    Returns
    -------
    numpy.ndarray
        (3, 2) µm: lowest and highest position along each axis.
    """
    extent = np.stack([contacts.min(axis=0) - settings.overhang, contacts.max(axis=0) + settings.overhang], axis=1)
    limits = (settings.xlim, settings.ylim, settings.zlim)
    box = np.array([box if limit is None else limit for limit, box in zip(limits, extent, strict=True)], dtype=float)
    box[0] += settings.offset
    return box


def draw_poses(
    stream_key: StreamKey,
    block: int,
    settings: PoseSampling,
    *,
    limits: NDArray[np.float64],
    n_spikes: int,
    upright: NDArray[np.float64] | None = None,
) -> Poses:
    """Draw one block of candidate poses.

    Parameters
    ----------
    stream_key : tuple
        The seed and the names of the random stream, see `allenrec.common.random_streams.generator`.
    block : int
        The number of the block.
    settings : allenrec.settings.libraries.PoseSampling
        The distributions of x (`x_distr`) and of rotations (see `draw_rotations`); y and z are uniform.
    limits : numpy.ndarray
        (3, 2) µm, see `position_limits`.
    n_spikes : int
        The number of stored spikes to choose from.
    upright : numpy.ndarray, optional
        See `draw_rotations`.

    Returns
    -------
    Poses
        `BLOCK` poses.
    """
    rng = generator(*stream_key, block)
    fractions = rng.random((BLOCK, 3))
    if settings.x_distr == "beta":
        fractions[:, 0] = rng.beta(*settings.beta_distr_params, BLOCK)
    return Poses(
        positions=limits[:, 0] + fractions * (limits[:, 1] - limits[:, 0]),
        rotations=draw_rotations(rng, BLOCK, settings.rot, upright, settings.tilt),
        spikes=rng.integers(n_spikes, size=BLOCK),
    )


def draw_rotations(
    rng: np.random.Generator, n: int, rot: str, upright: NDArray[np.float64] | None = None, tilt: float = 0.0
) -> NDArray[np.float64]:
    """Draw `n` rotations as angles (n, 3) rad.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    rot : {"norot", "xrot", "yrot", "zrot", "3drot", "physrot"}
        "3drot" is uniform over all rotations. "xrot", "yrot" and "zrot" are uniform about one axis. "physrot" turns `upright`
        to the probe's depth axis, z, tilted in a random direction, and is uniform about it; without `upright` it is "3drot".
    upright : numpy.ndarray, optional
        (3,), the direction in the reconstruction that points to the pia; see `upright_axis`.
    tilt : float
        The largest angle between the tilted axis and z, rad; the axis is uniform over all such directions.
    """
    if rot == "physrot" and upright is not None:
        return rotation_angles(upright_rotations(rng, n, upright, tilt))
    if rot in ("3drot", "physrot"):
        return rotation_angles(uniform_rotations(rng, n))
    angles = np.zeros((n, 3))
    if rot != "norot":
        angles[:, AXES.index(rot[0])] = rng.uniform(-np.pi, np.pi, n)
    return angles


def upright_axis(geometry: Geometry, section: NDArray[np.object_], angle: float | None = None) -> NDArray[np.float64] | None:
    """Return the direction in a reconstruction that points to the pia.

    Without an angle it is the direction from the soma to the centroid of the apical dendrite, weighted by length.

    Parameters
    ----------
    geometry : Geometry
    section : numpy.ndarray
        (n_seg,) The type of each segment; "apic" is the apical dendrite.
    angle : float, optional
        The rotation about z after which the pia lies towards y, rad (`rotation_angle_zaxis` of BMTK), if it is known.

    Returns
    -------
    numpy.ndarray or None
        (3,), of length 1; None for a cell without an apical dendrite.
    """
    if angle is not None:
        return np.array([np.sin(angle), np.cos(angle), 0.0])
    apical = section == "apic"
    if not apical.any():
        return None
    length = np.linalg.norm(geometry.end - geometry.start, axis=1)[apical]
    centroid: NDArray[np.float64] = np.average(0.5 * (geometry.start + geometry.end)[apical], axis=0, weights=length)
    return centroid / np.linalg.norm(centroid)


def draw_path(
    stream_key: StreamKey,
    candidate: int,
    position: NDArray[np.float64],
    limits: NDArray[np.float64],
    settings: DriftPaths,
) -> NDArray[np.float64] | None:
    """Draw the straight path on which a cell drifts, with its pose in the middle.

    Parameters
    ----------
    stream_key : tuple
        The seed and the names of the random stream.
    candidate : int
        The number of the candidate pose; the random numbers depend on it alone.
    position : numpy.ndarray
        (3,) The soma in the middle of the path, µm.
    limits : numpy.ndarray
        (3, 2) The limits of soma positions, µm.
    settings : allenrec.settings.libraries.DriftPaths
        The vector from the first to the last step is uniform within `drift_xlim`, `drift_ylim` and `drift_zlim`, its length
        from `min_drift` to `max_drift`; with `drift_within_bounds` both ends lie within `limits`.

    Returns
    -------
    numpy.ndarray or None
        Displacements (n_steps, 3) µm; None if no path was found in `PATHS_TRIED`.
    """
    rng = generator(*stream_key, "path", candidate)
    reach = np.array([settings.drift_xlim, settings.drift_ylim, settings.drift_zlim])
    vectors = reach[:, 0] + rng.random((PATHS_TRIED, 3)) * (reach[:, 1] - reach[:, 0])
    length = np.linalg.norm(vectors, axis=1)
    good = (length >= settings.min_drift) & (length <= settings.max_drift)
    if settings.drift_within_bounds:
        for end in (position - vectors / 2, position + vectors / 2):
            good &= ((end > limits[:, 0]) & (end < limits[:, 1])).all(axis=1)
    if not good.any():
        return None
    return np.linspace(-0.5, 0.5, settings.drift_steps)[:, np.newaxis] * vectors[np.argmax(good)]


def grid_displacements(grid: DriftGrid) -> tuple[NDArray[np.float64], int]:
    """Return the displacements (n_steps, 3) µm of a grid, which are whole multiples of its step, and the index of zero."""
    lowest, highest = grid.limits
    numbers = np.arange(-int(-lowest / grid.step + 1e-9), int(highest / grid.step + 1e-9) + 1)
    displacements = np.zeros((len(numbers), 3))
    displacements[:, AXES.index(grid.axis)] = numbers * grid.step
    return displacements, int(np.flatnonzero(numbers == 0)[0])


def place(points: NDArray[np.float64], rotations: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
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
    return points @ np.swapaxes(rotation_matrices(rotations), -1, -2) + np.asarray(positions)[..., np.newaxis, :]


@numba.njit(cache=True, nogil=True, inline="always")
def in_cell_frame(
    point: NDArray[np.float64], matrix: NDArray[np.float64], position: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return x, y and z of a point (3,) µm in the frame of a cell in a pose: the inverse of `place`.

    The matrix (3, 3) is one of `rotations.rotation_matrices`.
    """
    return turned_back(point[0] - position[0], point[1] - position[1], point[2] - position[2], matrix)


@numba.njit(cache=True, nogil=True, inline="always")
def turned_back(x: float, y: float, z: float, matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a vector in the frame of a cell that is turned by a matrix, one of `rotations.rotation_matrices`."""
    return (
        x * matrix[0, 0] + y * matrix[1, 0] + z * matrix[2, 0],
        x * matrix[0, 1] + y * matrix[1, 1] + z * matrix[2, 1],
        x * matrix[0, 2] + y * matrix[1, 2] + z * matrix[2, 2],
    )
