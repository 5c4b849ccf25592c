"""Spike trains against the statistics of their process."""

import numpy as np
import pytest
from scipy import stats

from allenrec.spiketrains import draw_rate, draw_train

TICKS = 32000 * 32


def train(rate, seed=0, duration=2000.0, ref_per=2.0, process="poisson", gamma_shape=2.0):
    ticks = draw_train(
        np.random.default_rng(seed),
        rate,
        n_ticks=int(duration * TICKS),
        ticks_per_second=TICKS,
        ref_per=ref_per,
        process=process,
        gamma_shape=gamma_shape,
    )
    return ticks / TICKS


@pytest.mark.parametrize(("rate", "ref_per"), [(5.0, 2.0), (50.0, 5.0), (100.0, 0.0)])
@pytest.mark.parametrize("process", ["poisson", "gamma"])
def test_rate_is_kept_whatever_the_refractory_period(rate, ref_per, process):
    """MEArec gives 39 Hz for 50 Hz with 5 ms, and half the rate for gamma. Bound: 5 standard deviations of a Poisson count,
    which exceed those of the more regular processes here."""
    n = len(train(rate, ref_per=ref_per, process=process))
    assert abs(n - 2000 * rate) < 5 * np.sqrt(2000 * rate)


def test_intervals_keep_the_refractory_period():
    intervals = np.diff(train(80.0, ref_per=5.0))
    assert intervals.min() >= 0.005


def test_poisson_intervals_are_a_dead_time_and_an_exponential():
    intervals = np.diff(train(20.0)) - 0.002
    assert stats.kstest(intervals, stats.expon(scale=1 / 20 - 0.002).cdf).pvalue > 1e-4


def test_gamma_intervals_have_the_shape_that_was_asked_for():
    intervals = np.diff(train(20.0, process="gamma", gamma_shape=3.0, ref_per=0.0))
    assert stats.kstest(intervals, stats.gamma(3.0, scale=1 / 60).cdf).pvalue > 1e-4


def test_spikes_begin_in_the_steady_state():
    """The first tenth of a second holds as many spikes as any other: no gap, no burst at the start."""
    counts = np.sum([np.histogram(train(30.0, seed=s, duration=1.0, ref_per=10.0), 10, (0, 1))[0] for s in range(2000)], axis=0)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_spikes_lie_inside_the_recording():
    times = train(200.0, duration=1.0, ref_per=1.0)
    assert times.min() >= 0 and times.max() < 1.0


def test_rates_are_normal_with_a_floor():
    rng = np.random.default_rng(0)
    rates = np.array([draw_rate(rng, 5.0, 3.0, 2.0) for _ in range(5000)])
    assert rates.min() == 2.0
    assert (rates == 2.0).mean() == pytest.approx(stats.norm(5, 3).cdf(2.0), abs=0.02)
    assert draw_rate(rng, 5.0, 0.0, 2.0) == 5.0
