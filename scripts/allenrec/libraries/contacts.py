"""The contacts of a probe in the form that the kernels take: where each is, and the points over which it takes the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.probes import FINE_FROM, Probe

from .poses import in_cell_frame

if TYPE_CHECKING:
    from .forward_model import Segments


class Contacts(NamedTuple):
    """Contacts with several sets of points, each finer than the one before.

    `middles` (n_contacts, 3) µm; `radius` µm, no point is farther from the middle of its contact; `points` (n_contacts,
    n_points, 3) µm, of all sets, set k from `first[k]` to `first[k + 1]`; `beyond` (n_sets,), the distances µm from the middle
    to the nearest source from which on a set is fine enough, the last one 0.
    """

    middles: NDArray[np.float64]
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
        _radius(probe.positions, points),
        points,
        np.cumsum([0, *(points.shape[1] for points in sets)]),
        probe.outer_radius * np.array(FINE_FROM[-len(sets) :]),
    )


def contacts_with(points: NDArray[np.float64]) -> Contacts:
    """Return contacts that take the mean over given points (n_contacts, n_points, 3) µm, wherever sources are."""
    middles = points.mean(axis=1)
    points, first = np.ascontiguousarray(points), np.array([0, points.shape[1]])
    return Contacts(middles, _radius(middles, points), points, first, np.zeros(1))


def _radius(middles: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Return the largest distance of a point from the middle of its contact."""
    return float(np.linalg.norm(points - middles[:, np.newaxis], axis=2).max())


@numba.njit(cache=True, nogil=True)
def fine_enough(
    contacts: Contacts, contact: int, segments: Segments, matrix: NDArray[np.float64], position: NDArray[np.float64]
) -> int:
    """Return the number of the coarsest set that is fine enough for a contact beside a cell in a pose.

    See `poses.in_cell_frame` for the pose.
    """
    if len(contacts.beyond) == 1:
        return 0
    x, y, z = in_cell_frame(contacts.middles[contact], matrix, position)
    stretch = segments.stretch
    squared = distance_squared(segments, x * stretch[0], y * stretch[1], z * stretch[2]) / stretch.max() ** 2
    chosen = 0
    while squared < contacts.beyond[chosen] ** 2:
        chosen += 1
    return chosen


# The order of the minima does not change the least of them, so vector instructions may change it
@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
def distance_squared(segments: Segments, x: float, y: float, z: float) -> float:
    """Return the squared distance from a point to the axis of the nearest segment, both in stretched coordinates."""
    ex, ey, ez = segments.end[0], segments.end[1], segments.end[2]
    ux, uy, uz = segments.direction[0], segments.direction[1], segments.direction[2]
    nearest = np.inf
    for s in range(len(segments.length)):
        dx, dy, dz = x - ex[s], y - ey[s], z - ez[s]
        h = dx * ux[s] + dy * uy[s] + dz * uz[s]
        beyond = max(h, -h - segments.length[s], 0.0)
        nearest = min(nearest, dx * dx + dy * dy + dz * dz - h * h + beyond * beyond)
    return nearest
