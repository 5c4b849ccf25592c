"""The contacts of a probe in the form that the kernels take, and the mean potential over a contact.

The potential of sources near a contact is averaged over points on it. That of sources farther away is the potential in the
middle of the contact, plus second and fourth derivatives along some directions, times moments of the contact's area: Taylor's
series of the potential, averaged over the contact, in which odd orders vanish by symmetry.

On a disc in an isotropic medium, a short quadrature replaces the points, see `discs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.probes import FINE_FROM, Probe

from .discs import PAIRS, NearDiscs, collect, nodes_of, write_means
from .forward_model import RATIOS_PER_LOGARITHM, add_logarithms
from .poses import turned_back

if TYPE_CHECKING:
    from .forward_model import Segments

#: The squared distance, in squared radii of a segment, below which a contact that reaches into the cylinder around its axis
#: needs points. There, also beyond the ends, the distance to the axis is held at the radius, which no series describes. Farther
#: away, this changes a potential by less than a thousandth.
HELD = 500.0
#: The same for the finest set of points: closer, the edge of the cylinder makes a kink in the potential on the contact
KINKED = 100.0
#: The index of the normal in `directions`
NORMAL = 4
#: The share of a contact's mean squared half width, or of its square for fourth derivatives, below which a factor is rounding
NEGLIGIBLE = 1e-9


class Contacts(NamedTuple):
    """Contacts with sets of points, each finer than the one before.

    `middles` (n_contacts, 3) µm; `directions` (n_contacts, 5, 3), and `factors` (2, n_contacts, 5, 2) of the second (µm²) and
    the fourth (µm⁴) derivative along each, first in an isotropic medium, then in any medium, see `_expansion`; `radius` µm, no
    point is farther from the middle of its contact; `points` (n_contacts, n_points, 3) µm, of all sets, set k from `first[k]`
    to `first[k + 1]`; `beyond` (n_sets + 1,), the distances µm of sources from the middle: from the first one on, middle and
    derivatives are enough; from `beyond[k + 1]` on, set k is fine enough. The last one is 0. `radii` (n_contacts,) µm are those
    of discs, 0 for other contacts; `nodes` (2, n), see `discs.nodes_of`.
    """

    middles: NDArray[np.float64]
    directions: NDArray[np.float64]
    factors: NDArray[np.float64]
    radius: float
    points: NDArray[np.float64]
    first: NDArray[np.int64]
    beyond: NDArray[np.float64]
    radii: NDArray[np.float64]
    nodes: NDArray[np.float64]


def contacts_of(probe: Probe) -> Contacts:
    """Return the contacts of a probe, with sets of points that give the mean over each contact."""
    sets = probe.point_sets
    points, radii = np.concatenate(sets, axis=1), probe.disc_radii
    return Contacts(
        probe.positions,
        *_expansion(sets[-1] - probe.positions[:, np.newaxis]),
        _radius(probe.positions, points),
        points,
        np.cumsum([0, *(points.shape[1] for points in sets)]),
        probe.outer_radius * np.array(FINE_FROM) if probe.outer_radius else np.zeros(2),
        radii,
        nodes_of(float(radii.max())),
    )


def contacts_with(points: NDArray[np.float64]) -> Contacts:
    """Return contacts that take the mean over given points (n_contacts, n_points, 3) µm, wherever sources are."""
    middles = points.mean(axis=1)
    points, first = np.ascontiguousarray(points), np.array([0, points.shape[1]])
    none = np.zeros((len(points), 5, 3)), np.zeros((2, len(points), 5, 2))
    beyond = np.array([np.inf, 0.0])
    return Contacts(middles, *none, _radius(middles, points), points, first, beyond, np.zeros(len(points)), np.zeros((2, 0)))


def _expansion(offsets: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `directions` and `factors` of `Contacts` for points (n_contacts, n_points, 3) relative to the middles of contacts.

    The directions are the two main axes p and q of a contact, their sum and their difference, and its normal n. The mean of
    Taylor's series has the derivatives pp, qq, pppp, qqqq and ppqq. In any medium, ppqq follows from the fourth derivatives
    along the sum and the difference. In an isotropic one the potential is harmonic, so that pp + qq = -nn, and
    pppp + 2 ppqq + qqqq = nnnn. There, n is enough for a disc, whose other factors vanish.
    """
    _, axes = np.linalg.eigh(np.swapaxes(offsets, 1, 2) @ offsets)
    n, p, q = (axes[:, :, k] for k in range(3))  # a contact has no extent along its normal
    p, q = _along_sides(offsets, p, q)
    x, y = ((offsets @ axis[:, :, np.newaxis])[:, :, 0] for axis in (p, q))
    x2, y2, x4, y4, x2y2 = (values.mean(axis=1) for values in (x**2, y**2, x**4, y**4, x**2 * y**2))
    size, zero = 0.5 * (x2 + y2), np.zeros(len(offsets))
    second = [[x2 - size, y2 - size, zero, zero, -size], [x2, y2, zero, zero, zero]]
    fourth = [[x4 - 3 * x2y2, y4 - 3 * x2y2, zero, zero, 3 * x2y2], [x4 - x2y2, y4 - x2y2, 0.5 * x2y2, 0.5 * x2y2, zero]]
    factors = np.swapaxes(np.stack([np.array(second) / 2, np.array(fourth) / 24], axis=-1), 1, 2)
    # A factor that is only rounding would cost as much as one that counts
    counts = np.abs(factors) > NEGLIGIBLE * np.stack([size, size**2], axis=-1)[:, np.newaxis]
    return np.stack([p, q, p + q, p - q, n], axis=1), np.ascontiguousarray(np.where(counts, factors, 0.0))


