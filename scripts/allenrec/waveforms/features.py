"""Waveform features: the shape of a template in a few numbers, in time at its peak contact and in space along the probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

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
#: The number of halvings that find where a curve crosses a level
BISECTIONS = 50
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
    found = [_extent(template, heights) for template in templates]
    columns = np.full((len(FEATURES), len(found)), np.nan)
    if found:
        columns[0], columns[1] = [extent.depth for extent in found], [extent.contact for extent in found]
        curves = _curves(np.array([extent.waveform for extent in found]))
        troughs = _minima(curves)
        columns[2:8] = _shapes(curves, troughs, dt)
        columns[8] = [extent.spread for extent in found]
        columns[9:] = _speeds(found, dt)
        columns[2:, np.isnan(troughs)] = np.nan
    named = dict(zip(FEATURES, columns, strict=True))
    return named | {"peak_contact": named["peak_contact"].astype(np.int64)}


class _Extent(NamedTuple):
    """The extent of a template: its peak contact, the `waveform` (n_t,) there, its `depth`, and its `spread`.

    Of the contacts that see the spike, one at each height: `distances` (n,) from the peak contact along z, and `seen` (n, n_t),
    their waveforms.
    """

    contact: int
    depth: float
    waveform: NDArray[np.float64]
    spread: float
    distances: NDArray[np.float64]
    seen: NDArray[np.float64]


def _extent(template: NDArray[np.floating[Any]], heights: NDArray[np.float64]) -> _Extent:
    """Return the `_Extent` of a template (n_contacts, n_t) on contacts at `heights` (n_contacts,)."""
    depths = -template.min(axis=1).astype(float)
    contact = int(depths.argmax())
    order = np.lexsort((depths, heights))
    chosen = order[np.append(np.diff(heights[order]) > 0, True)]  # the last at its height: the one with the deepest trough
    z, deep = heights[chosen], depths[chosen]
    level = SEEN * deep.max()
    at_least = deep >= level
    spread = _edge(z, deep, level) - _edge(z[::-1], deep[::-1], level) if len(z) > 1 else np.nan
    enough = at_least.sum() >= MIN_HEIGHTS
    rows = chosen[at_least] if enough else chosen[:0]
    distances = heights[rows] - z[deep.argmax()]
    return _Extent(contact, depths[contact], template[contact].astype(float), spread, distances, template[rows].astype(float))


def _edge(z: NDArray[np.float64], depths: NDArray[np.float64], level: float) -> float:
    """Return where, between contacts and from the last to the first, troughs become as deep as the level."""
    last = np.flatnonzero(depths >= level)[-1]
    beyond = min(last + 1, len(z) - 1)
    return float(np.interp(level, [depths[beyond], depths[last]], [z[beyond], z[last]]))


def _shapes(curves: _Curves, trough: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
    """Return the time from trough to peak, the half width, the two ratios and the two slopes of waveforms, (6, n)."""
    waveforms, rows = curves.samples, np.arange(len(trough))
    lowest = waveforms.argmin(axis=1)
    depth = -_values(curves, trough)
    peak = _minima(_Curves(-waveforms, -curves.slopes), lowest + 1)
    height = _values(curves, peak)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.fmax(height, waveforms[:, -1]) > RETURN * depth  # also if the window cuts off the peak
        missing = ~(height > RETURN * depth)
        peak[missing] = height[missing] = np.nan
        half = [_crossings(curves, -depth / 2, trough, step) for step in (-1, 1)]
        back = np.where(returns, _crossings(curves, np.zeros(len(rows)), trough, 1), np.nan)
        before = np.where(np.arange(waveforms.shape[1]) < lowest[:, np.newaxis], waveforms, 0.0).max(axis=1)
        times = np.array([peak - trough, half[1] - half[0]]) * dt
        ratios = np.array([height / depth, np.maximum(before, 0.0) / -waveforms[rows, lowest]])
    slopes = np.array([_regressed(curves, trough, back), _regressed(curves, peak, peak + RECOVERY / dt)]) / dt
    return np.concatenate([times, ratios, slopes])


class _Curves(NamedTuple):
    """Cubic splines through `samples` (n, n_t), as their `slopes` (n, n_t) there. Times are in samples.

    A spline needs no samples beyond the window. Fourier resampling or a filter rings at the window's end, where a template is
    not zero.
    """

    samples: NDArray[np.float64]
    slopes: NDArray[np.float64]


def _curves(samples: NDArray[np.float64]) -> _Curves:
    """Return the splines through samples (n, n_t), at whose second and second-last sample the third derivative is continuous.

    These are SciPy's of the same name ("not-a-knot"), for many waveforms at once and without loading SciPy, which takes longer
    than the work of a job. Slopes s solve s[i-1] + 4 s[i] + s[i+1] = 3 (y[i+1] - y[i-1]), and the ends of that are in SciPy's
    form.
    """
    y = np.ascontiguousarray(samples.T)
    n_t = len(y)
    if n_t < 4:
        return _Curves(samples, np.gradient(samples, axis=1, edge_order=1 if n_t < 3 else 2))
    slopes, diagonal = np.empty_like(y), np.full(n_t, 4.0)
    lower, upper = np.ones(n_t), np.ones(n_t)
    upper[0] = lower[-1] = 2.0
    diagonal[0] = diagonal[-1] = 1.0
    slopes[1:-1] = 3 * (y[2:] - y[:-2])
    slopes[0] = (5 * (y[1] - y[0]) + (y[2] - y[1])) / 2
    slopes[-1] = (5 * (y[-1] - y[-2]) + (y[-2] - y[-3])) / 2
    for i in range(1, n_t):
        factor = lower[i] / diagonal[i - 1]
        diagonal[i] -= factor * upper[i - 1]
        slopes[i] -= factor * slopes[i - 1]
    slopes[-1] /= diagonal[-1]
    for i in range(n_t - 2, -1, -1):
        slopes[i] = (slopes[i] - upper[i] * slopes[i + 1]) / diagonal[i]
    return _Curves(samples, np.ascontiguousarray(slopes.T))


def _piece(curves: _Curves, rows: NDArray[np.int64], first: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Return a, b, c and d of at³ + bt² + ct + d, the pieces of some curves from samples `first` on."""
    rise = curves.samples[rows, first + 1] - curves.samples[rows, first]
    begin, end = curves.slopes[rows, first], curves.slopes[rows, first + 1]
    return begin + end - 2 * rise, 3 * rise - 2 * begin - end, begin, curves.samples[rows, first]


