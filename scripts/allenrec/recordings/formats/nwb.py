"""A file of Neurodata Without Borders: traces, electrodes, and the ground truth as its table of units."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import h5py
import numpy as np
import pandas as pd
from hdmf.backends.hdf5 import H5DataIO
from hdmf.common import DynamicTable, VectorData, VectorIndex
from numpy.typing import NDArray
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.file import Subject
from pynwb.misc import Units

from allenrec.common.errors import UserError
from allenrec.common.files import AnyPath, written_beside
from allenrec.common.hdf5 import COMPRESSION, cache_of, copy_rows, write_chunk
from allenrec.probes import half_sizes

from ..segments import Segments
from .attribution import papers_of, terms_of
from .spikeinterface_adapter import motion_of

if TYPE_CHECKING:
    from allenrec.settings.recordings import Nwb

    from .contract import RecordingWithGroundTruth

#: Descriptions of the columns of `units`; README.md explains the features of waveforms
MEANING = {
    "cell_type": "type of the cell",
    "bintype": "E, excitatory, or I, inhibitory",
    "model_id": "neuronal model of the Allen Cell Types Database",
    "specimen_id": "its cell in the Allen Cell Types Database",
    "template_id": "row of the template in its library",
    "x": "µm, position of the soma, in the frame of the electrodes",
    "y": "µm, position of the soma, in the frame of the electrodes",
    "z": "µm, position of the soma, in the frame of the electrodes",
    "amplitude": "µV, depth of the template below zero at the electrode where it is largest, before the filter",
    "peak_channel": "number of that electrode, from 0",
    "amplitude_filtered": "µV, the same in the traces, after the filter",
    "peak_channel_filtered": "number of the electrode where it is largest after the filter, from 0",
    "process": "process that drew the spikes; 'given' if they were imported",
    "rate": "Hz, requested firing rate",
    "rate_found": "Hz, firing rate in the recording",
    "n_refractory_violations": "number of intervals shorter than the refractory period",
    "n_bursts": "number of bursts that the process drew",
    "snr": "largest deflection of the template over the standard deviation of the noise, before the filter",
    "snr_filtered": "the same ratio after the filter",
}


def write_nwb(
    path: AnyPath, recording: RecordingWithGroundTruth, *, compression: str = "none", metadata: Nwb | None = None
) -> None:
    """Write a recording as an NWB file.

    Parameters
    ----------
    path : path
    recording : Recording or GeneratedRecording
    compression : {"none", "lzf", "gzip"}
        Compression of the traces.
    metadata : allenrec.settings.recordings.Nwb, optional
        Subject and session.
    """
    if metadata is None:
        from allenrec.settings.recordings import Nwb  # the environment of the sorters reads recordings without settings

        metadata = Nwb()
    content = _describe(recording, metadata)
    _add_electrodes(content, recording, metadata.location or _of_cells(recording.units, "area") or "unknown")
    traces = _add_traces(content, recording, compression)
    means = _add_units(content, recording)
    _add_motion(content, recording)
    _add_known_units(content, recording)
    _number_objects(content)
    with written_beside(path) as temporary, NWBHDF5IO(temporary, "w") as file:
        file.write(content)
        _write_means(means.dataset, recording.filtered_templates)
        for first, empty in traces:
            copy_rows(recording.samples, first, empty.dataset)


def _describe(recording: RecordingWithGroundTruth, metadata: Nwb) -> NWBFile:
    name = recording.provenance.get("config", {}).get("recording", "recording")
    provenance = json.dumps(recording.provenance, sort_keys=True)
    start = datetime.fromisoformat(metadata.session_start_time)
    start = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    description = f"{name}: simulated extracellular recording of which every spike is known"
    return NWBFile(
        session_description=metadata.session_description or description,
        session_id=metadata.session_id or name,
        identifier=str(uuid5(NAMESPACE_URL, provenance)),
        session_start_time=start,
        file_create_date=start,  # not today, so that the same recording gives the same file
        experimenter=metadata.experimenter or None,
        institution=metadata.institution,
        lab=metadata.lab,
        experiment_description=terms_of(recording.units),
        related_publications=papers_of(recording.units),
        keywords=metadata.keywords,
        subject=_subject(recording.units, metadata),
        data_collection=f"Made by allenrec from this configuration, digests and versions: {provenance}",
        notes=f"Samples clipped, of each channel: {recording.clipped_samples.tolist()}",
    )


def _subject(units: pd.DataFrame, metadata: Nwb) -> Subject:
    """Return the subject; what the settings leave open is taken from the cells of the units, where all have the same."""
    n_models = units["model_id"].nunique() if "model_id" in units else 0
    described = f"No animal: the {len(units)} units are models of {n_models} neurons"
    return Subject(
        subject_id=metadata.subject_id,
        species=metadata.species or _of_cells(units, "species"),
        age=metadata.age or _of_cells(units, "age"),
        sex=metadata.sex or _of_cells(units, "sex") or "U",
        genotype=metadata.genotype,
        strain=metadata.strain,
        description=metadata.subject_description or described,
    )


def _of_cells(units: pd.DataFrame, column: str) -> str | None:
    """Return what the cells of all units have in a column, or None if they differ or have nothing."""
    found = {str(value) for value in units[column]} if column in units else set()
    return found.pop() if len(found) == 1 and "" not in found else None


def _add_electrodes(content: NWBFile, recording: RecordingWithGroundTruth, location: str) -> None:
    """Add the electrodes, with positions in the frame of the units and in the plane of the probe, and shapes of contacts."""
    probe = recording.probe
    name = probe.model_name or probe.name or "probe"
    device = content.create_device(name=_allowed_names([name])[name], description=f"simulated {name}")
    n_contacts = probe.get_contact_count()
    shanks = [str(shank) for shank in (probe.shank_ids if probe.shank_ids is not None else np.zeros(n_contacts, dtype=int))]
    contacts = [str(contact) for contact in (probe.contact_ids if probe.contact_ids is not None else range(n_contacts))]
    groups = {
        shank: content.create_electrode_group(name=allowed, description=f"shank {shank}", location=location, device=device)
        for shank, allowed in _allowed_names(shanks, "shank").items()
    }
    for column, meaning in {
        "contact_id": "id of the contact in the file of the probe",
        "shank_id": "id of its shank there",
        "contact_shape": "circle, square or rect",
        "contact_width": "µm, along rel_x before a contact is turned",
        "contact_height": "µm, along rel_y before a contact is turned",
    }.items():
        content.add_electrode_column(name=column, description=meaning)
    places = zip(recording.channel_positions, probe.contact_positions, strict=True)
    sizes = zip(2 * half_sizes(probe), probe.contact_shapes, strict=True)
    for ((x, y, z), (rel_x, rel_y)), ((width, height), shape), contact, shank in zip(
        places, sizes, contacts, shanks, strict=True
    ):
        content.add_electrode(
            x=x,
            y=y,
            z=z,
            rel_x=rel_x,
            rel_y=rel_y,
            location=location,
            group=groups[shank],
            contact_id=contact,
            shank_id=shank,
            contact_shape=str(shape),
            contact_width=width,
            contact_height=height,
            enforce_unique_id=False,  # it would look at all rows for each row
            check_ragged=False,
        )


def _allowed_names(names: Iterable[str], prefix: str = "") -> dict[str, str]:
    """Return the name in the file for each of some names, all different: NWB's may have neither "/" nor ":"."""
    allowed: dict[str, str] = {}
    for name in dict.fromkeys(names):
        base = candidate = prefix + re.sub("[/:]", "_", name)
        number = 2
        while candidate in allowed.values():
            candidate, number = f"{base}_{number}", number + 1
        allowed[name] = candidate
    return allowed


