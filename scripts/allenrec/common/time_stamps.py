"""Time stamps of the samples of real recordings. A segment has one start and one rate; other time stamps are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UserError

if TYPE_CHECKING:
    from spikeinterface.core import BaseRecording

    from .files import AnyPath

#: Number of stretches whose lengths are compared; all time stamps of a long recording would take too long to read
STRETCHES = 256
#: Relative difference from which two rates are not the same
SAME_RATE = 1e-3
#: By how much the length of a stretch may differ: this share of it, and this many samples
SHARE, SAMPLES = 1e-4, 1.5


def require_even_stamps(path: AnyPath, recording: BaseRecording) -> None:
    """Raise an error if the time stamps of a segment have gaps, or another rate than that of the recording.

    Parameters
    ----------
    path : path
        Named in the message.
    recording : spikeinterface.BaseRecording
        One without time stamps is even.

    Raises
    ------
    UserError
        The message names the samples around the first gap, or both rates.
    """
    for segment in range(recording.get_num_segments()):
        stamps = _stamps(recording, segment)
        if stamps is not None and len(stamps) > 2:
            _require_even(f"{path}, segment {segment}", stamps, float(recording.sampling_frequency))


def _stamps(recording: BaseRecording, segment: int) -> Any:
    """Return the time stamps (n_samples,) s of a segment, in memory or in a file, or None."""
    if recording.has_time_vector(segment):
        return recording.get_times(segment_index=segment)
    reader: Any = getattr(recording, "_reader", None)
    # SpikeInterface's reader of NWB leaves time stamps alone unless it is asked for them.
    return reader.time_info(2)[2] if hasattr(reader, "time_info") else None


def _require_even(where: str, stamps: Any, fs: float) -> None:
    places = np.unique(np.linspace(0, len(stamps) - 1, STRETCHES + 1).astype(np.int64))
    lengths, expected = np.diff(np.asarray(stamps[places])), np.diff(places) / fs
    ratio = float(np.median(lengths / expected))
    if not abs(ratio - 1) <= SAME_RATE:
        raise UserError(
            f"{where}: SpikeInterface finds {fs:.7g} Hz from its first time stamps, but on the whole they have "
            f"{fs / ratio:.7g} Hz; save it with one start and one rate"
        )
    uneven = ~(np.abs(lengths - expected * ratio) <= SHARE * expected + SAMPLES / fs)
    if uneven.any():
        first = int(uneven.argmax())
        low, high = int(places[first]), int(places[first + 1])
        steps = np.diff(np.asarray(stamps[low : high + 1]))
        at = low + int(np.abs(steps - 1 / fs).argmax())
        raise UserError(
            f"{where}: {steps[at - low]:.4g} s between the time stamps of samples {at} and {at + 1}; a segment has no gaps, so "
            "cut the recording there (frame_slice and append_recordings of SpikeInterface), save it, and name that"
        )
