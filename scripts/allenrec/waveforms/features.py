"""Waveform features: the shape of a template in a few numbers, in time at its peak contact and in space along the probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # loads its parts when they are used; who only reads features needs none
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from scipy.interpolate import PPoly

#: The columns of `waveform_features`, in order
FEATURES = (
    "amplitude_uV",
    "peak_contact",
    "trough_to_peak_ms",
    "half_width_ms",
    "peak_to_trough_ratio",
    "pre_peak_to_trough_ratio",
    "repolarisation_slope_uV_per_ms",
    "recovery_slope_uV_per_ms",
    "spread_um",
    "propagation_speed_above_um_per_ms",
    "propagation_speed_below_um_per_ms",
)

#: The units at the ends of their names, the longest first
UNITS = ("_uV_per_ms", "_um_per_ms", "_uV", "_ms", "_um")


def filtered_name(name: str) -> str:
    """Return the name of a feature of the filtered waveform: `_filtered` stands before the unit."""
    unit = next((unit for unit in UNITS if name.endswith(unit)), "")
    return f"{name.removesuffix(unit)}_filtered{unit}"


#: The columns of the features of filtered waveforms, in order
FILTERED_FEATURES = tuple(map(filtered_name, FEATURES))

#: The time after the peak over which the recovery slope is fitted, ms
RECOVERY = 0.7
#: The minimum height of a peak after the trough, as a share of the trough's depth; the ripple of the interpolation is lower
RETURN = 0.01
#: The minimum depth of a trough at a contact that sees the spike, as a share of the amplitude (Jia et al. 2019)
SEEN = 0.12
#: The number of heights that a speed needs, and the share of the variance of the times that its line must explain
MIN_HEIGHTS, MIN_R2 = 3, 0.5
#: The shortest delay that can be distinguished from zero, ms
RESOLVED = 1e-3


def waveform_features(
    templates: Iterable[NDArray[np.floating[Any]]], channel_positions: NDArray[np.float64], dt: float
) -> pd.DataFrame:
    """Describe each template by its amplitude, the shape of its waveform and its extent along the probe.

    The definitions are usual ones, so that templates can be compared with sorted units: for the shape, those of
    SpikeInterface's template metrics; along the probe, those of Jia et al. 2019 (J Neurophysiol 121:1831,
    doi:10.1152/jn.00680.2018). However, times and levels are measured on a cubic spline through the samples, so they are not
    multiples of `dt`; and features that cannot be measured are NaN. The baseline is zero; the trough is the lowest point, the
    peak the highest one after it.

    These are measured at the peak contact, the one with the lowest value:

    * `amplitude_uV`: minus the lowest sample; `peak_contact`: the index of its contact.
    * `trough_to_peak_ms`: the time from the trough to the peak.
    * `half_width_ms`: the width of the trough at half its depth.
    * `peak_to_trough_ratio`: the height of the peak over the depth of the trough.
    * `pre_peak_to_trough_ratio`: the height of the highest sample before the lowest one, or 0, over its depth.
    * `repolarisation_slope_uV_per_ms`: the slope of the regression line from the trough to the return to zero.
    * `recovery_slope_uV_per_ms`: the slope of the regression line over `RECOVERY` ms after the peak; negative.

    These are measured along z, the length of the probe, at contacts whose trough is at least `SEEN` times as deep as the
    deepest. Among contacts at one height, the one with the deepest trough counts.

    * `spread_um`: the distance between the outermost points where troughs are so deep, interpolated between contacts, or the
      probe's ends.
    * `propagation_speed_above_um_per_ms`, `propagation_speed_below_um_per_ms`: distance over delay of the trough, from the
      regression line of delays on distances, from the peak contact to larger z and to smaller z. Positive away from it.

    A feature is NaN if it needs one of these, and the template does not have it:

    * a trough below zero that the window does not cut off: all features but `amplitude_uV` and `peak_contact` need it;
    * a peak: a value after the trough above `RETURN` times its depth, the highest of which is not the window's last;
    * a time span that lies completely in the window;
    * contacts at several heights: the spread needs two, a speed `MIN_HEIGHTS` on its side that see the spike;
    * delays on a line: r² of at least `MIN_R2`, and delays of at least `RESOLVED`. The field of a soma alone has no such
      delays, because it reaches all contacts at once.

    Parameters
    ----------
    templates : iterable of numpy.ndarray
        (n_contacts, n_t) µV each.
    channel_positions : numpy.ndarray
        (n_contacts, 3) µm.
    dt : float
        ms between samples.

    Returns
    -------
    pandas.DataFrame
        One row per template, with the columns `FEATURES`: float64, `peak_contact` int64.
    """
    import pandas as pd  # who writes a library does without it

    return pd.DataFrame(feature_columns(templates, channel_positions, dt))


def feature_columns(
    templates: Iterable[NDArray[np.floating[Any]]], channel_positions: NDArray[np.float64], dt: float
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Return the columns of `waveform_features`."""
    # Contacts side by side have one height, whatever the rounding of their positions
    heights = np.round(channel_positions[:, 2], 3)
    rows = [_features(np.asarray(template, dtype=float), heights, dt) for template in templates]
    columns = np.array(rows, dtype=float).reshape(len(rows), len(FEATURES)).T
    named = dict(zip(FEATURES, columns, strict=True))
    return named | {"peak_contact": named["peak_contact"].astype(np.int64)}


