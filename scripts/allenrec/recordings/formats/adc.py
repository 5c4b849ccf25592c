"""The analogue-to-digital converter: from µV to the counts that a file holds, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:  # the environment of the sorters reads recordings without settings
    from allenrec.settings.recordings import RecordingSignal


@dataclass(frozen=True)
class Adc:
    """An analogue-to-digital converter.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of the samples. Floats are µV and pass unchanged.
    gain : float
        µV per count.
    lsb : int
        Counts per step: samples are multiples of it.
    lowest, highest : int
        The range, in steps. What lies beyond is clipped.
    """

    dtype: np.dtype[Any]
    gain: float
    lsb: int
    lowest: int
    highest: int

    def convert(self, traces: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Convert traces to samples.

        Parameters
        ----------
        traces : numpy.ndarray
            (n, n_channels) µV, finite.

        Returns
        -------
        samples : numpy.ndarray
            (n, n_channels) of `dtype`.
        clipped : numpy.ndarray
            (n_channels,) int64, the number of samples of each channel that were clipped.
        """
        if self.dtype.kind == "f":
            return traces.astype(self.dtype, copy=False), np.zeros(traces.shape[1], dtype=np.int64)
        # Double precision, because the largest int32 is not a float32.
        steps = np.rint(traces / np.float64(self.gain * self.lsb))
        clipped = np.count_nonzero((steps < self.lowest) | (steps > self.highest), axis=0)
        return (np.clip(steps, self.lowest, self.highest) * self.lsb).astype(self.dtype), clipped


def design_adc(settings: RecordingSignal, templates: NDArray[np.floating]) -> Adc:
    """Choose range and gain of the ADC of a recording.

    If a range is given but no gain, the gain is such that the largest template and three standard deviations of the noise just
    fit in, as in MEArec. In a recording without units, four standard deviations of the noise fit in.

    Parameters
    ----------
    settings : allenrec.settings.recordings.RecordingSignal
    templates : numpy.ndarray
        (n_units, ...) µV, the templates of the units, of any further axes.

    Returns
    -------
    Adc
    """
    dtype, lsb, bits, gain = np.dtype(settings.dtype), settings.lsb or 1, settings.adc_bit_depth, settings.gain
    if dtype.kind == "f":
        return Adc(dtype, 1.0, 1, 0, 0)
    if gain is None and bits is not None:
        largest = np.abs(templates).max(initial=0.0)
        gain = 2 * float(largest + (3 if largest else 4) * settings.noise_level) / (lsb * 2**bits)
    limits = np.iinfo(dtype)
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if bits else (-(-limits.min // lsb), limits.max // lsb)
    return Adc(dtype, gain or 1.0, lsb, lowest, highest)


@dataclass(frozen=True)
class Microvolts:
    """The samples of a file as float32 µV, (n_samples, n_channels), read and converted as they are sliced.

    `gain` and `offset` are one value or (n_channels,), µV.
    """

    samples: h5py.Dataset
    gain: float | NDArray[np.float64]
    offset: float | NDArray[np.float64] = 0.0

    dtype = np.dtype(np.float32)
    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_channels)."""
        return self.samples.shape

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        channels = key[1] if isinstance(key, tuple) and len(key) > 1 else slice(None)
        gain, offset = (value[channels] if isinstance(value, np.ndarray) else value for value in (self.gain, self.offset))
        traces: NDArray[np.float32] = np.multiply(self.samples[key], np.float32(gain), dtype=np.float32)
        return traces + np.float32(offset) if np.any(offset) else traces

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[()], dtype=dtype)
