"""Filters in second-order sections, piece by piece without seams: Butterworth for recordings, and the colour of noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from allenrec.settings.recordings import Filter as FilterSettings
    from allenrec.settings.recordings import Noise as NoiseSettings

#: Share of the impulse response that is left beyond the margins with which a piece is filtered
RESIDUE = 1e-10
#: Number of frequencies, from 0 to half the sampling rate, at which the power of a response is averaged
FREQUENCIES = 2**16
#: The largest float32
LARGEST = float(np.finfo(np.float32).max)
#: The sections of the filters that most jobs need, as SciPy designs them, by order, cut-offs (Hz) and sampling rate (Hz): the
#: default one, and that of the measurements in living animals. Loading SciPy's signal processing would take such a job longer
#: than the rest of its imports.
DESIGNED = {
    (3, (300.0, 6000.0), 32000.0): (
        (0.07485528483725512, 0.14971056967451024, 0.07485528483725512, 1.0, -0.5594719797661336, 0.40127164159854184),
        (1.0, 0.0, -1.0, 1.0, -1.1822396631511658, 0.2297195077562949),
        (1.0, -2.0, 1.0, 1.0, -1.9420601938412445, 0.9455691309739036),
    ),
    (1, 500.0, 32000.0): ((0.9531735845095736, -0.9531735845095736, 0.0, 1.0, -0.9063471690191471, 0.0),),
}


@dataclass(frozen=True)
class Filter:
    """A digital filter.

    Attributes
    ----------
    sections : numpy.ndarray
        (n, 6) second-order sections, as in SciPy.
    both_ways : bool
        Whether it runs forward and backward (no delay) or forward only (causal).
    """

    sections: NDArray[np.float64]
    both_ways: bool

    @cached_property
    def margins(self) -> tuple[int, int]:
        """Number of samples that a piece needs before and after it, from the slowest pole."""
        slowest = np.abs(np.concatenate([np.roots(section[3:]) for section in self.sections])).max()
        margin = int(np.ceil(np.log(RESIDUE) / np.log(slowest)))
        return margin, margin if self.both_ways else 0

    def apply(self, traces: NDArray[Any]) -> NDArray[Any]:
        """Filter traces (n, n_channels) along time, in place, and return them. Beyond their ends the signal is taken as zero.

        Sums have double precision; float32 traces are rounded once in each direction.
        """
        self.apply_to_finite(traces)
        return traces

    def apply_to_finite(self, traces: NDArray[Any]) -> bool:
        """Filter traces as `apply` does. Return False if a number was NaN or infinite, or if the filter is not stable."""
        finite = filter_in_place(traces, self.sections, False)
        if self.both_ways:
            finite = filter_in_place(traces, self.sections, True)
        return bool(finite)

    def response(self, waveform: NDArray[Any]) -> tuple[NDArray[np.float64], int]:
        """Filter a waveform (n, n_channels) padded with zeros.

        Returns
        -------
        response : numpy.ndarray
            float64, the filtered waveform with its ringing.
        before : int
            Number of samples that were added in front.
        """
        before, after = self.margins[1], self.margins[0]
        padded = np.zeros((before + len(waveform) + after, waveform.shape[1]))  # in this order, whatever that of the waveform
        padded[before : before + len(waveform)] = waveform
        return self.apply(padded), before

    def window(self, waveform: NDArray[Any]) -> NDArray[Any]:
        """Filter a waveform (n, n_channels) padded with zeros, and return its own window."""
        padded = np.zeros((len(waveform) + self.margins[0], waveform.shape[1]), dtype=waveform.dtype)
        padded[: len(waveform)] = waveform
        return self.apply(padded)[: len(waveform)]

    def power(self) -> NDArray[np.float64]:
        """Return the factor of a signal's power, at `FREQUENCIES` from 0 to half the sampling rate."""
        delays = np.exp(-1j * np.linspace(0, np.pi, FREQUENCIES, endpoint=False))
        response = np.ones(FREQUENCIES, dtype=complex)
        for section in self.sections:
            response *= np.polynomial.Polynomial(section[:3])(delays) / np.polynomial.Polynomial(section[3:])(delays)
        return np.abs(response) ** (4 if self.both_ways else 2)

    def noise_gain(self, spectrum: ArrayLike = 1.0) -> float:
        """Return the factor of the standard deviation of noise with a spectrum, at the frequencies of `power`."""
        density = np.broadcast_to(spectrum, FREQUENCIES)
        return float(np.sqrt((self.power() * density).mean() / density.mean()))


