"""A recording as a recording and a sorting of SpikeInterface, whose own functions write folders from them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import probeinterface
from numpy.typing import NDArray
from spikeinterface.core import BaseRecording, BaseRecordingSegment, BaseSorting, Motion, NumpySorting, Templates

from allenrec.common.compression import one_compressing_thread
from allenrec.probes import PLANES

from ..segments import Segments
from .attribution import terms_of

if TYPE_CHECKING:
    from .contract import RecordingWithGroundTruth, Samples

#: How SpikeInterface writes the first samples of a recording; the pieces of a zarr folder are as long as `chunk_duration`
PIECES = {"chunk_duration": "1s", "n_jobs": 1, "progress_bar": False}

#: Difference of the displacements of units up to which they move alike, µm
SAME_MOTION = 1e-3


class _Segment(BaseRecordingSegment):
    """The samples of a recording from `first` to `last`."""

    def __init__(self, samples: Samples, sampling_frequency: float, first: int, last: int, t_start: float | None) -> None:
        super().__init__(sampling_frequency=sampling_frequency, t_start=t_start)
        self._samples, self._first, self._last = samples, first, last

    def get_num_samples(self) -> int:
        return self._last - self._first

    def get_traces(self, start_frame: int, end_frame: int, channel_indices: Any) -> NDArray[Any]:
        rows = self._samples[self._first + start_frame : self._first + end_frame]
        return rows if channel_indices is None else rows[:, channel_indices]


class _OpenRecording(BaseRecording):
    def __init__(self, recording: RecordingWithGroundTruth, n_samples: int | None) -> None:
        channels = np.arange(recording.samples.shape[1])
        super().__init__(recording.sampling_frequency, channels, recording.samples.dtype)
        for first, last, t_start in segments_of(recording):
            last = last if n_samples is None else min(first + n_samples, last)
            self.add_recording_segment(_Segment(recording.samples, recording.sampling_frequency, first, last, t_start))
        # It belongs to an open file, so it cannot be serialised; a saved copy does not name that file.
        self._serializability |= {"json": False, "pickle": False}


def segments_of(recording: RecordingWithGroundTruth) -> list[tuple[int, int, float | None]]:
    """Return the first sample, the one after the last, and the start time, s, of each segment."""
    if recording.segments is None:
        return [(0, len(recording.samples), None)]
    bounds, t_starts = recording.segments.bounds.tolist(), recording.segments.t_starts.tolist()
    # SpikeInterface saves times of all segments or of none
    times = t_starts if any(t_starts) else [None] * len(t_starts)
    return list(zip(bounds[:-1], bounds[1:], times, strict=True))


def as_recording(
    recording: RecordingWithGroundTruth, *, count_clipped: bool = True, n_samples: int | None = None
) -> BaseRecording:
    """Return the traces as SpikeInterface's recording, with probe, gains and provenance.

    Parameters
    ----------
    recording : Recording or GeneratedRecording
        It must stay open as long as the result is used.
    count_clipped : bool
        Whether to annotate the numbers of clipped samples, for which a recording of counts in memory is computed whole.
    n_samples : int, optional
        The number of samples to take of each segment, by default all.

    Returns
    -------
    spikeinterface.BaseRecording
        Channels are numbered from 0.
    """
    traces = _OpenRecording(recording, n_samples)
    traces.set_probe(recording.probe)
    traces.set_channel_groups(channel_groups(recording.probe))
    traces.set_channel_gains(recording.gain_to_uV)
    traces.set_channel_offsets(recording.offset_to_uV)
    traces.annotate(is_filtered=recording.filter_settings is not None)
    if count_clipped:
        traces.annotate(clipped_samples=recording.clipped_samples.tolist())
    traces.annotate(provenance=recording.provenance, terms=terms_of(recording.units))
    return traces


def channel_groups(probe: probeinterface.Probe) -> NDArray[np.int64]:
    """Return the number of the shank of each contact, (n_contacts,), in the order in which shanks first appear.

    SpikeInterface's own `set_probe` sorts the names of shanks, and gives every contact of a single probe the group 0 in some
    versions.
    """
    shanks = probe.shank_ids if probe.shank_ids is not None else np.zeros(probe.get_contact_count(), dtype=int)
    numbers = {shank: number for number, shank in enumerate(dict.fromkeys(shanks))}
    return np.array([numbers[shank] for shank in shanks], dtype=np.int64)


def as_sorting(recording: RecordingWithGroundTruth) -> BaseSorting:
    """Return the ground truth as SpikeInterface's sorting.

    Parameters
    ----------
    recording : Recording or GeneratedRecording

    Returns
    -------
    spikeinterface.BaseSorting
        Units are numbered from 0. Their properties are the columns of `units`, and `gt_unit_locations`; see
        `locations_at_probe`.
    """
    sorting = _sorting_of(recording, dict(enumerate(recording.spike_trains)))
    for column, values in recording.units.items():
        sorting.set_property(column, values.to_numpy() if pd.api.types.is_numeric_dtype(values) else values.to_numpy(dtype=str))
    sorting.set_property("gt_unit_locations", locations_at_probe(recording))
    sorting.annotate(provenance=recording.provenance, terms=terms_of(recording.units))
    return sorting


def as_templates(recording: RecordingWithGroundTruth, templates: NDArray[np.float32] | None = None) -> Templates:
    """Return the exact templates of the units, µV, as SpikeInterface's `Templates`, with the ids of units and the probe.

    Parameters
    ----------
    recording : Recording or GeneratedRecording
    templates : numpy.ndarray, optional
        (n_units, n_channels, n_t) µV; by default those in the traces, after the filter.
    """
    values = recording.filtered_templates if templates is None else templates
    samples = np.ascontiguousarray(values.transpose(0, 2, 1))
    units = np.arange(len(recording.units))
    return Templates(samples, recording.sampling_frequency, recording.template_peak, unit_ids=units, probe=recording.probe)


def spike_amplitudes(recording: RecordingWithGroundTruth, sorting: BaseSorting) -> NDArray[np.float32]:
    """Return the depth of each spike alone, before the filter, at the largest channel of its unit, µV, in the order of
    `sorting.to_spike_vector()`, (n_spikes,)."""
    units = sorting.to_spike_vector()["unit_index"]
    ordered = np.empty(len(units), dtype=np.float32)
    ordered[np.argsort(units, kind="stable")] = np.concatenate([np.zeros(0, np.float32), *recording.amplitudes])
    return ordered


def motion_of(recording: RecordingWithGroundTruth) -> Motion | None:
    """Return the drift of the units of a recording as SpikeInterface's `Motion`, or None if they do not drift."""
    drift = recording.drift
    if drift is None:
        return None
    positions = recording.units[["x", "y", "z"]].to_numpy(dtype=float)
    return as_motion(drift.times, drift.displacements, positions, drift.direction, recording.plane)


