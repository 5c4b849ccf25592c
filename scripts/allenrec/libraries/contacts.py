"""The contacts of a probe in the form that the kernels take, and the mean potential over a contact.

The potential of sources near a contact is averaged over points on it. That of sources farther away is the potential in the
middle of the contact, plus half of its second derivatives along the two axes, times the mean squares of the distances along
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.probes import FINE_FROM, Probe

from .forward_model import RATIOS_PER_LOGARITHM, add_logarithms
from .poses import in_cell_frame

if TYPE_CHECKING:
    from .forward_model import Segments

#: The number of rows of length n_seg that `mean_weights` needs as working memory
WORK_ROWS = 4


class Contacts(NamedTuple):
    """Contacts with sets of points, each finer than the one before.

    `middles` (n_contacts, 3) µm; `axes` (n_contacts, 2, 3) µm, along the two axes of each contact, as long as the root of the
    mean square of the distances from the middle along them; `radius` µm, no point is farther from the middle of its contact;
    `points` (n_contacts, n_points, 3) µm, of all sets, set k from `first[k]` to `first[k + 1]`; `beyond` (n_sets + 1,), the
    distances µm of sources from the middle: from the first one on, middle and axes are enough; from `beyond[k + 1]` on, set k
    is fine enough. The last one is 0.
    """

    middles: NDArray[np.float64]
    axes: NDArray[np.float64]
    radius: float
    points: NDArray[np.float64]
    first: NDArray[np.int64]
    beyond: NDArray[np.float64]


def contacts_of(probe: Probe) -> Contacts:
    """Return the contacts of a probe, with sets of points that give the mean over each contact."""
    sets = probe.point_sets
    points = np.concatenate(sets, axis=1)
    return Contacts(
        probe.positions,
        _axes(sets[-1] - probe.positions[:, np.newaxis]),
        _radius(probe.positions, points),
        points,
        np.cumsum([0, *(points.shape[1] for points in sets)]),
        probe.outer_radius * np.array(FINE_FROM) if probe.outer_radius else np.zeros(2),
    )


def contacts_with(points: NDArray[np.float64]) -> Contacts:
    """Return contacts that take the mean over given points (n_contacts, n_points, 3) µm, wherever sources are."""
    middles = points.mean(axis=1)
    points, first = np.ascontiguousarray(points), np.array([0, points.shape[1]])
    return Contacts(middles, np.zeros((len(points), 2, 3)), _radius(middles, points), points, first, np.array([np.inf, 0.0]))


def _axes(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the two main axes (n_contacts, 2, 3) of points (n_contacts, n_points, 3) around the middles of flat contacts.

    Their lengths are the roots of the mean squares along them.
    """
    squares, directions = np.linalg.eigh(np.swapaxes(offsets, 1, 2) @ offsets / offsets.shape[1])
    axes = np.sqrt(np.maximum(squares, 0))[:, np.newaxis] * directions
    return np.ascontiguousarray(np.swapaxes(axes, 1, 2)[:, 1:])


