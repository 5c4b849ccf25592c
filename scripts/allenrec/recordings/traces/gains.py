"""Modulation: how much each spike is louder or quieter, and wider, than its template."""

from functools import lru_cache

import numpy as np

from .white_noise import white_noise

#: Spikes whose gains are drawn together
SPIKES_AT_ONCE = 64


def draw_gains(address, decay, n_channels, *, modulation, mrand, sdrand):
    """Return the gain of each spike, float32 (n_spikes, 1), or `GainsOfChannels` for "electrode".

    "none": 1; "template": one normal number a spike; "electrode": one a spike and channel, independent, as in MEArec; each
    times `decay` (n_spikes,).
    """
    decay = np.asarray(decay, dtype=np.float32)[:, np.newaxis]
    if modulation == "none":
        return decay
    if modulation == "template":
        return GainsOfChannels(address, decay, 1, mrand, sdrand)[:]
    return GainsOfChannels(address, decay, n_channels, mrand, sdrand)


class GainsOfChannels:
    """Gains of the spikes of a unit at each channel, (n_spikes, n_channels), drawn when rows of them are asked for: those of an
    hour would fill gigabytes."""

    def __init__(self, address, decay, n_channels, mrand, sdrand):
        self.shape = len(decay), n_channels
        self._decay, self._mean = decay, np.float32(mrand)
        scale = np.full(n_channels, sdrand, dtype=np.float32)

        @lru_cache(maxsize=2)
        def some(begin):
            """Those of so many spikes from `begin` on, without their mean."""
            return white_noise(address, begin, begin + SPIKES_AT_ONCE, scale, block=SPIKES_AT_ONCE)

        self._some = some

    def __getitem__(self, rows):
        """Of a slice of the spikes, float32 (n, n_channels)."""
        start, stop, _ = rows.indices(len(self._decay))
        gains = np.empty((stop - start, self.shape[1]), dtype=np.float32)
        for begin in range(start - start % SPIKES_AT_ONCE, stop, SPIKES_AT_ONCE):
            first, last = max(start, begin), min(stop, begin + SPIKES_AT_ONCE)
            drawn = self._some(begin)[first - begin : last - begin]
            gains[first - start : last - start] = self._decay[first:last] * (self._mean + drawn)
        return gains


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
