"""Spike trains against the statistics of their process."""

import numpy as np
import pytest
from scipy import stats

from allenrec.recordings.spikes.processes import Process, draw_rate, draw_train, rate_factor

TICKS = 32000 * 32


def train(rate, seed=0, duration=2000.0, ref_per=2.0, factor=None, **process):
    ticks, bursts = draw_train(
        np.random.default_rng(seed),
        rate,
        Process(ref_per / 1000, **process),
        n_ticks=int(duration * TICKS),
        ticks_per_second=TICKS,
        factor=factor,
    )
    return ticks / TICKS, bursts


BURSTS = {"burst_share": 0.4, "burst_spikes": (2, 5), "burst_interval": 0.006, "burst_shape": 3.0}


PROCESSES = {"poisson": {}, "gamma": {"shape": 2.0}, "burst": BURSTS}


@pytest.mark.parametrize(("rate", "ref_per"), [(5.0, 2.0), (50.0, 5.0), (100.0, 0.0)])
@pytest.mark.parametrize("kind", PROCESSES)
@pytest.mark.parametrize("modulated", [False, True])
def test_rate_is_kept_whatever_the_refractory_period(rate, ref_per, kind, modulated):
    """MEArec gives 39 Hz for 50 Hz with 5 ms, and half the rate for gamma. The bound is 5 standard deviations of a Poisson
    count, which exceed those of the more regular processes here; with bursts, of a compound Poisson count."""
    factor = 1 + 0.7 * np.sin(np.arange(400) * 2 * np.pi / 40) if modulated else None
    n = len(train(rate, ref_per=ref_per, factor=factor, **PROCESSES[kind])[0])
    sizes = np.repeat([1, *range(2, 6)], [6 * 4, 4, 4, 4, 4])
    spread = np.sqrt(np.mean(sizes**2) / sizes.mean()) if kind == "burst" else 1
    # The hazard follows the rate as if it stood still, which at these intervals and periods is right to 1 %.
    assert abs(n - 2000 * rate) < 5 * spread * np.sqrt(2000 * rate) + (20 * rate if modulated else 0)


@pytest.mark.parametrize("factor", [None, np.array([0.2, 1.8] * 50)], ids=["steady", "modulated"])
@pytest.mark.parametrize("kind", PROCESSES)
def test_intervals_keep_the_refractory_period(kind, factor):
    intervals = np.diff(train(80.0, ref_per=5.0, factor=factor, **PROCESSES[kind])[0])
    assert 0.005 <= intervals.min() < 0.0051


def test_poisson_intervals_are_a_dead_time_and_an_exponential():
    intervals = np.diff(train(20.0)[0]) - 0.002
    assert stats.kstest(intervals, stats.expon(scale=1 / 20 - 0.002).cdf).pvalue > 1e-4


@pytest.mark.parametrize("shape", [0.5, 3.0, 50.0])
def test_gamma_intervals_have_the_shape_that_was_asked_for(shape):
    """Their coefficient of variation is 1 / sqrt(shape); the bound is five times its standard error."""
    intervals = np.diff(train(20.0, shape=shape, ref_per=0.0)[0])
    assert stats.kstest(intervals, stats.gamma(shape, scale=1 / 20 / shape).cdf).pvalue > 1e-4
    bound = 5 * 1.3 / np.sqrt(len(intervals)) * max(1, 1 / np.sqrt(shape))
    assert intervals.std() / intervals.mean() == pytest.approx(1 / np.sqrt(shape), abs=bound)


@pytest.mark.parametrize("shape", [1.0, 50.0], ids=["poisson", "regular"])
def test_spikes_begin_in_the_steady_state(shape):
    """The first tenth of a second holds as many spikes as any other: no gap, no burst at the start."""
    trains = [train(30.0, seed=s, duration=1.0, ref_per=10.0, shape=shape)[0] for s in range(2000)]
    counts = np.sum([np.histogram(times, 10, (0, 1))[0] for times in trains], axis=0)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_spikes_lie_inside_the_recording():
    times, _ = train(200.0, duration=1.0, ref_per=1.0)
    assert times.min() >= 0 and times.max() < 1.0


def test_bursts_are_what_was_asked_for():
    """The share of bursts, their spikes and their intervals are right, and other events are single spikes."""
    times, bursts = train(10.0, **BURSTS)
    sizes = np.bincount(bursts[bursts >= 0])[1:-1]  # the first and the last may be cut off
    assert np.array_equal(np.unique(sizes), [2, 3, 4, 5])
    assert stats.chisquare(np.bincount(sizes)[2:]).pvalue > 1e-4
    n_single = np.sum(bursts < 0)
    n_events = len(sizes) + n_single
    assert abs(len(sizes) / n_events - 0.4) < 5 * np.sqrt(0.4 * 0.6 / n_events)
    inside = (bursts[1:] == bursts[:-1]) & (bursts[1:] >= 0)
    intervals = np.diff(times)
    assert stats.kstest(intervals[inside], stats.gamma(3.0, loc=0.002, scale=0.004 / 3).cdf).pvalue > 1e-4
    # Between events, as of a Poisson process with dead time
    free = 2.0 / 10 - 0.002 - 1.0 * 0.006
    assert stats.kstest(intervals[~inside], stats.expon(loc=0.002, scale=free).cdf).pvalue > 1e-4


def test_rate_follows_its_modulation():
    """Counts in the 40 steps of a factor from 0.2 to 1.8 are as expected; steps are 50 s, rates up to 36 Hz."""
    factor = np.tile(np.linspace(0.2, 1.8, 40), 1)
    times, _ = train(20.0, factor=factor)
    counts = np.histogram(times, 40, (0, 2000))[0]
    expected = 50 * 20 * factor
    assert np.abs((counts - expected) / np.sqrt(expected)).max() < 5


def test_constant_modulation_is_none():
    """The intervals are the same, to a tick each."""
    steady, changing = train(20.0, duration=100.0)[0], train(20.0, duration=100.0, factor=np.ones(7))[0]
    np.testing.assert_allclose(np.diff(steady)[:500], np.diff(changing)[:500], atol=3 / TICKS)


@pytest.mark.parametrize("kind", ["sinusoid", "random-walk"])
def test_factor_of_the_rate_keeps_the_mean(kind):
    factor = rate_factor(np.random.default_rng(0), 3600.0, kind=kind, depth=0.5, period=60.0)
    assert factor.mean() == pytest.approx(1) and factor.min() > 0
    if kind == "sinusoid":
        spectrum = np.abs(np.fft.rfft(factor - 1))
        assert spectrum.argmax() == 60  # periods in an hour
        assert 2 * spectrum[60] / len(factor) == pytest.approx(0.5, rel=0.01)
    else:
        # 60 time constants: the standard deviation is known to about 1 / sqrt(60), the mean of the logarithm likewise.
        walk = np.log(factor)
        assert walk.std() == pytest.approx(0.5, rel=0.4)
        lag = round(len(factor) / 60)
        centred = walk - walk.mean()
        assert np.mean(centred[lag:] * centred[:-lag]) / centred.var() == pytest.approx(np.exp(-1), abs=0.3)


def test_rates_are_normal_with_a_floor():
    rng = np.random.default_rng(0)
    rates = np.array([draw_rate(rng, 5.0, 3.0, 2.0) for _ in range(5000)])
    assert rates.min() == 2.0
    assert (rates == 2.0).mean() == pytest.approx(stats.norm(5, 3).cdf(2.0), abs=0.02)
    assert draw_rate(rng, 5.0, 0.0, 2.0) == 5.0
