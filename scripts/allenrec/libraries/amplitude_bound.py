"""Where a cell cannot be loud: a bound on its field that is known before any pose is tried.

Turning and moving a cell does not change its field in its own frame. So space around the cell is cut once into cubes, and
those stay in which some spike might fall by a threshold; a contact none of whose points lies in such a cube cannot be
loud, wherever the cell stands. The bound is rigorous, rounding included: it never decides otherwise than the template.

What is bounded is the drawdown of the potential in time: the most that it falls from any earlier sample. It is the
largest of many linear functions of the potential, so that it is convex: in a cube it is at most that of the potential
interpolated (trilinearly) between the corners, which is at most the largest at a corner, plus what the interpolation can
be wrong.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numba
import numpy as np

from .forward_model import transfer_matrix
from .poses import seen_from_cell

#: Cubes are halved until there would be more of them than this, or their side is below `SHORTEST_SIDE` (µm). More cubes
#: follow the loud region more closely and take longer to make.
MOST_CUBES = 4096
SHORTEST_SIDE = 2.0

#: Currents of all spikes are combinations of so few courses, for the bound; what they leave is added to it.
RANK = 8
#: Nodes treated together, so that what is known of them stays in the fastest cache
NODES_AT_ONCE = 128

CORNERS = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


class LoudRegion(NamedTuple):
    """Cubes in the frame of a cell that hold every point where the cell may be loud.

    `corner` (3,) µm, `side` µm, `cubes` (nx, ny, nz) bool: cube (i, j, k) begins at `corner + side * (i, j, k)`.
    """

    corner: np.ndarray
    side: float
    cubes: np.ndarray


#: The region of a cell of which nothing is known
EVERYWHERE = LoudRegion(corner=np.full(3, -1e12), side=2e12, cubes=np.ones((1, 1, 1), dtype=bool))


@numba.njit(cache=True, nogil=True)
def touches(region, points, matrix, position):
    """Whether one of the points (n_points, 3) µm lies in a `LoudRegion` when its cell stands at a pose.

    See `poses.seen_from_cell` for the pose.
    """
    nx, ny, nz = region.cubes.shape
    for q in range(len(points)):
        x, y, z = seen_from_cell(points[q], matrix, position)
        # Most points are outside; most of these are found by their first coordinate
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


def loud_region(currents, geometry, *, sigma, source, factor, threshold, threads=1):
    """Find the region in which the potential of some spike may fall by a threshold.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32 nA, 0 at the first sample.
    geometry : (start, end, diameter)
        Segments in the frame of the cell; see `transfer_matrix`.
    sigma : float
        S/m; the medium has to be isotropic, for else the field turns with the cell.
    source : str
        See `transfer_matrix`.
    factor : float
        From mV of `transfer_matrix` to the unit of `threshold`.
    threshold : float
        Above 0.
    threads : int

    Returns
    -------
    LoudRegion
    """
    field = _Field(currents, geometry, sigma=sigma, source=source, factor=factor)
    low, high = field.box(threshold)
    side = 2.0 ** np.ceil(np.log2((high - low).max()))
    cubes = np.zeros((1, 3), dtype=np.int64)
    with ThreadPoolExecutor(threads) as pool:
        while len(cubes) and 8 * len(cubes) <= MOST_CUBES and side > SHORTEST_SIDE:
            side /= 2
            cubes = (2 * cubes[:, np.newaxis] + CORNERS).reshape(-1, 3)
            bounds = pool.map(partial(field.bounds, low, side), np.array_split(cubes, min(threads, len(cubes))))
            cubes = cubes[np.concatenate(list(bounds)) >= threshold]
    if not len(cubes):
        return LoudRegion(corner=low, side=float(side), cubes=np.zeros((1, 1, 1), dtype=bool))
    first = cubes.min(axis=0)
    grid = np.zeros(np.ptp(cubes, axis=0) + 1, dtype=bool)
    grid[tuple((cubes - first).T)] = True
    return LoudRegion(corner=low + side * first, side=float(side), cubes=grid)


class _Field:
    """The field of a cell, in the unit of the threshold, as far as its bounds need it."""

    def __init__(self, currents, geometry, *, sigma, source, factor):
        self.start, self.end, diameter = geometry
        self.vector, self.radius = self.end - self.start, 0.5 * diameter
        self.geometry, self.medium = geometry, {"sigma": sigma, "source": source}
        self.factor, self.point_source = factor, factor / (4 * np.pi * sigma)
        self.swing = np.ptp(currents, axis=2).max(axis=0).astype(float)
        self.basis, self.courses, self.rest = few_courses(currents)
        # A segment is loudest in the middle of its axis, where the distance is held at its radius
        middles = 0.5 * (self.start + self.end)
        self.loudest = np.diag(transfer_matrix(*geometry, middles, **self.medium)) * factor / self.point_source

    def box(self, threshold):
        """Return two opposite corners (3,) µm; outside, even all currents in one point at their largest are too quiet."""
        reach = 1.001 * self.point_source * self.swing.sum() / threshold
        ends = np.concatenate([self.start, self.end])
        return ends.min(axis=0) - reach, ends.max(axis=0) + reach

    def bounds(self, low, side, cubes):
        """Return (n,): what the drawdown nowhere exceeds in each of the cubes (n, 3), numbers of `side` from `low`."""
        corners = (cubes[:, np.newaxis] + CORNERS).reshape(-1, 3)
        size = (corners.max() + 1,) * 3
        # Neighbours share corners
        nodes, where = np.unique(np.ravel_multi_index(corners.T, size), return_inverse=True)
        nodes = low + side * np.stack(np.unravel_index(nodes, size), axis=1)
        at_corners = self.drawdowns(nodes)[where].reshape(-1, 8).max(axis=1)
        centres = low + side * (cubes + 0.5)
        error = _interpolation_error(centres, side, self.start, self.vector, self.radius, self.loudest, self.swing)
        return at_corners + self.point_source * error

    def drawdowns(self, nodes):
        """Return (n,): what the largest drawdown of any spike does not exceed at points (n, 3) µm."""
        matrix = self.factor * transfer_matrix(*self.geometry, nodes, **self.medium)
        weights = np.ascontiguousarray((matrix @ self.basis).T, dtype=np.float32)
        return _drawdowns(weights, self.courses) + matrix @ self.rest


def few_courses(currents):
    """Write currents as combinations of a few courses in time, plus a rest that is bounded.

    Parameters
    ----------
    currents : numpy.ndarray
        (n_spikes, n_seg, n_t) float32.

    Returns
    -------
    basis : numpy.ndarray
        (n_seg, RANK) float32.
    courses : numpy.ndarray
        (n_spikes, n_t, RANK) float32: `basis @ courses[k].T` is about `currents[k]`.
    rest : numpy.ndarray
        (n_seg,): by how much more than with these a segment's share of a difference between two samples can be, in units of
        its current; with all rounding of float32, here and in the templates.
    """
    n_spikes, n_seg, n_t = currents.shape
    flat = np.swapaxes(currents, 0, 1).reshape(n_seg, -1)
    some = flat[:, :: max(1, flat.shape[1] // 256)]
    basis = np.zeros((n_seg, RANK), dtype=np.float32)
    largest = np.linalg.eigh(some @ some.T)[1][:, -RANK:]
    basis[:, : largest.shape[1]] = largest
    courses = basis.T @ flat
    magnitude = np.abs(basis) @ _largest_magnitude(courses)
    left = _largest_magnitude(flat - basis @ courses)
    # Sums of n float32 products are wrong by less than n times this, of the sum of their magnitudes
    rounding = 2.0**-23
    rest = 2.0 * left + rounding * (4 * (RANK + 4) * magnitude + 2 * (n_seg + 4) * _largest_magnitude(flat))
    return basis, np.ascontiguousarray(courses.T.reshape(n_spikes, n_t, -1)), rest


def _largest_magnitude(rows):
    """The largest magnitude (n,) in each row, without a copy of all."""
    return np.maximum(rows.max(axis=1), -rows.min(axis=1))


@numba.njit(cache=True, nogil=True)
def _drawdowns(weights, courses):
    """The largest drawdown (n,) of any spike at points where the courses (n_spikes, n_t, RANK) have `weights` (RANK, n).

    Potentials start at zero. The sum over courses is written out, which keeps it in registers.
    """
    largest = np.zeros(weights.shape[1], dtype=np.float32)
    for first in range(0, len(largest), NODES_AT_ONCE):
        some = weights[:, first : first + NODES_AT_ONCE].copy()
        a0, a1, a2, a3, a4, a5, a6, a7 = some[0], some[1], some[2], some[3], some[4], some[5], some[6], some[7]
        fall = largest[first : first + NODES_AT_ONCE]
        high = np.empty_like(fall)
        for k in range(courses.shape[0]):
            high[:] = 0
            for t in range(courses.shape[1]):
                w = courses[k, t]
                w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
                for i in range(len(fall)):
                    v = w0 * a0[i] + w1 * a1[i] + w2 * a2[i] + w3 * a3[i]
                    v += w4 * a4[i] + w5 * a5[i] + w6 * a6[i] + w7 * a7[i]
                    high[i] = max(high[i], v)
                    fall[i] = max(fall[i], high[i] - v)
    return largest


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _interpolation_error(centres, side, start, vector, radius, loudest, swing):
    """Return (n,) nA/µm: how wrong the swing of a potential interpolated between the corners of a cube can be.

    Times 1 / (4 pi sigma). Per current, a segment at least `d` away from the cube contributes at most the smallest of:

    - 3 * side**2 / 8 * 2 / d**3, as linear interpolation along one axis is wrong by side**2 / 8 times the largest second
      derivative, and that of 1 / distance is nowhere more than 2 / d**3; and radius**2 / (2 d**3), by which holding the
      distance at the radius changes 1 / distance, as it does beyond the ends of a segment close to its axis
    - 1 / d and its `loudest` value, as potentials lie between zero and these.
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
            total += swing[s] * min(smooth, 1 / d, loudest[s])
        out[c] = total
    return out
