"""Noise, gains and filters against statistics, theory, and SciPy's own filtering of whole signals.

Bounds are five standard errors, of a formula where there is one.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal, stats
from support import run_python

from allenrec.common.errors import UserError
from allenrec.common.random_streams import generator
from allenrec.probes import load_probe
from allenrec.recordings.traces.far_neurons import FarNeurons, select_far_neurons
from allenrec.recordings.traces.filters import design_colour, design_filter
from allenrec.recordings.traces.gains import burst_gains, draw_gains
from allenrec.recordings.traces.injection import COURSES_AT_ONCE, PlacedTemplates, add_spikes
from allenrec.recordings.traces.noise import _mix, design_noise, exponential_covariance, mixing_matrix
from allenrec.recordings.traces.white_noise import BLOCK, _log, _sine_and_cosine, white_noise
from allenrec.settings.recordings import RecordingSignal

FS = 32000.0
POSITIONS = np.stack([np.zeros(6), np.tile([0.0, 20.0], 3), np.repeat([0.0, 15.0, 30.0], 2)], axis=1)
BANDPASS = design_filter(FS, (300.0, 6000.0), 3, "filtfilt")


def far_neurons(n_steps=1):
    """Forty neurons with spikes of 2 ms at six contacts, 2000 spikes a second in all; the steps differ in their size."""
    rng = np.random.default_rng(0)
    time = np.arange(64) / 32.0
    shape = (time**2 * np.exp(-4 * time) * np.cos(4 * time))[:, np.newaxis]
    waveforms = rng.normal(size=(40, 1, 1, 6)) * shape * np.linspace(1, 2, n_steps)[:, np.newaxis, np.newaxis]
    return FarNeurons(
        (0, "far"), rng.uniform(20, 80, 40) / FS, as_placed(waveforms, 10), n_steps * np.arange(40) + n_steps // 2
    )


def as_placed(waveforms, peak):
    """Waveforms (..., n_t, n_channels) as they are: a course for each channel."""
    courses = waveforms.reshape(-1, 1, *waveforms.shape[-2:]).astype(np.float32)
    n, n_channels = len(courses), courses.shape[-1]
    courses = np.pad(courses, ((0, 0), (0, 0), (0, 0), (0, -n_channels % COURSES_AT_ONCE)))
    weights = np.tile(np.eye(courses.shape[-1], n_channels, dtype=np.float32), (n, 1, 1, 1))
    return PlacedTemplates(courses, weights, np.full((n, 1), courses.shape[-1]), np.zeros(n, dtype=int), peak)


def noise(seed=0, bandpass=None, **changes):
    chosen = RecordingSignal(**changes)
    far = far_neurons() if chosen.noise_mode == "far-neurons" else None
    return design_noise((seed, "n"), chosen, FS, POSITIONS, bandpass, far)


KINDS = {
    "uncorrelated": {},
    "distance-correlated": {"noise_mode": "distance-correlated"},
    "coloured": {"noise_color": True},
    "coloured and distance-correlated": {"noise_mode": "distance-correlated", "noise_color": True},
    "far neurons": {"noise_mode": "far-neurons"},
}


def all_kinds(test):
    return pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)(test)


@all_kinds
def test_noise_of_a_sample_does_not_depend_on_the_piece(kind):
    mine = noise(**kind)
    whole = mine.draw(-BLOCK - 7, 20 * BLOCK)
    for start, stop in [(-BLOCK - 7, 5), (0, 100), (BLOCK - 3, BLOCK + 3), (BLOCK, 2 * BLOCK), (9 * BLOCK + 1, 20 * BLOCK)]:
        piece = mine.draw(start, stop)
        expected = whole[start + BLOCK + 7 : stop + BLOCK + 7]
        if mine.colour:  # what came before the piece is forgotten to 1e-10, which may show in the last bit
            np.testing.assert_allclose(piece, expected, atol=1e-5)
        else:
            assert np.array_equal(piece, expected)


@all_kinds
@pytest.mark.parametrize("at", ["raw", "filtered"])
def test_noise_has_its_level_where_it_was_asked_for(kind, at):
    """In batches of 1 s, whose spread says how well the variance is known."""
    mine = noise(bandpass=BANDPASS, noise_level=7.0, noise_level_at=at, **kind)
    n, before = int(FS), BANDPASS.margins[0]
    batches = [mine.draw(second * n - before, (second + 1) * n + before) for second in range(20)]
    raw = np.array([(batch.astype(float) ** 2).mean(axis=0) for batch in batches])
    filtered = np.array([(BANDPASS.apply(batch)[before:-before].astype(float) ** 2).mean(axis=0) for batch in batches])
    for variances, level in ((raw, mine.raw), (filtered, mine.filtered)):
        error = variances.std(axis=0, ddof=1) / np.sqrt(len(variances))
        assert (np.abs(variances.mean(axis=0) - level**2) < 5 * error).all()
        assert (error < 0.03 * level**2).all()
    assert getattr(mine, at) == pytest.approx(7.0)


def test_white_noise_is_white_and_normal():
    drawn = noise(seed=1).draw(0, 64 * BLOCK).astype(float)
    assert stats.kstest(drawn[:, 0] / 10, stats.norm.cdf).pvalue > 1e-4
    n = len(drawn)
    assert drawn.std() == pytest.approx(10, rel=5 / np.sqrt(2 * drawn.size))
    assert np.abs(np.corrcoef(drawn.T) - np.eye(6)).max() < 5 / np.sqrt(n)
    for lag in (1, 2, BLOCK):
        assert abs(np.corrcoef(drawn[:-lag, 0], drawn[lag:, 0])[0, 1]) < 5 / np.sqrt(n - lag)
    other = noise(seed=2).draw(0, BLOCK).astype(float)
    assert abs(np.corrcoef(drawn[:BLOCK, 0], other[:, 0])[0, 1]) < 5 / np.sqrt(BLOCK)


def test_white_noise_is_normal_far_out_and_in_pairs():
    """Numbers beyond limits are as many as expected; those of one draw, half a block apart, are independent."""
    drawn = white_noise((3, "n"), 0, 8192 * BLOCK, np.ones(2, dtype=np.float32))
    for limit in (3, 4, 4.5, 5):
        expected = drawn.size * stats.norm.sf(limit)
        for found in (np.sum(drawn > limit), np.sum(drawn < -limit)):
            assert abs(found - expected) < 5 * np.sqrt(expected)
    first, second = drawn.reshape(-1, 2, BLOCK // 2, 2).swapaxes(0, 1).reshape(2, -1).astype(float)
    for one, other in ((first, second), (first**2 - 1, second**2 - 1), (first**2 - 1, second), (first**3, second)):
        assert abs(np.mean(one * other)) < 5 * one.std() * other.std() / np.sqrt(len(one))


def test_random_bits_of_a_channel_are_those_of_numpy():
    """The normal numbers by NumPy's functions, from NumPy's generator, begun where that of the channel begins."""
    drawn = white_noise((3, "n"), 5 * BLOCK, 6 * BLOCK, np.ones(3, dtype=np.float32))
    states = generator(3, "n", 5, bit_generator=np.random.SFC64).bit_generator.random_raw((3, 3))
    for channel in range(3):
        source = np.random.SFC64()
        source.state = source.state | {"state": {"state": np.array([*states[:, channel], 1], dtype=np.uint64)}}
        bits = source.random_raw(BLOCK // 2)
        radius = np.sqrt(-2 * np.log(((bits >> 32) + 0.5) / 2**32))
        angle = np.pi / 4 + np.pi / 4 * ((bits << 2) & 0xFFFFFFFF).astype(np.uint32).view(np.int32) / 2**31
        signs = [1 - 2.0 * (bits >> bit & 1) for bit in (31, 30)]
        expected = np.concatenate([radius * signs[0] * np.sin(angle), radius * signs[1] * np.cos(angle)])
        np.testing.assert_allclose(drawn[:, channel], expected, atol=1e-5)


def test_functions_of_white_noise_are_those_of_numpy():
    shares = np.geomspace(1e-10, 1, 2000, dtype=np.float32)
    logarithms = [_log(share) for share in shares]
    np.testing.assert_allclose(logarithms, np.log(shares.astype(float)), rtol=2e-7, atol=1e-7)
    angles = np.linspace(-np.pi / 4, np.pi / 4, 2001, dtype=np.float32)
    found = np.array([_sine_and_cosine(angle) for angle in angles])
    np.testing.assert_allclose(found, np.transpose([np.sin(angles), np.cos(angles)]), atol=2e-7)


def test_no_block_of_noise_comes_twice_in_an_hour():
    """MEArec draws chunks from a thousand seeds. Here the first numbers of each block are compared."""
    one = np.ones(1, dtype=np.float32)
    starts = range(0, int(3600 * FS), BLOCK)
    assert len({white_noise((0, "n"), start, start + 8, one).tobytes() for start in starts}) == len(starts) > 50000


@pytest.mark.parametrize("probe", ["SqMEA-10-15", "Neuropixels2-384", "tetrode", "Neuronexus-32"])
def test_covariance_is_one_at_every_pitch(probe):
    """MEArec's kernel is none on the first three of these."""
    positions = load_probe(probe, 1).positions
    covariance = exponential_covariance(positions, 30.0)
    assert np.linalg.eigvalsh(covariance).min() > 1e-3
    mixing = mixing_matrix(covariance).astype(float)
    np.testing.assert_allclose(mixing.T @ mixing, covariance, atol=1e-6)
    distance = np.linalg.norm(positions[:, np.newaxis] - positions, axis=-1)
    mearec = np.where(distance > 0, 0.5 * 30 / np.where(distance > 0, distance, 1), 1)
    assert (np.linalg.eigvalsh(mearec).min() < -0.1) == (probe != "Neuronexus-32")


