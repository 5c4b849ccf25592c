"""Spike gains: how much larger or smaller each spike is than its template, and how much wider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError
from allenrec.common.random_streams import StreamKey, generator

from .white_noise import white_noise

if TYPE_CHECKING:
    from allenrec.settings.recordings import Bursting, SpikeGains

    from ..tick_grid import TickGrid
    from ..types import UnitKey

#: Number of spikes whose gains are drawn together
SPIKES_AT_ONCE = 64
#: The least bend that is not rounding
LEAST_BEND = 1e-6


@dataclass(frozen=True)
class BurstDecay:
    """The decay of the spikes of a bursting unit along a burst.

    Attributes
    ----------
    exp_decay : float
        Exponent of the decay.
    n_burst_spikes : int
        Maximum number of spikes of a burst.
    max_burst_duration : float
        Longest time from the first to the last spike of a burst, ms.
    """

    exp_decay: float
    n_burst_spikes: int
    max_burst_duration: float


def bursting_units(stream_key: StreamKey, keys: Sequence[UnitKey], settings: Bursting) -> dict[int, BurstDecay]:
    """Return the units that burst, with their decay.

    Units are chosen at random by a number that each draws for itself, so that the choice does not depend on other units.

    Raises
    ------
    UserError
        If a list of values has another length than there are bursting units.
    """
    if not settings.bursting:
        return {}
    units = settings.bursting_units
    if units is None:
        draws = [generator(*stream_key, "bursting", *key).random() for key in keys]
        units = sorted(np.argsort(draws)[: len(keys) if settings.n_bursting is None else settings.n_bursting].tolist())
    columns = {}
    for name in ("exp_decay", "n_burst_spikes", "max_burst_duration"):
        value = getattr(settings, name)
        columns[name] = value if isinstance(value, list) else [value] * len(units)
        if len(columns[name]) != len(units):
            raise UserError(
                f"recordings.{name}: {len(value)} values for {len(units)} bursting units; one each, or a single one"
            )
    return {unit: BurstDecay(**{name: values[k] for name, values in columns.items()}) for k, unit in enumerate(units)}


class ChannelGains:
    """Gains of the spikes of a unit at each channel, (n_spikes, n_channels) float32.

    They are drawn when they are sliced, because the gains of an hour would fill gigabytes.
    """

    def __init__(self, stream_key: StreamKey, decay: NDArray[np.float32], n_channels: int, settings: SpikeGains) -> None:
        self.shape = len(decay), n_channels
        self._decay, self._mean = decay, np.float32(settings.mrand)
        scale = np.full(n_channels, settings.sdrand, dtype=np.float32)

        @lru_cache(maxsize=2)
        def deviations(begin: int) -> NDArray[np.float32]:
            """Return the deviations from the mean of `SPIKES_AT_ONCE` spikes from `begin` on."""
            return white_noise(stream_key, begin, begin + SPIKES_AT_ONCE, scale, block=SPIKES_AT_ONCE)

        self._deviations = deviations

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Return the gains of a slice of the spikes, float32 (n, n_channels)."""
        start, stop, _ = rows.indices(len(self._decay))
        gains = np.empty((stop - start, self.shape[1]), dtype=np.float32)
        for begin in range(start - start % SPIKES_AT_ONCE, stop, SPIKES_AT_ONCE):
            first, last = max(start, begin), min(stop, begin + SPIKES_AT_ONCE)
            drawn = self._deviations(begin)[first - begin : last - begin]
            gains[first - start : last - start] = self._decay[first:last] * (self._mean + drawn)
        return gains


#: Gains of the spikes of a unit, (n_spikes, 1 or n_channels), to be read by slices
Gains = NDArray[np.float32] | ChannelGains


def draw_gains(stream_key: StreamKey, decay: NDArray[np.float64], n_channels: int, settings: SpikeGains) -> Gains:
    """Draw the gain of each spike of a unit.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the unit's gains.
    decay : numpy.ndarray
        (n_spikes,) by which all gains are multiplied.
    n_channels : int
    settings : allenrec.settings.recordings.SpikeGains
        `modulation` "none": the gain is 1; "template": one normal number per spike; "electrode": one per spike and channel,
        independent, as in MEArec.

    Returns
    -------
    numpy.ndarray or ChannelGains
        float32 (n_spikes, 1); for "electrode" (n_spikes, n_channels).
    """
    column = np.asarray(decay, dtype=np.float32)[:, np.newaxis]
    if settings.modulation == "none":
        return column
    if settings.modulation == "template":
        return ChannelGains(stream_key, column, 1, settings)[:]
    return ChannelGains(stream_key, column, n_channels, settings)


