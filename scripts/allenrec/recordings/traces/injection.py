"""Injection: spikes are added to a recording at times between its samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from .low_rank import COMPONENTS_AT_ONCE, UpsampledTemplates


class Spikes(NamedTuple):
    """Spikes that are added to traces, for compiled functions; all arrays have one row per spike.

    `samples` and `phases` as `split_ticks` returns them; `gains` (n_spikes, 1 or n_channels) float32; `widening`, by which
    factor a spike is slower than its template, about its peak; `bends`, see `gains.bends_of`, 0 for a spike that is as slow
    everywhere; `which`, the template of each spike.
    """

    samples: NDArray[np.int64]
    phases: NDArray[np.int64]
    gains: NDArray[np.float32]
    widening: NDArray[np.float64]
    bends: NDArray[np.float64]
    which: NDArray[np.int64]

    def of(self, mine: NDArray[Any]) -> Spikes:
        """Return some of the spikes, by a mask or indices."""
        return Spikes(*(values[mine] for values in self))


def in_time_order(parts: Iterable[Spikes]) -> Spikes:
    """Return the spikes of at least one part together, in the order of time."""
    together = Spikes(*map(np.concatenate, zip(*parts, strict=True)))
    return together.of(np.argsort(together.samples, kind="stable"))


@numba.njit(cache=True, nogil=True)
def add_spikes(traces: NDArray[np.float32], start: int, spikes: Spikes, templates: UpsampledTemplates) -> None:
    """Add spikes to a piece of the recording, in place.

    The function is fastest if spikes come in the order of time, because near samples then stay in the cache.

    Parameters
    ----------
    traces : numpy.ndarray
        (n, n_channels) float32 µV.
    start : int
        Sample of the recording that is the first row of `traces`.
    spikes : Spikes
    templates : UpsampledTemplates
    """
    samples, phases, gains, widening, bends, which = spikes
    n, n_channels = traces.shape
    _, n_phases, n_t, largest = templates.temporal.shape
    peak, n_windows = templates.peak, templates.spatial.shape[1]
    scaled = np.empty((n_windows, largest, n_channels), dtype=np.float32)
    gain = np.empty(n_channels, dtype=np.float32)
    for spike in range(len(samples)):
        widen, bend, template = widening[spike], bends[spike], which[spike]
        at = samples[spike] - start + (phases[spike] - n_phases // 2) / n_phases
        first, last = samples[spike] - start - peak, samples[spike] - start - peak + n_t - 1
        if widen != 1 or bend:
            first, last = int(np.ceil(at - peak * widen)), int(np.floor(at + (n_t - 1 - peak) * widen))
        if last < 0 or first >= n:
            continue
        for channel in range(n_channels):
            gain[channel] = gains[spike, min(channel, gains.shape[1] - 1)]  # one for all channels, or one for each
        temporal, spatial, ranks = templates.temporal[template], templates.spatial[template], templates.ranks[template]
        for window in range(n_windows):
            for r in range(ranks[window]):
                for channel in range(n_channels):
                    scaled[window, r, channel] = gain[channel] * spatial[window, r, channel]
        if widen == 1 and not bend:
            _add_spike(traces, first, temporal[phases[spike]], scaled, ranks, templates.silent[template])
        else:
            _add_wider(traces[max(0, first) : last + 1], at - max(0, first), widen, bend, temporal, scaled, ranks, peak)


@numba.njit(cache=True, nogil=True)
def _add_spike(
    traces: NDArray[np.float32],
    first: int,
    temporal: NDArray[np.float32],
    scaled: NDArray[np.float32],
    ranks: NDArray[np.int64],
    silent: int,
) -> None:
    """Add a spike whose temporal components (n_t, rank) begin at row `first`."""
    n_windows, n_t = len(ranks), len(temporal)
    for window in range(n_windows):
        begin, end = window * n_t // n_windows, (window + 1) * n_t // n_windows
        low, high = max(0, first + max(begin, silent)), min(len(traces), first + end)
        rank = ranks[window]
        for k in range(low, high - 1, 2):
            _add_rows(traces[k : k + 2], temporal[k - first : k - first + 2, :rank], scaled[window])
        if low < high and (high - low) % 2:
            _add_row(traces[high - 1], temporal[high - 1 - first, :rank], scaled[window])


@numba.njit(cache=True, nogil=True)
def _add_wider(
    traces: NDArray[np.float32],
    at: float,
    widen: float,
    bend: float,
    temporal: NDArray[np.float32],
    scaled: NDArray[np.float32],
    ranks: NDArray[np.int64],
    peak: int,
) -> None:
    """Add a spike that is slower than its temporal components (n_phases, n_t, rank), with its peak at `at` rows.

    All phases together are the components at `n_phases` points per sample; between these points waveforms are straight lines.
    With a `bend`, times are those of MEArec's `compute_stretched_template`: the time of the spike is the time of the template
    through a sigmoid, in units of the time from the peak to the end.
    """
    n_phases, n_t, rank = temporal.shape
    n_windows = len(ranks)
    before, after = np.empty(rank, dtype=np.float32), np.empty(rank, dtype=np.float32)
    for k in range(len(traces)):
        time = (k - at) / widen
        if bend:
            level = 0.5 + (1 / (1 + np.exp(-bend)) - 0.5) * time / (n_t - 1 - peak)
            if not 0 < level < 1:
                continue
            time = np.log(level / (1 - level)) / bend * (n_t - 1 - peak)
        point = time * n_phases
        # Sample j of phase p is the point (j - peak) * n_phases - (p - n_phases // 2).
        left = n_phases // 2 - int(np.floor(point))
        j, next_j = peak - left // n_phases, peak - (left - 1) // n_phases
        if j < 0 or next_j >= n_t:
            continue
        share = np.float32(point - np.floor(point))
        for r in range(rank):
            before[r] = (np.float32(1) - share) * temporal[left % n_phases, j, r]
            after[r] = share * temporal[(left - 1) % n_phases, next_j, r]
        window, next_window = ((j + 1) * n_windows - 1) // n_t, ((next_j + 1) * n_windows - 1) // n_t
        if window == next_window:
            for r in range(rank):
                before[r] += after[r]
        else:
            _add_row(traces[k], after[: ranks[next_window]], scaled[next_window])
        _add_row(traces[k], before[: ranks[window]], scaled[window])


@numba.njit(cache=True, nogil=True)
def _add_rows(rows: NDArray[np.float32], temporal: NDArray[np.float32], scaled: NDArray[np.float32]) -> None:
    """Add the temporal components at two times (2, rank), times spatial ones (rank, n_channels), to two rows (2, n_channels).

    Two rows are taken so that each spatial component is loaded once for both; the sums are those of single rows.
    """
    one, two = rows[0], rows[1]
    for r in range(0, temporal.shape[1], COMPONENTS_AT_ONCE):
        a0, a1, a2, a3 = temporal[0, r], temporal[0, r + 1], temporal[0, r + 2], temporal[0, r + 3]
        b0, b1, b2, b3 = temporal[1, r], temporal[1, r + 1], temporal[1, r + 2], temporal[1, r + 3]
        w0, w1, w2, w3 = scaled[r], scaled[r + 1], scaled[r + 2], scaled[r + 3]
        for channel in range(rows.shape[1]):
            v0, v1, v2, v3 = w0[channel], w1[channel], w2[channel], w3[channel]
            one[channel] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
            two[channel] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)


@numba.njit(cache=True, nogil=True)
def _add_row(row: NDArray[np.float32], temporal: NDArray[np.float32], scaled: NDArray[np.float32]) -> None:
    """Add the temporal components at one time (rank,), times spatial ones (rank, n_channels), to a row (n_channels,)."""
    for r in range(0, len(temporal), COMPONENTS_AT_ONCE):
        c0, c1, c2, c3 = temporal[r], temporal[r + 1], temporal[r + 2], temporal[r + 3]
        w0, w1, w2, w3 = scaled[r], scaled[r + 1], scaled[r + 2], scaled[r + 3]
        for channel in range(len(row)):
            row[channel] += (c0 * w0[channel] + c1 * w1[channel]) + (c2 * w2[channel] + c3 * w3[channel])
