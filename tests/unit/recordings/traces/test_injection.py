"""Placement against waveforms that are known at any time."""

import numpy as np
import pytest

from allenrec.recordings.traces.injection import (
    add_spikes,
    few_courses,
    padded,
    place_template,
    split_shift,
    split_ticks,
    stacked,
    waveforms_of,
)

FS = 32000.0


def spike(time):
    """A band-limited spike (time in ms): two Gaussians whose spectrum ends far below 10 kHz."""
    return -80 * np.exp(-((time / 0.15) ** 2)) + 25 * np.exp(-(((time - 0.5) / 0.3) ** 2))


def template(n=224, peak=64, channels=3):
    time = (np.arange(n) - peak) / FS * 1000
    return np.stack([(c + 1) * spike(time - 0.01 * c) for c in range(channels)]).astype(np.float32)


@pytest.mark.parametrize("fs", [32000.0, 30000.0, 24414.0625, 20000.0, 40000.0])
def test_every_phase_is_the_waveform_at_the_shifted_time(fs):
    """Against the formula of the waveform; the bound is what a spectrum of float32 samples leaves, of 240 µV."""
    placed = place_template(template(), 64, FS, fs, n_phases=8, pad_len=(3.0, 3.0))
    waveforms = waveforms_of(placed.courses, placed.weights)
    for phase in range(8):
        time = (np.arange(waveforms.shape[1]) - placed.peak - split_shift(phase, 8)) / fs * 1000
        inside = (time > -1.9) & (time < 4.9)
        for channel in range(3):
            expected = (channel + 1) * spike(time - 0.01 * channel)
            assert np.abs(waveforms[phase, inside, channel] - expected[inside]).max() < 1e-3


def test_template_at_its_own_rate_and_phase_is_untouched():
    original = template()
    placed = place_template(original, 64, FS, FS, n_phases=4, pad_len=(3.0, 3.0))
    start = placed.peak - 64
    np.testing.assert_allclose(waveforms_of(*stacked([placed]).at_sample[0])[start : start + 224].T, original, atol=1e-4)


def test_padding_is_silence_before_and_a_fade_after():
    steps = np.full((1, 1, 50), 7.0)
    out = padded(steps, 20, 30)[0, 0]
    assert not out[:20].any() and (out[20:70] == 7).all()
    assert (np.diff(out[69:]) < 0).all() and 0 < out[-1] < 0.1


def test_ticks_split_into_the_nearest_sample_and_a_phase():
    ticks = np.arange(-5, 1000)
    samples, phases = split_ticks(ticks, 8)
    shifts = np.array([split_shift(p, 8) for p in phases])
    np.testing.assert_allclose(samples + shifts, ticks / 8)
    assert shifts.min() == -0.5 and shifts.max() < 0.5
    samples, phases = split_ticks(ticks, 1)
    assert np.array_equal(samples, ticks) and not phases.any()


@pytest.mark.parametrize("gain_columns", [1, 3])
def test_added_spikes_equal_a_plain_sum_wherever_the_piece_begins(gain_columns):
    rng = np.random.default_rng(0)
    placed = place_template(template(), 64, FS, FS, n_phases=4, pad_len=(1.0, 1.0))
    samples = np.sort(rng.integers(0, 5000, 60))
    phases, gains = rng.integers(4, size=60), rng.normal(1, 0.1, (60, gain_columns)).astype(np.float32)
    waveforms = waveforms_of(placed.courses.astype(float), placed.weights)
    n_t = waveforms.shape[1]
    expected = np.zeros((6000 + 2 * n_t, 3))
    for sample, phase, gain in zip(samples, phases, gains, strict=True):
        first = sample - placed.peak + n_t
        expected[first : first + n_t] += gain * waveforms[phase]
    expected = expected[n_t:]
    for start, stop in [(0, 5000), (0, 1), (1234, 1300), (4990, 5500)]:
        traces = np.zeros((stop - start, 3), dtype=np.float32)
        add_spikes(traces, start, samples, phases, gains, np.ones(60), np.zeros(60, dtype=int), stacked([placed]))
        np.testing.assert_allclose(traces, expected[start:stop], atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 50), (3, 224), (384, 100)])
def test_few_courses_are_the_template(shape):
    """Smooth in time and over contacts, as fields are, or noise, which is of full rank; and silence."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(shape)
    across, along = (np.linspace(0, 1, n)[:, np.newaxis] for n in shape)
    smooth = sum(np.exp(-((across - p) ** 2) * 20) @ np.exp(-((along - q) ** 2) * 50).T for p, q in rng.random((30, 2)))
    for template in (noise, smooth, np.zeros(shape)):
        courses, weights = few_courses(template)
        largest = np.linalg.norm(template, 2)
        assert np.linalg.norm(courses @ weights - template.T) <= 1e-6 * largest + 1e-12
        np.testing.assert_allclose(weights @ weights.T, np.eye(len(weights)), atol=1e-6)


def test_a_template_on_many_contacts_has_few_courses():
    across, along = np.linspace(0, 1, 384)[:, np.newaxis], np.linspace(0, 1, 224)[:, np.newaxis]
    travelling = np.exp(-((across - along.T) ** 2) * 30)
    assert few_courses(travelling)[0].shape[1] <= 32
