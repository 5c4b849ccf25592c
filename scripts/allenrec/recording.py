"""Recordings: the ideas put together. A plan holds all that is random about units and spikes; any piece of the traces
follows from it; a writer takes the pieces in order."""

import json
from dataclasses import dataclass
from importlib.metadata import version

import h5py
import numpy as np
import pandas as pd
import probeinterface

from .converter import Microvolts
from .errors import UserError
from .filters import Filter, design_filter
from .hdf5 import read_frame, read_values
from .modulation import draw_gains
from .noise import uncorrelated_noise
from .placement import PlacedTemplates, add_spikes, place_templates, split_ticks
from .probes import layout_from_text
from .seeds import generator
from .selection import select_templates
from .spiketrains import draw_rate, draw_train

#: Pieces of the traces are computed in blocks of so many samples, whatever is written at once
BLOCK = 2**15


@dataclass(frozen=True)
class Plan:
    """Everything about a recording but its traces.

    `fs` Hz; `n_samples`; `units`, a DataFrame with a row a unit; `ticks`, for each unit the times of its spikes (int64, in
    ticks, `placed.n_phases` a sample); `gains`, for each unit (n_spikes, 1 or n_channels); `placed`, the templates;
    `filtered_templates` (n_units, n_t, n_channels), as the filter leaves them; `template_ids`, their rows in the library;
    `filter` or None; `noise_level` µV; `noise_address`.
    """

    fs: float
    n_samples: int
    units: pd.DataFrame
    ticks: list
    gains: list
    placed: PlacedTemplates
    filtered_templates: np.ndarray
    template_ids: np.ndarray
    filter: Filter | None
    noise_level: float
    noise_address: tuple
    n_channels: int

    @property
    def ticks_per_second(self):
        """Grid points a second, on which spikes lie."""
        return self.fs * self.placed.n_phases


def plan_recording(library, settings, *, seed, name):
    """Draw the units of a recording, their spikes and gains.

    Parameters
    ----------
    library : Library
    settings : allenrec.settings.Recording
    seed : int
    name : str
        Of the recording; with the seed it is the address of all its random numbers.

    Raises
    ------
    UserError
        If the library cannot supply the units, with what binds.
    """
    trains, signal = settings.spiketrains, settings.recordings
    address = (seed, "recording", name)
    groups = [
        ("excitatory", settings.cell_types.excitatory, trains.n_exc),
        ("inhibitory", settings.cell_types.inhibitory, trains.n_inh),
    ]
    template_ids = _select(library, settings, groups, address)
    fs_in = 1000 / library.dt
    fs = signal.fs or fs_in
    placed = place_templates(
        library.at_centre(template_ids),
        library.peak_sample,
        fs_in,
        fs,
        n_phases=settings.templates.upsample,
        pad_len=settings.templates.pad_len,
    )
    bandpass = design_filter(fs, signal.filter_cutoff, signal.filter_order, signal.filter_mode) if signal.filter else None
    n_samples = int(fs * trains.duration)
    rates, ticks, gains = [], [], []
    for kind, index in _unit_keys(groups):
        mean, spread = (trains.f_exc, trains.st_exc) if kind == "excitatory" else (trains.f_inh, trains.st_inh)
        rates.append(draw_rate(generator(*address, "rate", kind, index), mean, spread, trains.min_rate))
        ticks.append(
            draw_train(
                generator(*address, "train", kind, index),
                rates[-1],
                # The last half sample is left out: a spike there would belong to a sample after the end.
                n_ticks=n_samples * placed.n_phases - placed.n_phases // 2,
                ticks_per_second=fs * placed.n_phases,
                ref_per=trains.ref_per,
                process=trains.process,
                gamma_shape=trains.gamma_shape,
            )
        )
        gains.append(
            draw_gains(
                generator(*address, "gain", kind, index),
                len(ticks[-1]),
                library.templates.shape[-2],
                modulation=signal.modulation,
                mrand=signal.mrand,
                sdrand=signal.sdrand,
            )
        )
    filtered = _filtered(placed.at_sample, bandpass)
    noise_after = signal.noise_level * (bandpass.noise_gain() if bandpass else 1.0)
    units = _unit_table(library, template_ids, groups, rates, ticks).assign(
        snr=_signal_to_noise(placed.at_sample, signal.noise_level),
        snr_filtered=_signal_to_noise(filtered, noise_after),
    )
    return Plan(
        fs=fs,
        n_samples=n_samples,
        units=units,
        ticks=ticks,
        gains=gains,
        placed=placed,
        filtered_templates=filtered,
        template_ids=template_ids,
        filter=bandpass,
        noise_level=signal.noise_level,
        noise_address=(*address, "noise"),
        n_channels=library.templates.shape[-2],
    )


