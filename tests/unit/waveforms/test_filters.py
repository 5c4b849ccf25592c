"""Filters against SciPy's filtering of whole signals, and the colour of noise against MEArec's spectrum."""

import numpy as np
import pytest
from scipy import signal
from support import run_python
from unit.recordings.traces.examples import BANDPASS, FS, mearec_spectrum, scipy_filtered

from allenrec.settings.recordings import Filter, Noise
from allenrec.waveforms.filters import DESIGNED, FREQUENCIES, design_colour, design_filter
from allenrec.waveforms.filters import Filter as DigitalFilter


@pytest.mark.parametrize(
    ("peak", "q", "floor"), [(300, 2, 1), (300, 2, 0), (300, 2, 0.01), (300, 2, 10), (30, 5, 0.5), (8000, 2, 1), (15900, 1, 1)]
)
def test_colour_has_the_spectrum_of_mearec(peak, q, floor):
    colour = design_colour(FS, Noise(color_peak=peak, color_q=q, color_noise_floor=floor))
    _, response = signal.sosfreqz(colour.sections, worN=np.linspace(1, 15999, 5000), fs=FS)
    expected = mearec_spectrum(np.linspace(1, 15999, 5000), peak, q, floor)
    np.testing.assert_allclose(np.abs(response) ** 2, expected, rtol=1e-4, atol=1e-9)
    assert not colour.both_ways and np.abs(np.roots(colour.sections[0, :3])).max() <= 1 + 1e-9


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
@pytest.mark.parametrize("cutoff", [(300.0, 6000.0), 300.0, (5.0, 8000.0), (0.5, 15999.0)])
@pytest.mark.parametrize("n_channels", [1, 33])
def test_filter_is_that_of_scipy(mode, cutoff, n_channels):
    """The results are equal to the rounding of double precision; float32 traces are rounded once on either way."""
    design = design_filter(FS, Filter(filter_cutoff=cutoff, filter_mode=mode))
    kind = "bandpass" if np.ndim(cutoff) else "highpass"
    assert np.array_equal(design.sections, signal.butter(3, cutoff, btype=kind, fs=FS, output="sos"))
    traces = np.random.default_rng(0).normal(size=(20000, n_channels)) * 10
    expected = scipy_filtered(design, traces)
    np.testing.assert_allclose(design.apply(traces.copy()), expected, atol=1e-8)
    single = traces.astype(np.float32)
    expected = scipy_filtered(design, single)
    assert design.apply(single) is single
    np.testing.assert_allclose(single, expected, atol=4 * np.finfo(np.float32).eps * np.abs(traces).max())


@pytest.mark.parametrize("design", DESIGNED, ids=str)
def test_filters_that_are_designed_already_are_those_of_scipy(design):
    order, cutoff, fs = design
    kind = "bandpass" if np.ndim(cutoff) else "highpass"
    assert np.array_equal(DESIGNED[design], signal.butter(order, cutoff, btype=kind, fs=fs, output="sos"))


def test_the_filters_of_most_jobs_need_no_signal_processing_of_scipy():
    """Loading it would take jobs longer than their own work."""
    code = """
from allenrec.libraries.realism.in_vivo import read_in_vivo
from allenrec.settings.recordings import Filter
from allenrec.waveforms.filters import design_filter
gains = [design_filter(32000.0, settings).noise_gain() for settings in (Filter(), read_in_vivo().filter)]
print(int("scipy.signal" in sys.modules))
"""
    assert run_python(code) == 0


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
@pytest.mark.parametrize("cutoff", [(300.0, 6000.0), 300.0, (0.5, 15999.0)])
def test_power_is_that_of_scipy(mode, cutoff):
    design = design_filter(FS, Filter(filter_cutoff=cutoff, filter_mode=mode))
    _, response = signal.sosfreqz(design.sections, worN=FREQUENCIES)
    assert np.array_equal(design.power(), np.abs(response) ** (4 if mode == "filtfilt" else 2))


def test_filter_is_sosfiltfilt_away_from_the_ends():
    traces = np.random.default_rng(0).normal(size=(20000, 3)) * 10
    expected = signal.sosfiltfilt(BANDPASS.sections, traces, axis=0)
    inner = slice(sum(BANDPASS.margins), -sum(BANDPASS.margins))
    np.testing.assert_allclose(BANDPASS.apply(traces)[inner], expected[inner], atol=1e-8)


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
@pytest.mark.parametrize("cutoff", [(300.0, 6000.0), 300.0, (5.0, 8000.0)])
def test_pieces_with_margins_equal_the_filtered_whole(mode, cutoff):
    """A piece with its margins equals SciPy's filter of the whole signal, to a millionth of the signal."""
    design = design_filter(FS, Filter(filter_cutoff=cutoff, filter_mode=mode))
    before, after = design.margins
    assert after == (before if mode == "filtfilt" else 0)
    whole = np.random.default_rng(0).normal(size=(2 * before + 40000, 2)) * 10
    start, stop = before + 15000, before + 20000
    piece = design.apply(whole[start - before : stop + after].copy())[before : before + stop - start]
    np.testing.assert_allclose(piece, scipy_filtered(design, whole)[start:stop], atol=1e-5)


@pytest.mark.parametrize("mode", ["filtfilt", "lfilter"])
def test_response_to_a_waveform_is_whole(mode):
    """Nothing is left out: the energy is that of the product of the spectra."""
    design = design_filter(FS, Filter(filter_mode=mode))
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
    design = design_filter(FS, Filter(filter_mode=mode))
    margin = design.margins[0]
    time = np.arange(3 * margin + 8000) / FS
    for frequency, low, high in [(1500, 0.98, 1.01), (30, 0, 0.01), (300, 0.45, 0.75), (15000, 0, 0.1)]:
        out = design.apply(np.sin(2 * np.pi * frequency * time)[:, np.newaxis])[margin:-margin]
        assert low <= np.abs(out).max() <= high


def test_noise_gain_is_what_the_filter_does_to_noise():
    """Filtered white and coloured numbers have the standard deviations that follow from the responses of the filters."""
    colour = design_colour(FS, Noise())
    for mode in ("filtfilt", "lfilter"):
        design = design_filter(FS, Filter(filter_mode=mode))
        white = np.random.default_rng(0).normal(size=(400000, 1))
        assert design.apply(white.copy()).std() == pytest.approx(design.noise_gain(), rel=0.01)
        coloured = colour.apply(white)
        assert coloured.std() == pytest.approx(1, rel=0.02)
        assert design.apply(coloured).std() == pytest.approx(design.noise_gain(colour.power()), rel=0.02)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("changes", [{}, {"filter_mode": "lfilter"}, {"filter_order": 1}, {"filter_cutoff": 300.0}])
@pytest.mark.parametrize("at", [0, 1, 1234, -2, -1])
def test_a_filter_tells_of_numbers_that_are_not_finite(at, changes, wrong):
    design = design_filter(32000, Filter.model_validate(changes))
    traces = np.random.default_rng(0).standard_normal((2001, 5)).astype(np.float32)
    assert design.apply_to_finite(traces.copy())
    traces[at, 3] = wrong
    assert not design.apply_to_finite(traces)


def test_a_filter_that_is_not_stable_tells_so():
    growing = np.array([[1.0, 0.0, 0.0, 1.0, -2.2, 1.1]])
    assert not DigitalFilter(growing, False).apply_to_finite(np.ones((2000, 2), dtype=np.float32))