def spike_gains(
    stream_key: StreamKey,
    keys: Sequence[UnitKey],
    ticks: Sequence[NDArray[np.int64]],
    bursts: dict[int, BurstDecay],
    grid: TickGrid,
    n_channels: int,
    settings: SpikeGains,
    shape: Bursting,
    after_peak: float,
) -> tuple[list[Gains], list[NDArray[np.float64] | None], list[NDArray[np.float64] | None]]:
    """Return the gains of the spikes of all units, their widening factors and their bends.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the gains of the recording.
    keys : sequence of (str, int)
        Kind and number of each unit.
    ticks : sequence of numpy.ndarray
        (n_spikes,) spike times of each unit.
    bursts : dict
        The units that burst, from `bursting_units`.
    grid : TickGrid
    n_channels : int
    settings : allenrec.settings.recordings.SpikeGains
    shape : allenrec.settings.recordings.Bursting
        Whether spikes that are smaller in a burst are wider as well, and by how much.
    after_peak : float
        The share of a template that comes after its peak.

    Returns
    -------
    gains : list of numpy.ndarray or ChannelGains
        As `draw_gains`; one per unit.
    widening_factors : list of numpy.ndarray or None
        (n_spikes,); one per unit, None if its spikes keep the shape of the template. Of bent spikes, those at the peak.
    bends : list of numpy.ndarray or None
        (n_spikes,); see `bends_of`; one per unit, None if its spikes are as slow everywhere.
    """
    gains: list[Gains] = []
    widening: list[NDArray[np.float64] | None] = []
    bends: list[NDArray[np.float64] | None] = []
    for unit, key in enumerate(keys):
        decay = np.ones(len(ticks[unit]))
        if unit in bursts:
            decay = burst_gains(ticks[unit] * (1000 / grid.ticks_per_second), bursts[unit])
        gains.append(draw_gains((*stream_key, "gain", *key), decay, n_channels, settings))
        widens = unit in bursts and shape.shape_mod
        if widens and shape.shape_stretch is not None:
            bent = bends_of(gains[unit], shape.shape_stretch * after_peak)
            bends.append(bent)
            widening.append(widening_at_peak(bent))
        else:
            bends.append(None)
            widening.append(1 + shape.shape_widening * (1 - decay) if widens else None)
    return gains, widening, bends


def bends_of(gains: Gains, stretch: float) -> NDArray[np.float64]:
    """Return the bends of the spikes of a unit, as in MEArec's `compute_stretched_template`.

    There, a spike is read from its template at times that go through a sigmoid. With `a` and `b`, the times after the peak in
    the spike and in the template, as shares of the time from the peak to the end, s(bend b) = a s(bend), where
    s(x) = 1 / (1 + exp(-x)) - 1 / 2. So the peak and the end stay where they are, and the spike is slowest at its peak.

    Parameters
    ----------
    gains : numpy.ndarray or ChannelGains
        Their mean over channels counts; spikes of 1 and more are not bent.
    stretch : float
        The range of the sigmoid from the peak to the end, for a gain of 0.

    Returns
    -------
    numpy.ndarray
        (n_spikes,), 0 or more.
    """
    parts = [gains[k : k + SPIKES_AT_ONCE].mean(axis=1, dtype=float) for k in range(0, gains.shape[0], SPIKES_AT_ONCE)]
    bends = np.maximum(1 - np.concatenate([np.zeros(0), *parts]), 0) * stretch
    return np.where(bends < LEAST_BEND, 0.0, bends)


def widening_at_peak(bends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by which factor (n_spikes,) bent spikes are slower than their template at the peak."""
    some = np.maximum(bends, LEAST_BEND)
    return np.where(bends > 0, some / (4 / (1 + np.exp(-some)) - 2), 1.0)


def burst_starts(times: NDArray[np.floating], decay: BurstDecay) -> NDArray[np.int64]:
    """Return for each spike the index of the first spike of its burst.

    A burst begins with the first spike that is not in the burst before.

    Parameters
    ----------
    times : numpy.ndarray
        (n_spikes,) ms, increasing.
    decay : BurstDecay

    Returns
    -------
    numpy.ndarray
        (n_spikes,) int64.
    """
    ends = np.searchsorted(times, times + decay.max_burst_duration, side="right")
    end_of = np.minimum(ends, np.arange(len(times)) + decay.n_burst_spikes).tolist()
    starts, spike = [], 0
    while spike < len(times):
        starts.append(spike)
        spike = end_of[spike]
    return np.repeat(starts, np.diff([*starts, len(times)])).astype(np.int64)


def burst_gains(times: NDArray[np.floating], decay: BurstDecay) -> NDArray[np.float64]:
    """Return the gain of each spike of a bursting unit, from the intervals before it.

    The formula is MEArec's: the gain is 1 for the first spike of a burst, and then (mean interval since the first / spikes
    since the first / `max_burst_duration`) ** `exp_decay`. So the amplitude falls along a burst, and the more, the shorter
    its intervals are.

    Parameters
    ----------
    times : numpy.ndarray
        (n_spikes,) ms, increasing.
    decay : BurstDecay

    Returns
    -------
    numpy.ndarray
        (n_spikes,).
    """
    starts = burst_starts(times, decay)
    since = np.arange(len(times)) - starts
    later = since > 0
    gains = np.ones(len(times))
    gains[later] = ((times - times[starts])[later] / since[later] ** 2 / decay.max_burst_duration) ** decay.exp_decay
    return gains
