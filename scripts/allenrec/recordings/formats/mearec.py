"""The MEArec layout, readable by MEArec, Neo and SpikeInterface, with extras of ours."""

import json
from collections import deque
from functools import partial
from itertools import islice

import h5py
import numpy as np
from tqdm import tqdm

from allenrec.common.hdf5 import COMPRESSION, hdf5_written_beside, write_dict, write_frame
from allenrec.probes import layout_to_text

from ..tick_grid import split_ticks
from ..traces.blocks import BLOCK, block_length, blocks, n_blocks, spike_amplitudes, spike_traces, unit_traces

#: ms before and after a spike of its waveform, MEArec's
WAVEFORM_WINDOW = (0.5, 2.0)
#: Spikes whose gains and amplitudes are computed and written at once
SPIKES_AT_ONCE = 1024
#: MEArec refuses files that name no version or one before 1.5
MEAREC_VERSION = "1.11.0"


def write_mearec(path, plan, traces, library, settings, *, provenance, threads=1):
    """Write a recording, block by block, whole or not at all.

    Parameters
    ----------
    path : path
    plan : Plan
    traces : iterable of numpy.ndarray
        (n, n_channels) float32 µV, in order.
    library : Library
        Of which the units are.
    settings : allenrec.settings.Recording
    provenance : dict
    threads : int
        That compute what each unit adds, if `spike_traces` are asked for.

    Returns
    -------
    numpy.ndarray
        (n_channels,) how many samples of each channel were clipped, because they exceeded the range of integers.
    """
    with hdf5_written_beside(path) as file:
        file.attrs["mearec_version"] = MEAREC_VERSION
        _write_info(file, plan, library, settings)
        if plan.unit_drift:
            _write_drift(file, plan.unit_drift)
        file["channel_positions"] = library.channel_positions
        file["probe"] = layout_to_text(library.probe)
        for name, value in provenance.items():
            file.require_group("provenance").attrs[name] = json.dumps(value)
        units = _write_units(file, plan, library)
        file["clipped_samples"] = _write_traces(file, plan, traces, settings, units)
        if settings.recordings.spike_traces != "none":
            _write_spike_traces(file, plan, threads)
        if settings.recordings.spike_traces == "all":
            _write_unit_traces(file, plan, threads)
        if settings.recordings.extract_waveforms:
            _write_waveforms(file, plan)
        return file["clipped_samples"][()]


def _write_info(file, plan, library, settings):
    info = settings.model_dump()
    write_dict(
        file.create_group("info"),
        {
            "spiketrains": info["spiketrains"],
            "cell_types": info["cell_types"],
            "templates": info["templates"]
            | {"cut_out": library.cut_out, "overlapping": plan.overlap_pairs[["unit_1", "unit_2"]].to_numpy()},
            # MEArec's readers take the length from these two
            "recordings": info["recordings"]
            | {
                "fs": plan.fs,
                "duration": settings.spiketrains.duration,
                "n_neurons": len(plan.units),
                "drifting": plan.unit_drift is not None,
                "drift_dicts": {str(k): movement for k, movement in enumerate(info["recordings"]["drift_dicts"])},
            },
            "electrodes": library.electrodes,
        },
    )


def _write_units(file, plan, library):
    """Write the units, and yield after the templates and the train of each."""
    _write_tables(file, plan, library)
    n_units, *shape = plan.unfiltered_templates.shape
    # MEArec's templates have an axis for jitters; here are the unshifted ones.
    templates = file.create_dataset("templates", (n_units, 1, *shape), np.float32)
    templates.attrs["peak"] = plan.peak
    filtered = file.create_dataset("filtered_templates", (n_units, *shape), np.float32)
    original = file.create_dataset("original_templates", plan.templates.shape, np.float32)
    trains = file.create_group("spiketrains")
    for unit in range(n_units):
        templates[unit, 0], filtered[unit] = plan.unfiltered_templates[unit], plan.filtered_templates[unit]
        original[unit] = plan.templates[unit]
        _write_train(trains.create_group(str(unit)), plan, unit)
        yield unit


def _write_tables(file, plan, library):
    rows = plan.template_ids
    file["template_locations"] = (library.locations if plan.unit_drift else library.positions)[rows]
    file["template_rotations"] = library.rotations[rows]
    file.create_dataset("template_celltypes", data=library.celltypes[rows].astype(object), dtype=h5py.string_dtype())
    file["template_ids"] = rows
    file["voltage_peaks"] = -plan.templates[:, :, library.peak_sample].astype(float)
    write_frame(file, "units", plan.units)
    write_frame(file, "overlap_pairs", plan.overlap_pairs)


def _write_drift(file, moving):
    """How far every unit is from its place at every moment, and in MEArec's layout the movements that are of one course."""
    times = moving.drift.times
    file["drift/times"] = times
    shape, chunks = (len(times), len(moving.displacements)), (len(times), 1)
    displacements = file.create_dataset("drift/displacements", shape, np.float32, chunks=chunks, **COMPRESSION["gzip"])
    for unit in range(shape[1]):
        displacements[:, unit] = moving.drift.of_unit(unit)
    steps = moving.paths.along.shape[1]
    for number, movement in enumerate(moving.drift.movements):
        if movement.time_courses.shape[1] == 1:
            course = movement.time_courses[:, 0]
            write_dict(
                file.create_group(f"drift_list/{number}"),
                {
                    "drift_vector_um": course,
                    "drift_vector_idxs": np.rint(moving.paths.steps(0, course) - moving.paths.steps(0, 0)).astype(np.int16),
                    "drift_fs": 1 / (times[1] - times[0]),
                    "drift_times": None,
                    "drift_factors": movement.factors[0],
                    "drift_steps": steps,
                },
            )


