"""The grid on which spikes lie: each sample is divided into ticks, and every spike time is a whole number of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TickGrid:
    """The samples of a recording and the ticks between them.

    Attributes
    ----------
    fs : float
        Sampling rate, Hz.
    n_samples : int
        Length of the recording.
    n_phases : int
        Ticks per sample.
    """

    fs: float
    n_samples: int
    n_phases: int

    @property
    def ticks_per_second(self) -> float:
        """Ticks per second."""
        return self.fs * self.n_phases

    @property
    def n_ticks(self) -> int:
        """Number of ticks at which spikes may lie.

        The last half sample is left out: a spike there would belong to a sample after the end.
        """
        return self.n_samples * self.n_phases - self.n_phases // 2

    def ticks(self, seconds: float) -> float:
        """Return a time, s, in ticks, not rounded."""
        return seconds * self.fs * self.n_phases

    def seconds(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return times in s."""
        return ticks / self.ticks_per_second


def split_ticks(ticks: NDArray[np.int64], n_phases: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nearest sample and the phase of spike times in ticks (`n_phases` per sample).

    A spike halfway between two samples belongs to the later one.
    """
    samples = (ticks + n_phases // 2) // n_phases
    return samples, ticks - samples * n_phases + n_phases // 2


def split_shift(phase: int, n_phases: int) -> float:
    """Return by how many samples a spike of a phase comes after its sample: from -1/2 up to, not including, 1/2."""
    return (phase - n_phases // 2) / n_phases
