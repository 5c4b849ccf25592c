"""Spikes cut out of traces are the templates that were injected there; the noise between them is measured without them."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, welch
from sklearn.decomposition import PCA

from allenrec.figures.snippets import cut_spikes, evenly, measure_noise, principal_components

FS, PEAK, N_T = 10_000.0, 20, 60


def make_recording(noise, rng, n_seconds=20, n_channels=4, rates=(8, 12)):
    """Two units with templates on channels 1 and 3, at random samples of `noise` (n_samples, n_channels)."""
    shape = -np.exp(-0.5 * ((np.arange(N_T) - PEAK) / 3) ** 2) + 0.3 * np.exp(-0.5 * ((np.arange(N_T) - PEAK - 15) / 5) ** 2)
    templates = np.zeros((2, n_channels, N_T), dtype=np.float32)
    templates[0, 1], templates[1, 3], templates[1, 2] = 80 * shape, 120 * shape, 30 * shape
    traces = noise.astype(np.float32).copy()
    trains = []
    for unit, rate in enumerate(rates):
        train = np.sort(rng.choice(len(traces) // 100 - 2, int(rate * n_seconds), replace=False) + 1) * 100 + 50 * unit
        for sample in train:
            traces[sample - PEAK : sample - PEAK + N_T] += templates[unit].T
        trains.append(train)
    return SimpleNamespace(
        traces=traces,
        sampling_frequency=FS,
        filtered_templates=templates,
        template_peak=PEAK,
        spike_trains=trains,
    )


def test_without_noise_the_snippets_are_the_templates():
    recording = make_recording(np.zeros((200_000, 4)), np.random.default_rng(0))
    snippets = cut_spikes(recording)
    assert list(snippets.peak) == [1, 3] and snippets.waveforms.shape[2] == 2
    assert snippets.time[0] == -1.0 and snippets.time[-1] == 2.0 and (np.diff(snippets.times) >= 0).all()
    for unit, channel in enumerate((1, 3)):
        own = snippets.of_unit(unit)
        assert len(own) == len(recording.spike_trains[unit])
        template = recording.filtered_templates[unit, channel, PEAK - 10 : PEAK + 21]
        # Units do not meet on these channels
        np.testing.assert_allclose(own, np.broadcast_to(template, own.shape), atol=1e-4)
    depth = -recording.filtered_templates[1].min()
    np.testing.assert_allclose(snippets.amplitudes[snippets.units == 1], depth, rtol=1e-5)


def test_each_of_many_units_is_measured_on_its_own_channel(monkeypatch):
    """Units have more peak channels than are kept for all spikes."""
    monkeypatch.setattr("allenrec.figures.snippets.CHANNELS", 1)
    recording = make_recording(np.zeros((200_000, 4)), np.random.default_rng(0))
    snippets = cut_spikes(recording)
    assert snippets.waveforms.shape[2] == 1
    for unit, channel in enumerate((1, 3)):
        depth = -recording.filtered_templates[unit, channel].min()
        np.testing.assert_allclose(snippets.amplitudes[snippets.units == unit], depth, rtol=1e-5)


def test_spikes_of_many_units_are_few_of_each_spread_over_the_recording():
    assert list(evenly(np.arange(101), 5)) == [0, 25, 50, 75, 100] and list(evenly(np.array([3, 4]), 5)) == [3, 4]
    recording = make_recording(np.zeros((200_000, 4)), np.random.default_rng(0))
    recording.spike_trains = [np.array([3, 100_000, 199_999]), np.array([], dtype=int)]
    snippets = cut_spikes(recording)
    assert list(snippets.times) == [10.0]  # the others are too near the ends
    assert snippets.of_unit(1).shape == (0, 31)


def test_noise_spectrum_is_welchs_of_the_traces_without_spikes():
    rng = np.random.default_rng(1)
    noise = sosfilt(butter(2, [300, 3000], "bandpass", fs=FS, output="sos"), rng.normal(0, 10, (200_000, 4)), axis=0)
    recording = make_recording(noise, rng)
    measured = measure_noise(recording)
    frequency, density = welch(noise, FS, nperseg=512, noverlap=256, axis=0, detrend=False)
    np.testing.assert_allclose(measured.frequency, frequency)
    band = (frequency > 400) & (frequency < 2500)
    # About 100 to 390 pieces per channel: a standard error of at most 10 % in each bin, and of 1 % in the mean of the band
    np.testing.assert_allclose(measured.density[band], density[band], rtol=0.6)
    np.testing.assert_allclose(measured.density[band].mean(axis=0), density[band].mean(axis=0), rtol=0.05)
    np.testing.assert_allclose(measured.deviation, noise.std(axis=0), rtol=0.06)
    # The very spikes would have shown
    with_spikes = welch(recording.traces, FS, nperseg=512, axis=0, detrend=False)[1][band].mean(axis=0)
    assert with_spikes[3] > 1.3 * density[band].mean(axis=0)[3]


def test_a_channel_without_a_pause_has_no_spectrum():
    recording = make_recording(np.random.default_rng(3).normal(size=(20_000, 4)), np.random.default_rng(0), 2, rates=(99, 8))
    recording.spike_trains[0] = np.arange(100, 19_900, 50)
    measured = measure_noise(recording)
    assert np.isnan(measured.density[:, 1]).all() and not np.isnan(measured.density[:, 0]).any()


@pytest.mark.parametrize("n_spikes, n_channels", [(20, 3), (400, 3), (1200, 40)])
def test_principal_components_are_those_of_scikit_learn(n_spikes, n_channels):
    waveforms = np.random.default_rng(4).normal(size=(n_spikes, 31, n_channels)) * np.linspace(1, 3, 31)[:, np.newaxis]
    waveforms[: n_spikes // 2, 10] += 15
    scores, share = principal_components(SimpleNamespace(waveforms=waveforms.astype(np.float32)))
    reference = PCA(3, svd_solver="covariance_eigh")
    theirs = reference.fit_transform(waveforms.reshape(n_spikes, -1))
    np.testing.assert_allclose(share, reference.explained_variance_ratio_, rtol=1e-4)
    theirs = theirs / theirs[:, 0].std()
    np.testing.assert_allclose(scores * np.sign((scores * theirs).sum(axis=0)), theirs, atol=2e-3)


def test_principal_components_of_next_to_nothing():
    scores, share = principal_components(SimpleNamespace(waveforms=np.zeros((1, 31, 2))))
    assert scores.shape == (1, 3) and not share.any()
