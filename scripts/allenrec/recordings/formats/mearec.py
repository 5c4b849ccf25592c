"""The MEArec layout, readable by MEArec, Neo and SpikeInterface, with additional datasets of ours (see `layout`)."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from allenrec.common.hdf5 import COMPRESSION, TEXT, NewFile, hdf5_written_beside, write_chunk, write_dict, write_frame
from allenrec.probes import layout_to_text

from ..generated_recording import CHUNK_VALUES, GeneratedRecording, chunk_rows
from ..tick_grid import split_ticks
from ..traces.blocks import block_length, n_blocks
from . import layout

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath

    from ..plan import Plan
    from ..traces.unit_drift import UnitDrift
    from ..types import TemplateLibrary

#: ms before and after a spike of its waveform, as in MEArec
WAVEFORM_WINDOW = (0.5, 2.0)
#: The version in the file: MEArec refuses files that name none, or one before 1.5
MEAREC_VERSION = "1.11.0"


def write_mearec(path: AnyPath, recording: GeneratedRecording, *, compression: str = "none") -> None:
    """Write a recording block by block, as a complete file or not at all.

    Parameters
    ----------
    path : path
    recording : GeneratedRecording
    compression : {"none", "lzf", "gzip"}
        Compression of the traces.
    """
    plan, signal = recording.plan, recording.settings.recordings
    with hdf5_written_beside(path) as file:
        file.attrs[layout.MEAREC_VERSION] = MEAREC_VERSION
        _write_info(file, recording)
        if plan.unit_drift:
            _write_drift(file, plan.unit_drift)
        file[layout.CHANNEL_POSITIONS] = recording.channel_positions
        file[layout.PROBE] = layout_to_text(recording.probe)
        for name, value in recording.provenance.items():
            file.require_group(layout.PROVENANCE).attrs[name] = json.dumps(value)
        if plan.background:
            _write_background(file, recording)
        units = _write_units(file, recording)
        file[layout.CLIPPED_SAMPLES] = _write_traces(file, recording, COMPRESSION[compression], units)
        if signal.spike_traces != "none":
            _write_spike_traces(file, recording)
        if signal.spike_traces == "all":
            _write_unit_traces(file, recording)
        if signal.extract_waveforms:
            _write_waveforms(file, recording)


def _write_info(file: h5py.File, recording: GeneratedRecording) -> None:
    plan, library, settings = recording.plan, recording.library, recording.settings
    info = settings.model_dump()
    pairs = plan.overlap_pairs[["unit_1", "unit_2"]].to_numpy()
    movements = {str(number): movement for number, movement in enumerate(info["recordings"]["drift_dicts"])}
    write_dict(
        file.create_group(layout.INFO),
        {
            "spiketrains": info["spiketrains"],
            "cell_types": info["cell_types"],
            "templates": info["templates"] | {"cut_out": library.cut_out, "overlapping": pairs},
            "recordings": info["recordings"]
            | {
                # MEArec's readers take the length from these two.
                "fs": plan.fs,
                "duration": recording.duration if plan.background else settings.spiketrains.duration,
                "n_neurons": len(plan.units),
                "drifting": plan.unit_drift is not None,
                "drift_dicts": movements,
            },
            "electrodes": library.electrodes,
        },
    )


def _write_units(file: h5py.File, recording: GeneratedRecording) -> Iterator[int]:
    """Write the units, and yield after the templates and the spike train of each."""
    plan = recording.plan
    _write_tables(file, plan, recording.library)
    n_units, *shape = plan.unfiltered_templates.shape
    # MEArec's templates have an axis for jitters; ours has the unshifted templates only.
    templates = file.create_dataset(layout.TEMPLATES, (n_units, 1, *shape), np.float32)
    templates.attrs[layout.PEAK] = plan.peak
    filtered = file.create_dataset(layout.FILTERED_TEMPLATES, (n_units, *shape), np.float32)
    original = file.create_dataset(layout.ORIGINAL_TEMPLATES, plan.templates.shape, np.float32)
    trains = file.create_group(layout.SPIKE_TRAINS)
    for unit in range(n_units):
        templates[unit, 0], filtered[unit] = plan.unfiltered_templates[unit], plan.filtered_templates[unit]
        original[unit] = plan.templates[unit]
        _write_train(trains.create_group(str(unit)), recording, unit)
        yield unit


def _write_tables(file: h5py.File, plan: Plan, library: TemplateLibrary) -> None:
    rows = plan.template_ids
    file[layout.TEMPLATE_LOCATIONS] = (library.locations if plan.unit_drift else library.positions)[rows]
    file[layout.TEMPLATE_ROTATIONS] = library.rotations[rows]
    file.create_dataset(layout.TEMPLATE_CELL_TYPES, data=library.celltypes[rows].astype(object), dtype=TEXT)
    file[layout.TEMPLATE_IDS] = rows
    file[layout.VOLTAGE_PEAKS] = -plan.templates[:, :, library.peak_sample].astype(float)
    write_frame(file, layout.UNITS, plan.units)
    write_frame(file, layout.OVERLAP_PAIRS, plan.overlap_pairs)


def _write_background(file: h5py.File, recording: GeneratedRecording) -> None:
    """Write the offsets and segments of a background, its noise, and its known units."""
    background = recording.plan.background
    if background is None:
        return
    file[layout.OFFSETS] = recording.offset_to_uV
    file[layout.SEGMENT_LENGTHS], file[layout.SEGMENT_STARTS] = background.segments.lengths, background.segments.t_starts
    file[layout.NOISE_LEVELS] = background.noise_levels
    file.require_group(layout.KNOWN_UNITS)
    for number, (name, train) in enumerate(recording.known_units.items()):
        file[f"{layout.KNOWN_UNITS}/{number}"] = train
        file[f"{layout.KNOWN_UNITS}/{number}"].attrs["name"] = name


def _write_drift(file: h5py.File, unit_drift: UnitDrift) -> None:
    """Write the displacement of every unit at every time, and in MEArec's layout the movements that all units share."""
    times = unit_drift.drift.times
    file[layout.DRIFT_TIMES] = times
    shape, chunks = (len(times), len(unit_drift.displacements)), (len(times), 1)
    displacements = file.create_dataset(layout.DRIFT_DISPLACEMENTS, shape, np.float32, chunks=chunks, **COMPRESSION["gzip"])
    for unit in range(shape[1]):
        displacements[:, unit] = unit_drift.drift.of_unit(unit)
    displacements.flush()
    paths, zero = unit_drift.paths, np.zeros(1)
    for number, movement in enumerate(unit_drift.drift.movements):
        if movement.time_courses.shape[1] == 1:
            course = movement.time_courses[:, 0]
            write_dict(
                file.create_group(f"{layout.DRIFT_LIST}/{number}"),
                {
                    "drift_vector_um": course,
                    "drift_vector_idxs": np.rint(paths.steps(0, course) - paths.steps(0, zero)).astype(np.int16),
                    "drift_fs": 1 / (times[1] - times[0]),
                    "drift_times": None,
                    "drift_factors": movement.factors[0],
                    "drift_steps": paths.along.shape[1],
                },
            )


