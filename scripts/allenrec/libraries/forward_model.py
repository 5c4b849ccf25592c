"""The forward model: from membrane currents of segments to potentials at points, in an infinite homogeneous medium.

Each segment is a line of constant current density (Holt & Koch 1999, J Comput Neurosci 6:169) or a point. With `a` and `b`
the distances of a point to the ends of a segment of length `l`, the potential of a current `I` spread over it is

    I / (4 pi sigma l) * ln((a + b + l) / (a + b - l)),

which is the form of LFPykit's three cases in one. Distances to the axis of a segment are never less than its radius, as in
LFPykit. A medium with a conductivity for each axis is an isotropic one in stretched coordinates (Nicholson & Freeman 1975,
J Neurophysiol 38:356).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

Source = Literal["line", "point", "root_as_point"]

#: The number of ratios that are multiplied before a logarithm is taken. Numerators stay below 1e9 µm and denominators above
#: 1e-9 µm, so that products stay far from the largest and the smallest double.
RATIOS_PER_LOGARITHM = 16

#: The number of rows of length n_seg that `transfer` needs as working memory
WORK_ROWS = 3

LN2 = float(np.log(2.0))
#: The bits of the double sqrt(1/2) as an integer
SQRT_HALF_BITS = int(np.sqrt(0.5).view(np.int64))


def transfer_matrix(
    start: ArrayLike,
    end: ArrayLike,
    diameter: ArrayLike,
    points: ArrayLike,
    *,
    sigma: ArrayLike = 0.3,
    source: Source = "line",
) -> NDArray[np.float64]:
    """Return the potential at points from a unit current in each segment.

    Parameters
    ----------
    start, end : array_like
        (n_seg, 3) µm.
    diameter : array_like
        (n_seg,) µm.
    points : array_like
        (n_points, 3) µm.
    sigma : float or (3,) array_like
        The conductivity, S/m; one value, or one for each axis.
    source : {"line", "point", "root_as_point"}
        Segments as lines, as points, or as lines except for the first one, the soma, which is a point.

    Returns
    -------
    numpy.ndarray
        (n_points, n_seg) mV per nA, float64.

    Raises
    ------
    ValueError
        If the source is unknown.

    Examples
    --------
    >>> from allenrec.libraries import transfer_matrix
    >>> transfer_matrix([[0, 0, 0]], [[0, 0, 10]], [2.0], [[50, 0, 5]]).shape
    (1, 1)
    """
    points = np.asarray(points, dtype=float)
    return contact_transfer_matrix(start, end, diameter, points[:, np.newaxis], sigma=sigma, source=source)


def contact_transfer_matrix(
    start: ArrayLike,
    end: ArrayLike,
    diameter: ArrayLike,
    points: ArrayLike,
    *,
    sigma: ArrayLike = 0.3,
    source: Source = "line",
) -> NDArray[np.float64]:
    """Return the transfer matrix of `transfer_matrix`, averaged over several points for each contact.

    `points` has the shape (n_contacts, n_points, 3); the result (n_contacts, n_seg). The mean of logarithms is taken as one
    logarithm of a product, which makes contacts of a finite size cheap.
    """
    points = np.ascontiguousarray(points, dtype=float)
    return mean_potentials(prepare_segments(start, end, diameter, sigma=sigma, source=source), points)


class Segments(NamedTuple):
    """The segments in the form that the kernel takes, prepared once for any number of points.

    Lengths are in stretched coordinates, in which a unit current gives 1 / (4 pi distance): µm times `stretch` (3,). For each
    segment `end` and `direction` (3, n), `length` (n,), `radius2` (n,), the radius squared, and `scale` (n,), which is
    1 / (4 pi length), or 0 for a point. `dots` (k,) are the indices of those that are points; `centre` (k, 3).
    """

    stretch: NDArray[np.float64]
    end: NDArray[np.float64]
    direction: NDArray[np.float64]
    length: NDArray[np.float64]
    radius2: NDArray[np.float64]
    scale: NDArray[np.float64]
    dots: NDArray[np.int64]
    centre: NDArray[np.float64]


def prepare_segments(
    start: ArrayLike, end: ArrayLike, diameter: ArrayLike, *, sigma: ArrayLike = 0.3, source: Source = "line"
) -> Segments:
    """Return the `Segments` of a cell; the parameters are those of `transfer_matrix`."""
    if source not in get_args(Source):
        raise ValueError(f"source {source!r}; known are {', '.join(get_args(Source))}")
    conductivity = np.broadcast_to(np.asarray(sigma, dtype=float), 3)
    stretch = np.sqrt(np.prod(conductivity) / conductivity)  # the conductivity itself for each axis if all are equal
    first, last = np.asarray(start, dtype=float) * stretch, np.asarray(end, dtype=float) * stretch
    vector = last - first
    length = np.sqrt(np.sum(vector**2, axis=1))
    as_point = length == 0
    if source == "point":
        as_point[:] = True
    elif source == "root_as_point":
        as_point[0] = True
    divisor = np.where(length == 0, 1.0, length)
    dots = np.flatnonzero(as_point)
    return Segments(
        stretch=stretch,
        end=np.ascontiguousarray(last.T),
        direction=np.ascontiguousarray((vector / divisor[:, np.newaxis]).T),
        length=length,
        radius2=(0.5 * np.asarray(diameter, dtype=float) * np.prod(conductivity) ** (1 / 3)) ** 2,
        scale=np.where(as_point, 0.0, 1 / (4 * np.pi * divisor)),
        dots=dots,
        centre=0.5 * (first + last)[dots],
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mean_potentials(segments: Segments, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the potential from a unit current in each segment, (n_contacts, n_seg) mV per nA: the mean over the points of each
    contact, (n_contacts, n_points, 3) µm."""
    matrix = np.empty((len(points), len(segments.length)))
    work = np.empty((WORK_ROWS, len(segments.length)))
    for c in range(len(points)):
        transfer(segments, points[c], work, matrix[c])
    return matrix


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def transfer(segments: Segments, points: NDArray[np.float64], work: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write one row of `contact_transfer_matrix` into `out` (n_seg,): the mean over `points` (n_points, 3) µm.

    `work` (WORK_ROWS, n_seg) is working memory. The innermost loop has no branch, no logarithm and no division, so that it
    compiles to vector instructions, and two square roots take nearly all of its time.
    """
    n_points, n = len(points), len(out)
    stretch, length = segments.stretch, segments.length
    ex, ey, ez = segments.end[0], segments.end[1], segments.end[2]
    ux, uy, uz = segments.direction[0], segments.direction[1], segments.direction[2]
    numerator, denominator, mantissa = work[0], work[1], work[2]
    for s in range(n):
        numerator[s] = denominator[s] = 1.0
        out[s] = 0.0
    for q in range(n_points):
        x, y, z = points[q, 0] * stretch[0], points[q, 1] * stretch[1], points[q, 2] * stretch[2]
        for s in range(n):
            dx, dy, dz = x - ex[s], y - ey[s], z - ez[s]
            h = dx * ux[s] + dy * uy[s] + dz * uz[s]
            to_start = h + length[s]
            r2 = max(dx * dx + dy * dy + dz * dz - h * h, segments.radius2[s])
            both = np.sqrt(h * h + r2) + np.sqrt(to_start * to_start + r2)
            numerator[s] *= both + length[s]
            denominator[s] *= both - length[s]
        if (q + 1) % RATIOS_PER_LOGARITHM == 0 or q == n_points - 1:
            for s in range(n):
                numerator[s] /= denominator[s]
            add_logarithms(numerator, mantissa, out)
            for s in range(n):
                numerator[s] = denominator[s] = 1.0
    share = 1 / n_points
    for s in range(n):
        out[s] *= share * segments.scale[s]
    for i in range(len(segments.dots)):
        centre, s = segments.centre[i], segments.dots[i]
        for q in range(n_points):
            dx, dy, dz = points[q, 0] * stretch[0], points[q, 1] * stretch[1], points[q, 2] * stretch[2]
            dx, dy, dz = dx - centre[0], dy - centre[1], dz - centre[2]
            distance = np.sqrt(max(dx * dx + dy * dy + dz * dz, segments.radius2[s]))
            out[s] += share / (4 * np.pi * distance)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def add_logarithms(x: NDArray[np.float64], mantissa: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Add the natural logarithms of `x`, finite and at least 1, to `out`, to two units in the last place; `x` is overwritten.

    A call of `log` would not become vector instructions. As in fdlibm (e_log.c, its coefficients too), x = 2**k * m with m
    from sqrt(1/2) to sqrt(2), and ln(m) = 2 atanh(f) with f = (m - 1) / (m + 1).
    """
    bits, mantissa_bits = x.view(np.int64), mantissa.view(np.int64)
    for s in range(len(x)):
        k = (bits[s] - SQRT_HALF_BITS) >> 52
        mantissa_bits[s] = bits[s] - (k << 52)
        x[s] = k
    for s in range(len(x)):
        f = (mantissa[s] - 1) / (mantissa[s] + 1)
        z = f * f
        series = 0.1818357216161805 + z * (0.15313837699209373 + z * 0.14798198605116586)
        series = 0.2857142874366239 + z * (0.22222198432149784 + z * series)
        series = z * (0.6666666666666735 + z * (0.3999999999940942 + z * series))
        out[s] += x[s] * LN2 + (2 * f + f * series)
