"""Modulation: how much each spike is louder or quieter, and wider, than its template."""

import numpy as np


def draw_gains(rng, n_spikes, n_channels, *, modulation, mrand, sdrand):
    """Return the gain of each spike, float32 (n_spikes, 1), or (n_spikes, n_channels) for "electrode".

    "none": 1; "template": one normal number a spike; "electrode": one a spike and channel, independent, as in MEArec.
    """
    if modulation == "none":
        return np.ones((n_spikes, 1), dtype=np.float32)
    columns = n_channels if modulation == "electrode" else 1
    return np.float32(mrand) + np.float32(sdrand) * rng.standard_normal((n_spikes, columns), dtype=np.float32)


def burst_starts(times, *, n_burst_spikes, max_burst_duration):
    """Return for each spike the index of the first one of its burst, (n_spikes,).

    A burst begins with the first spike that is not in the one before; it has at most `n_burst_spikes`, the last at most
    `max_burst_duration` after the first, in the unit of `times` (n_spikes,), which increase.
    """
    ends = np.searchsorted(times, times + max_burst_duration, side="right")
    ends = np.minimum(ends, np.arange(len(times)) + n_burst_spikes).tolist()
    starts, spike = [], 0
    while spike < len(times):
        starts.append(spike)
        spike = ends[spike]
    return np.repeat(starts, np.diff([*starts, len(times)])).astype(np.int64)


def burst_gains(times, *, exp_decay, n_burst_spikes, max_burst_duration):
    """Return the gain of each spike of a bursting unit, (n_spikes,), from the intervals before it.

    MEArec's: 1 for the first spike of a burst; then (mean interval since the first / spikes since the first /
    `max_burst_duration`) ** `exp_decay`, so that the amplitude falls along a burst and the more, the shorter its intervals are.

    Parameters
    ----------
    times : numpy.ndarray
        (n_spikes,), increasing; ms, as `max_burst_duration`.
    exp_decay : float
    n_burst_spikes : int
    max_burst_duration : float
    """
    starts = burst_starts(times, n_burst_spikes=n_burst_spikes, max_burst_duration=max_burst_duration)
    since = np.arange(len(times)) - starts
    later = since > 0
    gains = np.ones(len(times))
    gains[later] = ((times - times[starts])[later] / since[later] ** 2 / max_burst_duration) ** exp_decay
    return gains
