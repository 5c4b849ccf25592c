"""Templates as recordings show them, against SciPy's filter of a template in silence and against recordings."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from allenrec.waveforms.as_recorded import as_recorded, features_both_ways, padded, recorded
from allenrec.waveforms.features import FEATURES, FILTERED_FEATURES, waveform_features


def spike(dt):
    """A template of 7 ms at three contacts, with a slow end that the window cuts off."""
    time = np.arange(round(7 / dt)) * dt
    fast, slow = np.exp(-0.5 * ((time - 2) / 0.15) ** 2), np.clip(time - 2, 0, None) * np.exp(-(time - 2) / 3)
    return np.outer([0.5, 1.0, -0.2], -100 * fast + 20 * slow).astype(np.float32)


@pytest.mark.parametrize(
    ("dt", "order", "band", "kind"),
    [
        (2**-5, 3, (300, 6000), "bandpass"),
        (2**-6, 3, (300, 6000), "bandpass"),
        (0.1, 3, 300, "highpass"),  # the low-pass lies above half the sampling rate
    ],
)
def test_template_is_filtered_as_scipy_filters_it_in_silence(dt, order, band, kind):
    template, how = spike(dt), as_recorded(dt)
    sections = butter(order, band, btype=kind, fs=1000 / dt, output="sos")
    whole = np.pad(padded(template.astype(float), how.before, len(how.fade)), ((0, 0), (5000, 5000)))
    expected = sosfiltfilt(sections, whole, axis=1)[:, 5000:-5000]
    np.testing.assert_allclose(recorded(template, how), expected, atol=1e-6)


def test_samples_too_coarse_for_the_filter_are_left_as_they_are():
    template, how = spike(2.0), as_recorded(2.0)
    np.testing.assert_array_equal(recorded(template, how), padded(template.astype(float), how.before, len(how.fade)))


def test_gain_bounds_every_filtered_waveform():
    """The worst waveform is the sign of the response itself; it comes close to the bound."""
    how = as_recorded(2**-5)
    rng = np.random.default_rng(0)
    noise = rng.uniform(-30, 10, (50, 224)).astype(np.float32)
    impulse = np.zeros((1, 224), dtype=np.float32)
    impulse[0, 112] = 1
    worst = np.sign(recorded(impulse, how)[:, how.before : how.before + 224]).astype(np.float32)
    for template in (noise, worst):
        bound = how.gain * (np.maximum(template.max(axis=1), 0) - np.minimum(template.min(axis=1), 0))
        assert (np.abs(recorded(template, how)).max(axis=1) <= bound).all()
    assert np.abs(recorded(worst, how)).max() > 0.8 * bound[0]


def test_each_feature_is_there_twice_with_a_name_that_cannot_be_mistaken():
    positions = np.array([[0.0, 0.0, z] for z in (0, 20, 40)])
    table = features_both_ways(spike(2**-5)[np.newaxis], positions, 2**-5)
    assert tuple(table) == (*FEATURES, *FILTERED_FEATURES)
    assert FILTERED_FEATURES[:3] == ("amplitude_filtered_uV", "peak_contact_filtered", "trough_to_peak_filtered_ms")
    assert "pre_peak_to_trough_ratio_filtered" in FILTERED_FEATURES and len(set(table)) == 2 * len(FEATURES)
    alone = waveform_features([recorded(spike(2**-5), as_recorded(2**-5))], positions, 2**-5)
    assert table[list(FILTERED_FEATURES)].to_numpy().tolist() == pytest.approx(alone.to_numpy(), nan_ok=True)
    assert table["trough_to_peak_filtered_ms"][0] < 0.5 * table["trough_to_peak_ms"][0]
