"""Paths: the straight lines along which the templates of a drifting library were computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError

if TYPE_CHECKING:
    from .drift import Drift


@dataclass(frozen=True)
class Paths:
    """The paths along which units move.

    Attributes
    ----------
    along : numpy.ndarray
        (n_units, n_steps) µm, distance of each step of a template from its position without drift, increasing.
    order : numpy.ndarray
        (n_units, n_steps) the step of the library that it is.
    """

    along: NDArray[np.float64]
    order: NDArray[np.int64]

    @property
    def reach(self) -> float:
        """Distance that all units can move both ways, µm."""
        return float(min(-self.along[:, 0].max(), self.along[:, -1].min())) if len(self.along) else 0.0

    def nearest(self, units: NDArray[np.int64], displacements: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the steps of the paths of units (n,) that are nearest to their displacements (n,) µm."""
        return np.abs(self.along[units] - displacements[:, np.newaxis]).argmin(axis=1)

    def steps(self, unit: int, displacements: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the places (n,) of displacements (n,) µm between the steps of a unit's path, from 0 to n_steps - 1."""
        return np.interp(displacements, self.along[unit], np.arange(self.along.shape[1]))


def paths_of(locations: NDArray[np.float64], centre: int, direction: NDArray[np.float64]) -> Paths:
    """Return the `Paths` of units.

    Parameters
    ----------
    locations : numpy.ndarray
        (n_units, n_steps, 3) µm, on straight lines.
    centre : int
        The step without drift.
    direction : numpy.ndarray
        (3,) direction of positive displacements. Each unit moves along its own line, towards the end nearer to this.

    Returns
    -------
    Paths
    """
    relative = locations - locations[:, centre, np.newaxis]
    lines = locations[:, -1] - locations[:, 0]
    lines /= np.maximum(np.linalg.norm(lines, axis=1, keepdims=True), 1e-9)
    lines *= np.where(lines @ direction < 0, -1.0, 1.0)[:, np.newaxis]
    along = np.einsum("usx,ux->us", relative, lines)
    order = np.argsort(along, axis=1, kind="stable")
    return Paths(np.take_along_axis(along, order, axis=1), order)


def require_reach(drift: Drift, paths: Paths, where: str) -> None:
    """Raise an error if a unit would move farther than its templates reach.

    Parameters
    ----------
    drift : Drift
    paths : Paths
    where : str
        Name of the recording, for the message.

    Raises
    ------
    UserError
        The message names the unit and both ranges.
    """
    for unit, along in enumerate(paths.along):
        course = drift.of_unit(unit)
        low, high = course.min(), course.max()
        if low < along[0] - 1e-6 or high > along[-1] + 1e-6:
            raise UserError(
                f"{where}: unit {unit} drifts from {low:.3g} to {high:.3g} µm, its templates reach from {along[0]:.3g} to "
                f"{along[-1]:.3g} µm; let it drift less, or give the library a wider drift_grid or a longer min_drift"
            )
