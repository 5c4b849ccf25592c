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
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from .components import TOLERANCE, Components
from .forward_model import mean_potentials, prepare_segments
from .poses import Geometry, in_cell_frame

if TYPE_CHECKING:
    from .forward_model import Segments
    from .medium import Medium

#: Cubes are halved until there would be more of them than this, or their side is below `MIN_SIDE` (µm). More cubes follow the
#: region more closely and take longer to make, which pays where poses cost more, on more contacts.
MAX_CUBES = 4096
CUBES_PER_CONTACT = 64
MIN_SIDE = 2.0

#: The number of traces that represent the currents of all spikes in the bound; the residual is added to it
RANK = 8
#: The number of samples from which these traces are found
SOME = 256
#: The largest distance of a trace from a straight line between two samples, as a share of its largest value. The potential in
#: between is nearly between its values at both, so that other samples are neither the highest nor the lowest.
STRAIGHT = 2e-3
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
    components: Components,
    geometry: Geometry,
    medium: Medium,
    threshold: float,
    threads: int = 1,
    max_cubes: int = MAX_CUBES,
) -> AboveThreshold:
    """Find the region in which the potential of some spike may fall by a threshold.

    Parameters
    ----------
    components : Components
        Of the currents of the spikes, which are 0 at the first sample.
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
    field = _Field(components, geometry, medium)
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

    def __init__(self, components: Components, geometry: Geometry, medium: Medium) -> None:
        self.geometry = geometry
        self.segments = prepare_segments(*geometry, sigma=1.0, source=medium.source)  # at 1 S/m, coordinates are not stretched
        self.factor = 1000.0 * medium.image_factor / float(np.mean(medium.sigma))  # mV to µV
        self.point_source = self.factor / (4 * np.pi)
        spatial, self.temporal, residual = few_traces(components)
        self.spatial = spatial.astype(float)
        at_knots = np.tensordot(spatial, self.temporal, axes=(1, 2))  # (n_seg, n_spikes, n_knots)
        self.swing = np.ptp(at_knots, axis=2).max(axis=1) + residual.astype(float)
        self.residual = residual + MEAN_ERROR * self.swing + 2 * TOLERANCE * self.swing.max()
        # The potential of a segment is largest in the middle of its axis, where the distance is held at its radius
        middles = 0.5 * (geometry.start + geometry.end)
        self.largest = np.diag(self._matrix(middles)) / self.point_source

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
        error = _interpolation_error(centres, side, self.segments, self.largest, self.swing)
        bounds: NDArray[np.float64] = at_corners + self.point_source * error
        return bounds

    def drawdowns(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an upper bound (n,) of the largest drawdown of any spike at points (n, 3) µm."""
        matrix = self._matrix(points)
        weights = np.ascontiguousarray((matrix @ self.spatial).T, dtype=np.float32)
        drawdowns: NDArray[np.float64] = _drawdowns(weights, self.temporal) + matrix @ self.residual
        return drawdowns

    def _matrix(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the potential at points (n, 3) µm from a unit current in each segment, (n, n_seg) µV per nA."""
        matrix = mean_potentials(self.segments, np.ascontiguousarray(points[:, np.newaxis]))
        matrix *= self.factor
        return matrix


class FewTraces(NamedTuple):
    """Currents as combinations of few traces, each a broken line in time, and a bound of the error.

    `spatial` (n_seg, RANK) float32; `temporal` (n_spikes, n_knots, RANK) float32 nA, the traces at the knots between which they
    are straight; `residual` (n_seg,) float32 nA, for each segment, a bound of the error in a difference between two samples. It
    includes all rounding of float32, here and in the templates.
    """

    spatial: NDArray[np.float32]
    temporal: NDArray[np.float32]
    residual: NDArray[np.float32]


def few_traces(components: Components) -> FewTraces:
    """Return the currents that components describe as `FewTraces`."""
    n_spikes, n, n_t = components.temporal.shape
    spatial = components.spatial.astype(np.float32)
    flat = np.ascontiguousarray(np.swapaxes(components.temporal, 0, 1)).reshape(n, -1)
    some = flat[:, :: max(1, flat.shape[1] // SOME)]
    axes = np.zeros((n, RANK), dtype=np.float32)
    largest = np.linalg.eigh(some @ some.T)[1][:, -RANK:]
    axes[:, : largest.shape[1]] = largest
    traces = (axes.T @ flat).reshape(-1, n_t)  # (RANK n_spikes, n_t)
    knots = broken_line(traces, STRAIGHT * np.abs(traces).max(initial=0.0))
    straight = _between(knots, n_t)
    lines = (traces[:, knots] @ straight).reshape(RANK, -1)
    left = _largest_magnitude(spatial @ (flat - axes @ lines))
    of_segments = spatial @ axes
    magnitude = np.abs(of_segments) @ _largest_magnitude(lines)
    # The error of a sum of n float32 products is less than n times this share of the sum of their magnitudes
    rounding = 2.0**-23
    most = np.abs(spatial) @ _largest_magnitude(flat)
    residual = 2.0 * left + rounding * (4 * (RANK + n + 4) * magnitude + 2 * (len(spatial) + 2 * n + 4) * most)
    temporal = traces[:, knots].reshape(RANK, n_spikes, -1).transpose(1, 2, 0)
    return FewTraces(of_segments, np.ascontiguousarray(temporal), residual)


def broken_line(traces: NDArray[np.float32], tolerance: float) -> NDArray[np.int64]:
    """Return knots (n_knots,) between which straight lines are no farther than the tolerance from any of the traces (n, n_t).

    Where a line is too far, the sample at which it is farthest becomes a knot (Douglas & Peucker 1973,
    doi:10.3138/FM57-6770-U75U-7727).
    """
    knots, spans = {0, traces.shape[1] - 1}, [(0, traces.shape[1] - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        share = np.arange(1, last - first, dtype=np.float32) / (last - first)
        rise = traces[:, last : last + 1] - traces[:, first : first + 1]
        errors = np.abs(traces[:, first + 1 : last] - traces[:, first : first + 1] - share * rise).max(axis=0)
        if errors.max() > tolerance:
            knot = first + 1 + int(errors.argmax())
            knots.add(knot)
            spans += [(first, knot), (knot, last)]
    return np.array(sorted(knots))


def _between(knots: NDArray[np.int64], n_t: int) -> NDArray[np.float32]:
    """Return the shares (n_knots, n_t) of the values at knots in those of a broken line."""
    return np.array([np.interp(np.arange(n_t), knots, unit) for unit in np.eye(len(knots))], dtype=np.float32)


def _largest_magnitude(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
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


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def _interpolation_error(
    centres: NDArray[np.float64],
    side: float,
    segments: Segments,
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

    The loop has no branch, and the order of its sum is free, so that it compiles to vector instructions.
    """
    out = np.empty(len(centres))
    half_diagonal = 0.5 * np.sqrt(3.0) * side
    ex, ey, ez = segments.end[0], segments.end[1], segments.end[2]
    ux, uy, uz = segments.direction[0], segments.direction[1], segments.direction[2]
    length, radius2 = segments.length, segments.radius2
    for c in range(len(centres)):
        x, y, z = centres[c, 0], centres[c, 1], centres[c, 2]
        total = 0.0
        for s in range(len(swing)):
            dx, dy, dz = x - ex[s], y - ey[s], z - ez[s]
            h = dx * ux[s] + dy * uy[s] + dz * uz[s]
            beyond = max(h, -h - length[s], 0.0)
            d2 = max(dx * dx + dy * dy + dz * dz - h * h + beyond * beyond, 0.0)
            inverse = 1 / max(np.sqrt(d2) - half_diagonal, 1e-9)
            smooth = (0.75 * side * side + 0.5 * radius2[s]) * inverse * inverse * inverse
            total += swing[s] * min(smooth, inverse, largest[s])
        out[c] = total
    return out
