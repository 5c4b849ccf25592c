"""Segments: the parts of a recording between which it was interrupted. Its samples are numbered through all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Segments:
    """The segments of a recording.

    Attributes
    ----------
    lengths : numpy.ndarray
        (n_segments,) int64, samples.
    t_starts : numpy.ndarray
        (n_segments,) s, time of the first sample of each segment.
    """

    lengths: NDArray[np.int64]
    t_starts: NDArray[np.float64]

    @property
    def bounds(self) -> NDArray[np.int64]:
        """(n_segments + 1,) the first sample of each segment, and the number of samples of all."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def within(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield the segments between two samples: number, first sample and the one after the last, of that part of each."""
        bounds = self.bounds
        for number, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
            low, high = max(first, start), min(last, stop)
            if low < high:
                yield number, low, high

    def first(self, n_samples: int) -> Segments:
        """Return the segments of the first samples only."""
        lengths = [high - low for _, low, high in self.within(0, n_samples)]
        return Segments(np.array(lengths, dtype=np.int64), self.t_starts[: len(lengths)])

    def clock(self, times: NDArray[np.float64], fs: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the segment (n,) of each of some times (n,) s, which count the samples of all segments, and the time (n,) s on
        the clock of the recording."""
        number = np.searchsorted(self.seams(fs), times, side="right")
        return number, times - self.bounds[number] / fs + self.t_starts[number]

    def seams(self, fs: float) -> NDArray[np.float64]:
        """Return the times (n_segments - 1,) s that part the segments, half a sample before each but the first: a spike belongs
        to the segment of the sample nearest to it."""
        return np.asarray((self.bounds[1:-1] - 0.5) / fs, dtype=np.float64)

    def one_after_another(self, fs: float) -> Segments:
        """Return the segments on one clock, where each begins when the one before has ended, or later."""
        t_starts = self.t_starts.copy()
        for k in range(1, len(t_starts)):
            t_starts[k] = max(t_starts[k], t_starts[k - 1] + self.lengths[k - 1] / fs)
        return Segments(self.lengths, t_starts)

    def split(self, samples: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return for each segment the samples (n,) in it, increasing, counted from its beginning."""
        bounds = self.bounds
        cuts = np.searchsorted(samples, bounds)
        return [samples[a:b] - first for a, b, first in zip(cuts[:-1], cuts[1:], bounds[:-1], strict=True)]