def test_contacts_at_one_place_hear_the_same():
    covariance = exponential_covariance(np.zeros((3, 3)), 30.0)
    np.testing.assert_allclose(mixing_matrix(covariance)[0], 1, atol=1e-6)


def test_correlation_is_a_half_at_the_half_distance():
    covariance = exponential_covariance(np.array([[0.0, 0, 0], [0, 0, 25], [0, 0, 50]]), 25.0)
    np.testing.assert_allclose(covariance, [[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]])


def test_sample_covariance_is_that_of_the_kernel():
    """The variance of an entry of a Wishart matrix, a sample covariance, is (C_ii C_jj + C_ij^2) / n."""
    drawn = noise(noise_mode="distance-correlated", noise_level=1.0).draw(0, 100 * BLOCK).astype(float)
    expected = exponential_covariance(POSITIONS, 30.0)
    error = np.sqrt((1 + expected**2) / len(drawn))
    assert (np.abs(drawn.T @ drawn / len(drawn) - expected) < 5 * error).all()
    assert stats.kstest(drawn[:, 5], stats.norm.cdf).pvalue > 1e-4
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 5])[0, 1]) < 5 / np.sqrt(len(drawn))


@pytest.mark.parametrize(("n", "n_channels"), [(1, 1), (5, 3), (7, 128), (6, 129), (8, 384)])
def test_compiled_product_is_the_product(n, n_channels):
    rng = np.random.default_rng(0)
    mixing = np.triu(rng.normal(size=(n_channels, n_channels))).astype(np.float32)
    rows = rng.normal(size=(n, n_channels)).astype(np.float32)
    expected = rows.astype(float) @ mixing
    bound = n_channels * np.finfo(np.float32).eps * (np.abs(rows).astype(float) @ np.abs(mixing))
    _mix(rows, mixing)
    assert (np.abs(rows - expected) <= bound).all()


