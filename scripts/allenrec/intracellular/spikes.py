"""What a spike is: events in a somatic potential, their shape, and the criteria that make them spikes.

The criteria are those of AllenSDK's feature extraction (`allensdk.ephys.ephys_features`), from which the features in the Allen
Cell Types Database come. A spike begins where its slope exceeds a share of its greatest slope. The greatest slope, the height
from there to the peak, and the peak have least values. NEURON is not needed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from allenrec.settings.models import Intracellular


@dataclass(frozen=True)
class Events:
    """Events in a potential, which rises and falls again in each. All arrays are (n,).

    `peaks` are sample indices, `potential` (mV) that of the peak, `upstroke` (mV/ms) the greatest slope before it, and `height`
    (mV) the distance from onset to peak. `half_width` (ms) is the width halfway between the peak and the trough that follows,
    or, if that is below the onset, halfway between peak and onset.
    """

    peaks: NDArray[np.int64]
    potential: NDArray[np.float64]
    upstroke: NDArray[np.float64]
    height: NDArray[np.float64]
    half_width: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.peaks)

    def where(self, condition: NDArray[np.bool_]) -> Events:
        """Return the events for which a condition (n,) holds."""
        return Events(*(values[condition] for values in astuple(self)))


def find_events(vmem: NDArray[np.floating], dt: float, settings: Intracellular) -> Events:
    """Return the events of a trace (n,) mV with `dt` ms between samples, whether or not they are spikes."""
    trace = np.asarray(vmem, dtype=np.float64)
    peaks = prominent_peaks(trace, settings.min_height)
    shapes = [_shape(trace, dt, *indices, settings.onset) for indices in _neighbours(peaks, len(trace))]
    return Events(peaks, *np.array(shapes, dtype=np.float64).reshape(-1, 4).T)


def prominent_peaks(trace: NDArray[np.float64], prominence: float) -> NDArray[np.int64]:
    """Return the indices of the local maxima of a trace (n,) that stand out; the middle of flat ones.

    They are those of `scipy.signal.find_peaks(trace, prominence=prominence)`. Its import takes as much processor time as the
    simulation of a small cell, so it is not used.
    """
    changes = np.flatnonzero(np.diff(trace))
    firsts, lasts = np.append(0, changes + 1), np.append(changes, len(trace) - 1)
    steps = np.diff(trace[firsts])
    tops = np.flatnonzero((steps[:-1] > 0) & (steps[1:] < 0)) + 1
    found = [top for top in (firsts[tops] + lasts[tops]) // 2 if _prominence(trace, top) >= prominence]
    return np.array(found, dtype=np.int64)


def _prominence(trace: NDArray[np.float64], top: int) -> float:
    """Return how far a local maximum rises above the higher one of its two bases.

    A base is the least value between the maximum and a higher one, or the end of the trace.
    """
    sides = trace[:top][::-1], trace[top + 1 :]
    bases = []
    for side in sides:
        higher = side > trace[top]
        bases.append(side[: np.argmax(higher) if higher.any() else None].min())
    return float(trace[top] - max(bases))


def _neighbours(peaks: NDArray[np.integer], n: int) -> Iterator[tuple[int, int, int]]:
    """Yield for each peak the index of the one before or 0, its own, and that of the next or `n`."""
    bounds = [0, *map(int, peaks), n]
    yield from zip(bounds[:-2], bounds[1:-1], bounds[2:], strict=True)


def _shape(trace: NDArray[np.float64], dt: float, before: int, peak: int, after: int, onset_share: float) -> tuple[float, ...]:
    """Return potential, upstroke, height and half width of one event."""
    start = before + int(np.argmin(trace[before : peak + 1]))
    slope = np.diff(trace[start : peak + 1]) / dt
    steepest = int(np.argmax(slope))
    slow = np.flatnonzero(slope[:steepest] <= onset_share * slope[steepest])
    onset = start + (int(slow[-1]) + 1 if len(slow) else 0)
    top = trace[peak]
    middle = (top + trace[peak:after].min()) / 2
    level = middle if middle >= trace[onset] else (top + trace[onset]) / 2
    width = dt * (_crossing(trace[start : peak + 1][::-1], level) + _crossing(trace[peak:after], level))
    return top, slope[steepest], top - trace[onset], width


def _crossing(falling: NDArray[np.float64], level: float) -> float:
    """Return where values fall to a level, which they begin above, for the first time, in samples, interpolated."""
    k = int(np.argmax(falling <= level))
    return k - (level - falling[k]) / (falling[k - 1] - falling[k])


def are_spikes(events: Events, settings: Intracellular) -> NDArray[np.bool_]:
    """Return (n,) whether each event is a spike."""
    return (
        (events.upstroke >= settings.min_upstroke)
        & (events.height >= settings.min_height)
        & (events.potential >= settings.threshold)
    )


def are_usable(events: Events, settings: Intracellular) -> NDArray[np.bool_]:
    """Return (n,) whether each event is a spike of which templates may be made."""
    sound = (events.upstroke >= settings.usable_upstroke) & (events.potential >= settings.usable_peak)
    return are_spikes(events, settings) & sound


def find_spikes(vmem: NDArray[np.floating], dt: float, settings: Intracellular) -> Events:
    """Return the spikes of a trace (n,) mV with `dt` ms between samples."""
    events = find_events(vmem, dt, settings)
    return events.where(are_spikes(events, settings))


def failed_events(vmem: NDArray[np.floating], dt: float, settings: Intracellular) -> str:
    """Describe in words the events of a trace in which there are attempts to fire, but no usable spike; "" for other traces."""
    events = find_events(vmem, dt, settings)
    attempts = (events.upstroke >= settings.min_upstroke) | (events.potential >= settings.threshold)
    if not attempts.any() or are_usable(events, settings).any():
        return ""
    failed = events.where(attempts)
    return (
        f"no action potentials: peaks at {np.median(failed.potential):.0f} mV, upstroke {np.median(failed.upstroke):.0f} mV/ms"
    )