def _write_train(group: h5py.Group, recording: GeneratedRecording, unit: int) -> None:
    plan, ticks = recording.plan, recording.plan.ticks[unit]
    group[layout.TIMES] = ticks / plan.ticks_per_second
    group[layout.T_STOP] = recording.duration
    group[layout.SAMPLES] = split_ticks(ticks, plan.n_phases)[0]
    all_gains = group.create_dataset(layout.SPIKE_GAINS, plan.gains[unit].shape, np.float32)
    amplitudes = group.create_dataset(layout.AMPLITUDES, (len(ticks),), np.float32)
    for spikes, gains, depths in recording.gains_and_amplitudes(unit):
        all_gains[spikes], amplitudes[spikes] = gains, depths
    group[layout.BURSTS] = plan.bursts[unit]
    if plan.widening_factors[unit] is not None:
        group[layout.WIDENING_FACTORS] = plan.widening_factors[unit]
    if plan.unit_drift:
        group[layout.DISPLACEMENTS] = plan.unit_drift.displacements[unit]
    row = plan.units.iloc[unit]
    write_dict(
        group.create_group(layout.ANNOTATIONS),
        {
            "fr": float(row["rate"]),
            "cell_type": row["bintype"],
            "bintype": row["bintype"],
            "mtype": row["cell_type"],
            "snr": float(row["snr"]),
            "soma_position": [float(row[axis]) for axis in "xyz"],
            "model_id": row["model_id"],
            "bursting": bool(row["bursting"]),
            "overlap": plan.overlap_labels[unit],
        },
    )