BITS = """
import hashlib, json
import numpy as np
from allenrec.recordings.traces.noise import design_noise
from allenrec.settings.recordings import RecordingSignal
positions = np.random.default_rng(0).uniform(0, 400, (500, 3))
chosen = RecordingSignal(noise_mode="distance-correlated", noise_color=True)
print(json.dumps(hashlib.sha256(design_noise((0, "n"), chosen, 32000.0, positions, None).draw(-5, 3000).tobytes()).hexdigest()))
"""


def test_noise_does_not_depend_on_the_threads_of_blas(monkeypatch):
    """The product of 500 channels by OpenBLAS does."""
    found = set()
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
        found.add(run_python(BITS))
    assert len(found) == 1


def mearec_spectrum(frequencies, peak, q, floor):
    """Of MEArec's coloured noise: `iirpeak` forward and backward, and a white floor; with a mean of 1 over all frequencies."""
    b, a = signal.iirpeak(peak, q, fs=FS)

    def power(at):
        return np.abs(signal.freqz(b, a, worN=at, fs=FS)[1]) ** 4

    mean = power(np.linspace(0, FS / 2, 2**18)).mean()
    return (power(frequencies) / mean + floor**2) / (1 + floor**2)


@pytest.mark.parametrize(
    ("peak", "q", "floor"), [(300, 2, 1), (300, 2, 0), (300, 2, 0.01), (300, 2, 10), (30, 5, 0.5), (8000, 2, 1), (15900, 1, 1)]
)
def test_colour_has_the_spectrum_of_mearec(peak, q, floor):
    colour = design_colour(FS, peak, q, floor)
    _, response = signal.sosfreqz(colour.sections, worN=np.linspace(1, 15999, 5000), fs=FS)
    expected = mearec_spectrum(np.linspace(1, 15999, 5000), peak, q, floor)
    np.testing.assert_allclose(np.abs(response) ** 2, expected, rtol=1e-4, atol=1e-9)
    assert not colour.both_ways and np.abs(np.roots(colour.sections[0, :3])).max() <= 1 + 1e-9