def _add_traces(content: NWBFile, recording: RecordingWithGroundTruth, compression: str) -> list[tuple[int, H5DataIO]]:
    """Add the traces: one series, or one for each segment of a background. Return the first sample of each, and its dataset,
    which is empty until the file is written."""
    n_channels = recording.samples.shape[1]
    segments, added = _segments(recording), []
    electrodes = content.create_electrode_table_region(region=list(range(n_channels)), description="all")
    for number, first, last in segments.within(0, len(recording.samples)):
        shape = (last - first, n_channels)
        # The chunks are those of the recording, about a megabyte.
        chunks = (min(recording.samples.chunks[0], last - first), n_channels)
        data = H5DataIO(shape=shape, maxshape=shape, dtype=recording.samples.dtype, chunks=chunks, **COMPRESSION[compression])
        added.append((first, data))
        content.add_acquisition(
            ElectricalSeries(
                name=f"ElectricalSeries{number + 1}" if number else "ElectricalSeries",
                description="Traces in order of the electrodes",
                data=data,
                electrodes=electrodes,
                starting_time=float(segments.t_starts[number]),
                rate=recording.sampling_frequency,
                filtering=_describe_filter(recording),
                **_scaling(recording),
            )
        )
    return added


def _scaling(recording: RecordingWithGroundTruth) -> dict[str, Any]:
    """Return how counts become volts. The offset of NWB is one for all channels."""
    gain, offset = recording.gain_to_uV, recording.offset_to_uV
    if isinstance(offset, np.ndarray):
        raise UserError("nwb: the channels of the background have different offsets, which NWB cannot hold; use another format")
    scaling = {"conversion": 1e-6, "offset": offset * 1e-6}
    if isinstance(gain, np.ndarray):
        return scaling | {"channel_conversion": gain}
    return scaling | {"conversion": gain * 1e-6}


