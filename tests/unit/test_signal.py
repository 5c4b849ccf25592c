"""Noise, gains and filters against statistics and SciPy's own filtering of whole signals."""

import numpy as np
import pytest
from scipy import signal, stats

from allenrec.filters import design_filter
from allenrec.modulation import draw_gains
from allenrec.noise import BLOCK, uncorrelated_noise

FS = 32000.0


def test_noise_of_a_sample_does_not_depend_on_the_piece():
    whole = uncorrelated_noise((0, "n"), -BLOCK - 7, 2 * BLOCK, 3, 10.0)
    for start, stop in [(-BLOCK - 7, 5), (0, 100), (BLOCK - 3, BLOCK + 3), (BLOCK, 2 * BLOCK)]:
        piece = uncorrelated_noise((0, "n"), start, stop, 3, 10.0)
        assert np.array_equal(piece, whole[start + BLOCK + 7 : stop + BLOCK + 7])


def test_noise_is_white_normal_and_at_its_level():
    noise = uncorrelated_noise((1, "n"), 0, 4 * BLOCK, 4, 10.0).astype(float)
    assert stats.kstest(noise[:, 0] / 10, stats.norm.cdf).pvalue > 1e-4
    n = len(noise)
    assert noise.std() == pytest.approx(10, rel=5 / np.sqrt(2 * noise.size))
    assert np.abs(np.corrcoef(noise.T) - np.eye(4)).max() < 5 / np.sqrt(n)
    for lag in (1, 2, BLOCK):  # MEArec repeats whole chunks
        assert abs(np.corrcoef(noise[:-lag, 0], noise[lag:, 0])[0, 1]) < 5 / np.sqrt(n - lag)
    other = uncorrelated_noise((1, "m"), 0, BLOCK, 4, 10.0)
    assert abs(np.corrcoef(noise[:BLOCK, 0], other[:, 0])[0, 1]) < 5 / np.sqrt(BLOCK)


def test_gains():
    rng = np.random.default_rng(0)
    assert (draw_gains(rng, 5, 4, modulation="none", mrand=2.0, sdrand=1.0) == 1).all()
    template = draw_gains(rng, 10000, 4, modulation="template", mrand=1.0, sdrand=0.05)
    assert template.shape == (10000, 1)
    assert stats.kstest(template[:, 0], stats.norm(1, 0.05).cdf).pvalue > 1e-4
    electrode = draw_gains(rng, 10000, 4, modulation="electrode", mrand=1.0, sdrand=0.05)
    assert np.abs(np.corrcoef(electrode.T) - np.eye(4)).max() < 0.05


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
@pytest.mark.parametrize("cutoff", [(300.0, 6000.0), 300.0, (5.0, 8000.0)])
def test_pieces_with_margins_equal_the_filtered_whole(mode, cutoff):
    """SciPy filters the whole signal at once; a piece with its margin gives the same, to a millionth of the signal."""
    design = design_filter(FS, cutoff, 3, mode)
    margin = design.margin
    whole = np.random.default_rng(0).normal(size=(2 * margin + 40000, 2)) * 10
    sections = signal.butter(3, cutoff, btype="bandpass" if np.ndim(cutoff) else "highpass", fs=FS, output="sos")
    expected = signal.sosfilt(sections, whole, axis=0)
    if mode == "filtfilt":
        expected = signal.sosfilt(sections, expected[::-1], axis=0)[::-1]
    start, stop = margin + 15000, margin + 20000
    piece = design.apply(whole[start - margin : stop + margin])[margin : margin + stop - start]
    np.testing.assert_allclose(piece, expected[start:stop], atol=1e-5)


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
def test_filter_passes_and_stops_what_it_should(mode):
    design = design_filter(FS, (300.0, 6000.0), 3, mode)
    time = np.arange(3 * design.margin + 8000) / FS
    middle = slice(design.margin, -design.margin)
    for frequency, low, high in [(1500, 0.98, 1.01), (30, 0, 0.01), (300, 0.45, 0.75), (15000, 0, 0.1)]:
        out = design.apply(np.sin(2 * np.pi * frequency * time)[:, np.newaxis])[middle]
        assert low <= np.abs(out).max() <= high


def test_noise_gain_is_what_the_filter_does_to_white_noise():
    for mode in ("filtfilt", "lfilter"):
        design = design_filter(FS, (300.0, 6000.0), 3, mode)
        noise = np.random.default_rng(0).normal(size=(400000, 1))
        assert design.apply(noise).std() == pytest.approx(design.noise_gain(), rel=0.01)