def test_coloured_noise_has_its_spectrum():
    """By Welch: a mean of k independent periodograms has a relative error of 1 / sqrt(k)."""
    drawn = noise(noise_color=True, noise_level=1.0).draw(0, 400 * 4096).astype(float)
    frequencies, found = signal.welch(drawn, FS, nperseg=4096, noverlap=0, axis=0)
    inner = slice(8, -8)  # the window smears the ends, and the peak by less than the error
    expected = mearec_spectrum(frequencies[inner], 300, 2, 1) / (FS / 2)
    error = 1 / np.sqrt(400 * 6)
    assert (np.abs(found[inner].mean(axis=1) / expected - 1) < 5 * error + 0.02).all()
    assert np.sqrt(np.mean((found[inner].mean(axis=1) / expected - 1) ** 2)) == pytest.approx(error, rel=0.2)


def test_far_neurons_fire_as_poisson_processes():
    """Counts of neurons in blocks: their mean and variance, and where spikes lie in a block."""
    far = far_neurons()
    drawn = [far.spikes(block) for block in range(-200, 200)]
    counts = np.array([np.bincount(neurons, minlength=40) for _, neurons in drawn])
    expected = far.rates * 2**13
    assert (np.abs(counts.mean(axis=0) - expected) < 5 * np.sqrt(expected / len(drawn))).all()
    dispersion = counts.var(axis=0, ddof=1) / expected
    assert np.abs(dispersion - 1).max() < 5 * np.sqrt(2 / len(drawn) + 1 / (expected * len(drawn)).min())
    assert np.abs(np.corrcoef(counts.T) - np.eye(40)).max() < 5 / np.sqrt(len(drawn))
    places = np.concatenate([samples - block * 2**13 for (samples, _), block in zip(drawn, range(-200, 200), strict=True)])
    assert places.min() >= 0 and places.max() < 2**13
    assert stats.kstest((places + 0.5) / 2**13, "uniform").pvalue > 1e-4


def test_far_neurons_are_the_sum_of_their_spikes():
    far = far_neurons()
    traces = np.zeros((30000, 6), dtype=np.float32)
    far.add_to(traces, -100)
    waveforms = far.templates.courses[:, 0, :, :6]
    expected = np.zeros((30000 + 400, 6)) - np.einsum("u,utc->c", far.rates, waveforms)
    for block in range(-2, 6):
        for sample, neuron in zip(*far.spikes(block), strict=True):
            first = sample - far.templates.peak + 100 + 200
            if 0 <= first <= 30000 + 400 - 64:
                expected[first : first + 64] += waveforms[neuron]
    np.testing.assert_allclose(traces, expected[200:-200], atol=1e-6)
    assert np.abs(traces.mean(axis=0)).max() < 0.2 * traces.std()


