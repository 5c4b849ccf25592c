"""The spike of a cell at fixed places around it, behind filters. No probe and no random number takes part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.libraries.forward_model import transfer_matrix
from allenrec.settings.recordings import Filter as FilterSettings
from allenrec.settings.recordings.units import UnitSelection
from allenrec.waveforms.as_recorded import padded
from allenrec.waveforms.features import feature_columns
from allenrec.waveforms.filters import design_filter

from .columns import DISTANCES

if TYPE_CHECKING:
    from allenrec.libraries.poses import Geometry

#: The one of `DISTANCES` at which the shape of the waveform is measured, µm
NEAR = 20
#: The number of directions in which each distance is measured
DIRECTIONS = 40
#: The line of contacts that stands in for a probe: distance between contacts, half its length (µm), and sides of the cell
PITCH, REACH, SIDES = 20.0, 400.0, 8
#: Conductivity of the tissue, S/m, and factor of the images, as libraries have them by default
SIGMA, IMAGE_FACTOR = 0.3, 2.0


@dataclass(frozen=True)
class Measured:
    """A cell's spike, as medians over directions or sides; NaN is what cannot be measured.

    At `NEAR` µm from the soma: `trough_to_peak_ms`, `half_width_ms`, and `pre_peak_ratio`, the height of the peak before the
    trough over the depth of the trough. `peak_to_peak_uV` has a value for each of `DISTANCES`. Along a line of contacts
    beside the cell, parallel to its axis: `spread_um` and the two speeds, towards the pia and away from it, µm/ms. All these
    are behind the default filter of recordings, and defined as in `waveform_features`. The two widths `as_in_vivo` are behind
    the filter of the measurements with which they are compared.
    """

    trough_to_peak_as_in_vivo_ms: float
    half_width_as_in_vivo_ms: float
    trough_to_peak_ms: float
    half_width_ms: float
    pre_peak_ratio: float
    peak_to_peak_uV: tuple[float, ...]
    spread_um: float
    speed_above_um_per_ms: float
    speed_below_um_per_ms: float


def measure(
    geometry: Geometry,
    spike: NDArray[np.float64],
    dt: float,
    upright: NDArray[np.float64],
    as_in_vivo: FilterSettings,
) -> Measured:
    """Measure the spike of a cell around it.

    Parameters
    ----------
    geometry : Geometry
        The segments, the soma at the origin.
    spike : numpy.ndarray
        (n_seg, n_t) nA, the membrane currents of a spike, without the stimulus.
    dt : float
        ms between samples.
    upright : numpy.ndarray
        (3,), of length 1: the direction to the pia.
    as_in_vivo : allenrec.settings.recordings.Filter
        The filter of the measurements in living animals.
    """

    def recorded(points: NDArray[np.float64], settings: FilterSettings | None = None) -> NDArray[np.float64]:
        """Return the potentials (n_points, n_t) µV behind a filter, the default one of recordings if none is given."""
        potentials = 1000 * IMAGE_FACTOR * transfer_matrix(*geometry, points, sigma=SIGMA) @ spike
        return _filtered(potentials, dt, settings or FilterSettings())

    rings = [recorded(distance * directions(DIRECTIONS)) for distance in DISTANCES]
    near = rings[DISTANCES.index(NEAR)]
    shape = _shape(near, dt)
    compared = _shape(recorded(NEAR * directions(DIRECTIONS), as_in_vivo), dt)
    lines = [recorded(line) for line in _lines(upright)]
    heights = np.zeros((len(lines[0]), 3))
    heights[:, 2] = _heights()
    along = feature_columns(np.array(lines, dtype=np.float32), heights, dt)
    return Measured(
        trough_to_peak_as_in_vivo_ms=_median(compared["trough_to_peak_ms"]),
        half_width_as_in_vivo_ms=_median(compared["half_width_ms"]),
        trough_to_peak_ms=_median(shape["trough_to_peak_ms"]),
        half_width_ms=_median(shape["half_width_ms"]),
        pre_peak_ratio=_median(shape["pre_peak_to_trough_ratio"]),
        peak_to_peak_uV=tuple(_median(np.ptp(ring, axis=1)) for ring in rings),
        spread_um=_median(along["spread_um"]),
        speed_above_um_per_ms=_median(along["propagation_speed_above_um_per_ms"]),
        speed_below_um_per_ms=_median(along["propagation_speed_below_um_per_ms"]),
    )


def directions(n: int) -> NDArray[np.float64]:
    """Return directions (n, 3) of length 1 that are spread evenly over the sphere (Fibonacci's spiral)."""
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = np.pi * (1 + np.sqrt(5)) * np.arange(n)
    around = np.sqrt(1 - z**2)
    return np.column_stack([around * np.cos(angle), around * np.sin(angle), z])


def _filtered(potentials: NDArray[np.float64], dt: float, settings: FilterSettings) -> NDArray[np.float64]:
    """Return potentials (n, n_t) behind a filter, padded as the templates of a recording are, with the end of the response."""
    before, after = (max(round(length / dt), 1) for length in UnitSelection().pad_len)
    response, added = design_filter(1000 / dt, settings).response(padded(potentials, before, after).T)
    filtered: NDArray[np.float64] = response[added:].T
    return filtered


def _shape(waveforms: NDArray[np.float64], dt: float) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Return the features of waveforms (n, n_t), each of which is at its own contact."""
    return feature_columns(waveforms[:, np.newaxis].astype(np.float32), np.zeros((1, 3)), dt)


def _heights() -> NDArray[np.float64]:
    return np.arange(-REACH, REACH + PITCH / 2, PITCH)


def _lines(upright: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the contacts (n, 3) µm of a line on each side of the cell, from below to above."""
    other = np.eye(3)[np.abs(upright).argmin()]
    first = np.cross(upright, other)
    first /= np.linalg.norm(first)
    second = np.cross(upright, first)
    angles = 2 * np.pi * np.arange(SIDES) / SIDES
    sides = NEAR * (np.outer(np.cos(angles), first) + np.outer(np.sin(angles), second))
    return [side + np.outer(_heights(), upright) for side in sides]


def _median(values: object) -> float:
    """Return the median of the values that are known, NaN if there is none."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else np.nan
