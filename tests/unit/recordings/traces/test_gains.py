"""Spike gains against statistics, and gains of bursts against MEArec's and their formula."""

import numpy as np
import pytest
from scipy import stats

from allenrec.recordings.traces.gains import BurstDecay, burst_gains, draw_gains
from allenrec.settings.recordings import SpikeGains


def test_gains():
    decay, stream_key = np.ones(10000), (0, "gains")
    assert (draw_gains(stream_key, decay, 4, SpikeGains(modulation="none", mrand=2.0, sdrand=1.0)) == 1).all()
    template = draw_gains(stream_key, decay, 4, SpikeGains(modulation="template", mrand=1.0, sdrand=0.05))
    assert template.shape == (10000, 1)
    assert stats.kstest(template[:, 0], stats.norm(1, 0.05).cdf).pvalue > 1e-4
    electrode = draw_gains(stream_key, decay, 4, SpikeGains(modulation="electrode", mrand=1.0, sdrand=0.05))[:]
    assert stats.kstest(electrode.ravel(), stats.norm(1, 0.05).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(electrode.T) - np.eye(4)).max() < 0.05
    halved = draw_gains(stream_key, decay / 2, 4, SpikeGains(modulation="electrode", mrand=1.0, sdrand=0.05))[:]
    assert np.array_equal(halved, electrode / 2)


@pytest.mark.parametrize("some", [slice(0, 0), slice(0, 1), slice(63, 65), slice(100, 257), slice(990, 1000), slice(None)])
def test_gains_of_some_spikes_are_those_of_all(some):
    def drawn(n_spikes):
        return draw_gains((0, "gains"), np.ones(n_spikes), 3, SpikeGains(modulation="electrode", mrand=1.0, sdrand=0.05))

    assert np.array_equal(drawn(1000)[some], drawn(1000)[:][some])
    assert np.array_equal(drawn(1001)[some][:900], drawn(1000)[some][:900])  # one spike more changes none
    assert drawn(0)[some].shape == (0, 3)


BURST = BurstDecay(exp_decay=0.2, n_burst_spikes=10, max_burst_duration=100.0)


def test_gains_along_a_burst_are_those_of_mearec():
    """The gains of intervals of 5 ms were measured with MEArec 1.11, in a recording without chunks."""
    gains = burst_gains(np.arange(11) * 5.0, BURST)
    assert np.round(gains, 2).tolist() == [1, 0.55, 0.48, 0.44, 0.42, 0.40, 0.38, 0.37, 0.36, 0.35, 1]


def test_gains_of_bursts_follow_the_rule_spike_by_spike():
    times = np.cumsum(np.random.default_rng(0).gamma(0.3, 60.0, 3000))
    expected, burst = [], []
    for time in times:
        if len(burst) == 10 or (burst and time - burst[0] > 100):
            burst = []
        burst.append(time)
        intervals = np.diff(burst)
        expected.append((intervals.mean() / len(intervals) / 100) ** 0.2 if len(intervals) else 1)
    gains = burst_gains(times, BURST)
    np.testing.assert_allclose(gains, expected, rtol=1e-9)
    assert gains.max() == 1 and (gains < 0.5).any()


def test_gains_of_few_spikes_and_of_none():
    assert burst_gains(np.array([]), BURST).shape == (0,)
    assert burst_gains(np.array([3.0]), BURST).tolist() == [1]
    # The second spike of a burst comes up to 100 ms after the first, and there its gain is 1 as after the burst
    assert burst_gains(np.array([0, 100.0]), BURST) == pytest.approx([1, 1])
    assert burst_gains(np.array([0, 100.1]), BURST) == pytest.approx([1, 1])