@numba.njit(cache=True, nogil=True)
def filter_in_place(traces: NDArray[Any], sections: NDArray[np.float64], backward: bool) -> bool:
    """Filter traces (n, n_channels) along time, in place, by transposed direct form II.

    Return whether all numbers were finite. A recursive filter never forgets another one: it stays in the states. So nothing but
    the states at the end is looked at. They are also beyond the range of float32 if the filter is not stable.

    The result is that of `scipy.signal.sosfilt` to the last bit, ten times as fast. The innermost loops run over channels,
    which lie together in memory, so that they compile to vector instructions. Two samples are taken at a time, so that the
    states between them need not be stored; an odd sample at the end is followed by a zero.
    """
    n, n_channels = traces.shape
    states = np.zeros((len(sections), 2, n_channels))
    values, later = np.empty(n_channels), np.empty(n_channels)
    zeros = np.zeros(n_channels, dtype=traces.dtype)
    for i in range(0, n, 2):
        row = traces[n - 1 - i if backward else i]
        next_row = zeros if i + 1 == n else traces[n - 2 - i if backward else i + 1]
        for c in range(n_channels):
            values[c], later[c] = row[c], next_row[c]
        for k in range(len(sections)):
            b0, b1, b2, a1, a2 = sections[k, 0], sections[k, 1], sections[k, 2], sections[k, 4], sections[k, 5]
            first, second = states[k, 0], states[k, 1]
            for c in range(n_channels):
                x, x_later = values[c], later[c]
                y = b0 * x + first[c]
                y_later = b0 * x_later + (b1 * x - a1 * y + second[c])
                first[c] = b1 * x_later - a1 * y_later + (b2 * x - a2 * y)
                second[c] = b2 * x_later - a2 * y_later
                values[c], later[c] = y, y_later
        for c in range(n_channels):
            row[c], next_row[c] = values[c], later[c]
    for state in states.ravel():
        if not abs(state) < LARGEST:  # NaN is not, either
            return False
    return True


def design_filter(fs: float, settings: FilterSettings) -> Filter:
    """Return the Butterworth filter of a recording.

    Parameters
    ----------
    fs : float
        Sampling rate, Hz.
    settings : allenrec.settings.recordings.Filter
    """
    order, cutoff, both_ways = settings.filter_order, settings.filter_cutoff, settings.filter_mode == "filtfilt"
    designed = DESIGNED.get((order, cutoff, fs))
    if designed is not None:
        return Filter(np.array(designed), both_ways)
    kind = "bandpass" if isinstance(cutoff, tuple) else "highpass"
    return Filter(scipy.signal.butter(order, cutoff, btype=kind, fs=fs, output="sos"), both_ways)


def design_colour(fs: float, settings: NoiseSettings) -> Filter:
    """Return the causal filter that turns white noise into coloured noise, both of unit variance.

    The spectrum is MEArec's: that of white noise through a resonator, forward and backward, plus a white floor. Such a sum
    takes two series of random numbers. The factor of the spectrum with all zeros inside the unit circle (spectral
    factorisation, Fejér 1916) makes it from one series, at half the cost.

    Parameters
    ----------
    fs : float
        Sampling rate, Hz.
    settings : allenrec.settings.recordings.Noise
        `color_peak` and `color_q` describe the resonator, `color_noise_floor` the floor.
    """
    b, a = scipy.signal.iirpeak(settings.color_peak, settings.color_q, fs=fs)
    resonance = Filter(np.concatenate((b, a))[np.newaxis], True)
    # On the unit circle |B|^2 and |A|^2 are quadratic in u = |1 - z|^2. |B|^4 + white |A|^4 is |B|^2 + i sqrt(white) |A|^2
    # times its conjugate, so all zeros come from quadratic equations, where roots of the whole polynomial are ill-conditioned.
    white = settings.color_noise_floor**2 * resonance.power().mean()
    across = b[0] ** 2 * np.array([-1, 4, 0])
    along = np.array([a[2], -a[1] * (1 + a[2]) - 4 * a[2], a.sum() ** 2])
    u = np.roots(across + 1j * np.sqrt(white) * along)
    zeros = 1 - u / 2 + np.sqrt(u * (u - 4)) / 2
    zeros = np.where(np.abs(zeros) > 1, 1 / zeros, zeros)
    sections = np.array([[1, -2 * zero.real, abs(zero) ** 2, *a] for zero in zeros])
    sections[0, :3] /= Filter(sections, False).noise_gain()
    return Filter(sections, False)
