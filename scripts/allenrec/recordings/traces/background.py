"""The background of a hybrid recording: a real recording, to whose samples the traces of units are added.

The samples keep their type, their gains and their offsets. Traces of units (µV) are divided by the gain of each channel, and
added once: if samples are integers, the sum of all spikes is rounded to whole counts, not each of them.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.common.buffers import new_rows
from allenrec.common.errors import UserError, shown
from allenrec.common.finite import is_finite, require_finite
from allenrec.common.processes import describe_exception
from allenrec.common.real_recordings import open_recording, open_sorting

from ..segments import Segments
from .drift import MotionFrame

if TYPE_CHECKING:
    from spikeinterface.core import BaseRecording, BaseSorting

    from allenrec.settings.recordings import Background as BackgroundSettings
    from allenrec.settings.recordings import Recording as RecordingSettings

    from ..types import KnownUnits, Rows

#: Largest relative difference of two sampling rates that count as equal
SAME_RATE = 1e-9
#: Largest difference of the positions of a contact and its channel, µm
SAME_PLACE = 1.0
#: Seconds by which spikes may lie beyond the end: sorters fill the last of their batches
SLACK = 1.0
#: Pieces of a background from which SpikeInterface estimates the noise; twenty of each segment
NOISE_PIECES = {"seed": 0, "chunk_duration": "100ms"}
#: Length of such a piece, s
NOISE_PIECE = 0.1
#: Bounds of the noise of electrodes, µV, far beyond those of real ones
PLAUSIBLE_NOISE = (0.05, 1e4)
#: Pieces of a background, and the samples in each, that make up its digest
PIECES, PIECE = 32, 2**12


@dataclass(frozen=True)
class Background:
    """A real recording that is open.

    Attributes
    ----------
    recording : spikeinterface.BaseRecording
    path : str
    segments : Segments
        The part of it that is used.
    gains, offsets : numpy.ndarray
        (n_channels,) µV per count, and µV of the count 0.
    known : KnownUnits or None
        Units of the recording that are known.
    """

    recording: BaseRecording
    path: str
    segments: Segments
    gains: NDArray[np.float64]
    offsets: NDArray[np.float64]
    known: KnownUnits | None
    _lock: Lock

    @property
    def fs(self) -> float:
        """Sampling rate, Hz."""
        return float(self.recording.sampling_frequency)

    @property
    def n_samples(self) -> int:
        """Length in samples, of all segments."""
        return int(self.segments.lengths.sum())

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples, in the order of bytes of this machine."""
        return np.dtype(self.recording.dtype).newbyteorder("=")

    @cached_property
    def noise_levels(self) -> NDArray[np.float64]:
        """(n_channels,) µV, standard deviation of the noise, from the median absolute deviation in pieces of the recording.

        It is 0 for a dead channel.

        Raises
        ------
        UserError
            If the recording cannot be read, or if no electrode has such noise, because the file lacks gains or counts in V.
        """
        from spikeinterface.core import get_noise_levels

        lengths = [self.recording.get_num_samples(segment) for segment in range(self.recording.get_num_segments())]
        # A segment of a few samples would count as much as any other, and has no median worth its name
        long = [segment for segment, length in enumerate(lengths) if length >= NOISE_PIECE * self.fs] or [
            int(np.argmax(lengths))
        ]
        measured = self.recording if len(long) == len(lengths) else self.recording.select_segments(long)
        try:
            with warnings.catch_warnings():  # that a short segment has shorter pieces
                warnings.simplefilter("ignore")
                counts = get_noise_levels(
                    measured, False, force_recompute=True, random_slices_kwargs=NOISE_PIECES, n_jobs=1, progress_bar=False
                )
        except Exception as error:  # readers of many formats, each with errors of its own
            raise self._unreadable(error) from None
        self._require_finite(counts, "noise")
        levels = np.asarray(np.abs(self.gains) * counts)
        typical = float(np.median(levels[levels > 0])) if levels.any() else None
        if typical is not None and not PLAUSIBLE_NOISE[0] <= typical <= PLAUSIBLE_NOISE[1]:
            raise UserError(
                f"{self.path}: its noise would be {typical:.3g} µV, as a count is {np.median(np.abs(self.gains)):.3g} µV; no "
                "electrode has that, so the gains in the file are wrong or missing; write background.gain_to_uV"
            )
        return levels

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the samples from `start` to `stop`, (stop - start, n_channels), as they are stored.

        Raises
        ------
        UserError
            If the file cannot be read there.
        """
        bounds, parts = self.segments.bounds, []
        for number, low, high in self.segments.within(start, stop):
            first = int(bounds[number])
            try:
                with self._lock:  # not every reader lets several threads read at once
                    part = self.recording.get_traces(number, start_frame=low - first, end_frame=high - first)
            except Exception as error:
                raise self._unreadable(error) from None
            if part.shape != (high - low, len(self.gains)):
                raise self._unreadable(f"{len(part)} of {high - low} samples are there")
            self._require_finite(part, f"samples {low} to {high}")
            parts.append(part.astype(self.dtype, copy=False))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _require_finite(self, values: NDArray[Any], what: str) -> None:
        """Refuse values (..., n_channels) with NaN: what is added to it would be lost, and noise has no level with it."""
        if not is_finite(values):
            channel = int(np.argwhere(~np.isfinite(np.atleast_2d(values)))[0, 1])
            raise UserError(
                f"{self.path}: {what} of channel {self.recording.channel_ids[channel]}: not a finite number; replace NaN by "
                f"numbers, or leave the channel out, and save the recording with SpikeInterface"
            )

    def _unreadable(self, error: object) -> UserError:
        reason = describe_exception(error) if isinstance(error, Exception) else str(error)
        return UserError(f"{self.path}: the recording cannot be read; is it complete? ({reason})")

    def add_to(self, traces: NDArray[np.float32], start: int, rows: Rows = new_rows) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the background with the traces of units on it.

        Parameters
        ----------
        traces : numpy.ndarray
            (n, n_channels) float32 µV, traces of units from sample `start`.
        start : int
        rows : callable
            A function that returns memory for the samples, as `allenrec.common.buffers.new_rows` does.

        Returns
        -------
        samples : numpy.ndarray
            (n, n_channels) of `dtype`.
        clipped : numpy.ndarray
            (n_channels,) int64, the number of samples of each channel that a unit takes out of the range of the type.
        """
        require_finite("traces of units", traces, "the gains of spikes are too large")
        samples = self.read(start, start + len(traces))
        result, clipped = rows(len(samples), samples.shape[1], self.dtype), np.zeros(samples.shape[1], dtype=np.int64)
        # float32 holds every sum of two whole numbers of 16 bits
        work = np.dtype(np.float32 if self.dtype.kind in "iu" and self.dtype.itemsize <= 2 else np.float64)
        per_uV: NDArray[np.floating] = (1 / self.gains).astype(work)
        if self.dtype.kind == "f":
            result[:] = samples + traces * per_uV
        else:
            limits = np.array([np.iinfo(self.dtype).min, np.iinfo(self.dtype).max], dtype=work)
            _add_counts(traces, per_uV, samples, limits, result, clipped)
        return result, clipped

    def digest(self) -> str:
        """Return a digest of what the recording says of itself, and of pieces of it at equal distances. It is the same for the
        same samples in any format; the whole of a large recording is not read."""
        content = hashlib.sha256()
        for facts in (self.segments.lengths, self.segments.t_starts, self.gains, self.offsets, np.array([self.fs])):
            content.update(np.ascontiguousarray(facts).tobytes())
        content.update(self.dtype.str.encode())
        for start in np.unique(np.linspace(0, max(self.n_samples - PIECE, 0), PIECES).astype(int)).tolist():
            content.update(np.ascontiguousarray(self.read(start, min(start + PIECE, self.n_samples))).tobytes())
        return content.hexdigest()


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_counts(
    traces: NDArray[np.float32],
    per_uV: NDArray[np.floating],
    background: NDArray[np.integer],
    limits: NDArray[np.floating],
    result: NDArray[np.integer],
    clipped: NDArray[np.int64],
) -> None:
    """Add traces (n, n_channels) µV, rounded to counts (ties to even), to counts, and count what lies beyond the range."""
    n, n_channels = traces.shape
    lowest, highest = limits
    for i in range(n):
        for k in range(n_channels):
            count = background[i, k] + np.rint(traces[i, k] * per_uV[k])
            inside = min(max(count, lowest), highest)
            clipped[k] += inside != count
            result[i, k] = inside