def test_far_neurons_drift():
    """At rest they are at the middle step; where they have drifted, their spikes are those of the step."""
    far = far_neurons(n_steps=3)
    still, moved = np.zeros((2, 3 * 2**13, 6), dtype=np.float32)
    far.add_to(still, 0)
    far = replace(far, moved=lambda samples, neurons: 3 * neurons + np.where(samples < 2**13, 0, 2))
    far.add_to(moved, 0)
    still, moved = still + far.mean, moved + far.mean
    # The steps have the sizes 1, 1.5 and 2
    np.testing.assert_allclose(moved[: 2**13 - 64], still[: 2**13 - 64] / 1.5, atol=1e-6)
    np.testing.assert_allclose(moved[2**13 + 64 :], still[2**13 + 64 :] * 2 / 1.5, atol=1e-6)


def test_contact_that_no_far_neuron_reaches_has_white_noise():
    far = far_neurons()
    far.templates.weights[..., 2] = 0
    mine = design_noise((0, "n"), RecordingSignal(noise_mode="far-neurons"), FS, POSITIONS, BANDPASS, far)
    assert mine.draw(0, 50000)[:, 2].std() == pytest.approx(10, rel=5 / np.sqrt(1e5))


def test_far_neurons_are_chosen_by_type_and_amplitude():
    amplitudes, types = np.arange(20.0), np.array(["spiny", "aspiny"] * 10)
    groups = [("excitatory", ["spiny"], 4), ("inhibitory", ["aspiny"], 2)]
    rows = select_far_neurons(np.random.default_rng(0), amplitudes, types, groups, min_amp=3, max_amp=13)
    assert list(types[rows]) == ["spiny"] * 4 + ["aspiny"] * 2
    assert amplitudes[rows].min() > 3 and amplitudes[rows].max() < 13 and len(set(rows)) == 6
    with pytest.raises(UserError, match=r"9 excitatory far neurons were asked for, their library has 5 of .* 3 and 13 µV"):
        groups = [("excitatory", ["spiny"], 9)]
        select_far_neurons(np.random.default_rng(0), amplitudes, types, groups, min_amp=3, max_amp=13)


def test_gains():
    decay, address = np.ones(10000), (0, "gains")
    assert (draw_gains(address, decay, 4, modulation="none", mrand=2.0, sdrand=1.0) == 1).all()
    template = draw_gains(address, decay, 4, modulation="template", mrand=1.0, sdrand=0.05)
    assert template.shape == (10000, 1)
    assert stats.kstest(template[:, 0], stats.norm(1, 0.05).cdf).pvalue > 1e-4
    electrode = draw_gains(address, decay, 4, modulation="electrode", mrand=1.0, sdrand=0.05)[:]
    assert stats.kstest(electrode.ravel(), stats.norm(1, 0.05).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(electrode.T) - np.eye(4)).max() < 0.05
    halved = draw_gains(address, decay / 2, 4, modulation="electrode", mrand=1.0, sdrand=0.05)[:]
    assert np.array_equal(halved, electrode / 2)


@pytest.mark.parametrize("some", [slice(0, 0), slice(0, 1), slice(63, 65), slice(100, 257), slice(990, 1000), slice(None)])
def test_gains_of_some_spikes_are_those_of_all(some):
    def drawn(n_spikes):
        return draw_gains((0, "gains"), np.ones(n_spikes), 3, modulation="electrode", mrand=1.0, sdrand=0.05)

    assert np.array_equal(drawn(1000)[some], drawn(1000)[:][some])
    assert np.array_equal(drawn(1001)[some][:900], drawn(1000)[some][:900])  # one spike more changes none
    assert drawn(0)[some].shape == (0, 3)


BURST = {"exp_decay": 0.2, "n_burst_spikes": 10, "max_burst_duration": 100.0}


def test_gains_along_a_burst_are_those_of_mearec():
    """Intervals of 5 ms: measured with MEArec 1.11, in a recording without chunks."""
    gains = burst_gains(np.arange(11) * 5.0, **BURST)
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
    gains = burst_gains(times, **BURST)
    np.testing.assert_allclose(gains, expected, rtol=1e-9)
    assert gains.max() == 1 and (gains < 0.5).any()


