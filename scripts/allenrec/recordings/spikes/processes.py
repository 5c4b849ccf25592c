"""Processes of spike trains: single spikes or bursts, with independent intervals between them and a refractory period.

Spikes lie on the grid of ticks on which they are added to the traces.
"""

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
import scipy
from numpy.typing import NDArray

#: Number of mean intervals by which a train starts before the recording, so that it has reached its steady state
WARM_UP = 20
#: Number of steps per period in which a modulated rate changes
STEPS_PER_PERIOD = 200
#: Minimum share of the mean interval between events that is random. It limits the rate of a unit, also where the rate is
#: modulated.
LEAST_FREE = 0.1


@dataclass(frozen=True)
class Process:
    """The process that draws the intervals of a unit.

    The time from an event to the next is a dead time, `ref_per`, plus a random time with a gamma distribution. If its shape is
    1, the distribution is exponential and the events are a Poisson process with dead time. The share `burst_share` of the
    events are bursts; the others are single spikes.

    Attributes
    ----------
    ref_per : float
        Refractory period, s.
    shape : float
        Shape of the gamma distribution of intervals between events.
    burst_share : float
        Share of bursts among events.
    burst_spikes : (int, int)
        Fewest and most spikes of a burst; all numbers are equally likely.
    burst_interval : float
        Mean interval in a burst, s.
    burst_shape : float
        Shape of the gamma distribution of intervals in a burst, after the refractory period is subtracted.
    """

    ref_per: float
    shape: float = 1.0
    burst_share: float = 0.0
    burst_spikes: tuple[int, int] = (1, 1)
    burst_interval: float = 0.0
    burst_shape: float = 1.0

    @property
    def mean_spikes(self) -> float:
        """Mean number of spikes of an event."""
        return 1 + self.burst_share * (sum(self.burst_spikes) / 2 - 1)

    @property
    def mean_dead(self) -> float:
        """Mean part of the time between events that does not depend on the rate, s."""
        return self.ref_per + (self.mean_spikes - 1) * self.burst_interval

    def free(self, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean random time between events, s, that gives the unit a rate, Hz (arrays of any shape)."""
        return np.maximum(self.mean_spikes / rate - self.mean_dead, LEAST_FREE * self.mean_dead / (1 - LEAST_FREE))

    def draw(
        self, rng: np.random.Generator, n_events: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Draw the spikes of some events, as the intervals before them.

        Returns
        -------
        dead, free : numpy.ndarray
            (n_spikes,) the two parts of each interval: the time, s, that does not depend on the rate, and the random part with
            the mean 1.
        bursts : numpy.ndarray
            (n_spikes,) the number of the event that the spike belongs to if the event is a burst; -1 for single spikes.
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

    Attributes
    ----------
    ticks : numpy.ndarray
        (n_spikes,) int64, spike times, increasing.
    bursts : numpy.ndarray
        (n_spikes,) int32, the number of the burst that each spike belongs to, from 0; -1 for single spikes.
    rate : float
        The requested rate, Hz.
    process : str
        Name of the process.
    """

    ticks: NDArray[np.int64]
    bursts: NDArray[np.int32]
    rate: float
    process: str


def draw_rate(rng: np.random.Generator, mean: float, spread: float, minimum: float) -> float:
    """Return the rate of a unit, Hz, from a normal distribution with a floor."""
    return max(minimum, mean + spread * rng.standard_normal())


def draw_train(
    rng: np.random.Generator,
    rate: float,
    process: Process,
    *,
    n_ticks: int,
    ticks_per_second: float,
    factor: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Draw the spikes of one unit.

    The random part of an interval has the mean of the interval minus the dead time, so that the train has the requested rate.
    If the rate changes over time, the random part is rescaled by the hazard that gives the rate at each moment (time rescaling:
    Brown et al. 2002, Neural Comput 14:325); dead times and intervals in bursts do not change.

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
        (n,) by which the rate is multiplied, in equal steps from the start of the train to its end.

    Returns
    -------
    ticks, bursts : numpy.ndarray
        As in `Train`; ticks lie in [0, n_ticks).
    """
    duration = n_ticks / ticks_per_second
    free = process.free(rate * (np.ones(1) if factor is None else factor))
    mean_interval = process.mean_dead + free[0]
    n_events = int(duration * rate / process.mean_spikes + WARM_UP) + 10
    # The train starts at a random point of an interval, because regular trains forget their start slowly.
    ticks = np.array([-int((WARM_UP + rng.random()) * mean_interval * ticks_per_second)], dtype=np.int64)
    bursts = np.array([-1])
    while ticks[-1] < n_ticks:
        dead, random, events = process.draw(rng, n_events)
        if factor is None:
            # Intervals are rounded up, so that none falls below the refractory period.
            more = ticks[-1] + np.cumsum(np.ceil((dead + random * free[0]) * ticks_per_second).astype(np.int64))
        else:
            start = ticks[-1] / ticks_per_second
            # Each interval is drawn one tick longer, because rounding may shorten it by one tick.
            times = _interval_ends(dead + 1 / ticks_per_second, random, 1 / free, duration / len(free), start)
            more = np.floor(times * ticks_per_second).astype(np.int64)
        ticks = np.concatenate((ticks, more))
        bursts = np.concatenate((bursts, np.where(events < 0, -1, events + bursts.max() + 1)))
    inside = (ticks >= 0) & (ticks < n_ticks)
    return ticks[inside], _numbered(bursts[inside])


@numba.njit(cache=True)
def _interval_ends(
    dead: NDArray[np.float64], free: NDArray[np.float64], hazard: NDArray[np.float64], step: float, start: float
) -> NDArray[np.float64]:
    """Return the times at which intervals end.

    Each interval is a dead time, and then lasts until the integral of the hazard reaches `free`. The hazard has one value for
    each `step` (s) from time 0; before that it has its first value, and after its end the last one.
    """
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


def _numbered(bursts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return bursts numbered from 0 in their order; single spikes have -1."""
    numbers = np.full(len(bursts), -1, dtype=np.int32)
    inside = bursts >= 0
    numbers[inside] = np.unique(bursts[inside], return_inverse=True)[1]
    return numbers


def rate_factor(
    rng: np.random.Generator,
    duration: float,
    *,
    kind: Literal["sinusoid", "random-walk"],
    depth: float,
    period: float,
) -> NDArray[np.float64]:
    """Return the factor by which a rate is multiplied over time; its mean is 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    duration : float
        s.
    kind : {"sinusoid", "random-walk"}
        A sine with a random phase; or a factor whose logarithm is a random walk that is drawn back to its mean
        (Ornstein-Uhlenbeck process).
    depth : float
        Amplitude of the sine, or standard deviation of the logarithm.
    period : float
        s, of the sine; or the time constant of the random walk.

    Returns
    -------
    numpy.ndarray
        (n,), in equal steps over `duration`.
    """
    n = max(int(np.ceil(duration / period * STEPS_PER_PERIOD)), 1)
    if kind == "sinusoid":
        phases = 2 * np.pi * ((np.arange(n) + 0.5) * duration / n / period + rng.random())
        factor = 1 + depth * np.sin(phases)
    else:
        factor = np.exp(depth * _ornstein_uhlenbeck(rng.standard_normal(n), np.exp(-duration / n / period)))
    return factor / factor.mean()


def _ornstein_uhlenbeck(steps: NDArray[np.float64], memory: float) -> NDArray[np.float64]:
    """Return the walk (n,) of unit variance that keeps the share `memory` of its value at each step; it begins at steps[0]."""
    later, _ = scipy.signal.lfilter([np.sqrt(1 - memory**2)], [1, -memory], steps[1:], zi=memory * steps[:1])
    return np.concatenate((steps[:1], later))
