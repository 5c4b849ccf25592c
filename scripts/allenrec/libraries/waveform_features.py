"""Waveform features: the shape of a template in a few numbers, in time at its loudest contact and in space along the probe."""

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

#: Columns of `waveform_features`, in order
FEATURES = (
    "amplitude_uV",
    "peak_contact",
    "trough_to_peak_ms",
    "half_width_ms",
    "peak_to_trough_ratio",
    "repolarisation_slope_uV_per_ms",
    "recovery_slope_uV_per_ms",
    "spread_um",
    "propagation_speed_above_um_per_ms",
    "propagation_speed_below_um_per_ms",
)

#: ms after the peak over which the recovery slope is fitted
RECOVERY = 0.7
#: Of the trough's depth: how high the potential must come after it to have returned; an interpolation's ripple is lower
RETURN = 0.01
#: Of the amplitude: contacts whose trough is at least so deep see the spike (Jia et al. 2019)
SEEN = 0.12
#: A speed needs so many heights, and a line that explains so much of the variance of the times
MIN_HEIGHTS, MIN_R2 = 3, 0.5
#: ms. A delay shorter than this is not told from none
RESOLVED = 1e-3


def waveform_features(templates, channel_positions, dt):
    """Describe each template by its amplitude, the shape of its waveform and how it lies along the probe.

    The definitions are the field's: of the shape those of SpikeInterface's template metrics, along the probe those of Jia et
    al. 2019 (J Neurophysiol 121:1831, doi:10.1152/jn.00680.2018), so that templates compare with sorted units. But times and
    levels are those of a cubic spline through the samples, not multiples of `dt`, and what a template does not have is NaN.
    The baseline is zero; the trough is the lowest point, the peak the highest one after it.

    At the loudest contact, the one with the lowest value:

    * `amplitude_uV`: minus the lowest sample; `peak_contact`: the index of its contact.
    * `trough_to_peak_ms`: from the trough to the peak.
    * `half_width_ms`: of the trough, at half its depth.
    * `peak_to_trough_ratio`: height of the peak over depth of the trough.
    * `repolarisation_slope_uV_per_ms`: of the regression line from the trough to the return to zero.
    * `recovery_slope_uV_per_ms`: of the regression line over `RECOVERY` ms after the peak; negative.

    Along z, the length of the probe, at contacts whose trough is at least `SEEN` times as deep as the deepest; of contacts at
    one height, the one with the deepest trough:

    * `spread_um`: between the outermost points where troughs are so deep, interpolated between contacts, or the probe's ends.
    * `propagation_speed_above_um_per_ms`, `propagation_speed_below_um_per_ms`: distance over delay of the trough, from the
      regression line of delays on distances, from the loudest contact to larger z and to smaller z. Positive away from it.

    NaN is what depends on

    * a trough that is cut off by the window or not below zero: all but `amplitude_uV` and `peak_contact`;
    * a peak, if nothing after the trough is above `RETURN` times its depth or the highest value is the window's last;
    * a stretch of time that is not all in the window;
    * contacts at several heights: the spread needs two, a speed `MIN_HEIGHTS` on its side that see the spike;
    * delays that lie on a line: r² below `MIN_R2`, or all delays below `RESOLVED`, as where a soma's field is everywhere at
      once.

    Parameters
    ----------
    templates : numpy.ndarray
        (n, n_contacts, n_t) µV.
    channel_positions : numpy.ndarray
        (n_contacts, 3) µm.
    dt : float
        ms between samples.

    Returns
    -------
    pandas.DataFrame
        A row a template and the columns `FEATURES`, float64, but for `peak_contact`, int64.
    """
    # Contacts side by side have one height, whatever the rounding of their positions
    heights = np.round(channel_positions[:, 2], 3)
    rows = [_features(np.asarray(template, dtype=float), heights, dt) for template in templates]
    return pd.DataFrame(rows, columns=list(FEATURES), dtype=float).astype({"peak_contact": np.int64})


def _features(template, heights, dt):
    depths = -template.min(axis=1)
    loudest = int(depths.argmax())
    curve = _curve(template[loudest], dt)
    trough = _trough(curve)
    if np.isnan(trough):
        return depths[loudest], loudest, *[np.nan] * (len(FEATURES) - 2)
    return depths[loudest], loudest, *_shape(curve, trough), *_extent(template, depths, heights, dt)