def _write_train(group, plan, unit):
    row = plan.units.iloc[unit]
    ticks = plan.ticks[unit]
    group["times"] = ticks / plan.ticks_per_second
    group["t_stop"] = plan.n_samples / plan.fs
    group["samples"] = split_ticks(ticks, plan.n_phases)[0]
    all_gains = group.create_dataset("gains", plan.gains[unit].shape, np.float32)
    amplitudes = group.create_dataset("amplitudes", (len(ticks),), np.float32)
    for begin in range(0, len(ticks), SPIKES_AT_ONCE):
        spikes = slice(begin, begin + SPIKES_AT_ONCE)
        all_gains[spikes] = gains = plan.gains[unit][spikes]
        amplitudes[spikes] = spike_amplitudes(plan, unit, spikes, gains)
    group["bursts"] = plan.bursts[unit]
    if plan.widening_factors[unit] is not None:
        group["stretches"] = plan.widening_factors[unit]
    if plan.unit_drift:
        group["displacements"] = plan.unit_drift.displacements[unit]
    write_dict(
        group.create_group("annotations"),
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


def _write_traces(file, plan, pieces, settings, units):
    """Write the traces, and a share of the units after each block, while other threads compute the next ones; return how many
    samples of each channel were clipped."""
    clipped = np.zeros(plan.n_channels, dtype=np.int64)
    traces = _create(file, "recordings", plan, plan.n_channels, plan.adc.dtype, COMPRESSION[settings.compression])
    traces.attrs["gain_to_uV"] = plan.adc.gain
    at_once, start = min(traces.chunks[0], max(1, int(settings.recordings.chunk_duration * plan.fs))), 0
    units_a_block = -(-len(plan.units) // max(n_blocks(plan), 1))
    for block in pieces:
        for first in range(0, len(block), at_once):
            samples, beyond = plan.adc.convert(block[first : first + at_once])
            clipped += beyond
            _write_rows(traces, start, samples)
            start += len(samples)
        deque(islice(units, units_a_block), maxlen=0)
        file.raise_fault()
    deque(units, maxlen=0)
    return clipped


def _write_rows(dataset, start, rows):
    """Write rows into a dataset; a chunk that is stored as it is, without the copy in HDF5's own memory."""
    if rows.shape == dataset.chunks and start % len(rows) == 0 and dataset.compression is None:
        dataset.id.write_direct_chunk((start, 0), rows)
    else:
        dataset[start : start + len(rows)] = rows


def _create(file, name, plan, n_columns, dtype, compression):
    # Chunks of about a megabyte: a reader that wants a second of some channels reads little more than that. Blocks are whole
    # numbers of them, so that each is compressed once.
    rows = min(2 ** ((2**18 // max(n_columns, 1)).bit_length() - 1), BLOCK, plan.n_samples)
    shape, chunks = (plan.n_samples, n_columns), (rows, max(n_columns, 1))
    return file.create_dataset(name, shape, dtype, chunks=chunks, **compression)


def _write_spike_traces(file, plan, threads):
    """What each unit adds to its loudest channel, in MEArec's layout."""
    dataset = _create(file, "spike_traces", plan, len(plan.units), np.float32, COMPRESSION["gzip"])
    start = 0
    for block in tqdm(blocks(plan, threads, spike_traces), total=n_blocks(plan), desc="spike traces", unit="block"):
        dataset[start : start + len(block)] = block
        start += len(block)
        file.raise_fault()


def _write_unit_traces(file, plan, threads):
    """What each unit adds to all channels. Chunks in which it is silent are left out: readers find zeros there."""
    for unit in tqdm(range(len(plan.units)), desc="traces of units", unit="unit"):
        dataset = _create(file, f"unit_traces/{unit}", plan, plan.n_channels, np.float32, COMPRESSION["gzip"])
        rows, start = dataset.chunks[0], 0
        for block in blocks(plan, threads, partial(unit_traces, unit=unit)):
            for first in range(0, len(block), rows):
                part = block[first : first + rows]
                if part.any():
                    dataset[start + first : start + first + len(part)] = part
            start += len(block)
            file.raise_fault()


def _write_waveforms(file, plan):
    """Cut every spike out of the recording, (n_spikes, n_channels, n_t) as it is stored there; zero beyond its ends."""
    traces, (before, after) = file["recordings"], (int(t * plan.fs / 1000) for t in WAVEFORM_WINDOW)
    window, length = np.arange(-before, after), block_length(plan)
    trains = [split_ticks(ticks, plan.n_phases)[0] for ticks in plan.ticks]
    for unit, train in enumerate(trains):
        shape = (len(train), plan.n_channels, len(window))
        chunks = (min(len(train), max(1, 2**18 // (shape[1] * shape[2]))), *shape[1:]) if len(train) else None
        file.create_dataset(f"spiketrains/{unit}/waveforms", shape, traces.dtype, chunks=chunks)
    for start in tqdm(range(0, plan.n_samples, length), desc="waveforms", unit="block"):
        low, high = max(0, start - before), min(plan.n_samples, start + length + after)
        beyond = (low - start + before, start + length + after - high)
        rows = np.pad(traces[low:high], (beyond, (0, 0)))
        for unit, train in enumerate(trains):
            first, last = np.searchsorted(train, [start, start + length])
            spikes = train[first:last, np.newaxis] - start + before + window
            file[f"spiketrains/{unit}/waveforms"][first:last] = rows[spikes].swapaxes(1, 2)
        file.raise_fault()
