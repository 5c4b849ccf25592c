"""Filters in second-order sections, piece by piece without seams: Butterworth for recordings, and the colour of noise."""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from scipy import signal

#: A piece is filtered with so much around it that what is left of the impulse response is below this
RESIDUE = 1e-10
#: Frequencies, from 0 to half the sampling rate, at which the power of a response is averaged
FREQUENCIES = 2**16


@dataclass(frozen=True)
class Filter:
    """A digital filter: `sections` (n, 6); `both_ways`, forward and backward (no delay) or forward only (causal)."""

    sections: np.ndarray
    both_ways: bool

    @cached_property
    def margins(self):
        """Samples that a piece needs before and after it, from the slowest pole."""
        slowest = np.abs(np.concatenate([np.roots(section[3:]) for section in self.sections])).max()
        margin = int(np.ceil(np.log(RESIDUE) / np.log(slowest)))
        return margin, margin if self.both_ways else 0

    def apply(self, traces):
        """Filter (n, n_channels) along time, in place, and return it. Beyond its ends the signal is taken as zero.

        Sums are of double precision; float32 traces are rounded once on either way.
        """
        _filter(traces, self.sections, False)
        if self.both_ways:
            _filter(traces, self.sections, True)
        return traces

    def response(self, waveform):
        """What the filter makes of a waveform (n, n_channels) in silence, float64, with all that rings, and how much of it
        comes before the waveform."""
        before, after = self.margins[1], self.margins[0]
        padded = np.pad(waveform.astype(float), ((before, after), (0, 0)))
        return self.apply(padded), before

    def window(self, waveform):
        """What the filter makes of a waveform (n, n_channels) in silence, in its own window."""
        padded = np.zeros((len(waveform) + self.margins[0], waveform.shape[1]), dtype=waveform.dtype)
        padded[: len(waveform)] = waveform
        return self.apply(padded)[: len(waveform)]

    def power(self):
        """By how much the power of a signal changes, at `FREQUENCIES` from 0 to half the sampling rate."""
        _, response = signal.sosfreqz(self.sections, worN=FREQUENCIES)
        return np.abs(response) ** (4 if self.both_ways else 2)

    def noise_gain(self, spectrum=1.0):
        """The factor by which the standard deviation of noise changes; its `spectrum` is at the frequencies of `power`."""
        spectrum = np.broadcast_to(spectrum, FREQUENCIES)
        return float(np.sqrt((self.power() * spectrum).mean() / spectrum.mean()))


@numba.njit(cache=True, nogil=True)
def _filter(traces, sections, backward):
    """Transposed direct form II in place: as `scipy.signal.sosfilt`, but all channels at once, and two samples a turn.

    The innermost loops run over channels, which lie together in memory, so they compile to vector instructions; of two samples
    the states in between need not be stored. An odd one at the end meets silence.
    """
    n, n_channels = traces.shape
    states = np.zeros((len(sections), 2, n_channels))
    values, later = np.empty(n_channels), np.empty(n_channels)
    silence = np.zeros(n_channels, dtype=traces.dtype)
    for i in range(0, n, 2):
        row = traces[n - 1 - i if backward else i]
        next_row = silence if i + 1 == n else traces[n - 2 - i if backward else i + 1]
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


def design_filter(fs, cutoff, order, mode):
    """Return a Butterworth filter.

    Parameters
    ----------
    fs : float
        Hz.
    cutoff : float or (float, float)
        Hz; high-pass, or band-pass.
    order : int
    mode : {"filtfilt", "lfilter"}
    """
    kind = "bandpass" if np.ndim(cutoff) else "highpass"
    sections = signal.butter(order, cutoff, btype=kind, fs=fs, output="sos")
    return Filter(sections, mode == "filtfilt")


def design_colour(fs, peak, q, floor):
    """Return a causal filter that turns white noise of unit variance into coloured noise of unit variance.

    The spectrum is MEArec's: that of white noise through a resonator, forward and backward, plus a white floor. There are two
    series behind such a sum; the factor of the spectrum with all zeros inside the unit circle (spectral factorisation,
    Fejér 1916) makes it from one, at half the cost.

    Parameters
    ----------
    fs : float
        Hz.
    peak : float
        Hz; where the resonator is.
    q : float
        Its quality: peak over bandwidth.
    floor : float
        Standard deviation of the white floor over that of the resonator's noise.
    """
    b, a = signal.iirpeak(peak, q, fs=fs)
    resonance = Filter(np.concatenate((b, a))[np.newaxis], True)
    # On the unit circle |B|^2 and |A|^2 are quadratic in u = |1 - z|^2. |B|^4 + white |A|^4 is |B|^2 + i sqrt(white) |A|^2
    # times its conjugate, so all zeros come from quadratic equations, where roots of the whole polynomial are ill-conditioned.
    white = floor**2 * resonance.power().mean()
    across = b[0] ** 2 * np.array([-1, 4, 0])
    along = np.array([a[2], -a[1] * (1 + a[2]) - 4 * a[2], a.sum() ** 2])
    u = np.roots(across + 1j * np.sqrt(white) * along)
    zeros = 1 - u / 2 + np.sqrt(u * (u - 4)) / 2
    zeros = np.where(np.abs(zeros) > 1, 1 / zeros, zeros)
    sections = np.array([[1, -2 * zero.real, abs(zero) ** 2, *a] for zero in zeros])
    sections[0, :3] /= Filter(sections, False).noise_gain()
    return Filter(sections, False)
