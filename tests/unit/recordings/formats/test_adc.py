"""The ADC: samples are rounded to the nearest step, clipped and counted, and converted back to µV."""

import numpy as np
import pytest

from allenrec.recordings.formats.adc import Microvolts, design_adc
from allenrec.settings.recordings import RecordingSignal

TEMPLATES = np.array([[[10.0, -200.0], [50.0, 0.0]]])


def adc(templates=TEMPLATES, **settings):
    return design_adc(RecordingSignal.model_validate(settings), templates)


def test_floats_stay_what_they_are():
    traces = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    samples, clipped = adc().convert(traces)
    assert adc().gain == 1.0 and samples is traces and np.array_equal(clipped, [0, 0, 0])


@pytest.mark.parametrize("dtype", ["int16", "int32"])
@pytest.mark.parametrize("gain", [None, 0.195, 2.34])
@pytest.mark.parametrize("lsb", [None, 1, 3])
def test_values_come_back_within_half_a_step(dtype, gain, lsb):
    traces = np.random.default_rng(0).uniform(-5000, 5000, (1000, 4)).astype(np.float32)
    chosen = adc(dtype=dtype, gain=gain, lsb=lsb)
    samples, clipped = chosen.convert(traces)
    assert samples.dtype == dtype and chosen.gain == (gain or 1.0) and not clipped.any()
    assert (samples % (lsb or 1) == 0).all()
    half = chosen.gain * (lsb or 1) / 2
    rounding = 5000 * np.finfo(np.float32).eps
    assert np.abs(Microvolts(samples, chosen.gain)[:] - traces).max() <= half + rounding
    # No bias, which rounding down would give
    assert abs(np.mean(samples * chosen.gain - traces)) < 0.1 * half


def test_of_two_equally_near_values_the_even_one_is_taken():
    samples, _ = adc(dtype="int16", gain=2.0).convert(np.array([[-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]], dtype=np.float32))
    assert samples.tolist() == [[-2, -2, 0, 0, 2, 2]]


@pytest.mark.parametrize(
    ("settings", "lowest", "highest"),
    [
        ({"dtype": "int16"}, -32768, 32767),
        ({"dtype": "int32"}, -(2**31), 2**31 - 1),
        ({"dtype": "int16", "lsb": 3}, -32766, 32766),
        ({"dtype": "int16", "gain": 1.0, "adc_bit_depth": 10}, -512, 511),
        ({"dtype": "int16", "gain": 1.0, "adc_bit_depth": 10, "lsb": 4}, -2048, 2044),
        ({"dtype": "int16", "gain": 1.0, "adc_bit_depth": 16}, -32768, 32767),
    ],
)
def test_what_exceeds_the_range_is_clipped_and_counted(settings, lowest, highest):
    step = settings.get("lsb", 1)
    traces = np.array([[lowest, highest], [lowest - 10 * step, 0], [-1e30, 1e30], [lowest - 0.4 * step, 0]])
    samples, clipped = adc(**settings).convert(traces)
    assert samples.tolist() == [[lowest, highest], [lowest, 0], [lowest, highest], [lowest, 0]]
    assert clipped.tolist() == [2, 1]


def test_range_without_gain_just_holds_templates_and_noise():
    """MEArec's rule: the loudest template and three standard deviations of noise; of noise alone, four."""
    chosen = adc(dtype="int16", adc_bit_depth=12, noise_level=10.0)
    assert chosen.gain == pytest.approx(2 * 230 / 2**12)
    assert chosen.convert(np.array([[-230.0]]))[1] == [0] and chosen.convert(np.array([[-231.0]]))[1] == [1]
    assert adc(dtype="int16", adc_bit_depth=12, lsb=4, noise_level=10.0).gain == pytest.approx(2 * 230 / 2**14)
    assert adc(TEMPLATES[:0], dtype="int16", adc_bit_depth=12, noise_level=10.0).gain == pytest.approx(2 * 40 / 2**12)
    assert adc(TEMPLATES[:0], dtype="int16", adc_bit_depth=12, noise_level=0.0).gain == 1.0


def test_microvolts_are_those_of_the_samples():
    samples = np.arange(-6, 6, dtype=np.int16).reshape(4, 3)
    traces = Microvolts(samples, 0.5)
    assert traces.shape == (4, 3) and len(traces) == 4 and traces.ndim == 2 and traces[1:3, 0].dtype == np.float32
    assert np.array_equal(traces[()], samples / 2) and np.array_equal(np.asarray(traces), samples / 2)
    assert np.array_equal(traces[1:3, 0], [-1.5, 0.0])
