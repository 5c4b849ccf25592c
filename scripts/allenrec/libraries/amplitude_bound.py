"""An upper bound on the amplitude of a cell's spikes, known before any pose is tried.

In the cell's own frame, its field is the same in all poses. So the space around the cell is divided into cubes once, and the
cubes are kept in which the potential of some spike may fall by the threshold. A contact without a point in such a cube stays
below the threshold in any pose. The bound is rigorous, rounding included: no pose is refused whose template reaches the
threshold.

The bounded quantity is the drawdown of the potential in time: its largest fall from any earlier sample. The drawdown is the
maximum of linear functions of the potential (differences of two samples), so it is convex: if the potential is interpolated
(trilinearly) in a cube, its drawdown is at most the largest drawdown at a corner. The true drawdown exceeds that by at most the
error of the interpolation.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from .components import TOLERANCE
from .forward_model import transfer_matrix
from .poses import Geometry, in_cell_frame

if TYPE_CHECKING:
    from .medium import Medium

#: Cubes are halved until there would be more of them than this, or their side is below `MIN_SIDE` (µm). More cubes follow the
#: region more closely and take longer to make, which pays where poses cost more, on more contacts.
MAX_CUBES = 4096
CUBES_PER_CONTACT = 64
MIN_SIDE = 2.0

#: The number of temporal components that represent the currents of all spikes in the bound; the residual is added to it
RANK = 8
#: The largest share of a segment's potential at a contact by which a template may differ from the mean over points: both means
#: are exact to a thousandth
MEAN_ERROR = 2e-3
#: The number of nodes that are treated together, so that their data stay in the fastest cache
NODES_AT_ONCE = 128

CORNERS = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


class AboveThreshold(NamedTuple):
    """Cubes in the frame of a cell that hold every point where its spikes may reach a threshold.

    `corner` (3,) µm, `side` µm, `cubes` (nx, ny, nz) bool: cube (i, j, k) begins at `corner + side * (i, j, k)`.
    """

    corner: NDArray[np.float64]
    side: float
    cubes: NDArray[np.bool_]


#: The region without a bound: it holds every point
EVERYWHERE = AboveThreshold(corner=np.full(3, -1e12), side=2e12, cubes=np.ones((1, 1, 1), dtype=bool))


@numba.njit(cache=True, nogil=True)
def touches(
    region: AboveThreshold,
    points: NDArray[np.float64],
    first: int,
    last: int,
    matrix: NDArray[np.float64],
    position: NDArray[np.float64],
) -> bool:
    """Return whether one of the points `first` to `last` (excluded) of (n_points, 3) µm lies in the region of a cell in a pose.

    See `poses.in_cell_frame` for the pose.
    """
    nx, ny, nz = region.cubes.shape
    for q in range(first, last):
        x, y, z = in_cell_frame(points[q], matrix, position)
        # Most points are outside, and most of these are recognised by their first coordinate
        i = np.floor((x - region.corner[0]) / region.side)
        if not 0 <= i < nx:
            continue
        j = np.floor((y - region.corner[1]) / region.side)
        if not 0 <= j < ny:
            continue
        k = np.floor((z - region.corner[2]) / region.side)
        if 0 <= k < nz and region.cubes[int(i), int(j), int(k)]:
            return True
    return False


def widened(region: AboveThreshold, radius: float) -> AboveThreshold:
    """Return a region that holds every point nearer than `radius` µm to a point of another one."""
    if region is EVERYWHERE or not radius:
        return region
    margin = int(np.ceil(radius / region.side))
    cubes = np.pad(region.cubes, margin)
    for axis in range(3):
        cubes = np.logical_or.reduce([np.roll(cubes, shift, axis) for shift in range(-margin, margin + 1)])
    return AboveThreshold(corner=region.corner - margin * region.side, side=region.side, cubes=cubes)


def region_above_threshold(
    currents: NDArray[np.float32],
    geometry: Geometry,
    medium: Medium,
    threshold: float,
    threads: int = 1,
    max_cubes: int = MAX_CUBES,
) -> AboveThreshold:
    """Find the region in which the potential of some spike may fall by a threshold.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32 nA, 0 at the first sample.
    geometry : Geometry
        Segments in the frame of the cell.
    medium : Medium
        It has to be isotropic; otherwise the field in the cell's frame depends on the pose.
    threshold : float
        µV, above 0.
    threads : int
        The number of threads; the result does not depend on it.
    max_cubes : int
        See `MAX_CUBES`.

    Returns
    -------
    AboveThreshold
    """
    field = _Field(currents, geometry, medium)
    low, high = field.box(threshold)
    side = 2.0 ** np.ceil(np.log2((high - low).max()))
    cubes = np.zeros((1, 3), dtype=np.int64)
    with ThreadPoolExecutor(threads) as pool:
        while len(cubes) and 8 * len(cubes) <= max_cubes and side > MIN_SIDE:
            side /= 2
            cubes = (2 * cubes[:, np.newaxis] + CORNERS).reshape(-1, 3)
            bounds = pool.map(partial(field.bounds, low, side), np.array_split(cubes, min(threads, len(cubes))))
            cubes = cubes[np.concatenate(list(bounds)) >= threshold]
    if not len(cubes):
        return AboveThreshold(corner=low, side=float(side), cubes=np.zeros((1, 1, 1), dtype=bool))
    first = cubes.min(axis=0)
    grid = np.zeros(np.ptp(cubes, axis=0) + 1, dtype=bool)
    grid[tuple((cubes - first).T)] = True
    return AboveThreshold(corner=low + side * first, side=float(side), cubes=grid)


class _Field:
    """The field of a cell, µV, and upper bounds of its drawdown."""

    def __init__(self, currents: NDArray[np.float32], geometry: Geometry, medium: Medium) -> None:
        self.geometry = geometry
        self.vector, self.radius = geometry.end - geometry.start, 0.5 * geometry.diameter
        self.source, self.sigma = medium.source, float(np.mean(medium.sigma))
        self.factor = 1000.0 * medium.image_factor  # mV to µV
        self.point_source = self.factor / (4 * np.pi * self.sigma)
        self.swing = np.ptp(currents, axis=2).max(axis=0).astype(float)
        self.spatial, self.temporal, residual = low_rank_currents(currents)
        self.residual = residual + MEAN_ERROR * self.swing + 2 * TOLERANCE * np.abs(currents).max()
        # The potential of a segment is largest in the middle of its axis, where the distance is held at its radius
        middles = 0.5 * (geometry.start + geometry.end)
        self.largest = np.diag(self._matrix(middles)) * self.factor / self.point_source

    def box(self, threshold: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return two opposite corners (3,) µm of a box outside which no potential reaches the threshold.

        There, even the field of all currents at their largest, in one point, would stay below it.
        """
        reach = 1.001 * self.point_source * self.swing.sum() / threshold
        ends = np.concatenate([self.geometry.start, self.geometry.end])
        return ends.min(axis=0) - reach, ends.max(axis=0) + reach

    def bounds(self, low: NDArray[np.float64], side: float, cubes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return an upper bound (n,) of the drawdown in each of the cubes (n, 3), whole multiples of `side` from `low`."""
        corners = (cubes[:, np.newaxis] + CORNERS).reshape(-1, 3)
        size = (corners.max() + 1,) * 3
        # Neighbours share corners
        nodes, where = np.unique(np.ravel_multi_index(tuple(corners.T), size), return_inverse=True)
        positions = low + side * np.stack(np.unravel_index(nodes, size), axis=1)
        at_corners = self.drawdowns(positions)[where].reshape(-1, 8).max(axis=1)
        centres = low + side * (cubes + 0.5)
        start, swing = self.geometry.start, self.swing
        error = _interpolation_error(centres, side, start, self.vector, self.radius, self.largest, swing)
        bounds: NDArray[np.float64] = at_corners + self.point_source * error
        return bounds

    def drawdowns(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an upper bound (n,) of the largest drawdown of any spike at points (n, 3) µm."""
        matrix = self.factor * self._matrix(points)
        weights = np.ascontiguousarray((matrix @ self.spatial).T, dtype=np.float32)
        drawdowns: NDArray[np.float64] = _drawdowns(weights, self.temporal) + matrix @ self.residual
        return drawdowns

    def _matrix(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the transfer matrix to points (n, 3) µm, mV per nA."""
        return transfer_matrix(*self.geometry, points, sigma=self.sigma, source=self.source)


def low_rank_currents(
    currents: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Write currents as combinations of a few temporal components, plus a residual that is bounded.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32.

    Returns
    -------
    spatial : numpy.ndarray
        (n_seg, RANK) float32: the spatial components.
    temporal : numpy.ndarray
        (n_spikes, n_t, RANK) float32: the temporal components; `spatial @ temporal[k].T` is about `currents[k]`.
    residual : numpy.ndarray
        (n_seg,) float32: for each segment, a bound of the error of the components in a difference between two samples, in units
        of its current. It includes all rounding of float32, here and in the templates.
    """
    n_spikes, n_seg, n_t = currents.shape
    flat = np.swapaxes(currents, 0, 1).reshape(n_seg, -1)
    some = flat[:, :: max(1, flat.shape[1] // 256)]
    spatial = np.zeros((n_seg, RANK), dtype=np.float32)
    largest = np.linalg.eigh(some @ some.T)[1][:, -RANK:]
    spatial[:, : largest.shape[1]] = largest
    temporal = spatial.T @ flat
    magnitude = np.abs(spatial) @ _largest_magnitude(temporal)
    left = _largest_magnitude(flat - spatial @ temporal)
    # The error of a sum of n float32 products is less than n times this share of the sum of their magnitudes
    rounding = 2.0**-23
    residual = 2.0 * left + rounding * (4 * (RANK + 4) * magnitude + 2 * (n_seg + 4) * _largest_magnitude(flat))
    return spatial, np.ascontiguousarray(temporal.T.reshape(n_spikes, n_t, -1)), residual


def _largest_magnitude(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest magnitude (n,) in each row, without a copy of the array."""
    return np.maximum(rows.max(axis=1), -rows.min(axis=1))


@numba.njit(cache=True, nogil=True)
def _drawdowns(weights: NDArray[np.float32], temporal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest drawdown (n,) of any spike at points with `weights` (RANK, n) of the temporal components.

    `temporal` has the shape (n_spikes, n_t, RANK). Potentials start at zero. The sum over components is written out, which
    keeps it in registers.
    """
    largest = np.zeros(weights.shape[1], dtype=np.float32)
    for first in range(0, len(largest), NODES_AT_ONCE):
        some = weights[:, first : first + NODES_AT_ONCE].copy()
        a0, a1, a2, a3, a4, a5, a6, a7 = some[0], some[1], some[2], some[3], some[4], some[5], some[6], some[7]
        fall = largest[first : first + NODES_AT_ONCE]
        high = np.empty_like(fall)
        for k in range(temporal.shape[0]):
            for i in range(len(high)):
                high[i] = 0
            for t in range(temporal.shape[1]):
                w = temporal[k, t]
                w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
                for i in range(len(fall)):
                    v = w0 * a0[i] + w1 * a1[i] + w2 * a2[i] + w3 * a3[i]
                    v += w4 * a4[i] + w5 * a5[i] + w6 * a6[i] + w7 * a7[i]
                    high[i] = max(high[i], v)
                    fall[i] = max(fall[i], high[i] - v)
    return largest


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _interpolation_error(
    centres: NDArray[np.float64],
    side: float,
    start: NDArray[np.float64],
    vector: NDArray[np.float64],
    radius: NDArray[np.float64],
    largest: NDArray[np.float64],
    swing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return a bound (n,) of the error that interpolation between the corners of a cube makes in the swing of a potential.

    It is in nA/µm, to be multiplied by 1 / (4 pi sigma). Per current, a segment at least `d` away from the cube contributes at
    most the smallest of:

    - 3 * side**2 / 8 * 2 / d**3 + radius**2 / (2 d**3). The first term: the error of linear interpolation is at most
      side**2 / 8 times the largest second derivative for each of the three axes, and that of 1 / distance is at most 2 / d**3.
      The second term: beyond the ends of a segment and close to its axis, the distance is held at the radius, which changes
      1 / distance by at most this.
    - 1 / d, and its `largest` value: the potential lies between zero and each of these.
    """
    out = np.zeros(len(centres))
    half_diagonal = 0.5 * np.sqrt(3.0) * side
    for c in range(len(centres)):
        x, y, z = centres[c, 0], centres[c, 1], centres[c, 2]
        total = 0.0
        for s in range(len(swing)):
            dx, dy, dz = x - start[s, 0], y - start[s, 1], z - start[s, 2]
            vx, vy, vz = vector[s, 0], vector[s, 1], vector[s, 2]
            along = (dx * vx + dy * vy + dz * vz) / max(vx * vx + vy * vy + vz * vz, 1e-300)
            along = min(max(along, 0.0), 1.0)
            dx, dy, dz = dx - along * vx, dy - along * vy, dz - along * vz
            d = max(np.sqrt(dx * dx + dy * dy + dz * dz) - half_diagonal, 1e-9)
            smooth = (0.75 * side**2 + 0.5 * radius[s] ** 2) / d**3
            total += swing[s] * min(smooth, 1 / d, largest[s])
        out[c] = total
    return out
