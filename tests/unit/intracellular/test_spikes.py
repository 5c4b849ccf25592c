"""Spikes are found and measured in made traces, whose slopes and widths are known."""

import numpy as np
import pytest
import scipy.signal

from allenrec.intracellular.spikes import are_usable, failed_events, find_events, find_spikes, prominent_peaks
from allenrec.settings.models import Intracellular

SETTINGS = Intracellular()
REST = -70.0


def gaussian(places, height, sigma, *, dt=2**-5, end=200.0):
    """Return a trace (n,) mV at rest with Gaussian bumps: the greatest slope of each is height / sigma * exp(-1/2)."""
    time = np.arange(0, end, dt)
    return REST + sum(height * np.exp(-0.5 * ((time - place) / sigma) ** 2) for place in places)


@pytest.mark.parametrize("dt", [2**-5, 2**-7, 0.025])
def test_spikes_have_the_shape_that_was_put_in(dt):
    """Between peak and a trough at rest, the half width of a Gaussian is 2.3548 sigma."""
    places, height, sigma = [30.0, 75.5, 140.0], 90.0, 0.3
    spikes = find_spikes(gaussian(places, height, sigma, dt=dt), dt, SETTINGS)
    assert spikes.peaks * dt == pytest.approx(places, abs=dt / 2)
    assert spikes.potential == pytest.approx(REST + height, abs=0.5)
    # A slope is that between two samples. The greatest is at most (dt / sigma)² / 3 lower: the mean of x² from 0 to dt.
    assert spikes.upstroke == pytest.approx(height / sigma * np.exp(-0.5), rel=(dt / sigma) ** 2 / 3)
    assert spikes.half_width == pytest.approx(2 * np.sqrt(2 * np.log(2)) * sigma, rel=0.01)


@pytest.mark.parametrize("decimals", [0, 8])
@pytest.mark.parametrize("prominence", [0.0, 1.0, 7.5])
def test_prominent_peaks_are_those_of_scipy(decimals, prominence):
    """Random walks of 3 to 400 samples; those of whole numbers have flat tops, also at the ends."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        trace = np.cumsum(rng.normal(size=rng.integers(3, 400))).round(decimals)
        expected, _ = scipy.signal.find_peaks(trace, prominence=prominence)
        assert prominent_peaks(trace, prominence).tolist() == expected.tolist()
    assert not len(prominent_peaks(np.full(50, -70.0), prominence))


def test_onset_is_where_the_slope_is_a_share_of_the_greatest():
    """A slow rise of 1 mV/ms for 20 ms, then one of 50 mV/ms for 1 ms: the height counts from between them at 5 % and, at 1 %,
    from the beginning of the slow one."""
    dt = 0.025
    time = np.arange(0, 60, dt)
    trace = np.interp(time, [0, 10, 30, 31, 33], [REST, REST, REST + 20, REST + 70, REST])
    assert find_events(trace, dt, SETTINGS).height == pytest.approx([50], abs=1.5)
    assert find_events(trace, dt, SETTINGS.model_copy(update={"onset": 0.01})).height == pytest.approx([70], abs=0.1)
    # The trough lies below the onset, and halfway to it as well only if the onset is high.
    assert find_events(trace, dt, SETTINGS).half_width == pytest.approx([0.7 + 35 / 35], rel=0.02)


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [
        ("min_upstroke", 150.0, 1),
        ("min_upstroke", 100.0, 2),
        ("threshold", -5.0, 1),
        ("min_height", 70.0, 1),
        ("min_height", 50.0, 2),
    ],
)
def test_each_criterion_leaves_out_what_misses_it(key, value, left):
    """One bump is 90 mV high and rises with 182 mV/ms, another 60 mV with 121 mV/ms."""
    trace = gaussian([50.0], 90.0, 0.3) + gaussian([120.0], 60.0, 0.3) - REST
    assert len(find_spikes(trace, 2**-5, SETTINGS)) == 2
    assert len(find_spikes(trace, 2**-5, SETTINGS.model_copy(update={key: value}))) == left


def test_slow_wave_and_constant_potential_are_no_spikes():
    """The wave crosses -20 mV, which was enough to be a spike once."""
    wave = gaussian([60.0, 120.0], 60.0, 8.0)
    assert wave.max() > -20 and len(find_spikes(wave, 2**-5, SETTINGS)) == 0
    assert len(find_events(np.full(100, -10.0), 2**-5, SETTINGS)) == 0


def test_failed_events_are_described_in_words():
    """A Gaussian of 50.8 mV and 0.475 ms peaks at -19.2 mV with 64.9 mV/ms."""
    weak = gaussian([50.0, 100.0, 150.0], 50.8, 0.475)
    assert failed_events(weak, 2**-5, SETTINGS) == "no action potentials: peaks at -19 mV, upstroke 65 mV/ms"
    assert len(find_spikes(weak, 2**-5, SETTINGS)) == 3
    assert not are_usable(find_events(weak, 2**-5, SETTINGS), SETTINGS).any()
    # A wave that reaches the potential of spikes without their slope failed as well; a spike and silence did not.
    assert "upstroke 5 mV/ms" in failed_events(gaussian([60.0], 60.0, 8.0), 2**-5, SETTINGS)
    assert failed_events(gaussian([50.0], 90.0, 0.3), 2**-5, SETTINGS) == ""
    assert failed_events(gaussian([50.0], 10.0, 3.0), 2**-5, SETTINGS) == ""
