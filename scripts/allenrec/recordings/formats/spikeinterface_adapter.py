"""A recording file as SpikeInterface's recording and sorting, from which its own functions write folders."""

import numpy as np
import pandas as pd
from spikeinterface.core import BaseRecording, BaseRecordingSegment, NumpySorting

from allenrec.probes import PLANES

from .attribution import TERMS

#: How much SpikeInterface writes at once; the parts of a zarr folder are as long
PIECES = {"chunk_duration": "1s", "n_jobs": 1, "progress_bar": True}


class _Segment(BaseRecordingSegment):
    def __init__(self, samples, sampling_frequency):
        super().__init__(sampling_frequency=sampling_frequency)
        self._samples = samples

    def get_num_samples(self):
        return len(self._samples)

    def get_traces(self, start_frame, end_frame, channel_indices):
        rows = self._samples[start_frame:end_frame]
        return rows if channel_indices is None else rows[:, channel_indices]


class _OpenRecording(BaseRecording):
    def __init__(self, recording):
        channels = np.arange(recording.samples.shape[1])
        super().__init__(recording.sampling_frequency, channels, recording.samples.dtype)
        self.add_recording_segment(_Segment(recording.samples, recording.sampling_frequency))
        # It is of an open file: a copy of it stands for itself and does not name the file that it came from.
        self._serializability |= {"json": False, "pickle": False}


def as_recording(recording):
    """Return the traces as SpikeInterface has them, with probe, gains and what they were made from.

    Parameters
    ----------
    recording : allenrec.recordings.formats.recording_file.Recording
        Open as long as the result is used.

    Returns
    -------
    spikeinterface.BaseRecording
        Channels are numbered from 0.
    """
    traces = _OpenRecording(recording)
    traces.set_probe(recording.probe)
    traces.set_channel_gains(recording.gain_to_uV)
    traces.set_channel_offsets(0.0)
    traces.annotate(is_filtered=recording.filtered, clipped_samples=recording.clipped_samples.tolist())
    traces.annotate(provenance=recording.provenance, terms=TERMS)
    return traces


def as_sorting(recording):
    """Return the ground truth as SpikeInterface has it.

    Parameters
    ----------
    recording : allenrec.recordings.formats.recording_file.Recording

    Returns
    -------
    spikeinterface.BaseSorting
        Units are numbered from 0. Their properties are the columns of `units`, and `gt_unit_locations`, µm: in the axes of the
        probe's plane, and the distance from it.
    """
    trains = [np.zeros(0, dtype=np.int64), *recording.spike_trains]
    labels = np.repeat(np.arange(len(trains)) - 1, [len(train) for train in trains])
    sorting = NumpySorting.from_samples_and_labels(
        np.concatenate(trains), labels, recording.sampling_frequency, unit_ids=np.arange(len(recording.units))
    )
    for column, values in recording.units.items():
        sorting.set_property(column, values.to_numpy() if pd.api.types.is_numeric_dtype(values) else values.to_numpy(dtype=str))
    sorting.set_property("gt_unit_locations", locations_at_probe(recording))
    sorting.annotate(provenance=recording.provenance, terms=TERMS)
    return sorting


def locations_at_probe(recording):
    """Return where the somata of units are, (n_units, 3) µm, in the two axes of the probe's plane and in front of it."""
    plane = PLANES[recording.file["info/electrodes/plane"].asstr()[()]]
    (normal,) = {0, 1, 2} - set(plane)
    locations = recording.units[["x", "y", "z"]].to_numpy(dtype=float).reshape(-1, 3)
    return (locations - np.where(np.arange(3) == normal, recording.channel_positions[0], 0))[:, [*plane, normal]]
