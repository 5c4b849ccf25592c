"""The converter from analogue to digital: µV to the counts that a file holds, and back."""

from dataclasses import dataclass

import h5py
import numpy as np


@dataclass(frozen=True)
class Converter:
    """`dtype` of the samples; `gain` µV a count; samples are multiples of `lsb` counts, from `lowest` to `highest` of them."""

    dtype: np.dtype
    gain: float
    lsb: int
    lowest: int
    highest: int

    def convert(self, traces):
        """Return the samples of `traces` (n, n_channels) µV, and how many of each channel were clipped, (n_channels,)."""
        if self.dtype.kind == "f":
            return traces.astype(self.dtype, copy=False), np.zeros(traces.shape[1], dtype=np.int64)
        # In double precision: the largest int32 is not a float32.
        steps = np.rint(traces / np.float64(self.gain * self.lsb))
        clipped = np.count_nonzero((steps < self.lowest) | (steps > self.highest), axis=0)
        return (np.clip(steps, self.lowest, self.highest) * self.lsb).astype(self.dtype), clipped


def design_converter(settings, templates):
    """Choose range and gain of the converter of a recording.

    With a range but no gain, the loudest template and three standard deviations of the noise just fit in, as in MEArec; of
    noise alone, four.

    Parameters
    ----------
    settings : allenrec.settings.RecordingSignal
    templates : numpy.ndarray
        Of the units, µV; the last axes may be any.

    Returns
    -------
    Converter
    """
    dtype, lsb, bits, gain = np.dtype(settings.dtype), settings.lsb or 1, settings.adc_bit_depth, settings.gain
    if dtype.kind == "f":
        return Converter(dtype, 1.0, 1, 0, 0)
    if gain is None and bits is not None:
        loudest = np.abs(templates).max(initial=0.0)
        gain = 2 * float(loudest + (3 if loudest else 4) * settings.noise_level) / (lsb * 2**bits)
    limits = np.iinfo(dtype)
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if bits else (-(-limits.min // lsb), limits.max // lsb)
    return Converter(dtype, gain or 1.0, lsb, lowest, highest)


@dataclass(frozen=True)
class Microvolts:
    """Samples of a file as float32 µV, read and converted as they are sliced."""

    samples: h5py.Dataset
    gain: float

    dtype = np.dtype(np.float32)
    ndim = 2

    @property
    def shape(self):
        """(n_samples, n_channels)."""
        return self.samples.shape

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, key):
        return np.multiply(self.samples[key], np.float32(self.gain), dtype=np.float32)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[()], dtype=dtype)