def traces_size(library, settings):
    """Return how many bytes the traces of a recording take, uncompressed."""
    signal = settings.recordings
    n_samples = int((signal.fs or 1000 / library.dt) * settings.spiketrains.duration)
    return n_samples * len(library.channel_positions) * np.dtype(signal.dtype).itemsize


def _select(library, settings, groups, address):
    limits = settings.templates
    return select_templates(
        generator(*address, "selection"),
        library.positions,
        library.amplitudes,
        library.celltypes,
        groups,
        min_dist=limits.min_dist,
        min_amp=limits.min_amp,
        max_amp=limits.max_amp,
        xlim=limits.xlim,
        ylim=limits.ylim,
        zlim=limits.zlim,
    )


def _unit_keys(groups):
    return [(kind, index) for kind, _, count in groups for index in range(count)]


def _unit_table(library, template_ids, groups, rates, ticks):
    locations = library.positions[template_ids]
    features = library.features.iloc[template_ids].reset_index(drop=True)
    table = pd.DataFrame(
        {
            "cell_type": library.celltypes[template_ids],
            "bintype": [kind[0].upper() for kind, _ in _unit_keys(groups)],
            "model_id": library.model_ids[template_ids],
            "template_id": template_ids,
            "x": locations[:, 0],
            "y": locations[:, 1],
            "z": locations[:, 2],
            "amplitude": features.pop("amplitude_uV"),
            "peak_channel": features.pop("peak_contact"),
            "rate": np.array(rates, dtype=float),
            "n_spikes": np.array([len(t) for t in ticks], dtype=np.int64),
        }
    ).join(features)
    known = [c for c in library.cells if c not in table and c not in ("n_templates", "n_candidates", "acceptance_rate")]
    return table.merge(library.cells[["model_id", *known]], on="model_id", how="left", validate="many_to_one")


def _filtered(waveforms, bandpass):
    """Waveforms (n_units, n_t, n_channels) as they are in the traces, in the same window."""
    if bandpass is None:
        return waveforms
    n_t, n_channels = waveforms.shape[1:]
    silence = np.zeros((bandpass.margin, n_channels))
    filtered = [bandpass.apply(np.concatenate((silence, w, silence)))[len(silence) :][:n_t] for w in waveforms]
    return np.array(filtered, dtype=np.float32).reshape(waveforms.shape)


def _signal_to_noise(waveforms, noise):
    """The largest deflection of each unit over the standard deviation of the noise; infinite without noise."""
    if not noise:
        return np.full(len(waveforms), np.inf)
    return np.abs(waveforms).max(axis=(1, 2)) / noise if len(waveforms) else np.zeros(0)


def spikes_only(plan, start, stop):
    """Return the sum of all placed spikes from sample `start` to `stop`, float32 (stop - start, n_channels) µV."""
    traces = np.zeros((stop - start, plan.n_channels), dtype=np.float32)
    n_t = plan.placed.waveforms.shape[2]
    for ticks, gains, waveforms in zip(plan.ticks, plan.gains, plan.placed.waveforms, strict=True):
        samples, phases = split_ticks(ticks, plan.placed.n_phases)
        first, last = np.searchsorted(samples, [start - n_t, stop + n_t])
        add_spikes(
            traces,
            start,
            samples[first:last],
            phases[first:last],
            gains[first:last],
            waveforms,
            plan.placed.peak,
        )
    return traces


