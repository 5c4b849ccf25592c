"""Injection of spikes against plain sums, and wider spikes against waveforms that are known at any time."""

import numpy as np
import pytest
from unit.recordings.traces.examples import FS, template

from allenrec.recordings.traces.gains import bends_of, widening_at_peak
from allenrec.recordings.traces.injection import Spikes, add_spikes
from allenrec.recordings.traces.low_rank import UpsampledTemplates, stacked, waveforms_of
from allenrec.recordings.traces.upsampling import Upsampling, upsample_template


@pytest.mark.parametrize("gain_columns", [1, 3])
def test_added_spikes_equal_a_plain_sum_wherever_the_piece_begins(gain_columns):
    rng = np.random.default_rng(0)
    upsampled = upsample_template(template(), Upsampling(64, FS, FS, n_phases=4, pad_len=(1.0, 1.0)))
    samples = np.sort(rng.integers(0, 5000, 60))
    phases, gains = rng.integers(4, size=60), rng.normal(1, 0.1, (60, gain_columns)).astype(np.float32)
    waveforms = waveforms_of(upsampled.temporal.astype(float), upsampled.spatial)
    n_t = waveforms.shape[1]
    expected = np.zeros((6000 + 2 * n_t, 3))
    for sample, phase, gain in zip(samples, phases, gains, strict=True):
        first = sample - upsampled.peak + n_t
        expected[first : first + n_t] += gain * waveforms[phase]
    expected = expected[n_t:]
    spikes = Spikes(samples, phases, gains, np.ones(60), np.zeros(60), np.zeros(60, dtype=int))
    for start, stop in [(0, 5000), (0, 1), (1234, 1300), (4990, 5500)]:
        traces = np.zeros((stop - start, 3), dtype=np.float32)
        add_spikes(traces, start, spikes, stacked([upsampled]))
        np.testing.assert_allclose(traces, expected[start:stop], atol=1e-3)


N_PHASES, PEAK, N_T = 16, 60, 160


def spike_shape(time):
    """Return a waveform with its peak at 0, in samples, that ends within the window."""
    return -np.exp(-((time / 6) ** 2)) + 0.4 * np.exp(-(((time - 20) / 15) ** 2))


def lopsided_shape(time):
    """Return a waveform with its lowest value exactly at 0 and different widths before and after it."""
    return -np.exp(-((time / np.where(time < 0, 6, 9)) ** 2)) + 0.3 * np.exp(-(((time - 40) / 10) ** 2))


def upsampled_shape(shape=spike_shape):
    shifts = (np.arange(N_PHASES) - N_PHASES // 2)[:, np.newaxis] / N_PHASES
    values = shape(np.arange(N_T) - PEAK - shifts)
    spatial = np.zeros((1, 3, 4, 2), dtype=np.float32)
    spatial[:, :, 0] = [1.0, -0.5]
    temporal = (values[..., np.newaxis] * [1.0, 0, 0, 0]).astype(np.float32)
    return UpsampledTemplates(temporal[np.newaxis], spatial, np.full((1, 3), 4), np.zeros(1, dtype=int), PEAK)


@pytest.mark.parametrize("factor", [1.0, 1.0001, 1.37, 2.0])
def test_wider_spikes_are_slower_about_their_peak(factor):
    """The error of a straight line between points is at most their distance squared times f'' / 8."""
    samples, phases = np.array([300, 700, 1100]), np.array([0, 5, 15])
    gains = np.array([[1, 1], [0.8, 0.8], [0.5, 0.4]], dtype=np.float32)
    traces = np.zeros((1500, 2), dtype=np.float32)
    spikes = Spikes(samples, phases, gains, np.full(3, factor), np.zeros(3), np.zeros(3, dtype=int))
    add_spikes(traces, 0, spikes, upsampled_shape())
    expected = np.zeros((1500, 2))
    for sample, phase, gain in zip(samples, phases, gains, strict=True):
        at = sample + (phase - N_PHASES // 2) / N_PHASES
        expected += spike_shape((np.arange(1500) - at) / factor)[:, np.newaxis] * [1.0, -0.5] * gain
    curvature = np.abs(np.diff(spike_shape(np.arange(-50, 90, 0.1)), 2)).max() / 0.01
    assert np.abs(traces - expected).max() < curvature / N_PHASES**2 / 8 + 1e-6


def test_wider_spikes_have_no_seams():
    rng = np.random.default_rng(0)
    samples, phases = np.sort(rng.integers(-100, 1100, 50)), rng.integers(0, N_PHASES, 50)
    gains, factors = rng.uniform(0.5, 1, (50, 1)).astype(np.float32), rng.uniform(1, 2, 50)
    whole, parts = np.zeros((2, 1000, 2), dtype=np.float32)
    spikes = Spikes(samples, phases, gains, factors, np.zeros(50), np.zeros(50, dtype=int))
    add_spikes(whole, 0, spikes, upsampled_shape())
    for start, stop in [(0, 1), (1, 400), (400, 407), (407, 1000)]:
        add_spikes(parts[start:stop], start, spikes, upsampled_shape())
    assert np.array_equal(whole, parts)


@pytest.mark.parametrize("stretch", [10.0, 30.0])
@pytest.mark.parametrize("gain", [0.95, 0.7, 0.4])
def test_bent_spikes_are_those_of_mearec(stretch, gain):
    """MEArec bends the same template at 16 points a sample, so that its spline and our straight lines agree."""
    from MEArec.tools import compute_stretched_template

    templates = upsampled_shape(lopsided_shape)
    fine = lopsided_shape(np.arange(-PEAK * N_PHASES, (N_T - 1 - PEAK) * N_PHASES + 1) / N_PHASES)
    theirs = compute_stretched_template(fine, np.array(gain), stretch)[::N_PHASES]
    gains = np.full((1, 1), gain, dtype=np.float32)
    bends = bends_of(gains, stretch * (N_T - 1 - PEAK) / (N_T - 1))
    phase = np.array([N_PHASES // 2])  # the spike lies at the sample
    spikes = Spikes(np.array([PEAK]), phase, gains, np.ones(1), bends, np.zeros(1, dtype=int))
    traces = np.zeros((N_T, 2), dtype=np.float32)
    add_spikes(traces, 0, spikes, templates)
    assert np.abs(traces[:, 0] - theirs).max() < 2e-3 * gain
    curvature = np.diff(theirs[PEAK - 1 : PEAK + 2], 2)[0] / np.diff(gain * lopsided_shape(np.arange(-1, 2)), 2)[0]
    assert widening_at_peak(bends)[0] == pytest.approx(curvature**-0.5, rel=0.03)


def test_spikes_of_full_gain_are_not_bent():
    gains = np.array([[1.0, 1.0], [1.3, 0.9], [1.2, 0.6]], dtype=np.float32)
    assert np.allclose(bends_of(gains, 20.0), [0, 0, 2.0], atol=1e-5)
    assert widening_at_peak(np.zeros(2)).tolist() == [1, 1]
