"""The mean potential of near sources over a disc, by few evaluations.

In an isotropic medium the potential is harmonic, so that its mean over a circle of radius r is that over imaginary distances
i r cos(alpha) from its middle along the normal (Whittaker & Watson 1927, A Course of Modern Analysis, section 18.3). The mean
over a disc of radius R is therefore

    2 / pi * integral from -1 to 1 of sqrt(1 - u**2) * potential(middle + i R u normal) du,

for which Gauss-Chebyshev quadrature of the second kind is made. The potentials at opposite distances are complex conjugates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from .forward_model import Segments, add_logarithms

#: The least distance µm of a source from a disc at which the quadrature is used
SMOOTH_FROM = 4.0
#: The largest radius µm of a disc on which four evaluations give the mean to 1e-5; larger discs have more
RADIUS_OF_FOUR = 7.5
#: The number of pairs that are computed together; their data stay in the fastest cache
PAIRS = 256


class NearDiscs(NamedTuple):
    """Discs and segments near them, whose mean potentials are computed together.

    `where` (PAIRS, 2) has the numbers of the row and the segment of each pair, `values` (10, PAIRS) what the means need, see
    `collect`, and free memory; `filled` (1,) is the number of pairs.
    """

    where: NDArray[np.int64]
    values: NDArray[np.float64]
    filled: NDArray[np.int64]


def nodes_of(radius: float) -> NDArray[np.float64]:
    """Return the nodes of the quadrature for discs of up to a radius, µm: (2, n), where they lie, 0 to 1, and their weights."""
    n = 4 * math.ceil(radius / RADIUS_OF_FOUR)
    angles = [(k + 1) * math.pi / (2 * n + 1) for k in range(n)]
    return np.array([[math.cos(a) for a in angles], [4 / (2 * n + 1) * math.sin(a) ** 2 for a in angles]]).reshape(2, n)


@numba.njit(cache=True, nogil=True)
def no_pairs() -> NearDiscs:
    """Return `NearDiscs` without pairs."""
    return NearDiscs(np.empty((PAIRS, 2), dtype=np.int64), np.empty((10, PAIRS)), np.zeros(1, dtype=np.int64))


@numba.njit(cache=True, nogil=True, inline="always")
def collect(
    near: NearDiscs,
    segments: Segments,
    s: int,
    middle: tuple[float, float, float],
    normal: tuple[float, float, float],
    radius: float,
    square: float,
    row: int,
) -> bool:
    """Add the pair of a disc, whose means are those of a row, and segment s, if they are far enough from each other; return
    whether they are.

    `square` is the squared distance of the segment from the middle of the disc. The rows of `values` are the squared distances
    of the middle from end and start, its heights above them, the length and the radius, all in stretched coordinates.
    """
    i, values = near.filled[0], near.values
    (x, y, z), (nx, ny, nz), length = middle, normal, segments.length[s]
    ux, uy, uz = segments.direction[0, s], segments.direction[1, s], segments.direction[2, s]
    dx, dy, dz = x - segments.end[0, s], y - segments.end[1, s], z - segments.end[2, s]
    end_height = dx * nx + dy * ny + dz * nz
    start_height = end_height + length * (ux * nx + uy * ny + uz * nz)
    in_front = min(abs(end_height), abs(start_height)) if end_height * start_height > 0 else 0.0
    smooth = max(in_front, np.sqrt(square) - radius) > SMOOTH_FROM * segments.stretch[0]
    if smooth:
        end2 = dx * dx + dy * dy + dz * dz
        values[0, i], values[1, i] = end2, end2 + length * (2 * (dx * ux + dy * uy + dz * uz) + length)
        values[2, i], values[3, i], values[4, i], values[5, i] = end_height, start_height, length, radius
        near.where[i, 0], near.where[i, 1] = row, s
        near.filled[0] = i + 1
    return smooth


@numba.njit(cache=True, nogil=True, error_model="numpy")
def write_means(near: NearDiscs, scale: NDArray[np.float64], nodes: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write the mean potentials of all pairs into `out` (n, n_seg), and forget the pairs; `scale` is that of the segments.

    The distances a and b to the ends of a segment are roots of complex numbers, and the potential is the real part of the
    logarithm. The loop over pairs has no branch, so that it compiles to vector instructions.
    """
    n, values = near.filled[0], near.values
    end2, start2, end_height, start_height, length, radius = values[0], values[1], values[2], values[3], values[4], values[5]
    ratio, mantissa, logarithms, total = values[6, :n], values[7, :n], values[8, :n], values[9, :n]
    for i in range(n):
        total[i] = logarithms[i] = 0.0
    for k in range(nodes.shape[1]):
        for i in range(n):
            depth = radius[i] * nodes[0, k]
            a2, a2_i = end2[i] - depth * depth, 2 * depth * end_height[i]
            b2, b2_i = start2[i] - depth * depth, 2 * depth * start_height[i]
            a = np.sqrt(0.5 * (np.sqrt(a2 * a2 + a2_i * a2_i) + a2))
            b = np.sqrt(0.5 * (np.sqrt(b2 * b2 + b2_i * b2_i) + b2))
            both, both_i = a + b, 0.5 * (a2_i * b + b2_i * a) / (a * b)
            above, below = both + length[i], both - length[i]
            ratio[i] = (above * above + both_i * both_i) / (below * below + both_i * both_i)
        add_logarithms(ratio, mantissa, logarithms)
        for i in range(n):
            total[i] += nodes[1, k] * logarithms[i]
            logarithms[i] = 0.0
    for i in range(n):
        row, s = near.where[i, 0], near.where[i, 1]
        out[row, s] = 0.5 * total[i] * scale[s]
    near.filled[0] = 0
