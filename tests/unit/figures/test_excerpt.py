"""An excerpt of a recording loses no extreme value, and a browser unpacks what was packed."""

import base64
import gzip
from types import SimpleNamespace

import numpy as np
import pytest

from allenrec.figures.excerpt import channels_by_depth, describe_recording, extremes, make_excerpt, pack

FS = 1000.0


def recording_of(traces, templates=None):
    n = traces.shape[1]
    positions = np.column_stack([np.zeros(n), np.zeros(n), 20.0 * np.arange(n)[::-1]])
    templates = np.zeros((0, n, 5)) if templates is None else templates
    return SimpleNamespace(
        traces=traces,
        sampling_frequency=FS,
        channel_positions=positions,
        filtered_templates=templates,
        spike_trains=[],
        probe=SimpleNamespace(shank_ids=None),
    )


@pytest.mark.parametrize(("n", "bin_length"), [(100, 1), (100, 7), (96, 8), (5, 10), (1, 3)])
def test_extremes_are_the_lowest_and_highest_value_of_each_bin_in_their_order(n, bin_length):
    traces = np.random.default_rng(n + bin_length).normal(size=(n, 3)).astype(np.float32)
    found = extremes(traces, bin_length)
    assert found.shape == (2 * -(-n // bin_length), 3)
    for channel in range(3):
        for k in range(0, len(found), 2):
            part = traces[k // 2 * bin_length : (k // 2 + 1) * bin_length, channel]
            first, second = found[k : k + 2, channel]
            assert sorted([first, second]) == [part.min(), part.max()]
            assert np.flatnonzero(part == first)[0] <= np.flatnonzero(part == second)[0]


def test_a_spike_of_one_sample_survives_any_reduction():
    traces = np.random.default_rng(0).normal(0, 1, (20_000, 2)).astype(np.float32)
    traces[12_345, 1] = -50.0
    excerpt = make_excerpt(recording_of(traces), n_values=400)
    assert excerpt.values.shape == (2, 100) and excerpt.bin_length == 400
    # Channel 1 lies at the bottom, so it is the first row
    assert list(excerpt.channels) == [1, 0]
    place = int(excerpt.values[0].argmin())
    assert place // 2 == 12_345 // 400
    assert excerpt.values[0, place] * excerpt.step == pytest.approx(-50.0, abs=0.5 * excerpt.step)


def test_excerpt_is_the_beginning_and_is_rounded_to_a_fraction_of_the_noise():
    traces = np.random.default_rng(1).normal(0, 8.0, (5000, 4)).astype(np.float32)
    excerpt = make_excerpt(recording_of(traces), n_values=10**6, length=2.0)
    assert excerpt.duration == 2.0 and excerpt.bin_length == 1
    assert excerpt.deviation == pytest.approx(8.0, rel=0.05) and excerpt.step < 8.0 / 4
    shown = excerpt.values[:, ::2].T * excerpt.step  # of bins of one sample both values are the sample
    np.testing.assert_allclose(shown, traces[:2000, excerpt.channels], atol=0.51 * excerpt.step)


@pytest.mark.parametrize(("middle", "first"), [(0.0, 0), (1.0, 950), (1.99, 1900)])
def test_all_samples_around_a_time_are_kept(middle, first):
    traces = np.random.default_rng(3).normal(0, 8.0, (5000, 4)).astype(np.float32)
    excerpt = make_excerpt(recording_of(traces), n_values=800, length=2.0, middle=middle)
    assert excerpt.samples.shape == (4, 100) and excerpt.first_sample == first
    expected = traces[first : first + 100, excerpt.channels].T
    np.testing.assert_allclose(excerpt.samples * excerpt.step, expected, atol=0.51 * excerpt.step)


def test_all_channels_of_a_large_probe_are_there_and_samples_of_those_with_units():
    templates = np.zeros((2, 300, 5))
    templates[[0, 1], [17, 200], 2] = -100.0
    traces = np.random.default_rng(3).normal(0, 8.0, (500, 300)).astype(np.float32)
    excerpt = make_excerpt(recording_of(traces, templates), n_values=128_000, rows=[299 - 17, 299 - 200])
    assert sorted(excerpt.channels) == list(range(300)) and len(excerpt.values) == 300
    sampled = excerpt.channels[excerpt.sampled]
    assert len(excerpt.samples) == len(sampled) == 128 and {17, 200} <= set(sampled.tolist())
    assert excerpt.samples.shape[1] == 500
    np.testing.assert_allclose(excerpt.samples * excerpt.step, traces[:, sampled].T, atol=0.51 * excerpt.step)


def test_large_spikes_fit_into_the_integers():
    traces = np.random.default_rng(2).normal(0, 0.01, (3000, 2)).astype(np.float32)
    traces[100, 0] = 9000.0
    excerpt = make_excerpt(recording_of(traces), n_values=10**6)
    assert excerpt.values.max() * excerpt.step == pytest.approx(9000.0, rel=1e-4)


def test_channels_stand_shank_by_shank():
    recording = recording_of(np.zeros((10, 6), np.float32))
    recording.probe.shank_ids = np.array(["b", "a", "b", "a", "b", "a"])
    assert list(channels_by_depth(recording)) == [5, 3, 1, 4, 2, 0]
    recording.probe.shank_ids = np.array(["10", "9", "10", "9", "10", "9"])
    assert list(channels_by_depth(recording)) == [5, 3, 1, 4, 2, 0]


def test_the_peak_channels_of_units_on_a_large_probe_are_kept():
    templates = np.zeros((3, 384, 5))
    peak = [17, 200, 381]
    templates[range(3), peak, 2] = -100.0
    recording = recording_of(np.zeros((10, 384), np.float32), templates)
    channels = channels_by_depth(recording, 64)
    assert 55 <= len(channels) <= 64 and set(peak) <= set(channels.tolist())
    depth = recording.channel_positions[channels, 2]
    assert (np.diff(depth) > 0).all() and depth.min() == 0 and depth.max() == 20 * 383


def test_packed_values_are_little_endian_gzip_in_base64():
    values = np.array([[-3, 2, 700], [1, -32768, 32767]], dtype=np.int16)
    raw = gzip.decompress(base64.b64decode(pack(values)))
    np.testing.assert_array_equal(np.frombuffer(raw, "<i2").reshape(2, 3), values)
    assert pack(values) == pack(values.astype(">i2"))


def test_noise_without_spikes_has_facts():
    import pandas as pd

    recording = recording_of(np.zeros((2000, 4), np.float32))
    recording.duration, recording.units = 2.0, pd.DataFrame({"cell_type": [], "bintype": []})
    facts = describe_recording(recording)
    assert facts["n_channels"] == 4 and facts["n_spikes"] == 0 and facts["units_by_type"] == {}