def _features(template: NDArray[np.float64], heights: NDArray[np.float64], dt: float) -> tuple[float, ...]:
    """Return the `FEATURES` of one template (n_contacts, n_t) on contacts at `heights` (n_contacts,)."""
    depths = -template.min(axis=1)
    peak_contact = int(depths.argmax())
    waveform = template[peak_contact]
    curve = _curves(waveform[np.newaxis], dt)
    trough = _minima(curve, waveform[np.newaxis])[0]
    if np.isnan(trough):
        return depths[peak_contact], peak_contact, *[np.nan] * (len(FEATURES) - 2)
    return (
        depths[peak_contact],
        peak_contact,
        *_shape(waveform, curve, trough),
        *_extent(template, depths, heights, dt),
    )


def _shape(waveform: NDArray[np.float64], curve: PPoly, trough: float) -> tuple[float, ...]:
    """Return the time from trough to peak, the half width, the two ratios and the two slopes of a waveform."""
    lowest, depth = int(waveform.argmin()), -float(curve(trough)[0])
    upside_down = scipy.interpolate.PPoly(-curve.c, curve.x)
    peak = _minima(upside_down, -waveform[np.newaxis], lowest + 1)[0]
    height = float(curve(peak)[0])
    returns = np.nanmax([height, waveform[-1]]) > RETURN * depth  # also if the window cuts off the peak
    if not height > RETURN * depth:
        peak = height = np.nan
    half = [_crossing(curve, waveform, -depth / 2, trough, step) for step in (-1, 1)]
    back = _crossing(curve, waveform, 0.0, trough, 1) if returns else np.nan
    return (
        peak - trough,
        half[1] - half[0],
        height / depth,
        waveform[:lowest].max(initial=0.0) / -waveform[lowest],
        _slope(curve, trough, back),
        _slope(curve, peak, peak + RECOVERY),
    )


def _curves(waveforms: NDArray[np.float64], dt: float) -> PPoly:
    """Return waveforms (n, n_t) as cubic splines, whose values at times (m,) are (n, m).

    A spline needs no samples beyond the window. Fourier resampling or a filter rings at the window's end, where a template is
    not zero.
    """
    return scipy.interpolate.CubicSpline(np.arange(waveforms.shape[1]) * dt, waveforms, axis=1)


