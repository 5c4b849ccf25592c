"""The forward model: membrane currents of segments to potentials at points, in an infinite homogeneous medium.

Each segment is a line of constant current density (Holt & Koch 1999, J Comput Neurosci 6:169) or a point. With `a` and `b`
the distances of a point to the ends of a segment of length `l`, the potential of a current `I` spread over it is

    I / (4 pi sigma l) * ln((a + b + l) / (a + b - l)),

which is the form of LFPykit's three cases in one. Distances to the axis of a segment are never less than its radius, as in
LFPykit. A medium with a conductivity for each axis is an isotropic one in stretched coordinates (Nicholson & Freeman 1975,
J Neurophysiol 38:356).
"""

from dataclasses import dataclass

import numba
import numpy as np

SOURCES = ("line", "point", "root_as_point")

#: Ratios multiplied before a logarithm is taken. Numerators stay below 1e9 µm and denominators above 1e-9 µm, so that
#: products stay far from the largest and the smallest double.
RATIOS_A_LOGARITHM = 16


def transfer_matrix(start, end, diameter, points, *, sigma=0.3, source="line"):
    """Potential at points from a unit current in each segment.

    Parameters
    ----------
    start, end : array_like
        (n_seg, 3) µm.
    diameter : array_like
        (n_seg,) µm.
    points : array_like
        (n_points, 3) µm.
    sigma : float or (3,) array_like
        Conductivity, S/m; one value, or one for each axis.
    source : {"line", "point", "root_as_point"}
        Segments as lines, as points, or as lines but for the first one, the soma.

    Returns
    -------
    numpy.ndarray
        (n_points, n_seg) mV a nA.
    """
    points = np.asarray(points, dtype=float)
    return contact_transfer_matrix(start, end, diameter, points[:, np.newaxis], sigma=sigma, source=source)


def contact_transfer_matrix(start, end, diameter, points, *, sigma=0.3, source="line"):
    """As `transfer_matrix`, averaged over several points for each contact.

    `points` has the shape (n_contacts, n_points, 3); the result (n_contacts, n_seg). The mean of logarithms is taken as one
    logarithm of a product, which is what makes finite contacts cheap.
    """
    return Segments.prepare(start, end, diameter, sigma=sigma, source=source).potentials(points)


@dataclass(frozen=True)
class Segments:
    """Segments as the kernel takes them: prepared once for any number of points.

    All lengths are in stretched coordinates, in which a unit current gives 1 / (4 pi distance): µm times `stretch` (3,).
    `lines` and `dots` are the indices of segments that are lines and points. Of the lines, `end` and `direction` (3, n) and
    `length` and `radius` (n,); of the others, `centre` (n, 3) and `dot_radius` (n,).
    """

    stretch: np.ndarray
    lines: np.ndarray
    end: np.ndarray
    direction: np.ndarray
    length: np.ndarray
    radius: np.ndarray
    dots: np.ndarray
    centre: np.ndarray
    dot_radius: np.ndarray

    @classmethod
    def prepare(cls, start, end, diameter, *, sigma, source):
        """Take segments as `transfer_matrix` does."""
        if source not in SOURCES:
            raise ValueError(f"source {source!r}; known are {', '.join(SOURCES)}")
        sigma = np.broadcast_to(np.asarray(sigma, dtype=float), 3)
        stretch = np.sqrt(np.prod(sigma) / sigma)  # sigma itself for each axis if all are equal
        start = np.asarray(start, dtype=float) * stretch
        end = np.asarray(end, dtype=float) * stretch
        radius = 0.5 * np.asarray(diameter, dtype=float) * np.prod(sigma) ** (1 / 3)
        vector = end - start
        length = np.sqrt(np.sum(vector**2, axis=1))
        as_point = length == 0
        if source == "point":
            as_point[:] = True
        elif source == "root_as_point":
            as_point[0] = True
        lines, dots = np.flatnonzero(~as_point), np.flatnonzero(as_point)
        return cls(
            stretch=stretch,
            lines=lines,
            end=np.ascontiguousarray(end[lines].T),
            direction=np.ascontiguousarray((vector[lines] / length[lines, np.newaxis]).T),
            length=length[lines],
            radius=radius[lines],
            dots=dots,
            centre=0.5 * (start + end)[dots],
            dot_radius=radius[dots],
        )

    def potentials(self, points):
        """Return the transfer matrix (n_contacts, n_seg), mV a nA, to contacts of `points` (n_contacts, n_points, 3) µm."""
        points = np.asarray(points, dtype=float) * self.stretch
        if not len(self.dots):  # the common case, without a copy
            return self._of_lines(points)
        matrix = np.empty((len(points), len(self.lines) + len(self.dots)))
        matrix[:, self.lines] = self._of_lines(points)
        matrix[:, self.dots] = self._of_dots(points)
        return matrix

    def _of_lines(self, points):
        """The mean over the points of a contact of ln(...) / (4 pi length), for each line.

        NumPy takes the logarithms, because its logarithm has vector instructions and numba's has not.
        """
        n_points = points.shape[1]
        total = np.zeros((len(points), len(self.lines)))
        ratios = np.empty_like(total)
        for first in range(0, n_points, RATIOS_A_LOGARITHM):
            some = np.ascontiguousarray(points[:, first : first + RATIOS_A_LOGARITHM])
            _ratios(self.end, self.direction, self.length, self.radius, some, ratios)
            total += np.log(ratios, out=ratios)
        total *= 1 / (4 * np.pi * n_points * self.length)
        return total

    def _of_dots(self, points):
        """The mean over the points of a contact of 1 / (4 pi distance), for each segment that is a point."""
        total = np.zeros((len(points), len(self.dots)))
        for q in range(points.shape[1]):
            distance = np.linalg.norm(points[:, q, np.newaxis] - self.centre, axis=-1)
            total += 1 / np.maximum(distance, self.dot_radius)
        return total / (4 * np.pi * points.shape[1])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _ratios(end, direction, length, radius, points, out):
    """The product over the points of a contact of (a + b + l) / (a + b - l), for each contact and line, into `out`.

    The innermost loop has no branch, no logarithm and no division, so that it compiles to vector instructions and two
    square roots are nearly all its time.
    """
    n_contacts, n_points, _ = points.shape
    n = len(length)
    ex, ey, ez = end[0], end[1], end[2]
    ux, uy, uz = direction[0], direction[1], direction[2]
    radius2 = radius * radius
    numerator, denominator = np.empty(n), np.empty(n)
    for c in range(n_contacts):
        numerator[:] = 1.0
        denominator[:] = 1.0
        for q in range(n_points):
            x, y, z = points[c, q, 0], points[c, q, 1], points[c, q, 2]
            for s in range(n):
                dx, dy, dz = x - ex[s], y - ey[s], z - ez[s]
                h = dx * ux[s] + dy * uy[s] + dz * uz[s]
                to_start = h + length[s]
                r2 = max(dx * dx + dy * dy + dz * dz - h * h, radius2[s])
                both = np.sqrt(h * h + r2) + np.sqrt(to_start * to_start + r2)
                numerator[s] *= both + length[s]
                denominator[s] *= both - length[s]
        for s in range(n):
            out[c, s] = numerator[s] / denominator[s]
