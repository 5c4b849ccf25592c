"""Membrane currents in windows around spikes, kept while a run goes on, so that no spike has to be simulated twice."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class SpikeWindows:
    """The windows around spikes that are seen only after they have begun.

    The currents of the last samples are kept in a ring. When spikes have been found, their windows are copied from there.

    Parameters
    ----------
    n_segments : int
    before, after : int
        Samples of a window before the peak of its spike, and from there on.
    delay : int
        The longest time, in samples, from a peak to when it is collected, if its window is complete then.
    """

    def __init__(self, n_segments: int, before: int, after: int, delay: int) -> None:
        self.before, self.after = before, after
        self._ring = np.zeros((before + after + delay, n_segments), dtype=np.float32)
        self._n_samples = 0
        self._found: dict[int, NDArray[np.float32]] = {}

    def append(self, currents: NDArray[np.float64]) -> None:
        """Add the currents (n_segments,) nA of the next sample; the first one is sample 0."""
        self._ring[self._n_samples % len(self._ring)] = currents
        self._n_samples += 1

    def collect(self, peaks: Iterable[int]) -> None:
        """Copy the windows around peaks (sample indices) that are complete and still in the ring."""
        for peak in map(int, peaks):
            start, end = peak - self.before, peak + self.after
            if peak not in self._found and max(0, self._n_samples - len(self._ring)) <= start and end <= self._n_samples:
                self._found[peak] = self._ring[np.arange(start, end) % len(self._ring)].T.copy()

    def around(self, peaks: Iterable[int]) -> dict[int, NDArray[np.float32]]:
        """Return the windows (n_segments, before + after) nA of those of the peaks that have one."""
        return {peak: self._found[peak] for peak in map(int, peaks) if peak in self._found}
