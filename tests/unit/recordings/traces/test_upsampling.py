"""Upsampling against waveforms that are known at any time."""

import numpy as np
import pytest
from unit.recordings.traces.examples import FS, spike, template

from allenrec.recordings.tick_grid import split_shift
from allenrec.recordings.traces.low_rank import stacked, waveforms_of
from allenrec.recordings.traces.upsampling import Upsampling, upsample_template
from allenrec.waveforms.as_recorded import padded


@pytest.mark.parametrize("fs", [32000.0, 30000.0, 24414.0625, 20000.0, 40000.0])
def test_every_phase_is_the_waveform_at_the_shifted_time(fs):
    """Phases follow the formula of the waveform; the bound is the error of the spectrum of float32 samples, of 240 µV."""
    upsampled = upsample_template(template(), Upsampling(64, FS, fs, n_phases=8, pad_len=(3.0, 3.0)))
    waveforms = waveforms_of(upsampled.temporal, upsampled.spatial)
    for phase in range(8):
        time = (np.arange(waveforms.shape[1]) - upsampled.peak - split_shift(phase, 8)) / fs * 1000
        inside = (time > -1.9) & (time < 4.9)
        for channel in range(3):
            expected = (channel + 1) * spike(time - 0.01 * channel)
            assert np.abs(waveforms[phase, inside, channel] - expected[inside]).max() < 1e-3


def test_template_at_its_own_rate_and_phase_is_untouched():
    original = template()
    upsampled = upsample_template(original, Upsampling(64, FS, FS, n_phases=4, pad_len=(3.0, 3.0)))
    start = upsampled.peak - 64
    np.testing.assert_allclose(stacked([upsampled]).waveforms()[0, :, start : start + 224], original, atol=1e-4)


def test_padding_is_silence_before_and_a_fade_after():
    steps = np.full((1, 1, 50), 7.0)
    out = padded(steps, 20, 30)[0, 0]
    assert not out[:20].any() and (out[20:70] == 7).all()
    assert (np.diff(out[69:]) < 0).all() and 0 < out[-1] < 0.1