def _values(curves: _Curves, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of curves at times (n,) or (n, m), NaN at those that are NaN."""
    known = np.nan_to_num(times)
    first = np.clip(known.astype(np.int64), 0, curves.samples.shape[1] - 2)
    rows = np.arange(len(times)).reshape(-1, *[1] * (times.ndim - 1))
    a, b, c, d = _piece(curves, rows, first)
    t = times - first
    values: NDArray[np.float64] = ((a * t + b) * t + c) * t + d
    return values


def _minima(curves: _Curves, first: NDArray[np.int64] | int = 0) -> NDArray[np.float64]:
    """Return the times (n,) of the lowest points of curves, from samples `first` on, beside their lowest samples.

    A time is NaN if the lowest sample is not below zero, or if it is the last one, or the first of all.
    """
    samples, n_t = curves.samples, curves.samples.shape[1]
    rows, columns = np.arange(len(samples)), np.arange(n_t)
    later = columns >= np.broadcast_to(first, len(samples))[:, np.newaxis]
    lowest = np.where(later, samples, np.inf).argmin(axis=1)
    within = later[:, -1] & (lowest > 0) & (lowest < n_t - 1) & (samples[rows, lowest] < 0)
    pieces = np.clip(lowest, 1, max(n_t - 2, 1))[:, np.newaxis] + [-1, 0]  # before and after the lowest sample
    a, b, c, d = _piece(curves, rows[:, np.newaxis], np.minimum(pieces, n_t - 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        times = -c / (b + np.sqrt(b * b - 3 * a * c))  # the slope 3at² + 2bt + c is zero, and rises
        values = ((a * times + b) * times + c) * times + d
    rounding = 1e-9
    inside = (times >= -rounding) & (times <= 1 + rounding)
    chosen = np.where(inside, values, np.inf).argmin(axis=1)
    return np.where(within & inside[rows, chosen], (pieces + times)[rows, chosen], np.nan)


def _crossings(curves: _Curves, levels: NDArray[np.float64], start: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return the times (n,) at which curves rise to levels (n,); NaN where samples do not reach them.

    They are those nearest to `start` (n,), where the curves are lower, after (`step` 1) or before it (-1).
    """
    samples, n_t = curves.samples, curves.samples.shape[1]
    rows, columns, since = np.arange(len(samples)), np.arange(n_t), start[:, np.newaxis]
    beyond = (samples >= levels[:, np.newaxis]) & (columns > since if step > 0 else columns < since)
    reached = beyond.argmax(axis=1) if step > 0 else n_t - 1 - beyond[:, ::-1].argmax(axis=1)
    before = np.clip(reached - step, 0, n_t - 1)
    first = np.minimum(np.minimum(reached, before), n_t - 2)
    a, b, c, d = _piece(curves, rows, first)
    low = np.where((before - start) * step > 0, before, start) - first
    high = (reached - first).astype(float)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        above = ((a * middle + b) * middle + c) * middle + d >= levels
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(beyond.any(axis=1), first + high, np.nan)


def _regressed(curves: _Curves, start: NDArray[np.float64], stop: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slopes (n,) of the regression lines of curves between two times, NaN where these are not in their range."""
    with np.errstate(invalid="ignore"):
        good = (start < stop) & (stop <= curves.samples.shape[1] - 1)
    begin, end = np.where(good, start, 0.0)[:, np.newaxis], np.where(good, stop, 1.0)[:, np.newaxis]
    times = begin + (end - begin) * (np.arange(100) + 0.5) / 100
    values = _values(curves, times)
    x, y = times - times.mean(axis=1, keepdims=True), values - values.mean(axis=1, keepdims=True)
    return np.where(good, (x * y).sum(axis=1) / (x * x).sum(axis=1), np.nan)


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope of the regression line of y on x, and the share of the variance that it explains."""
    x, y = x - x.mean(), y - y.mean()
    slope = (x * y).sum() / (x * x).sum()
    return slope, 1 - ((y - slope * x) ** 2).sum() / max((y * y).sum(), np.finfo(float).tiny)


def _speeds(found: list[_Extent], dt: float) -> NDArray[np.float64]:
    """Return the speeds above and below (2, n) of templates, µm/ms."""
    times = dt * _minima(_curves(np.concatenate([extent.seen for extent in found])))
    of_each = np.split(times, np.cumsum([len(extent.seen) for extent in found])[:-1])
    speeds = np.empty((2, len(found)))
    for k, (extent, own) in enumerate(zip(found, of_each, strict=True)):
        above, below = extent.distances >= 0, extent.distances <= 0
        speeds[:, k] = _speed(extent.distances[above], own[above]), _speed(-extent.distances[below], own[below])
    return speeds


def _speed(distances: NDArray[np.float64], times: NDArray[np.float64]) -> float:
    """Return the inverse slope (µm/ms) of the regression line of times on distances, NaN if they are not on a line."""
    distances, times = distances[np.isfinite(times)], times[np.isfinite(times)]
    if len(distances) < MIN_HEIGHTS:
        return np.nan
    slope, explained = _line(distances, times)
    return 1 / slope if abs(slope) * np.ptp(distances) >= RESOLVED and explained >= MIN_R2 else np.nan
