"""What of a recording is small enough for a page: its first minute, with every extreme value, and facts about all of it."""

import base64
import gzip
from dataclasses import dataclass

import numpy as np

from .snippets import evenly

#: How much of a recording is shown, s, and on at most how many channels
LENGTH, CHANNELS = 60.0, 64
#: Samples are rounded to so many steps a standard deviation of the noise
STEPS = 5.0


@dataclass(frozen=True)
class Excerpt:
    """The beginning of a recording in few values.

    `values` (n_channels, 2 * n_bins) int16, in steps of `step` µV: of each bin of `bin_length` samples the lowest and the
    highest value, in the order in which they come; `channels` (n_channels,), which channels of the recording these are;
    `duration` s; `deviation` µV of the noise, the median over channels.
    """

    values: np.ndarray
    step: float
    bin_length: int
    channels: np.ndarray
    duration: float
    deviation: float


def extremes(traces, bin_length):
    """Reduce traces (n_samples, n_channels) to the lowest and the highest value of each bin, in the order in which they come.

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


def excerpt_of(recording, n_values, length=LENGTH):
    """Reduce the first `length` seconds of a recording to about `n_values` values; a second is in memory at a time.

    Parameters
    ----------
    recording : allenrec.recordings.formats.recording_file.Recording
    n_values : int
        Of all channels together.
    length : float
        s.

    Returns
    -------
    Excerpt
    """
    rate, n_all = recording.sampling_frequency, len(recording.traces)
    n = min(int(length * rate), n_all)
    channels = channels_by_depth(recording)
    bin_length = max(1, int(np.ceil(2 * n * len(channels) / n_values)))
    # Whole bins in each piece
    piece = bin_length * max(1, int(rate) // bin_length)
    parts, deviations = [], []
    for start in range(0, n, piece):
        traces = np.asarray(recording.traces[start : min(start + piece, n)])[:, channels]
        deviations.append(1.4826 * np.median(np.abs(traces), axis=0))
        parts.append(extremes(traces, bin_length))
    values = np.concatenate(parts).T
    deviation = float(np.median(deviations))
    largest = float(np.abs(values).max(initial=0.0))
    step = max(deviation / STEPS, largest / np.iinfo(np.int16).max) or 1.0
    return Excerpt(np.round(values / step).astype(np.int16), step, bin_length, channels, n / rate, deviation)


def channels_by_depth(recording, most=CHANNELS):
    """Return up to `most` channels, from the bottom of the probe (z) to its top; of more, those on which units are loudest and
    others evenly between them."""
    positions = recording.channel_positions
    order = np.lexsort((positions[:, 1], positions[:, 2]))
    if len(order) <= most:
        return order
    sizes = np.ptp(recording.filtered_templates, axis=2)
    ranked = np.argsort(-sizes, axis=1, kind="stable")[:, :2].T.ravel()
    loud = list(dict.fromkeys(map(int, ranked)))[: most - 2]
    kept = {*loud, *map(int, evenly(order, most - len(loud)))}
    return np.array([channel for channel in order if int(channel) in kept])


def packed(values):
    """Return an array of numbers as text: little-endian, compressed by gzip, in base64. The same values give the same text."""
    raw = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
    return base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode("ascii")


def describe_recording(recording):
    """Return what people ask first about a recording, as a dict of numbers."""
    units = recording.units
    return {
        "duration_s": recording.duration,
        "sampling_frequency_Hz": recording.sampling_frequency,
        "n_samples": len(recording.traces),
        "n_channels": int(recording.traces.shape[1]),
        "n_units": len(units),
        "n_spikes": sum(len(train) for train in recording.spike_trains),
        "units_by_type": {
            f"{kind} ({bintype})": int(n) for (kind, bintype), n in units.groupby(["cell_type", "bintype"]).size().items()
        },
    }
