"""The forward model: membrane currents of segments to potentials at points, in an infinite homogeneous medium.

Each segment is a line of constant current density (Holt & Koch 1999, J Comput Neurosci 6:169) or a point. With `a` and `b`
the distances of a point to the ends of a segment of length `l`, the potential of a current `I` spread over it is

    I / (4 pi sigma l) * ln((a + b + l) / (a + b - l)),

which is the form of LFPykit's three cases in one. Distances to the axis of a segment are never less than its radius, as in
LFPykit. A medium with a conductivity for each axis is an isotropic one in stretched coordinates (Nicholson & Freeman 1975,
J Neurophysiol 38:356).
"""

import numba
import numpy as np

SOURCES = ("line", "point", "root_as_point")

#: Ratios multiplied before a logarithm is taken. One ratio stays below 1e9 (a point on a thin, long segment), so that
#: the product stays far from the largest double.
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
    if source not in SOURCES:
        raise ValueError(f"source {source!r}; known are {', '.join(SOURCES)}")
    sigma = np.broadcast_to(np.asarray(sigma, dtype=float), 3)
    # In coordinates stretched by these, a unit current gives 1 / (4 pi |u|): sigma for each axis if all are equal.
    stretch = np.sqrt(np.prod(sigma) / sigma)
    start = np.asarray(start, dtype=float) * stretch
    end = np.asarray(end, dtype=float) * stretch
    radius = 0.5 * np.asarray(diameter, dtype=float) * np.prod(sigma) ** (1 / 3)
    points = np.ascontiguousarray(np.asarray(points, dtype=float) * stretch)
    vector = end - start
    length = np.sqrt(np.sum(vector**2, axis=1))
    as_point = length == 0
    if source == "point":
        as_point[:] = True
    elif source == "root_as_point":
        as_point[0] = True
    out = np.empty((points.shape[0], len(length)))
    lines = np.flatnonzero(~as_point)
    if len(lines) == len(length):  # the common case, without a copy
        _lines(end, vector, length, radius, points, out)
    else:
        some = np.empty((points.shape[0], len(lines)))
        _lines(end[lines], vector[lines], length[lines], radius[lines], points, some)
        out[:, lines] = some
        dots = np.flatnonzero(as_point)
        distance = np.linalg.norm(points[:, :, np.newaxis] - 0.5 * (start + end)[dots], axis=-1)
        out[:, dots] = (1 / np.maximum(distance, radius[dots])).mean(axis=1)
    out /= 4 * np.pi
    return out


@numba.njit(cache=True, error_model="numpy")
def _lines(end, vector, length, radius, points, out):
    """Mean over the points of a contact of ln(...) / length, for each contact and segment, into `out`.

    The innermost loop has no branch and no logarithm, so that it compiles to vector instructions.
    """
    n_contacts, n_points, _ = points.shape
    n = len(length)
    ex, ey, ez = end[:, 0].copy(), end[:, 1].copy(), end[:, 2].copy()
    ux, uy, uz = vector[:, 0] / length, vector[:, 1] / length, vector[:, 2] / length
    radius2 = radius**2
    product = np.empty(n)
    for c in range(n_contacts):
        out[c] = 0.0
        product[:] = 1.0
        for q in range(n_points):
            x, y, z = points[c, q]
            for s in range(n):
                dx, dy, dz = x - ex[s], y - ey[s], z - ez[s]
                h = dx * ux[s] + dy * uy[s] + dz * uz[s]
                to_end = h + length[s]
                r2 = max(abs(dx * dx + dy * dy + dz * dz - h * h), radius2[s])
                both = np.sqrt(h * h + r2) + np.sqrt(to_end * to_end + r2)
                product[s] *= (both + length[s]) / (both - length[s])
            if (q + 1) % RATIOS_A_LOGARITHM == 0 or q == n_points - 1:
                for s in range(n):
                    out[c, s] += np.log(product[s])
                    product[s] = 1.0
        for s in range(n):
            out[c, s] /= n_points * length[s]