def _along_sides(
    offsets: NDArray[np.float64], p: NDArray[np.float64], q: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return main axes p and q, (n_contacts, 3) each, for which the means of x³y and xy³ vanish, as `_expansion` assumes.

    All directions are main axes of a square; its sides are at an angle of arg(-m) / 4 to p, where m is the mean of (x + iy)⁴.
    """
    z = (offsets @ p[:, :, np.newaxis])[:, :, 0] + 1j * (offsets @ q[:, :, np.newaxis])[:, :, 0]
    size, second, fourth = (abs(z) ** 2).mean(axis=1), (z**2).mean(axis=1), (z**4).mean(axis=1)
    turned = (abs(second) < NEGLIGIBLE * size) & (abs(fourth.imag) > NEGLIGIBLE * size**2)
    angle = np.where(turned, np.angle(-fourth) / 4, 0.0)[:, np.newaxis]
    return np.cos(angle) * p + np.sin(angle) * q, np.cos(angle) * q - np.sin(angle) * p


def _radius(middles: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Return the largest distance of a point from the middle of its contact."""
    return float(np.linalg.norm(points - middles[:, np.newaxis], axis=2).max())


class Workspace(NamedTuple):
    """The working memory of `mean_weights`: `rows` (7, n_seg), `points` (5, n_points) and pairs of discs and segments."""

    rows: NDArray[np.float64]
    points: NDArray[np.float64]
    near: NearDiscs


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mean_weights(
    segments: Segments,
    contacts: Contacts,
    chosen: NDArray[np.int64],
    matrix: NDArray[np.float64],
    position: NDArray[np.float64],
    work: Workspace,
    out: NDArray[np.float64],
) -> None:
    """Write the mean potential over contacts from a unit current in each segment, mV per nA.

    Row i of `out` (n, n_seg) is that of contact `chosen[i]`; see `poses.in_cell_frame` for the pose. All contacts are in one
    call, and functions for a contact or a segment are compiled into it: numba counts references to each array that a call
    passes, which takes longer than most of these functions.
    """
    sx, sy, sz = segments.stretch[0], segments.stretch[1], segments.stretch[2]
    widest, medium = max(sx, sy, sz), 0 if sx == sy == sz else 1
    beyond, near = contacts.beyond, work.near
    far = (beyond[0] * widest) ** 2
    middles, directions = contacts.middles, contacts.directions
    dx, dy, dz = position[0], position[1], position[2]
    for i in range(len(chosen)):
        c, row = chosen[i], out[i]
        x, y, z = turned_back(middles[c, 0] - dx, middles[c, 1] - dy, middles[c, 2] - dz, matrix)
        middle = (x * sx, y * sy, z * sz)
        _at_middle(segments, middle, contacts.radius * widest, work.rows, row)
        for j in range(directions.shape[1]):
            second, fourth = contacts.factors[medium, c, j, 0], contacts.factors[medium, c, j, 1]
            if second != 0 or fourth != 0:
                x, y, z = turned_back(directions[c, j, 0], directions[c, j, 1], directions[c, j, 2], matrix)
                _add_derivatives(segments, middle, (x * sx, y * sy, z * sz), second, fourth, work.rows, row)
        normal = turned_back(directions[c, NORMAL, 0], directions[c, NORMAL, 1], directions[c, NORMAL, 2], matrix)
        radius, placed = 0.0 if medium else contacts.radii[c] * sx, 0  # a bit for each set
        for s in range(len(row)):
            square = work.rows[0, s]
            if square >= far:
                continue
            if radius > 0 and square > 0 and segments.scale[s] > 0:
                if collect(near, segments, s, middle, normal, radius, square, i):
                    if near.filled[0] == PAIRS:
                        write_means(near, segments.scale, contacts.nodes, out)
                    continue
            k = 0
            while abs(square) < (beyond[k + 1] * widest) ** 2:
                k += 1
            first, last = contacts.first[k], contacts.first[k + 1]
            if not placed >> k & 1:
                placed |= 1 << k
                for q in range(first, last):
                    x, y, z = contacts.points[c, q, 0] - dx, contacts.points[c, q, 1] - dy, contacts.points[c, q, 2] - dz
                    x, y, z = turned_back(x, y, z, matrix)
                    work.points[0, q], work.points[1, q], work.points[2, q] = x * sx, y * sy, z * sz
            row[s] = _mean_over_points(segments, s, work.points, first, last)
    write_means(near, segments.scale, contacts.nodes, out)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _at_middle(
    segments: Segments, middle: tuple[float, float, float], radius: float, work: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Write the weights of the middle of a contact, which has a radius, and what their derivatives need.

    All in stretched coordinates. The rows of `work` are the squared distances of segments, negative and at most `radius`² where
    there is no series (see `HELD`), and 0 where the finest set is needed (see `KINKED`); the inverse distances to their ends
    and to their starts, the sum S of the distances, 1 / (S² - l²), and free memory. As in `transfer`, the loop has no branch.
    """
    x, y, z = middle
    length, radius2 = segments.length, segments.radius2
    ex, ey, ez = segments.end[0], segments.end[1], segments.end[2]
    ux, uy, uz = segments.direction[0], segments.direction[1], segments.direction[2]
    squares, to_end, to_start, sums, shares, ratio, mantissa = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    for s in range(len(out)):
        dx, dy, dz = x - ex[s], y - ey[s], z - ez[s]
        h = dx * ux[s] + dy * uy[s] + dz * uz[s]
        k = h + length[s]
        axis2 = dx * dx + dy * dy + dz * dz - h * h
        outside = max(h, -k, 0.0)
        square = axis2 + outside * outside
        # The contact may reach into the cylinder: (r + R)² <= 2 (r² + R²)
        held = (axis2 < 2 * (radius2[s] + radius * radius)) & (square < HELD * radius2[s])
        near = 0.0 if square < KINKED * radius2[s] else -min(square, radius * radius)
        squares[s] = near if held else square
        r2 = max(axis2, radius2[s])
        a, b = np.sqrt(h * h + r2), np.sqrt(k * k + r2)
        both = a + b
        difference = (both - length[s]) * (both + length[s])
        inverse = 1.0 / (a * b * difference)
        to_end[s], to_start[s] = b * difference * inverse, a * difference * inverse
        sums[s], shares[s] = both, a * b * inverse
        ratio[s] = (both + length[s]) * (both + length[s]) * shares[s]
        out[s] = 0.0
    add_logarithms(ratio, mantissa, out)
    for s in range(len(out)):
        out[s] *= segments.scale[s]
    for i in range(len(segments.dots)):
        centre, s = segments.centre[i], segments.dots[i]
        dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
        squares[s] = dx * dx + dy * dy + dz * dz
        out[s] = 1 / (4 * np.pi * np.sqrt(max(squares[s], radius2[s])))


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add_derivatives(
    segments: Segments,
    middle: tuple[float, float, float],
    direction: tuple[float, float, float],
    second: float,
    fourth: float,
    work: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Add the second and the fourth derivative along a direction, times factors, to weights; `work` is that of `_at_middle`.

    The potential of a line is a function of the sum S of the distances a and b to its ends, f = ln((S + l) / (S - l)). Its
    derivatives follow from those of f and S by Faà di Bruno's formula. Those of a follow from its square: the first two
    derivatives of a² are known, and the others vanish.
    """
    (x, y, z), (px, py, pz) = middle, direction
    ex, ey, ez = segments.end[0], segments.end[1], segments.end[2]
    ux, uy, uz = segments.direction[0], segments.direction[1], segments.direction[2]
    length, scale = segments.length, segments.scale
    to_end, to_start, sums, shares = work[1], work[2], work[3], work[4]
    size = px * px + py * py + pz * pz
    for s in range(len(out)):
        along = px * (x - ex[s]) + py * (y - ey[s]) + pz * (z - ez[s])
        a, b, share = to_end[s], to_start[s], shares[s]
        a1 = along * a
        # The vector from the start is that from the end plus the length along the axis
        b1 = (along + length[s] * (px * ux[s] + py * uy[s] + pz * uz[s])) * b
        a2, b2 = (size - a1 * a1) * a, (size - b1 * b1) * b
        # Of the distance a: a3 = -3 a1 a2 / a, and a4 = -(4 a1 a3 + 3 a2²) / a. The variables a and b are 1 / a and 1 / b
        a3, b3 = -3 * a1 * a2 * a, -3 * b1 * b2 * b
        s1, s2, s3 = a1 + b1, a2 + b2, a3 + b3
        s4 = -(4 * a1 * a3 + 3 * a2 * a2) * a - (4 * b1 * b3 + 3 * b2 * b2) * b
        q, g = s1 * s1, sums[s] * share
        bend = 2 * g * q - s2
        higher = 2 * g * (4 * s1 * s3 + 3 * s2 * s2) - s4
        higher += 12 * q * ((share - 4 * g * g) * s2 + 2 * g * (2 * g * g - share) * q)
        out[s] += 2 * length[s] * share * scale[s] * (second * bend + fourth * higher)
    for i in range(len(segments.dots)):
        centre, s = segments.centre[i], segments.dots[i]
        d2 = max(work[0, s], segments.radius2[s])
        c2 = (px * (x - centre[0]) + py * (y - centre[1]) + pz * (z - centre[2])) ** 2 / d2
        bend = (3 * c2 - size) / d2
        higher = (105 * c2 * c2 - 90 * c2 * size + 9 * size * size) / (d2 * d2)
        out[s] += (second * bend + fourth * higher) / (4 * np.pi * np.sqrt(d2))


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
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