def test_gains_of_few_spikes_and_of_none():
    assert burst_gains(np.array([]), **BURST).shape == (0,)
    assert burst_gains(np.array([3.0]), **BURST).tolist() == [1]
    # The second spike of a burst comes up to 100 ms after the first, and there its gain is 1 as after the burst
    assert burst_gains(np.array([0, 100.0]), **BURST) == pytest.approx([1, 1])
    assert burst_gains(np.array([0, 100.1]), **BURST) == pytest.approx([1, 1])


N_PHASES, PEAK, N_T = 16, 60, 160


def spike_shape(time):
    """A waveform with its peak at 0, in samples, that is over within the window."""
    return -np.exp(-((time / 6) ** 2)) + 0.4 * np.exp(-(((time - 20) / 15) ** 2))


def placed_shape():
    shifts = (np.arange(N_PHASES) - N_PHASES // 2)[:, np.newaxis] / N_PHASES
    values = spike_shape(np.arange(N_T) - PEAK - shifts)
    weights = np.zeros((1, 3, 4, 2), dtype=np.float32)
    weights[:, :, 0] = [1.0, -0.5]
    courses = (values[..., np.newaxis] * [1.0, 0, 0, 0]).astype(np.float32)
    return PlacedTemplates(courses[np.newaxis], weights, np.full((1, 3), 4), np.zeros(1, dtype=int), PEAK)


@pytest.mark.parametrize("stretch", [1.0, 1.0001, 1.37, 2.0])
def test_stretched_spikes_are_slower_about_their_peak(stretch):
    """Against the waveform itself. A straight line between points errs by at most their distance squared times f'' / 8."""
    samples, phases = np.array([300, 700, 1100]), np.array([0, 5, 15])
    gains = np.array([[1, 1], [0.8, 0.8], [0.5, 0.4]], dtype=np.float32)
    traces = np.zeros((1500, 2), dtype=np.float32)
    add_spikes(traces, 0, samples, phases, gains, np.full(3, stretch), np.zeros(3, dtype=int), placed_shape())
    expected = np.zeros((1500, 2))
    for sample, phase, gain in zip(samples, phases, gains, strict=True):
        at = sample + (phase - N_PHASES // 2) / N_PHASES
        expected += spike_shape((np.arange(1500) - at) / stretch)[:, np.newaxis] * [1.0, -0.5] * gain
    curvature = np.abs(np.diff(spike_shape(np.arange(-50, 90, 0.1)), 2)).max() / 0.01
    assert np.abs(traces - expected).max() < curvature / N_PHASES**2 / 8 + 1e-6


def test_stretched_spikes_have_no_seams():
    rng = np.random.default_rng(0)
    samples, phases = np.sort(rng.integers(-100, 1100, 50)), rng.integers(0, N_PHASES, 50)
    gains, stretches = rng.uniform(0.5, 1, (50, 1)).astype(np.float32), rng.uniform(1, 2, 50)
    whole, parts = np.zeros((2, 1000, 2), dtype=np.float32)
    add_spikes(whole, 0, samples, phases, gains, stretches, np.zeros(50, dtype=int), placed_shape())
    for start, stop in [(0, 1), (1, 400), (400, 407), (407, 1000)]:
        add_spikes(parts[start:stop], start, samples, phases, gains, stretches, np.zeros(50, dtype=int), placed_shape())
    assert np.array_equal(whole, parts)


def scipy_filtered(design, traces):
    """By SciPy, in double precision, the signal being zero beyond its ends."""
    expected = signal.sosfilt(design.sections, traces.astype(float), axis=0)
    return signal.sosfilt(design.sections, expected[::-1], axis=0)[::-1] if design.both_ways else expected


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
@pytest.mark.parametrize("cutoff", [(300.0, 6000.0), 300.0, (5.0, 8000.0), (0.5, 15999.0)])
@pytest.mark.parametrize("n_channels", [1, 33])
def test_filter_is_that_of_scipy(mode, cutoff, n_channels):
    """To rounding: of the sections in double precision, and of the traces, once on either way, in single."""
    design = design_filter(FS, cutoff, 3, mode)
    kind = "bandpass" if np.ndim(cutoff) else "highpass"
    assert np.array_equal(design.sections, signal.butter(3, cutoff, btype=kind, fs=FS, output="sos"))
    traces = np.random.default_rng(0).normal(size=(20000, n_channels)) * 10
    expected = scipy_filtered(design, traces)
    np.testing.assert_allclose(design.apply(traces.copy()), expected, atol=1e-8)
    single = traces.astype(np.float32)
    expected = scipy_filtered(design, single)
    assert design.apply(single) is single
    np.testing.assert_allclose(single, expected, atol=4 * np.finfo(np.float32).eps * np.abs(traces).max())


def test_filter_is_sosfiltfilt_away_from_the_ends():
    traces = np.random.default_rng(0).normal(size=(20000, 3)) * 10
    expected = signal.sosfiltfilt(BANDPASS.sections, traces, axis=0)
    inner = slice(sum(BANDPASS.margins), -sum(BANDPASS.margins))
    np.testing.assert_allclose(BANDPASS.apply(traces)[inner], expected[inner], atol=1e-8)


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
@pytest.mark.parametrize("cutoff", [(300.0, 6000.0), 300.0, (5.0, 8000.0)])
def test_pieces_with_margins_equal_the_filtered_whole(mode, cutoff):
    """SciPy filters the whole signal at once; a piece with its margins gives the same, to a millionth of the signal."""
    design = design_filter(FS, cutoff, 3, mode)
    before, after = design.margins
    assert after == (before if mode == "filtfilt" else 0)
    whole = np.random.default_rng(0).normal(size=(2 * before + 40000, 2)) * 10
    start, stop = before + 15000, before + 20000
    piece = design.apply(whole[start - before : stop + after].copy())[before : before + stop - start]
    np.testing.assert_allclose(piece, scipy_filtered(design, whole)[start:stop], atol=1e-5)


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
def test_response_to_a_waveform_is_whole(mode):
    """Beside it there is nothing: its energy is that of the product of the spectra."""
    design = design_filter(FS, (300.0, 6000.0), 3, mode)
    waveform = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    response, before = design.response(waveform)
    assert before == design.margins[1]
    silence = np.zeros((2000, 2))
    expected = scipy_filtered(design, np.concatenate((silence, waveform, silence)))[2000:2100]
    np.testing.assert_allclose(response[before : before + 100], expected, atol=1e-8)
    gain = np.abs(signal.sosfreqz(design.sections, worN=2**14, whole=True)[1]) ** (4 if mode == "filtfilt" else 2)
    energy = (np.abs(np.fft.fft(waveform, 2**14, axis=0)) ** 2 * gain[:, np.newaxis]).mean(axis=0)
    np.testing.assert_allclose((response**2).sum(axis=0), energy, rtol=1e-6)


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
def test_filter_passes_and_stops_what_it_should(mode):
    design = design_filter(FS, (300.0, 6000.0), 3, mode)
    margin = design.margins[0]
    time = np.arange(3 * margin + 8000) / FS
    for frequency, low, high in [(1500, 0.98, 1.01), (30, 0, 0.01), (300, 0.45, 0.75), (15000, 0, 0.1)]:
        out = design.apply(np.sin(2 * np.pi * frequency * time)[:, np.newaxis])[margin:-margin]
        assert low <= np.abs(out).max() <= high


def test_noise_gain_is_what_the_filter_does_to_noise():
    """White, and coloured: by both filters on the same numbers, against the gain from their responses."""
    colour = design_colour(FS, 300, 2, 1)
    for mode in ("filtfilt", "lfilter"):
        design = design_filter(FS, (300.0, 6000.0), 3, mode)
        white = np.random.default_rng(0).normal(size=(400000, 1))
        assert design.apply(white.copy()).std() == pytest.approx(design.noise_gain(), rel=0.01)
        coloured = colour.apply(white)
        assert coloured.std() == pytest.approx(1, rel=0.02)
        assert design.apply(coloured).std() == pytest.approx(design.noise_gain(colour.power()), rel=0.02)