def _write_traces(
    file: NewFile, recording: GeneratedRecording, compression: dict[str, Any], units: Iterator[int]
) -> NDArray[np.int64]:
    """Write the traces, and after each block a share of the units, while other threads compute the next blocks. Return the
    number of clipped samples of each channel."""
    plan = recording.plan
    clipped = np.zeros(plan.n_channels, dtype=np.int64)
    traces = _create(file, layout.TRACES, plan.n_samples, plan.n_channels, plan.dtype, compression)
    traces.attrs[layout.GAIN] = recording.gain_to_uV
    at_once, start = traces.chunks[0], 0
    if traces.compression != "gzip":  # which compresses whole chunks
        at_once = min(at_once, max(1, int(recording.settings.recordings.chunk_duration * plan.fs)))
    units_per_block = -(-len(plan.units) // max(n_blocks(plan), 1))
    for block, beyond in recording.blocks():
        clipped += beyond
        for first in range(0, len(block), at_once):
            rows = block[first : first + at_once]
            _write_rows(traces, start, rows)
            start += len(rows)
        deque(islice(units, units_per_block), maxlen=0)
        file.raise_error()
    deque(units, maxlen=0)
    traces.flush()
    return clipped


def _write_rows(dataset: h5py.Dataset, start: int, rows: NDArray[Any]) -> None:
    """Write rows into a dataset, a whole chunk as `write_chunk` does."""
    if rows.shape == dataset.chunks and start % len(rows) == 0:
        write_chunk(dataset, (start, 0), rows)
    else:
        dataset[start : start + len(rows)] = rows


def _create(
    file: h5py.File, name: str, n_samples: int, n_columns: int, dtype: np.dtype[Any] | type, compression: dict[str, Any]
) -> h5py.Dataset:
    """Create a dataset that is written in blocks of rows. Flush it after the last one.

    Otherwise HDF5 places its last chunk in the file when Python frees the dataset, and equal recordings would differ in the
    order of their bytes.
    """
    if not n_columns:  # there are no units
        return file.create_dataset(name, (n_samples, 0), dtype)
    chunks = (chunk_rows(n_samples, n_columns), n_columns)
    return file.create_dataset(name, (n_samples, n_columns), dtype, chunks=chunks, **compression)


def _write_spike_traces(file: NewFile, recording: GeneratedRecording) -> None:
    """Write the contribution of each unit to its largest channel, in MEArec's layout."""
    n_units, n_samples = len(recording.units), len(recording.samples)
    dataset = _create(file, layout.SPIKE_TRACES, n_samples, n_units, np.float32, COMPRESSION["gzip"])
    start = 0
    for block in recording.spike_traces():
        dataset[start : start + len(block)] = block
        start += len(block)
        file.raise_error()
    dataset.flush()


def _write_unit_traces(file: NewFile, recording: GeneratedRecording) -> None:
    """Write the contribution of each unit to all channels. Chunks without any of its spikes are left out; readers find zeros
    there."""
    for unit in tqdm(range(len(recording.units)), desc="traces of units", unit="unit"):
        name = f"{layout.UNIT_TRACES}/{unit}"
        dataset = _create(file, name, *recording.samples.shape, np.float32, COMPRESSION["gzip"])
        rows, start = dataset.chunks[0], 0
        for block in recording.unit_traces(unit):
            for first in range(0, len(block), rows):
                part = block[first : first + rows]
                if part.any():
                    _write_rows(dataset, start + first, part)
            start += len(block)
            file.raise_error()
        dataset.flush()


def _write_waveforms(file: NewFile, recording: GeneratedRecording) -> None:
    """Cut every spike out of the stored traces, (n_spikes, n_channels, n_t), with zeros beyond the ends of the recording."""
    plan, traces = recording.plan, file[layout.TRACES]
    before, after = (int(t * plan.fs / 1000) for t in WAVEFORM_WINDOW)
    window, length = np.arange(-before, after), block_length(plan)
    trains = recording.spike_trains
    for unit, train in enumerate(trains):
        shape = (len(train), plan.n_channels, len(window))
        chunks = (min(len(train), max(1, CHUNK_VALUES // (shape[1] * shape[2]))), *shape[1:]) if len(train) else None
        file.create_dataset(layout.of_train(unit, layout.WAVEFORMS), shape, traces.dtype, chunks=chunks)
    for start in tqdm(range(0, plan.n_samples, length), desc="waveforms", unit="block"):
        low, high = max(0, start - before), min(plan.n_samples, start + length + after)
        beyond = (low - start + before, start + length + after - high)
        rows = np.pad(traces[low:high], (beyond, (0, 0)))
        for unit, train in enumerate(trains):
            first, last = np.searchsorted(train, [start, start + length])
            spikes = train[first:last, np.newaxis] - start + before + window
            file[layout.of_train(unit, layout.WAVEFORMS)][first:last] = rows[spikes].swapaxes(1, 2)
        file.raise_error()
