"""Points on a contact whose mean potential is that over its whole area, to a thousandth, for sources 5 µm away or farther.

On discs, `libraries.discs` needs no points if the medium is isotropic; they serve for what is closer, and for other media.

All points of a set count the same, because the kernel takes the mean of logarithms as the logarithm of a product. Sets are
composite Gauss-Legendre rules of two nodes a panel: along both sides of a rectangle, and in the squared radius of a disc, with
equally spaced angles.
"""

import functools

import numpy as np
from numpy.typing import NDArray

#: The largest side of a panel of the finest set on a rectangle, µm
PANEL = 5.0
#: On a disc, the largest radius of the innermost panel, the width that even panels would have, and the arc between points, µm
INNERMOST, WIDTH, ARC = 7.0, 4.0, 5.3
#: The distances from the middle of a contact to a source, in radii of the circle around the contact: from the first one on, the
#: mean follows from the potential and its second and fourth derivatives in the middle; from each of the others on, a set is
#: fine enough. The errors are at most 0.02 % there; that of the derivatives is 0.01 %, and below 2e-6 from 6 radii on. They
#: are so small because a cell's currents add up to zero: the potentials of its parts nearly cancel, but not their errors.
#: The second set serves every distance, as long as the potential is smooth on the contact. The third set is for those that are
#: not, which the kernel marks by a distance of 0, see `libraries.contacts`.
FINE_FROM = (3.0, 2.5, 1e-6, 0.0)


def point_sets(shape: str, half: NDArray[np.float64], n: int, largest: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return three sets of points (m, 2) µm on a contact, each finer than the one before, along its two main axes.

    Parameters
    ----------
    shape : {"circle", "square", "rect"}
    half : numpy.ndarray
        (2,) Half the width and half the height of a rectangle, or twice the radius of a disc, µm.
    n : int
        The least number of points in the second set.
    largest : numpy.ndarray
        (2,) The half sizes for which sets are made, so that all contacts of a probe have as many points.
    """
    if shape == "circle":
        radius = largest.max()
        angles = max(int(np.ceil(2 * np.pi * radius / ARC)), 8)
        panels = int(np.ceil(max((radius / INNERMOST) ** 2, radius / WIDTH, n / (2 * angles))))
        return [rings(k, m) * half[0] for k, m in ((1, 8), (panels, angles), (2 * panels, angles + angles // 2))]
    fine = np.ceil(np.maximum(2 * largest / PANEL, np.sqrt(n / 4)))
    return [panelled(int(x), int(y)) * half for x, y in ((2, 2), fine, 2 * fine)]


@functools.cache
def panelled(along_x: int, along_y: int) -> NDArray[np.float64]:
    """Return points on the square from -1 to 1 in panels, four on each, (4 along_x along_y, 2).

    The array is kept, because the contacts of a probe are alike; so it is not to be changed.
    """
    grid = np.meshgrid(_nodes(along_x), _nodes(along_y), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 2)


@functools.cache
def rings(panels: int, angles: int) -> NDArray[np.float64]:
    """Return points on a disc of radius 1, on two rings a panel. The array is kept, see `panelled`."""
    squared = (_nodes(panels) + 1) / 2
    turn = (np.arange(angles) + 0.5 * (np.arange(len(squared))[:, np.newaxis] % 2)) * 2 * np.pi / angles
    radius = np.sqrt(squared)[:, np.newaxis]
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1).reshape(-1, 2)


def _nodes(panels: int) -> NDArray[np.float64]:
    """Return the nodes of two-point Gauss-Legendre quadrature in equal panels from -1 to 1, (2 panels,)."""
    middles = (2 * np.arange(panels) + 1) / panels - 1
    nodes: NDArray[np.float64] = (middles[:, np.newaxis] + np.array([-1, 1]) / np.sqrt(3) / panels).ravel()
    return nodes