def open_background(settings: BackgroundSettings) -> Background:
    """Open the background of a recording; no samples are read.

    Parameters
    ----------
    settings : allenrec.settings.recordings.Background

    Raises
    ------
    UserError
        If it or its sorting cannot be opened, or if it does not say what a count is in µV.
    """
    path = settings.recording
    recording = open_recording(path, settings.extractor, settings.arguments)
    if np.dtype(recording.dtype).kind not in "iuf":
        raise UserError(f"{path}: samples of the type {recording.dtype}; a background has integers or floats")
    n_segments, fs = recording.get_num_segments(), float(recording.sampling_frequency)
    lengths = [recording.get_num_samples(segment) for segment in range(n_segments)]
    t_starts = [recording.get_start_time(segment) for segment in range(n_segments)]
    segments = Segments(np.array(lengths, dtype=np.int64), np.array(t_starts, dtype=float))
    if settings.duration is not None:
        n_samples = round(settings.duration * fs)
        if not 0 < n_samples <= sum(lengths):
            raise UserError(f"{path}: has {sum(lengths) / fs:g} s, of which background.duration wants {settings.duration:g} s")
        segments = segments.first(n_samples)
    gains, offsets = _scaling(recording, settings)
    known = None if settings.sorting is None else _known_units(settings.sorting, recording, segments)
    return Background(recording, path, segments, gains, offsets, known, Lock())