def write_ground_truth(folder: Path, recording: RecordingWithGroundTruth, sorting: BaseSorting) -> None:
    """Write what a sorting cannot hold into the folder of a recording.

    `spike_amplitudes.npy` has the amplitude of each spike, see `spike_amplitudes`; `templates.zarr` the exact templates as they
    are in the traces, `Templates` of SpikeInterface; `motion/` the drift, if units drift, a `Motion` of SpikeInterface.
    """
    np.save(folder / "spike_amplitudes.npy", spike_amplitudes(recording, sorting))
    motion = motion_of(recording)
    if motion is not None:
        motion.save(folder / "motion")
    if len(recording.units):
        with one_compressing_thread(), suppress(NotImplementedError):  # up to 0.105 there is no zarr with Python 3.14
            as_templates(recording).to_zarr(folder / "templates.zarr")


def as_known_sorting(recording: RecordingWithGroundTruth) -> BaseSorting | None:
    """Return the known units of the background as SpikeInterface's sorting, with their own names; None if there are none. They
    are no part of the ground truth."""
    if not recording.known_units:
        return None
    sorting = _sorting_of(recording, recording.known_units)
    sorting.annotate(known_units_of_background=True)
    return sorting


def as_sorting_with_known(recording: RecordingWithGroundTruth) -> BaseSorting:
    """Return the units of the ground truth, and after them the known units of the background, without properties."""
    return _sorting_of(recording, dict(enumerate([*recording.spike_trains, *recording.known_units.values()])))