def _segments(recording: RecordingWithGroundTruth) -> Segments:
    """Return the segments of a recording on the clock of its session, of which a file of NWB has one."""
    if recording.segments is None:
        return Segments(np.array([len(recording.samples)]), np.zeros(1))
    return recording.segments.one_after_another(recording.sampling_frequency)


def _describe_filter(recording: RecordingWithGroundTruth) -> str:
    settings = recording.filter_settings
    return f"Butterworth, order {settings.order}, {settings.cutoff} Hz, {settings.mode}" if settings else "none"


def _add_units(content: NWBFile, recording: RecordingWithGroundTruth) -> H5DataIO:
    """Add the table of units. Return the dataset of its templates, which is empty until the file is written."""
    units, fs = recording.units, recording.sampling_frequency
    times = _session_times(recording, zip(recording.spike_times, recording.spike_trains, strict=True))
    meaning = "µV, depth of each spike alone below zero, before the filter, at the unit's peak channel"
    columns = [_column(str(name), units[name]) for name in units]
    columns += _ragged_column("spike_times", "s", times, np.float64)
    columns += _ragged_column("spike_amplitudes", meaning, recording.amplitudes, np.float32)
    segments = _segments(recording)
    observed = [np.stack([segments.t_starts, segments.t_starts + segments.lengths / fs], axis=1)] * len(units)
    columns += _ragged_column("obs_intervals", "s, begin and end of the recording", observed, np.float64, shape=(2,))
    n_units, n_channels, n_t = recording.filtered_templates.shape
    shape, chunks = (n_units, n_t, n_channels), (1, max(n_t, 1), n_channels)  # without units, templates have no samples
    means = H5DataIO(shape=shape, maxshape=(None, None, None), dtype=float, chunks=chunks)
    columns.append(VectorData(name="waveform_mean", description="V, template as it is in the traces", data=means))
    content.units = Units(
        name="units",
        description="Ground truth: every spike of every unit, at the exact time",
        id=list(range(len(units))),
        columns=columns,
        resolution=1 / (fs * recording.upsample),
        waveform_rate=fs,
        electrode_table=content.electrodes,
    )
    return means


def _write_means(target: h5py.Dataset, templates: NDArray[np.float32]) -> None:
    """Write templates, µV, in V and with the samples first, unit by unit: all at once they take more new memory than a minute
    of traces."""
    with cache_of(target) as cache:
        for unit, template in enumerate(templates):
            mean = np.multiply(template.T, 1e-6, dtype=float, order="C")
            write_chunk(target, (unit, 0, 0), mean)
            cache.add(mean.nbytes)


def _session_times(
    recording: RecordingWithGroundTruth, trains: Iterable[tuple[NDArray[np.float64], NDArray[np.int64]]]
) -> list[NDArray[np.float64]]:
    """Return the times, s, of spikes on the clock of the session, from their times and samples in the recording.

    Readers of NWB, who round times, find the samples that all other formats have.
    """
    fs, segments = recording.sampling_frequency, _segments(recording)
    moved = []
    for times, samples in trains:
        number = np.searchsorted(segments.bounds[1:], samples, side="right")
        first, t_start = segments.bounds[number], segments.t_starts[number]
        moved.append(times_of_samples(t_start + (times - first / fs), samples - first, fs, t_start))
    return moved