def _radius(middles: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Return the largest distance of a point from the middle of its contact."""
    return float(np.linalg.norm(points - middles[:, np.newaxis], axis=2).max())


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mean_weights(
    segments: Segments,
    contacts: Contacts,
    contact: int,
    matrix: NDArray[np.float64],
    position: NDArray[np.float64],
    work: NDArray[np.float64],
    points: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write into `out` (n_seg,) the mean potential over a contact from a unit current in each segment, mV per nA.

    See `poses.in_cell_frame` for the pose. `work` (WORK_ROWS, n_seg) and `points` (5, n_points) are working memory.
    """
    stretch = segments.stretch
    x, y, z = in_cell_frame(contacts.middles[contact], matrix, position)
    axes = np.empty((2, 3))
    for i in range(2):
        p, q, r = in_cell_frame(contacts.axes[contact, i], matrix, np.zeros(3))
        axes[i, 0], axes[i, 1], axes[i, 2] = p * stretch[0], q * stretch[1], r * stretch[2]
    _expanded(segments, x * stretch[0], y * stretch[1], z * stretch[2], axes, work, out)
    squares = (contacts.beyond * stretch.max()) ** 2
    placed = 0  # a bit for each set
    for s in range(len(out)):
        if work[0, s] >= squares[0]:
            continue
        chosen = 0
        while work[0, s] < squares[chosen + 1]:
            chosen += 1
        first, last = contacts.first[chosen], contacts.first[chosen + 1]
        if not placed >> chosen & 1:
            placed |= 1 << chosen
            for q in range(first, last):
                x, y, z = in_cell_frame(contacts.points[contact, q], matrix, position)
                points[0, q], points[1, q], points[2, q] = x * stretch[0], y * stretch[1], z * stretch[2]
        out[s] = _mean_over_points(segments, s, points, first, last)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _expanded(
    segments: Segments,
    x: float,
    y: float,
    z: float,
    axes: NDArray[np.float64],
    work: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the weights of a contact by expansion around its middle, and the squared distances of segments into `work[0]`.

    All in stretched coordinates. The potential of a line is a function of the sum S of the distances a and b to its ends,
    f = ln((S + l) / (S - l)), so its second derivatives are f'' (dS)² + f' ddS. As in `transfer`, the loop has no branch.
    """
    length, radius2, scale = segments.length, segments.radius2, segments.scale
    ex, ey, ez = segments.end[0], segments.end[1], segments.end[2]
    ux, uy, uz = segments.direction[0], segments.direction[1], segments.direction[2]
    squares, ratio, mantissa, correction = work[0], work[1], work[2], work[3]
    p0, p1, p2, q0, q1, q2 = axes[0, 0], axes[0, 1], axes[0, 2], axes[1, 0], axes[1, 1], axes[1, 2]
    size = p0 * p0 + p1 * p1 + p2 * p2 + q0 * q0 + q1 * q1 + q2 * q2
    for s in range(len(out)):
        dx, dy, dz = x - ex[s], y - ey[s], z - ez[s]
        h = dx * ux[s] + dy * uy[s] + dz * uz[s]
        to_start = h + length[s]
        axis2 = dx * dx + dy * dy + dz * dz - h * h
        outside = max(h, -to_start, 0.0)
        squares[s] = axis2 + outside * outside
        r2 = max(axis2, radius2[s])
        a, b = np.sqrt(h * h + r2), np.sqrt(to_start * to_start + r2)
        both = a + b
        difference = (both - length[s]) * (both + length[s])
        inverse = 1.0 / (a * b * difference)
        ia, ib, share = b * difference * inverse, a * difference * inverse, a * b * inverse
        ratio[s] = (both + length[s]) * (both + length[s]) * share
        pa, qa = (p0 * dx + p1 * dy + p2 * dz) * ia, (q0 * dx + q1 * dy + q2 * dz) * ia
        # The vector from the start is that from the end plus the length along the direction
        pu, qu = p0 * ux[s] + p1 * uy[s] + p2 * uz[s], q0 * ux[s] + q1 * uy[s] + q2 * uz[s]
        pb, qb = (pa * a + length[s] * pu) * ib, (qa * a + length[s] * qu) * ib
        slopes = (pa + pb) * (pa + pb) + (qa + qb) * (qa + qb)
        bends = (size - pa * pa - qa * qa) * ia + (size - pb * pb - qb * qb) * ib
        correction[s] = length[s] * share * (2 * both * share * slopes - bends)
        out[s] = 0.0
    add_logarithms(ratio, mantissa, out)
    for s in range(len(out)):
        out[s] = (out[s] + correction[s]) * scale[s]
    for i in range(len(segments.dots)):
        centre, s = segments.centre[i], segments.dots[i]
        dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
        squares[s] = dx * dx + dy * dy + dz * dz
        d2 = max(squares[s], radius2[s])
        along = (p0 * dx + p1 * dy + p2 * dz) ** 2 + (q0 * dx + q1 * dy + q2 * dz) ** 2
        out[s] = (1 + (1.5 * along / d2 - 0.5 * size) / d2) / (4 * np.pi * np.sqrt(d2))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mean_over_points(segments: Segments, s: int, points: NDArray[np.float64], first: int, last: int) -> float:
    """Return the mean potential of segment s at points `first` to `last`, stretched, in the first three rows of `points`."""
    n = last - first
    ex, ey, ez = segments.end[0, s], segments.end[1, s], segments.end[2, s]
    ux, uy, uz = segments.direction[0, s], segments.direction[1, s], segments.direction[2, s]
    length, radius2 = segments.length[s], segments.radius2[s]
    total = 0.0
    if segments.scale[s] == 0:
        cx, cy, cz = ex - 0.5 * length * ux, ey - 0.5 * length * uy, ez - 0.5 * length * uz
        for q in range(first, last):
            dx, dy, dz = points[0, q] - cx, points[1, q] - cy, points[2, q] - cz
            total += 1 / np.sqrt(max(dx * dx + dy * dy + dz * dz, radius2))
        return total / (4 * np.pi * n)
    x, y, z, numerator, denominator = points[0], points[1], points[2], points[3], points[4]
    x, y, z = x[first:last], y[first:last], z[first:last]
    for q in range(n):
        dx, dy, dz = x[q] - ex, y[q] - ey, z[q] - ez
        h = dx * ux + dy * uy + dz * uz
        r2 = max(dx * dx + dy * dy + dz * dz - h * h, radius2)
        both = np.sqrt(h * h + r2) + np.sqrt((h + length) * (h + length) + r2)
        numerator[q] = both + length
        denominator[q] = both - length
    for begin in range(0, n, RATIOS_PER_LOGARITHM):
        end = min(begin + RATIOS_PER_LOGARITHM, n)
        fours = end - (end - begin) % 4
        above, below, above_2, below_2 = 1.0, 1.0, 1.0, 1.0
        for q in range(begin, fours, 4):  # products that do not wait for each other
            above *= numerator[q] * numerator[q + 1]
            below *= denominator[q] * denominator[q + 1]
            above_2 *= numerator[q + 2] * numerator[q + 3]
            below_2 *= denominator[q + 2] * denominator[q + 3]
        for q in range(fours, end):
            above *= numerator[q]
            below *= denominator[q]
        total += np.log((above * above_2) / (below * below_2))
    return total / n * segments.scale[s]
