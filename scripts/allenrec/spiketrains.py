"""Spike trains: renewal processes with a refractory period, on the grid on which spikes are placed."""

import numpy as np

#: A train starts so many mean intervals before the recording, so that the recording meets it in its steady state
WARM_UP = 20


def draw_rate(rng, mean, spread, minimum):
    """Return the rate of a unit, Hz: normal with a floor."""
    return max(minimum, mean + spread * rng.standard_normal())


def draw_train(rng, rate, *, n_ticks, ticks_per_second, ref_per, process, gamma_shape):
    """Draw the spikes of one unit.

    The intervals are a refractory period plus a random part whose mean makes up the rest of the mean interval, so that the
    rate is kept: exponential for "poisson" (a Poisson process with dead time), gamma for "gamma".

    Parameters
    ----------
    rng : numpy.random.Generator
    rate : float
        Hz.
    n_ticks : int
        Length of the train on the grid on which spikes lie.
    ticks_per_second : float
    ref_per : float
        Refractory period, ms.
    process : {"poisson", "gamma"}
    gamma_shape : float

    Returns
    -------
    numpy.ndarray
        int64, increasing, in [0, n_ticks): spike times in ticks.
    """
    shape = 1.0 if process == "poisson" else gamma_shape
    mean_free = 1 / rate - ref_per / 1000
    expected = int(n_ticks / ticks_per_second * rate + WARM_UP)
    ticks = np.array([-int(WARM_UP / rate * ticks_per_second)], dtype=np.int64)
    while ticks[-1] < n_ticks:
        intervals = ref_per / 1000 + rng.gamma(shape, mean_free / shape, expected + 10)
        # Rounded up, so that no interval falls below the refractory period.
        steps = np.ceil(intervals * ticks_per_second).astype(np.int64)
        ticks = np.concatenate((ticks, ticks[-1] + np.cumsum(steps)))
    return ticks[(ticks >= 0) & (ticks < n_ticks)]