def _add_known_units(content: NWBFile, recording: RecordingWithGroundTruth) -> None:
    """Add the known units of a background, apart from the ground truth."""
    known = recording.known_units
    if not known:
        return
    fs = recording.sampling_frequency
    times = _session_times(recording, [(samples / fs, samples) for samples in known.values()])
    columns = [VectorData(name="unit_name", description="name in the sorting of the background", data=list(known))]
    columns += _ragged_column("spike_times", "s", times, np.float64)
    table = Units(name="known_units", description="Known units of the background", id=list(range(len(known))), columns=columns)
    content.create_processing_module("background", "Facts about the real recording that units were added to").add(table)


def _column(name: str, values: pd.Series[Any]) -> VectorData:
    """Return a column of the table of units. Without units it has a type all the same."""
    meaning = MEANING.get(name, name.replace("_", " "))
    if pd.api.types.is_numeric_dtype(values):
        return VectorData(name=name, description=meaning, data=values.to_numpy())
    text = values.astype(str).tolist()
    return VectorData(name=name, description=meaning, data=text or np.zeros(0, dtype="S1"))


def _ragged_column(
    name: str, meaning: str, values: Sequence[NDArray[Any]], dtype: type[np.floating], shape: tuple[int, ...] = ()
) -> list[VectorData]:
    """Return a column with an array for each unit: all values, and where those of each unit end."""
    joined = np.concatenate([np.zeros((0, *shape), dtype), *values]).astype(dtype, copy=False)
    data = VectorData(name=name, description=meaning, data=joined)
    ends = np.cumsum([len(part) for part in values], dtype=np.uint64)
    return [data, VectorIndex(name=f"{name}_index", target=data, data=ends)]


def _add_motion(content: NWBFile, recording: RecordingWithGroundTruth) -> None:
    """Add the drift, if units drift: as SpikeInterface's `Motion`, and the displacement of each unit."""
    motion, drift = motion_of(recording), recording.drift
    if motion is None or drift is None:
        return
    module = content.create_processing_module(name="ecephys", description="Ground truth: how the units move")
    times = {"starting_time": float(drift.times[0]), "rate": 1 / float(drift.times[1] - drift.times[0])}
    bins = ", ".join(f"{depth:.6g}" for depth in motion.spatial_bins_um)
    direction = " ".join(f"{part:g}" for part in drift.direction)
    axis = "rel_" + motion.direction
    module.add(
        TimeSeries(
            name="Motion",
            description=f"Displacement of the tissue along {axis} of the electrodes, positive towards larger {axis}, in bins "
            f"whose centres along {axis} are, in µm: {bins}",
            data=motion.displacement[0],
            unit="meters",
            conversion=1e-6,
            **times,
        )
    )
    module.add(
        TimeSeries(
            name="UnitDisplacement",
            description=f"Displacement of each unit, in the order of the units, along the direction ({direction}) in x, y, z",
            data=drift.displacements,
            unit="meters",
            conversion=1e-6,
            **times,
        )
    )
    if len(motion.spatial_bins_um) < 2:
        return
    centres = VectorData(name="center", description="µm, centre of the bin", data=np.asarray(motion.spatial_bins_um, float))
    table = DynamicTable(name="MotionSpatialBins", description=f"Bins of Motion along {axis}", columns=[centres])
    module.add(table)


def times_of_samples(
    times: NDArray[np.float64],
    samples: NDArray[np.int64],
    sampling_frequency: float,
    t_start: float | NDArray[np.float64] = 0.0,
) -> NDArray[np.float64]:
    """Return spike times that readers of NWB, who round them, assign to the samples that all other formats have.

    Halfway between two samples, those readers take the even one and we the later one. Such a time is moved by its last bit.

    Parameters
    ----------
    times : numpy.ndarray
        (n_spikes,) s
    samples : numpy.ndarray
        (n_spikes,) The samples nearest to them.
    sampling_frequency : float
        Hz.
    t_start : float or numpy.ndarray
        (n_spikes,) s, time of the sample 0.
    """
    found, exact = times.copy(), t_start + samples / sampling_frequency
    while True:
        other = np.round((found - t_start) * sampling_frequency) != samples
        if not other.any():
            return found
        found[other] = np.nextafter(found[other], exact[other])


def _number_objects(content: NWBFile) -> None:
    """Give each object an id that is always the same. pynwb draws random ids and has no public way to set them."""
    for number, thing in enumerate([content, *content.all_children()]):
        thing._AbstractContainer__object_id = str(uuid5(NAMESPACE_URL, f"{content.identifier}/{number}/{thing.name}"))