def _sorting_of(recording: RecordingWithGroundTruth, trains: Mapping[Any, NDArray[np.int64]]) -> BaseSorting:
    """Return the sorting of trains (n_spikes,), whose samples count through all segments, by the ids of units."""
    segments = recording.segments or Segments(np.array([len(recording.samples)]), np.zeros(1))
    parts = [segments.split(train) for train in trains.values()]
    numbers, none = np.arange(len(parts)), np.zeros(0, dtype=np.int64)
    samples = [np.concatenate([none, *of_units]) for of_units in zip(*parts, strict=True)] or [none] * len(segments.lengths)
    labels = [np.repeat(numbers, [len(part) for part in of_units]) for of_units in zip(*parts, strict=True)]
    sorting = NumpySorting.from_samples_and_labels(
        samples, labels or [none] * len(samples), recording.sampling_frequency, unit_ids=numbers
    )
    return sorting.rename_units(list(trains)) if any(isinstance(name, str) for name in trains) else sorting


def as_motion(
    times: NDArray[np.float64],
    displacements: NDArray[np.float32],
    positions: NDArray[np.float64],
    direction: NDArray[np.float64],
    plane: str,
) -> Motion:
    """Return the drift of units as SpikeInterface's `Motion`.

    As in SpikeInterface, a positive displacement moves units towards larger coordinates, so that a position minus its
    displacement is the position without drift. If the units that drift do not all move alike, there is a spatial bin at the
    depth of each of them.

    Parameters
    ----------
    times : numpy.ndarray
        (n_times,) s.
    displacements : numpy.ndarray
        (n_times, n_units) µm along the direction of the drift.
    positions : numpy.ndarray
        (n_units, 3) µm, of the units without drift.
    direction : numpy.ndarray
        (3,) the direction of positive displacements, of any length. The motion is its part along one axis of the probe, the one
        that it is nearest to.
    plane : str
        The plane of the contacts: "xy", "xz" or "yz".
    """
    direction = direction / np.linalg.norm(direction)
    axis = max(PLANES[plane], key=lambda number: abs(direction[number]))
    moving = np.flatnonzero(np.ptp(displacements, axis=0) > 0)
    along = displacements[:, moving] * direction[axis]
    depths, first = np.unique(positions[moving, axis], return_index=True)
    along = along[:, first]
    if len(depths) < 2 or np.ptp(along, axis=1).max() < SAME_MOTION:
        depths = np.array([positions[moving, axis].mean() if len(moving) else 0.0])
        along = along[:, :1] if len(moving) else np.zeros((len(times), 1))
    return Motion(along.astype(float), times, depths, direction="xy"[PLANES[plane].index(axis)])


def locations_at_probe(recording: RecordingWithGroundTruth) -> NDArray[np.float64]:
    """Return the positions of the somata, (n_units, 3) µm: along the two axes of the probe's plane, and the distance in front
    of it."""
    plane = PLANES[recording.plane]
    (normal,) = {0, 1, 2} - set(plane)
    locations = recording.units[["x", "y", "z"]].to_numpy(dtype=float).reshape(-1, 3)
    return (locations - np.where(np.arange(3) == normal, recording.channel_positions[0], 0))[:, [*plane, normal]]
