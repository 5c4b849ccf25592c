"""Filters: Butterworth in second-order sections, piece by piece without seams."""

from dataclasses import dataclass

import numpy as np
from scipy import signal

#: A piece is filtered with so much around it that what is left of the impulse response is below this
RESIDUE = 1e-10


@dataclass(frozen=True)
class Filter:
    """A digital filter: `sections` (n, 6); `both_ways`, forward and backward (no delay) or forward only (causal)."""

    sections: np.ndarray
    both_ways: bool

    @property
    def margin(self):
        """Samples that a piece needs before it (and after it, if both ways), from the slowest pole."""
        slowest = np.abs(np.concatenate([np.roots(section[3:]) for section in self.sections])).max()
        return int(np.ceil(np.log(RESIDUE) / np.log(slowest)))

    def apply(self, traces):
        """Filter (n, n_channels) along time; float64. Beyond its ends the signal is taken as zero."""
        if self.both_ways:
            forward = signal.sosfilt(self.sections, traces, axis=0)
            return signal.sosfilt(self.sections, forward[::-1], axis=0)[::-1]
        return signal.sosfilt(self.sections, traces, axis=0)

    def noise_gain(self):
        """The factor by which the standard deviation of white noise changes."""
        _, response = signal.sosfreqz(self.sections, worN=2**16)
        power = np.abs(response) ** (4 if self.both_ways else 2)
        return float(np.sqrt(power.mean()))


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
