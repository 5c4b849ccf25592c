"""The MEArec layout, readable by MEArec, Neo and SpikeInterface, with extras of ours."""

import json

import h5py
import numpy as np

from ..converter import design_converter
from ..hdf5 import COMPRESSION, hdf5_written_beside, write_dict, write_frame
from ..placement import split_ticks
from ..probes import layout_to_text
from ..traces import BLOCK

#: MEArec refuses files that name no version or one before 1.5
MEAREC_VERSION = "1.11.0"


def write_mearec(path, plan, blocks, library, settings, *, provenance):
    """Write a recording, block by block, whole or not at all.

    Parameters
    ----------
    path : path
    plan : Plan
    blocks : iterable of numpy.ndarray
        (n, n_channels) float32 µV, in order.
    library : Library
        Of which the units are.
    settings : allenrec.settings.Recording
    provenance : dict

    Returns
    -------
    numpy.ndarray
        (n_channels,) how many samples of each channel were clipped, because they exceeded the range of integers.
    """
    converter = design_converter(settings.recordings, plan.unfiltered_templates)
    with hdf5_written_beside(path) as file:
        file.attrs["mearec_version"] = MEAREC_VERSION
        _write_info(file, plan, library, settings)
        _write_units(file, plan, library)
        if plan.moving:
            _write_drift(file, plan.moving)
        for unit in range(len(plan.units)):
            _write_train(file.create_group(f"spiketrains/{unit}"), plan, unit)
        file.require_group("spiketrains")
        file["channel_positions"] = library.channel_positions
        file["probe"] = layout_to_text(library.probe)
        for name, value in provenance.items():
            file.require_group("provenance").attrs[name] = json.dumps(value)
        file["clipped_samples"] = _write_traces(file, plan, blocks, converter, settings)
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
                "drifting": plan.moving is not None,
                "drift_dicts": {str(k): movement for k, movement in enumerate(info["recordings"]["drift_dicts"])},
            },
            "electrodes": library.electrodes,
        },
    )


def _write_units(file, plan, library):
    rows = plan.template_ids
    placed = np.moveaxis(plan.unfiltered_templates, 1, 2)
    # MEArec's templates have an axis for jitters; here are the unshifted ones.
    file["templates"] = placed[:, np.newaxis]
    file["templates"].attrs["peak"] = plan.peak
    file["filtered_templates"] = np.moveaxis(plan.filtered_templates, 1, 2)
    file["original_templates"] = plan.templates
    file["template_locations"] = (library.locations if plan.moving else library.positions)[rows]
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
        if movement.courses.shape[1] == 1:
            course = movement.courses[:, 0]
            write_dict(
                file.create_group(f"drift_list/{number}"),
                {
                    "drift_vector_um": course,
                    "drift_vector_idxs": np.rint(moving.paths.steps(0, course) - moving.paths.steps(0, 0)).astype(np.int16),
                    "drift_fs": 1 / (times[1] - times[0]),
                    "drift_times": None,
                    "drift_factors": movement.weights[0],
                    "drift_steps": steps,
                },
            )


def _write_train(group, plan, unit):
    row = plan.units.iloc[unit]
    ticks = plan.ticks[unit]
    group["times"] = ticks / plan.ticks_per_second
    group["t_stop"] = plan.n_samples / plan.fs
    group["samples"] = split_ticks(ticks, plan.n_phases)[0]
    group["gains"] = plan.gains[unit]
    group["bursts"] = plan.bursts[unit]
    if plan.stretches[unit] is not None:
        group["stretches"] = plan.stretches[unit]
    if plan.moving:
        group["displacements"] = plan.moving.displacements[unit]
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


def _write_traces(file, plan, blocks, converter, settings):
    """Write the traces; return how many samples of each channel were clipped."""
    clipped = np.zeros(plan.n_channels, dtype=np.int64)
    at_once = max(1, int(settings.recordings.chunk_duration * plan.fs))
    # Chunks of about a megabyte: a reader that wants a second of some channels reads little more than that. Blocks are whole
    # numbers of them, so that each is compressed once.
    rows = min(2 ** ((2**18 // plan.n_channels).bit_length() - 1), BLOCK, plan.n_samples)
    shape, chunks = (plan.n_samples, plan.n_channels), (rows, plan.n_channels)
    traces = file.create_dataset("recordings", shape, converter.dtype, chunks=chunks, **COMPRESSION[settings.compression])
    traces.attrs["gain_to_uV"] = converter.gain
    start = 0
    for block in blocks:
        samples, beyond = converter.convert(block)
        clipped += beyond
        for first in range(0, len(samples), at_once):
            part = samples[first : first + at_once]
            traces[start : start + len(part)] = part
            start += len(part)
    return clipped