def _minima(curves: PPoly, samples: NDArray[np.float64], first: int = 0) -> NDArray[np.float64]:
    """Return the times (n,) of the lowest points of curves, from a sample on, beside their lowest samples.

    A time is NaN if the lowest sample is not below zero, or if it is the last one, or the first of all.
    """
    rows, n_t = np.arange(len(samples)), samples.shape[1]
    lowest = first + samples[:, first:].argmin(axis=1) if first < n_t else np.zeros(len(samples), dtype=int)
    within = (lowest > 0) & (lowest < n_t - 1) & (samples[rows, lowest] < 0)
    pieces = np.clip(lowest, 1, n_t - 2)[:, np.newaxis] + [-1, 0]  # before and after the lowest sample
    a, b, c, d = curves.c[:, pieces, rows[:, np.newaxis]]
    with np.errstate(invalid="ignore", divide="ignore"):
        times = -c / (b + np.sqrt(b * b - 3 * a * c))  # the slope 3at² + 2bt + c is zero, and rises
        values = ((a * times + b) * times + c) * times + d
    length, rounding = curves.x[1] - curves.x[0], 1e-9
    inside = (times >= -rounding * length) & (times <= (1 + rounding) * length)
    chosen = np.where(inside, values, np.inf).argmin(axis=1)
    found: NDArray[np.float64] = (curves.x[pieces] + times)[rows, chosen]
    return np.where(within & inside[rows, chosen], found, np.nan)


def _crossing(curve: PPoly, samples: NDArray[np.float64], level: float, start: float, step: int) -> float:
    """Return the time nearest to `start`, after (`step` 1) or before it (-1), at which a curve that is lower there rises to a
    level; NaN if its samples do not reach it."""
    times = curve.x
    beyond = np.flatnonzero((samples >= level) & (times > start if step > 0 else times < start))
    if len(beyond) == 0:
        return np.nan
    reached = beyond[0] if step > 0 else beyond[-1]
    piece = min(reached, reached - step)
    coefficients = curve.c[:, piece, 0]
    ends = [times[reached], times[reached - step] if (times[reached - step] - start) * step > 0 else start]
    root = scipy.optimize.brentq(lambda t: np.polyval(coefficients, t) - level, *(time - times[piece] for time in sorted(ends)))
    return float(times[piece] + root)


def _slope(curve: PPoly, start: float, stop: float) -> float:
    """Return the slope of the regression line of a curve between two times, NaN if they are not in its range."""
    if not start < stop <= curve.x[-1]:
        return np.nan
    times = start + (stop - start) * (np.arange(100) + 0.5) / 100
    return _line(times, curve(times)[0])[0]


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope of the regression line of y on x, and the share of the variance that it explains."""
    x, y = x - x.mean(), y - y.mean()
    slope = (x * y).sum() / (x * x).sum()
    return slope, 1 - ((y - slope * x) ** 2).sum() / max((y * y).sum(), np.finfo(float).tiny)


def _extent(
    template: NDArray[np.float64], depths: NDArray[np.float64], heights: NDArray[np.float64], dt: float
) -> tuple[float, float, float]:
    """Return the spread of a template and its speeds above and below."""
    order = np.lexsort((depths, heights))
    chosen = order[np.append(np.diff(heights[order]) > 0, True)]  # the last at its height: the one with the deepest trough
    z, depths, waveforms = heights[chosen], depths[chosen], template[chosen]
    level = SEEN * depths.max()
    spread = _edge(z, depths, level) - _edge(z[::-1], depths[::-1], level) if len(z) > 1 else np.nan
    seen = depths >= level
    if seen.sum() < MIN_HEIGHTS:
        return spread, np.nan, np.nan
    distance = z[seen] - z[depths.argmax()]
    times = _minima(_curves(waveforms[seen], dt), waveforms[seen])
    above, below = distance >= 0, distance <= 0
    return spread, _speed(distance[above], times[above]), _speed(-distance[below], times[below])


def _edge(z: NDArray[np.float64], depths: NDArray[np.float64], level: float) -> float:
    """Return where, between contacts and from the last to the first, troughs become as deep as the level."""
    last = np.flatnonzero(depths >= level)[-1]
    beyond = min(last + 1, len(z) - 1)
    return float(np.interp(level, [depths[beyond], depths[last]], [z[beyond], z[last]]))


def _speed(distances: NDArray[np.float64], times: NDArray[np.float64]) -> float:
    """Return the inverse slope (µm/ms) of the regression line of times on distances, NaN if they are not on a line."""
    distances, times = distances[np.isfinite(times)], times[np.isfinite(times)]
    if len(distances) < MIN_HEIGHTS:
        return np.nan
    slope, explained = _line(distances, times)
    return 1 / slope if abs(slope) * np.ptp(distances) >= RESOLVED and explained >= MIN_R2 else np.nan
