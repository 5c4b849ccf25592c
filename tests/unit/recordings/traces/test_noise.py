"""Noise in all its modes against statistics and theory. Bounds are five standard errors, of a formula where there is one."""

from typing import get_args

import numpy as np
import pytest
from scipy import signal, stats
from support import run_python
from unit.recordings.traces.examples import BANDPASS, FS, POSITIONS, far_neurons, mearec_spectrum

from allenrec.probes import load_probe
from allenrec.recordings.tick_grid import TickGrid
from allenrec.recordings.traces.noise import (
    NOISE_MODES,
    _mix,
    design_noise,
    exponential_covariance,
    mixing_matrix,
    noise_at_level,
)
from allenrec.recordings.traces.noise_parts import NoiseInputs, NoiseParts
from allenrec.recordings.traces.white_noise import BLOCK
from allenrec.settings.recordings import Noise, Recording, RecordingSignal
from allenrec.settings.recordings.noise import LIBRARY_KEYS


def noise(seed=0, bandpass=None, **changes):
    signal = RecordingSignal(**changes)
    if signal.noise_mode == "far-neurons":
        parts = NoiseParts(source=far_neurons(), floor=0.5)
        return noise_at_level((seed, "n"), signal, FS, len(POSITIONS), bandpass, parts)
    settings = Recording(library="test", recordings=signal)
    return design_noise(NoiseInputs((seed,), settings, POSITIONS, None, TickGrid(FS, 1, 1)), bandpass)


KINDS = {
    "uncorrelated": {},
    "distance-correlated": {"noise_mode": "distance-correlated"},
    "coloured": {"noise_color": True},
    "coloured and distance-correlated": {"noise_mode": "distance-correlated", "noise_color": True},
    "far neurons": {"noise_mode": "far-neurons"},
}


def test_every_mode_is_among_the_kinds():
    """All statements about noise below are tested for each mode."""
    assert {RecordingSignal(**kind).noise_mode for kind in KINDS.values()} == set(NOISE_MODES)


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
    """The variance is measured in batches of 1 s; their spread gives its standard error."""
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


@pytest.mark.parametrize("probe", ["SqMEA-10-15", "Neuropixels2-384", "tetrode", "Neuronexus-32"])
def test_covariance_is_positive_definite_at_every_pitch(probe):
    """The covariance is positive definite at any pitch; MEArec's kernel is not on the first three of these probes."""
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
    """The variance of an entry of a sample covariance (a Wishart matrix) is (C_ii C_jj + C_ij^2) / n."""
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
from allenrec.recordings.traces.noise import exponential_covariance, noise_at_level
from allenrec.recordings.traces.noise_parts import NoiseParts
from allenrec.settings.recordings import RecordingSignal
positions = np.random.default_rng(0).uniform(0, 400, (500, 3))
chosen = RecordingSignal(noise_mode="distance-correlated", noise_color=True)
parts = NoiseParts(covariance=exponential_covariance(positions, 30.0))
drawn = noise_at_level((0, "n"), chosen, 32000.0, 500, None, parts).draw(-5, 3000)
print(json.dumps(hashlib.sha256(drawn.tobytes()).hexdigest()))
"""


def test_noise_does_not_depend_on_the_threads_of_blas(monkeypatch):
    """OpenBLAS gives other bits for the product of 500 channels with two threads than with one."""
    found = set()
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
        found.add(run_python(BITS))
    assert len(found) == 1


def test_coloured_noise_has_its_spectrum():
    """The mean of k independent periodograms (Welch) has a relative error of 1 / sqrt(k)."""
    drawn = noise(noise_color=True, noise_level=1.0).draw(0, 400 * 4096).astype(float)
    frequencies, found = signal.welch(drawn, FS, nperseg=4096, noverlap=0, axis=0)
    inner = slice(8, -8)  # the window smears the ends, and the peak by less than the error
    expected = mearec_spectrum(frequencies[inner], 300, 2, 1) / (FS / 2)
    error = 1 / np.sqrt(400 * 6)
    assert (np.abs(found[inner].mean(axis=1) / expected - 1) < 5 * error + 0.02).all()
    assert np.sqrt(np.mean((found[inner].mean(axis=1) / expected - 1) ** 2)) == pytest.approx(error, rel=0.2)


def test_contact_that_no_far_neuron_reaches_has_white_noise():
    far = far_neurons()
    far.templates.spatial[..., 2] = 0
    chosen, parts = RecordingSignal(noise_mode="far-neurons"), NoiseParts(source=far, floor=0.5)
    mine = noise_at_level((0, "n"), chosen, FS, len(POSITIONS), BANDPASS, parts)
    assert mine.draw(0, 50000)[:, 2].std() == pytest.approx(10, rel=5 / np.sqrt(1e5))


def test_register_has_the_noise_modes_of_the_configuration():
    """The settings do not import the register, so that both are held together here."""
    assert set(NOISE_MODES) == set(get_args(Noise.model_fields["noise_mode"].annotation))
    assert set(LIBRARY_KEYS) < set(NOISE_MODES) and set(LIBRARY_KEYS.values()) < set(RecordingSignal.model_fields)