def piece(plan, start, stop):
    """Return the recording from sample `start` to `stop`, float32 (stop - start, n_channels) µV.

    The filter sees enough of what comes before and after, also beyond the ends of the recording, where there is noise and
    the rest of spikes; so there are no seams between pieces and no transients at the ends.
    """
    margin = plan.filter.margin if plan.filter else 0
    first, last = start - margin, stop + margin
    traces = spikes_only(plan, first, last)
    if plan.noise_level:
        traces += uncorrelated_noise(plan.noise_address, first, last, plan.n_channels, plan.noise_level)
    if plan.filter:
        traces = plan.filter.apply(traces)[margin : margin + stop - start].astype(np.float32)
    return traces


def blocks(plan):
    """Yield the recording in blocks of fixed length and place, in order."""
    for start in range(0, plan.n_samples, BLOCK):
        yield piece(plan, start, min(start + BLOCK, plan.n_samples))


def gathered(blocks, n_samples):
    """Yield blocks joined to pieces of at least `n_samples` (the last one may be shorter)."""
    held, length = [], 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length >= n_samples:
            yield np.concatenate(held)
            held, length = [], 0
    if held:
        yield np.concatenate(held)


def provenance(settings, *, seed, name, library_digest):
    """What a recording was made from, for its file."""
    return {
        "config": {"recording": name, "seed": seed, **settings},
        "digests": {"library": library_digest},
        "versions": {package: version(package) for package in ("numpy", "scipy", "numba", "h5py")},
    }


@dataclass(frozen=True)
class Recording:
    """A recording file, open. Close it, or use it in a `with` block.

    `traces` (n_samples, n_channels) float32 µV, read as it is sliced; `samples`, the same as they are stored, µV or whole
    counts of `gain_to_uV` µV; `clipped_samples` (n_channels,), how many exceeded the range of counts; `filtered`, whether there
    is a filter; `sampling_frequency` Hz; `units`, a DataFrame with a row a unit; `spike_trains`, for each unit the nearest
    samples of its spikes; `spike_times`, for each unit the exact times, s; `templates` (n_units, n_channels, n_t) µV with the
    spike at `template_peak`; `filtered_templates`, the same as the filter leaves them in the traces; `channel_positions`
    (n_channels, 3) µm; `probe`, the exact contacts in their plane, for SpikeInterface's `set_probe`; `provenance`, a dict.
    """

    file: h5py.File
    traces: h5py.Dataset | Microvolts
    samples: h5py.Dataset
    gain_to_uV: float
    clipped_samples: np.ndarray
    filtered: bool
    sampling_frequency: float
    units: pd.DataFrame
    spike_trains: list
    spike_times: list
    templates: np.ndarray
    filtered_templates: np.ndarray
    template_peak: int
    channel_positions: np.ndarray
    probe: probeinterface.Probe
    provenance: dict

    @property
    def duration(self):
        """s."""
        return len(self.traces) / self.sampling_frequency

    def close(self):
        """Close the file; `traces` can no longer be read."""
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def read_recording(path):
    """Open a recording file.

    Returns
    -------
    Recording

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.
    """
    file = None
    try:
        file = h5py.File(path, "r")
        trains = [file["spiketrains"][str(i)] for i in range(len(file["spiketrains"]))]
        samples = file["recordings"]
        gain = float(samples.attrs["gain_to_uV"])
        return Recording(
            file=file,
            traces=samples if samples.dtype.kind == "f" else Microvolts(samples, gain),
            samples=samples,
            gain_to_uV=gain,
            clipped_samples=file["clipped_samples"][()],
            filtered=bool(file["info/recordings/filter"][()]),
            sampling_frequency=float(file["info/recordings/fs"][()]),
            units=read_frame(file["units"]),
            spike_trains=[train["samples"][()] for train in trains],
            spike_times=[train["times"][()] for train in trains],
            templates=read_values(file["templates"])[:, 0],
            filtered_templates=read_values(file["filtered_templates"]),
            template_peak=int(file["templates"].attrs["peak"]),
            channel_positions=file["channel_positions"][()],
            probe=layout_from_text(file["probe"].asstr()[()]),
            provenance={name: json.loads(value) for name, value in file["provenance"].attrs.items()},
        )
    except (OSError, KeyError) as error:
        if file is not None:
            file.close()
        raise UserError(f"{path} is not a sound recording file ({error}); delete it and run again") from None
