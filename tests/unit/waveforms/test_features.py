"""Waveform features, against known waveforms, against SpikeInterface, and between cell types."""

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial import Polynomial
from scipy.signal import resample_poly
from spikeinterface.metrics.template import metrics as spikeinterface_metrics

from allenrec.waveforms.features import FEATURES, SEEN, waveform_features

DT = 2**-5
TIMES = np.arange(224) * DT
#: A straight probe of 41 contacts, 20 µm apart, and one with a second column beside it
LINE = np.array([(0.0, 0.0, z) for z in np.arange(-400.0, 401.0, 20.0)])
STAGGERED = np.concatenate([LINE, LINE + np.array([0.0, 30.0, 10.0])])
#: The features of one waveform, and those that need a peak
SHAPE = FEATURES[2:8]
OF_THE_TROUGH = {"half_width_ms", "pre_peak_to_trough_ratio"}
OF_THE_PEAK = {"trough_to_peak_ms", "peak_to_trough_ratio", "recovery_slope_uV_per_ms"}
#: Full width of a Gaussian at half its height, over its standard deviation
FWHM = np.sqrt(8 * np.log(2))


def gaussian(centre, sigma=0.12):
    return np.exp(-0.5 * ((TIMES - centre) / sigma) ** 2)


def spike(centre=2.0, peak=30.0):
    """A trough of 100 µV, and a peak 1.5 ms later; they overlap by less than 1e-6 µV."""
    return -100 * gaussian(centre) + peak * gaussian(centre + 1.5, 0.25)


def features(waveform, positions=LINE[:1], dt=DT):
    """Return the features of one template as a dict; a waveform alone is a template of one contact."""
    frame = waveform_features(np.atleast_2d(waveform)[np.newaxis], positions, dt)
    assert tuple(frame) == FEATURES and len(frame) == 1
    return frame.iloc[0].to_dict()


@pytest.mark.parametrize("shift", [0.0, 0.3 * DT, 0.5 * DT, 0.9 * DT])
def test_gaussians_wherever_they_lie_between_samples(shift):
    found = features(spike(2 + shift))
    assert found["trough_to_peak_ms"] == pytest.approx(1.5, abs=1e-4)
    assert found["half_width_ms"] == pytest.approx(FWHM * 0.12, abs=1e-4)
    assert found["peak_to_trough_ratio"] == pytest.approx(0.3, rel=1e-4)
    assert found["amplitude_uV"] == pytest.approx(100, rel=0.01)  # of the lowest sample


def test_slopes_are_those_of_the_regression_lines():
    """A cubic spline has a cubic exactly: trough at 2, zero at 3, peak at 4 ms; the slopes follow by integration."""
    potential = 150 * Polynomial([6, -8, 3, -1 / 3])

    def slope(start, stop):
        moment = (potential * Polynomial([-(start + stop) / 2, 1])).integ()
        return 12 * (moment(stop) - moment(start)) / (stop - start) ** 3

    found = features(potential(TIMES[TIMES < 4.9]))
    assert found["amplitude_uV"] == pytest.approx(100) and found["peak_to_trough_ratio"] == pytest.approx(1)
    assert found["trough_to_peak_ms"] == pytest.approx(2)
    assert found["repolarisation_slope_uV_per_ms"] == pytest.approx(slope(2, 3), rel=1e-3)
    assert found["recovery_slope_uV_per_ms"] == pytest.approx(slope(4, 4.7), rel=1e-3)


def test_slopes_of_straight_lines():
    """The spline rounds the corners a little."""
    found = features(np.interp(TIMES, [1.75, 2, 2.7, 4.7], [0, -100, 40, -20]))
    assert found["repolarisation_slope_uV_per_ms"] == pytest.approx(200, rel=0.01)
    assert found["recovery_slope_uV_per_ms"] == pytest.approx(-30, rel=0.01)
    assert found["half_width_ms"] == pytest.approx(0.125 + 0.25, rel=0.01)