def _scaling(recording: BaseRecording, settings: BackgroundSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n_channels, gains, offsets = recording.get_num_channels(), recording.get_channel_gains(), recording.get_channel_offsets()
    if settings.gain_to_uV is not None:
        gains, offsets = np.full(n_channels, settings.gain_to_uV), np.zeros(n_channels) if offsets is None else offsets
    if gains is None or offsets is None:
        raise UserError(f"{settings.recording}: does not say what a sample is in µV; write background.gain_to_uV")
    gains, offsets = np.asarray(gains, dtype=float), np.asarray(offsets, dtype=float)
    if not (np.isfinite(gains).all() and np.isfinite(offsets).all() and (gains != 0).all()):
        raise UserError(f"{settings.recording}: gains must be numbers other than 0; write background.gain_to_uV")
    return gains, offsets


def _known_units(path: str, recording: BaseRecording, segments: Segments) -> KnownUnits:
    """Return the units of a sorting of the background, with samples that count through all segments."""
    sorting = open_sorting(path)
    fs, n_segments = float(sorting.sampling_frequency), recording.get_num_segments()
    if not abs(fs / float(recording.sampling_frequency) - 1) <= SAME_RATE:  # so that a rate that is no number is refused
        raise UserError(f"{path}: spikes at {fs:g} Hz, but the background has {float(recording.sampling_frequency):g} Hz")
    if sorting.get_num_segments() != n_segments:
        raise UserError(f"{path}: {sorting.get_num_segments()} segments, but the background has {n_segments}")
    known = {}
    for unit in sorting.unit_ids:
        parts = []
        for segment, (first, length) in enumerate(zip(segments.bounds[:-1], segments.lengths, strict=True)):
            train = _train_of(path, sorting, unit, segment)
            last = recording.get_num_samples(segment) + fs * SLACK
            if len(train) and not 0 <= train.min() <= train.max() < last:
                wrong = train.max() if train.max() >= last else train.min()
                raise UserError(
                    f"{path}: unit {shown(str(unit))} has a spike at sample {wrong}, outside of the recording; is the sorting "
                    f"that of another one, or is it damaged?"
                )
            parts.append(first + train[train < length])
        if str(unit) in known:
            raise UserError(f"{path}: unit {shown(str(unit))} is there twice")
        known[str(unit)] = np.concatenate(parts)
    return known


def _train_of(path: str, sorting: BaseSorting, unit: object, segment: int) -> NDArray[np.int64]:
    """Return the spikes of a unit in a segment, samples in order."""
    try:
        train = np.asarray(sorting.get_unit_spike_train(unit, segment_index=segment))
        if train.dtype.kind not in "iu":
            raise TypeError(f"samples of the type {train.dtype}")
        return np.sort(train.astype(np.int64))
    except Exception as error:  # readers of many formats, each with errors of its own
        raise UserError(f"{path}: the sorting cannot be read; is it complete? ({describe_exception(error)})") from None


def require_fit(background: Background, settings: RecordingSettings, positions: NDArray[np.float64], where: str) -> None:
    """Raise an error unless a background has the sampling rate of a recording and the contacts of its library.

    Parameters
    ----------
    background : Background
    settings : allenrec.settings.recordings.Recording
    positions : numpy.ndarray
        (n_contacts, 2) µm, contacts of the library in their plane.
    where : str
        Name of the recording in the configuration, for the message.

    Raises
    ------
    UserError
        The message names both values and what to write.
    """
    path, fs = background.path, settings.recordings.fs
    if fs is not None and abs(fs / background.fs - 1) > SAME_RATE:
        raise UserError(f"{where}.recordings.fs: {fs:g} Hz, but {path} has {background.fs:.10g} Hz; leave fs out")
    n_channels, remedy = len(background.gains), _probe_to_write(background, settings)
    if n_channels != len(positions):
        raise UserError(
            f"{where}.library: {settings.library} has {len(positions)} contacts, but {path} has {n_channels} channels; {remedy}"
        )
    if not background.recording.has_probe():
        return
    places = np.asarray(background.recording.get_channel_locations(axes="xy"), dtype=float)
    # The origin is a matter of taste
    apart = np.linalg.norm((places - places.mean(axis=0)) - (positions - positions.mean(axis=0)), axis=1)
    if apart.max() > SAME_PLACE:
        worst = int(apart.argmax())
        raise UserError(
            f"{where}.library: contact {worst} of {settings.library} lies {apart[worst]:.3g} µm away from channel {worst} of "
            f"{path}; {remedy}"
        )


def _probe_to_write(background: Background, settings: RecordingSettings) -> str:
    """Return what to write so that a library has the contacts of a background."""
    if settings.background is None or not background.recording.has_probe():
        return "it has no probe, so a library needs one whose contacts are in the order of the channels"
    source = settings.background
    reader = f", extractor: {source.extractor}, arguments: {json.dumps(source.arguments)}" if source.extractor else ""
    return f'write `probe: {{recording: "{source.recording}"{reader}}}` in a library'


def motion_frame(
    background: Background | None, settings: RecordingSettings, positions: NDArray[np.float64]
) -> MotionFrame | None:
    """Return the clock and the depths of the motion of a background, or None if it has none.

    Parameters
    ----------
    background : Background or None
    settings : allenrec.settings.recordings.Recording
    positions : numpy.ndarray
        (n_contacts, 2) µm, contacts of the library in their plane; its origin may differ from that of the background.
    """
    if background is None or settings.background is None or settings.background.motion is None:
        return None
    shift = 0.0
    if background.recording.has_probe():
        places = np.asarray(background.recording.get_channel_locations(axes="xy"), dtype=float)
        shift = float((positions - places)[:, 1].mean())
    return MotionFrame(background.segments, background.fs, shift)


def on_background(settings: RecordingSettings, background: Background) -> RecordingSettings:
    """Return the settings of a recording with the sampling rate and the length of its background."""
    fs, duration = background.fs, background.n_samples / background.fs
    while int(fs * duration) < background.n_samples:  # the quotient may be rounded down
        duration = float(np.nextafter(duration, np.inf))
    trains = settings.spiketrains.model_copy(update={"duration": duration})
    signal = settings.recordings.model_copy(update={"fs": fs})
    return settings.model_copy(update={"spiketrains": trains, "recordings": signal})
