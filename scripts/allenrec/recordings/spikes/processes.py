"""Spike trains: events, single spikes or bursts, with independent intervals between them and a refractory period; on the
grid on which spikes are placed."""

from dataclasses import dataclass, replace

import numba
import numpy as np

from allenrec.common.random_streams import generator

#: A train starts so many mean intervals before the recording, so that the recording meets it in its steady state
WARM_UP = 20
#: Where the rate changes it does so in steps, so many a period
STEPS = 200
#: No unit fires faster, whatever makes its rate change, than leaves this share of the time to chance
LEAST_FREE = 0.1


@dataclass(frozen=True)
class Process:
    """How the intervals of a unit come about.

    The time from an event to the next is a dead time, `ref_per` s, plus a random one with a gamma distribution of a `shape`; at
    shape 1, an exponential one, events are a Poisson process with dead time. The share `burst_share` of events are bursts: of
    `burst_spikes` (fewest, most) spikes, each number as likely, with intervals of `ref_per` plus a gamma-distributed
    time of `burst_shape`, `burst_interval` s on average. All others are single spikes.
    """

    ref_per: float
    shape: float = 1.0
    burst_share: float = 0.0
    burst_spikes: tuple = (1, 1)
    burst_interval: float = 0.0
    burst_shape: float = 1.0

    @property
    def mean_spikes(self):
        """Of an event."""
        return 1 + self.burst_share * (sum(self.burst_spikes) / 2 - 1)

    @property
    def mean_dead(self):
        """s an event that do not depend on the rate."""
        return self.ref_per + (self.mean_spikes - 1) * self.burst_interval

    def free(self, rate):
        """Return the mean random time between events, s, at which the unit has a rate, Hz (any shape)."""
        return np.maximum(self.mean_spikes / rate - self.mean_dead, LEAST_FREE * self.mean_dead / (1 - LEAST_FREE))

    def draw(self, rng, n_events):
        """Draw the intervals that lead to the spikes of some events.

        Returns
        -------
        dead, free : numpy.ndarray
            (n_spikes,) of each interval: s that do not depend on the rate, and the random part with the mean 1.
        bursts : numpy.ndarray
            (n_spikes,) which of the events the spike is of, or -1 for single ones.
        """
        free = rng.standard_gamma(self.shape, n_events) / self.shape
        dead = np.full(n_events, self.ref_per)
        if not self.burst_share:
            return dead, free, np.full(n_events, -1)
        fewest, most = self.burst_spikes
        bursting = rng.random(n_events) < self.burst_share
        sizes = np.where(bursting, rng.integers(fewest, most + 1, n_events), 1)
        events = np.repeat(np.arange(n_events), sizes)
        later = np.diff(events, prepend=-1) == 0
        inside = self.ref_per + (self.burst_interval - self.ref_per) / self.burst_shape * rng.standard_gamma(
            self.burst_shape, len(events)
        )
        dead = np.where(later, inside, self.ref_per)
        return dead, np.where(later, 0.0, free[events]), np.where(bursting[events], events, -1)


@dataclass(frozen=True)
class Train:
    """The spikes of one unit.

    `ticks`, (n_spikes,) int64, increasing: their times; `bursts`, (n_spikes,) int32: the number of the burst that each is in,
    from 0, or -1; `rate`, Hz, what was asked for; `process`, its name.
    """

    ticks: np.ndarray
    bursts: np.ndarray
    rate: float
    process: str


def draw_rate(rng, mean, spread, minimum):
    """Return the rate of a unit, Hz: normal with a floor."""
    return max(minimum, mean + spread * rng.standard_normal())


def draw_train(rng, rate, process, *, n_ticks, ticks_per_second, factor=None):
    """Draw the spikes of one unit.

    The mean of the random part of the intervals is what the dead time leaves of the mean interval, so that the rate is kept.
    Where the rate changes, the random part runs by the clock of the hazard that gives the present rate (time rescaling: Brown
    et al. 2002, Neural Comput 14:325), while dead times and bursts stay what they are.

    Parameters
    ----------
    rng : numpy.random.Generator
    rate : float
        Hz.
    process : Process
    n_ticks : int
        Length of the train on the grid on which spikes lie.
    ticks_per_second : float
    factor : numpy.ndarray, optional
        By what the rate is multiplied, in equal steps from the start of the train to its end.

    Returns
    -------
    ticks, bursts : numpy.ndarray
        As in `Train`; ticks in [0, n_ticks).
    """
    duration = n_ticks / ticks_per_second
    free = process.free(rate * (np.ones(1) if factor is None else factor))
    mean_interval = process.mean_dead + free[0]
    n_events = int(duration * rate / process.mean_spikes + WARM_UP) + 10
    # Where in an interval the train starts is random, too: regular trains forget it slowly.
    ticks = np.array([-int((WARM_UP + rng.random()) * mean_interval * ticks_per_second)], dtype=np.int64)
    bursts = np.array([-1])
    while ticks[-1] < n_ticks:
        dead, random, events = process.draw(rng, n_events)
        if factor is None:
            # Rounded up, so that no interval falls below the refractory period.
            more = ticks[-1] + np.cumsum(np.ceil((dead + random * free[0]) * ticks_per_second).astype(np.int64))
        else:
            start = ticks[-1] / ticks_per_second
            # A tick longer than needed, so that it may be lost in rounding.
            times = _walk(dead + 1 / ticks_per_second, random, 1 / free, duration / len(free), start)
            more = np.floor(times * ticks_per_second).astype(np.int64)
        ticks = np.concatenate((ticks, more))
        bursts = np.concatenate((bursts, np.where(events < 0, -1, events + bursts.max() + 1)))
    inside = (ticks >= 0) & (ticks < n_ticks)
    return ticks[inside], _numbered(bursts[inside])