def test_shape_keeps_with_gain_and_time():
    """Ten times the potential has ten times the amplitude and slopes; 16 samples later all is the same."""
    first = features(spike())
    louder, later = features(10 * spike()), features(spike(2 + 16 * DT))
    for name in FEATURES:
        gain = 10 if name == "amplitude_uV" or "slope" in name else 1
        assert louder[name] == pytest.approx(gain * first[name], rel=1e-9, nan_ok=True)
        assert later[name] == pytest.approx(first[name], rel=1e-6, nan_ok=True)


def test_features_are_of_the_peak_contact():
    wide = -50 * gaussian(2, 0.4) + 20 * gaussian(4, 0.5)
    template = np.stack([wide, spike(), 0.5 * wide])
    found, alone = features(template, LINE[:3]), features(spike())
    assert found["peak_contact"] == 1
    for name in SHAPE:
        assert found[name] == pytest.approx(alone[name])


#: Waveforms, and the features of their shape that cannot be measured
UNDEFINED = {
    "flat": (np.zeros(224), SHAPE),
    "never below zero": (gaussian(2), SHAPE),
    "falling until the end": (-TIMES, SHAPE),
    "no return": (np.where(TIMES < 2, -gaussian(2), -np.exp(2 - TIMES)), set(SHAPE) - OF_THE_TROUGH),
    "no peak but ripple": (-gaussian(2), set(SHAPE) - OF_THE_TROUGH),
    "rising until the end": (-gaussian(2) + np.maximum(TIMES - 2, 0), OF_THE_PEAK),
    "peak near the end": (spike(5.2), {"recovery_slope_uV_per_ms"}),
    "begins in the trough": (spike(0.1), {"half_width_ms"}),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_features_that_cannot_be_measured_are_nan(case):
    waveform, missing = UNDEFINED[case]
    found = features(waveform)
    assert {name for name in SHAPE if np.isnan(found[name])} == set(missing)


def test_no_template_is_an_empty_table():
    assert waveform_features(np.zeros((0, 4, 224)), LINE[:4], DT).shape == (0, len(FEATURES))


def test_spread_of_amplitudes_that_fall_along_the_probe():
    """A linear fall is exact between contacts; an exponential one, also off the end of the probe, is close."""
    z = LINE[:, 2]
    linear = features(np.maximum(1 - np.abs(z) / 100, 0)[:, np.newaxis] * spike(), LINE)
    assert linear["spread_um"] == pytest.approx(2 * 100 * (1 - SEEN))
    for decay in (30.0, 60.0, 100.0):
        expected = -decay * np.log(SEEN)
        slack = 20**2 / (8 * decay)  # of a straight line through an exponential, at each end
        both = features(np.exp(-np.abs(z) / decay)[:, np.newaxis] * spike(), LINE)
        above = features(np.exp(-(z + 400) / decay)[:, np.newaxis] * spike(), LINE)
        assert both["spread_um"] == pytest.approx(2 * expected, abs=2 * slack)
        assert above["spread_um"] == pytest.approx(expected, abs=slack)
    assert features(np.outer(np.ones(41), spike()), LINE)["spread_um"] == 800


def travelling(positions, above, below, decay=100.0):
    """A spike that starts at z = 0, takes |z| / speed, ms, to each contact, and is smaller there and in the second column."""
    z = positions[:, 2]
    delay = np.abs(z) / np.where(z > 0, above, below)
    gain = np.exp(-np.abs(z) / decay) * np.where(positions[:, 1] > 0, 0.9, 1.0)
    return np.array([g * spike(2 + d) for g, d in zip(gain, delay, strict=True)])


@pytest.mark.parametrize("positions", [LINE, STAGGERED], ids=["line", "staggered"])
@pytest.mark.parametrize("speeds", [(200.0, 200.0), (500.0, 150.0), (3000.0, 1000.0), (300.0, -700.0)])
def test_speeds_of_a_travelling_spike(positions, speeds):
    found = features(travelling(positions, *speeds), positions)
    assert found["propagation_speed_above_um_per_ms"] == pytest.approx(speeds[0], rel=0.01)
    assert found["propagation_speed_below_um_per_ms"] == pytest.approx(speeds[1], rel=0.01)
    assert found["peak_contact"] == 20


def test_speed_needs_delays_along_enough_contacts():
    above, below = FEATURES[-2:]
    at_once = features(travelling(LINE, np.inf, np.inf), LINE)
    assert np.isnan(at_once[above]) and np.isnan(at_once[below])
    few = features(travelling(LINE, 200, 200)[18:22], LINE[18:22])  # three heights below, two above
    assert np.isnan(few[above]) and few[below] == pytest.approx(200, rel=0.01)
    beside = features(travelling(LINE, 200, 200)[:4], LINE[:4] * (1, 1, 0))
    assert np.isnan(beside["spread_um"]) and np.isnan(beside[above])
    scattered = travelling(LINE, np.inf, np.inf)
    scattered[21::2] = np.roll(scattered[21::2], 4, axis=1)
    assert np.isnan(features(scattered, LINE)[above])


def spikeinterface_features(waveform):
    """Return SpikeInterface's metrics of a waveform, computed by its own functions, in our names and units."""
    rate = 10 * 1e3 / DT
    curve = resample_poly(waveform.astype(float), 10, 1)
    found = spikeinterface_metrics.get_trough_and_peak_idx(curve, rate, 0.3, 0.09)
    arguments = (curve, rate, found)
    return {
        "trough_to_peak_ms": 1e3 * spikeinterface_metrics.get_peak_to_trough_duration(found, rate),
        "half_width_ms": 1e3 * spikeinterface_metrics.get_half_widths(*arguments)[0],
        "peak_to_trough_ratio": spikeinterface_metrics.get_waveform_ratios(curve, found)["peak_after_to_trough_ratio"],
        "repolarisation_slope_uV_per_ms": 1e-3 * spikeinterface_metrics.get_repolarization_slope(*arguments),
        "recovery_slope_uV_per_ms": 1e-3 * spikeinterface_metrics.get_recovery_slope(*arguments, recovery_window_ms=0.7),
    }


def test_real_templates_have_the_features_that_spikeinterface_finds(library):
    """Its times are multiples of a tenth of a sample, 3 µs, and its interpolation ripples, which moves flat peaks."""
    ours = library.features
    waveforms = library.templates[np.arange(len(ours)), ours["peak_contact"]]
    theirs = pd.DataFrame([spikeinterface_features(waveform) for waveform in waveforms])
    for name, slack in (("trough_to_peak_ms", DT), ("half_width_ms", 0.2 * DT)):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=slack)
    slopes = ("repolarisation_slope_uV_per_ms", "recovery_slope_uV_per_ms")
    for name, slack in zip(("peak_to_trough_ratio", *slopes), (0.001, 0.01, 0.06), strict=True):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=slack)


def test_fast_spiking_cells_have_narrow_waveforms(library):
    """The Pvalb cell differs from the pyramidal ones in the features by which such cells are told apart."""
    aspiny = library.celltypes == "aspiny"
    narrow, wide = library.features[aspiny], library.features[~aspiny]
    assert narrow["trough_to_peak_ms"].between(0.2, 1.0).all() and (wide["trough_to_peak_ms"] > 1.0).all()
    assert narrow["half_width_ms"].median() < wide["half_width_ms"].quantile(0.1)
    assert narrow["peak_to_trough_ratio"].median() > wide["peak_to_trough_ratio"].quantile(0.9)
    assert (library.features["repolarisation_slope_uV_per_ms"] > 0).all()
    assert (library.features["recovery_slope_uV_per_ms"] < 0).all()
    assert library.features["spread_um"].between(20, 235).all()  # the probe is 235 µm long
