"""An excerpt of a recording that is small enough for a web page: its first minute with every extreme value, some seconds of it
sample by sample, and key facts."""

from __future__ import annotations

import base64
import gzip
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .channels import channels_in_order, noise_deviations, some_channels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from allenrec.recordings.formats.recording_file import Recording

#: Maximum duration of an excerpt, s
LENGTH = 60.0
#: Maximum number of channels in an excerpt, and of those among them of which single samples are kept
CHANNELS, SAMPLED = 512, 128
#: Number of steps per standard deviation of the noise to which samples are rounded
STEPS = 5.0
#: Level of gzip: 9 takes 15 times as long for noise, and its result is no smaller
LEVEL = 4


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a recording, reduced to few values.

    Parameters
    ----------
    values : numpy.ndarray
        (n_channels, 2 * n_bins), the lowest and the highest value of each bin in their order in time, in steps of `step` µV.
    step : float
        µV.
    bin_length : int
        Samples in a bin.
    channels : numpy.ndarray
        (n_channels,), the channels of the recording that are shown.
    duration : float
        s.
    deviation : float
        The standard deviation of the noise, µV, the median over channels.
    samples : numpy.ndarray
        (n_sampled, n_samples), all samples of a part of the excerpt, in steps of `step` µV.
    sampled : numpy.ndarray
        (n_sampled,), the rows of `channels` that `samples` has.
    first_sample : int
        The first sample of this part.
    """

    values: NDArray[np.int16]
    step: float
    bin_length: int
    channels: NDArray[np.intp]
    duration: float
    deviation: float
    samples: NDArray[np.int16]
    sampled: NDArray[np.intp]
    first_sample: int


def extremes(traces: NDArray[np.floating], bin_length: int) -> NDArray[np.floating]:
    """Reduce traces (n_samples, n_channels) to the lowest and the highest value of each bin, in their order in time.

    Returns
    -------
    numpy.ndarray
        (2 * n_bins, n_channels). The last bin may be shorter.
    """
    n = len(traces)
    n_bins = -(-n // bin_length)
    padded = np.concatenate([traces, np.repeat(traces[-1:], n_bins * bin_length - n, axis=0)])
    bins = padded.reshape(n_bins, bin_length, -1)
    low, high = bins.min(axis=1), bins.max(axis=1)
    low_first = bins.argmin(axis=1) <= bins.argmax(axis=1)
    pairs = np.where(low_first[:, np.newaxis], np.stack([low, high], axis=1), np.stack([high, low], axis=1))
    return pairs.reshape(2 * n_bins, -1)


def make_excerpt(
    recording: Recording, n_values: int, length: float = LENGTH, middle: float = 0.0, rows: Iterable[int] = ()
) -> Excerpt:
    """Reduce the first `length` seconds of a recording to about `n_values` values.

    Half of the values are the extremes of bins, the other half are single samples around a time. If there are many channels,
    single samples are kept of some only. Only one second of the traces is in memory at
    a time, and these samples.

    Parameters
    ----------
    recording : Recording
    n_values : int
        The number of values of all channels together.
    length : float
        s.
    middle : float
        The time around which all samples are kept, s.
    rows : iterable of int
        The rows of `channels_by_depth` of which samples are kept first, if there are many channels.
    """
    rate, n_all = recording.sampling_frequency, len(recording.traces)
    n = min(int(length * rate), n_all)
    channels = channels_by_depth(recording)
    bin_length = max(1, int(np.ceil(4 * n * len(channels) / n_values)))
    # Each piece has whole bins.
    piece = bin_length * max(1, int(rate) // bin_length)
    parts, deviations = [], []
    for start in range(0, n, piece):
        traces = np.asarray(recording.traces[start : min(start + piece, n)])[:, channels]
        deviations.append(noise_deviations(traces))
        parts.append(extremes(traces, bin_length))
    values = np.concatenate(parts).T
    deviation = float(np.median(deviations))
    largest = float(np.abs(values).max(initial=0.0))
    step = max(deviation / STEPS, largest / np.iinfo(np.int16).max) or 1.0
    sampled = np.array(sorted(list(dict.fromkeys([*rows, *range(len(channels))]))[:SAMPLED]), dtype=np.intp)
    n_samples = min(n_values // (2 * max(len(sampled), 1)), n)
    first = min(max(int(middle * rate) - n_samples // 2, 0), n - n_samples)
    samples = np.asarray(recording.traces[first : first + n_samples])[:, channels[sampled]].T
    return Excerpt(
        values=_in_steps(values, step),
        step=step,
        bin_length=bin_length,
        channels=channels,
        duration=n / rate,
        deviation=deviation,
        samples=_in_steps(samples, step),
        sampled=sampled,
        first_sample=first,
    )


def _in_steps(values: NDArray[np.floating], step: float) -> NDArray[np.int16]:
    return np.round(values / step).astype(np.int16)


def channels_by_depth(recording: Recording, most: int = CHANNELS) -> NDArray[np.intp]:
    """Return up to `most` channels, shank by shank, from the bottom (z) to the top.

    If there are more, these are the channels on which units are largest, and others that are evenly spread.
    """
    order = channels_in_order(recording)
    if len(order) <= most:
        return order
    ranked = np.argsort(-np.ptp(recording.filtered_templates, axis=2), axis=1, kind="stable")[:, :2].T.ravel()
    largest = list(dict.fromkeys(map(int, ranked)))[: most - 2]
    # Room for the lowest and the highest channel is kept
    return some_channels(order, [*largest, int(order[0]), int(order[-1])], most)


def pack(values: NDArray[Any]) -> str:
    """Return an array of numbers as text: little-endian, compressed by gzip, in base64. The same values give the same text."""
    raw = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
    return base64.b64encode(gzip.compress(raw, LEVEL, mtime=0)).decode("ascii")


def describe_recording(recording: Recording) -> dict[str, Any]:
    """Return the key facts about a recording: duration, sampling frequency, and numbers of channels, units and spikes."""
    units = recording.units
    kinds = sorted(zip(units["cell_type"].astype(str), units["bintype"].astype(str), strict=True))
    return {
        "duration_s": recording.duration,
        "sampling_frequency_Hz": recording.sampling_frequency,
        "n_samples": len(recording.traces),
        "n_channels": int(recording.traces.shape[1]),
        "n_units": len(units),
        "n_spikes": sum(len(train) for train in recording.spike_trains),
        "units_by_type": {f"{kind} ({bintype})": n for (kind, bintype), n in Counter(kinds).items()},
    }


def busiest_window(recording: Recording, length: float = 0.1) -> tuple[float, float]:
    """Return start and stop (s) of the window of `length` s in which most units fire.

    Windows start at multiples of a quarter of the length. If several have as many units, the one with most spikes is chosen,
    and then the first.
    """
    length = min(length, recording.duration)
    step = length / 4
    n_windows = max(int(np.floor((recording.duration - length) / step + 1e-9)), 0) + 1
    units, spikes = np.zeros(n_windows, dtype=np.int64), np.zeros(n_windows, dtype=np.int64)
    for times in recording.spike_times:
        counts = np.bincount((np.asarray(times) / step).astype(np.int64), minlength=n_windows + 3)
        own = sum(counts[k : k + n_windows] for k in range(4))
        units += own > 0
        spikes += own
    best = int(np.argmax(units * (spikes.max() + 1) + spikes))
    return best * step, best * step + length