@numba.njit(cache=True)
def _walk(dead, free, hazard, step, start):
    """Return the times at which intervals end: each is a dead time and then lasts until the hazard, which has a value for
    each `step` from 0 on, the first one before it and the last one after it, adds up to `free`."""
    times = np.empty(len(dead))
    time, k, last = start, 0, len(hazard) - 1
    for i in range(len(dead)):
        time += dead[i]
        left = free[i]
        while True:
            while k < last and (k + 1) * step <= time:
                k += 1
            room = ((k + 1) * step - time) * hazard[k]
            if k == last or left <= room:
                time += left / hazard[k]
                break
            left -= room
            time = (k + 1) * step
        times[i] = time
    return times


def _numbered(bursts):
    """Bursts numbered from 0 in their order, single spikes -1."""
    numbers = np.full(len(bursts), -1, dtype=np.int32)
    inside = bursts >= 0
    numbers[inside] = np.unique(bursts[inside], return_inverse=True)[1]
    return numbers


def rate_factor(rng, duration, *, kind, depth, period):
    """Return by what a rate is multiplied over time, (n,) in equal steps over `duration`, s; its mean is 1.

    "sinusoid": 1 + `depth` sin, of a `period` in s, from a random phase. "random-walk": the logarithm is a random walk that
    is drawn back to its mean (Ornstein-Uhlenbeck), of the standard deviation `depth` and the time constant `period`.
    """
    n = max(int(np.ceil(duration / period * STEPS)), 1)
    if kind == "sinusoid":
        phases = 2 * np.pi * ((np.arange(n) + 0.5) * duration / n / period + rng.random())
        factor = 1 + depth * np.sin(phases)
    else:
        factor = np.exp(depth * _random_walk(rng.standard_normal(n), np.exp(-duration / n / period)))
    return factor / factor.mean()


@numba.njit(cache=True)
def _random_walk(steps, memory):
    walk = steps.copy()
    for k in range(1, len(steps)):
        walk[k] = memory * walk[k - 1] + np.sqrt(1 - memory**2) * steps[k]
    return walk


def process_of(settings, cell_type):
    """Return the name and the `Process` of units of a cell type, from `allenrec.settings.SpikeTrains`."""
    name = settings.process if isinstance(settings.process, str) else settings.process.get(cell_type, "poisson")
    process = Process(settings.ref_per / 1000)
    if name == "gamma":
        process = replace(process, shape=settings.gamma_shape)
    if name == "burst":
        process = replace(
            process,
            burst_share=settings.burst_share,
            burst_spikes=settings.burst_spikes,
            burst_interval=settings.burst_interval / 1000,
            burst_shape=settings.burst_shape,
        )
    return name, process


def rate_of(settings, kind, cell_type):
    """Return mean and standard deviation of the rates of units, Hz, from `allenrec.settings.SpikeTrains`."""
    if isinstance(settings.rates, dict) and cell_type in settings.rates:
        rate = settings.rates[cell_type]
        return rate if isinstance(rate, tuple) else (rate, 0.0)
    return (settings.f_exc, settings.st_exc) if kind == "excitatory" else (settings.f_inh, settings.st_inh)


def draw_trains(address, keys, cell_types, settings, *, n_ticks, ticks_per_second):
    """Draw the spikes of all units; what one does depends on no other.

    Parameters
    ----------
    address : tuple
        Of all random numbers of the recording.
    keys : list of (str, int)
        Of each unit: "excitatory" or "inhibitory", and which of them.
    cell_types : sequence of str
        Of each unit.
    settings : allenrec.settings.SpikeTrains
    n_ticks : int
        Length of the recording on the grid on which spikes lie.
    ticks_per_second : float

    Returns
    -------
    list of Train
    """
    silent = round(settings.t_start * ticks_per_second)
    trains = []
    for unit, (key, cell_type) in enumerate(zip(keys, cell_types, strict=True)):
        if isinstance(settings.rates, list):
            rate = settings.rates[unit]
        else:
            rate = draw_rate(generator(*address, "rate", *key), *rate_of(settings, key[0], cell_type), settings.min_rate)
        name, process = process_of(settings, cell_type)
        ticks, bursts = draw_train(
            generator(*address, "train", *key),
            rate,
            process,
            n_ticks=n_ticks - silent,
            ticks_per_second=ticks_per_second,
            factor=_factor(address, key, settings),
        )
        trains.append(Train(ticks + silent, bursts, float(rate), name))
    return trains


def _factor(address, key, settings):
    """By what the rate of a unit is multiplied over time, or None; the same for all where it is shared."""
    if settings.rate_modulation == "none":
        return None
    whose = ("all",) if settings.rate_modulation_shared else key
    return rate_factor(
        generator(*address, "rate modulation", *whose),
        settings.duration - settings.t_start,
        kind=settings.rate_modulation,
        depth=settings.rate_modulation_depth,
        period=settings.rate_modulation_period,
    )