def _shape(curve, trough):
    """Return from trough to peak, half width, ratio and the two slopes of a waveform."""
    depth, end = -curve(trough), curve.x[-1]
    turns = _turns(curve)
    later = np.append(turns[turns > trough], end)
    top = later[curve(later).argmax()]
    returns = curve(top) > RETURN * depth
    peak = top if returns and top < end else np.nan
    zeros = _crossings(curve, 0.0)
    back = _first(zeros[zeros > trough]) if returns else np.nan
    half = _crossings(curve, -depth / 2)
    return (
        peak - trough,
        _first(half[half > trough]) - _first(half[half < trough][::-1]),
        curve(peak) / depth,
        _slope(curve, trough, back),
        _slope(curve, peak, peak + RECOVERY),
    )


def _curve(waveform, dt):
    """A spline, because it needs nothing beyond the window: resampling by Fourier or a filter rings at its end, where a
    template is not at zero."""
    return CubicSpline(np.arange(len(waveform)) * dt, waveform)


def _turns(curve):
    """Return the times at which a curve is level."""
    times = curve.derivative().roots(discontinuity=False, extrapolate=False)
    return times[np.isfinite(times)]  # a NaN marks an interval where it is level all along


def _crossings(curve, level):
    """Return the times at which a curve has a value."""
    times = curve.solve(level, discontinuity=False, extrapolate=False)
    return times[np.isfinite(times)]


def _first(times):
    return times[0] if len(times) else np.nan


def _trough(curve):
    """Return the time of the lowest point, NaN if it is not below zero or the window cuts it off."""
    samples = curve(curve.x)
    lowest = int(samples.argmin())
    if lowest in (0, len(samples) - 1) or not samples[lowest] < 0:
        return np.nan
    turns = _turns(curve)
    return turns[curve(turns).argmin()]


def _slope(curve, start, stop):
    """Return the slope of the regression line of a curve between two times, NaN if they are not in its range."""
    if not start < stop <= curve.x[-1]:
        return np.nan
    times = start + (stop - start) * (np.arange(100) + 0.5) / 100
    return _line(times, curve(times))[0]


def _line(x, y):
    """Return the slope of the regression line of y on x, and the share of the variance that it explains."""
    x, y = x - x.mean(), y - y.mean()
    slope = (x * y).sum() / (x * x).sum()
    return slope, 1 - ((y - slope * x) ** 2).sum() / max((y * y).sum(), np.finfo(float).tiny)


def _extent(template, depths, heights, dt):
    """Return the spread and the speeds above and below of a template."""
    order = np.lexsort((depths, heights))
    chosen = order[np.append(np.diff(heights[order]) > 0, True)]  # the last at its height: the one with the deepest trough
    z, depths, waveforms = heights[chosen], depths[chosen], template[chosen]
    level = SEEN * depths.max()
    spread = _edge(z, depths, level) - _edge(z[::-1], depths[::-1], level) if len(z) > 1 else np.nan
    seen = depths >= level
    distance = z[seen] - z[depths.argmax()]
    times = np.array([_trough(_curve(waveform, dt)) for waveform in waveforms[seen]])
    above, below = distance >= 0, distance <= 0
    return spread, _speed(distance[above], times[above]), _speed(-distance[below], times[below])


def _edge(z, depths, level):
    """Return where, between contacts and from the last to the first, troughs become as deep as the level."""
    last = np.flatnonzero(depths >= level)[-1]
    beyond = min(last + 1, len(z) - 1)
    return np.interp(level, [depths[beyond], depths[last]], [z[beyond], z[last]])


def _speed(distances, times):
    """Return the inverse slope (µm/ms) of the regression line of times on distances, NaN if they are not on a line."""
    distances, times = distances[np.isfinite(times)], times[np.isfinite(times)]
    if len(distances) < MIN_HEIGHTS:
        return np.nan
    slope, explained = _line(distances, times)
    return 1 / slope if abs(slope) * np.ptp(distances) >= RESOLVED and explained >= MIN_R2 else np.nan
