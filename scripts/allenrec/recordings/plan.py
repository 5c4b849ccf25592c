"""The plan of a recording: which units, when they fire, how large each spike is, how they drift, which noise.

It holds all that is random about a recording but its noise; `traces.blocks` computes any piece of the traces from it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from allenrec.common.errors import UserError
from allenrec.common.parallel import in_order
from allenrec.common.random_streams import generator

from .formats.adc import Adc, design_adc
from .spikes.imported import given_trains
from .spikes.processes import draw_rate, draw_trains, rate_of
from .spikes.synchrony import synchronise
from .traces.drift import Drift, Paths, design_drift, paths_of, require_reach
from .traces.far_neurons import FarNeurons, select_far_neurons
from .traces.filters import Filter, design_filter
from .traces.gains import burst_gains, draw_gains
from .traces.injection import PlacedTemplates, filtered_waveforms, place_template, place_templates, waveforms_of
from .traces.noise import Noise, design_noise
from .units.overlaps import OVERLAP_WINDOW, overlap_labels, spatial_overlaps, synchrony
from .units.selection import Candidates, Limits, given_templates, select_templates

#: Templates along their paths that are held at most, but two of each unit in any case
STEPS_HELD = 1024


@dataclass(frozen=True)
class Moving:
    """Units that drift: `drift`; `paths` of their templates; `depths` (n_units,) µm, where they are along the axis of drift;
    `displacements`, for each unit those of its spikes (n_spikes,) µm; `at_step`, a function from a unit and a step of its
    library to the `PlacedTemplate`."""

    drift: Drift
    paths: Paths
    depths: np.ndarray
    displacements: list
    at_step: Callable

    def templates(self, unit, near):
        """Yield the templates between which some spikes of a unit lie, each with the share (n_spikes,) float32 that the spikes
        have of it."""
        steps = self.paths.steps(unit, self.displacements[unit][near])
        for step in np.unique([np.floor(steps), np.ceil(steps)]).astype(int):
            yield self.at_step(unit, self.paths.order[unit, step]), np.maximum(1 - np.abs(steps - step), 0).astype(np.float32)


@dataclass(frozen=True)
class Plan:
    """Everything about a recording but its traces.

    `fs` Hz; `n_samples`; `units`, a DataFrame with a row a unit; `ticks`, for each unit the times of its spikes (int64, in
    ticks, `n_phases` a sample); `gains`, for each unit (n_spikes, 1 or n_channels), of which slices can be had;
    `stretches`, for each unit by what factor its spikes are wider than the template (n_spikes,), or None; `placed`, their
    templates, None if there are none; `unfiltered_templates` (n_units, n_channels, n_t) µV, the same at a sample, and
    `filtered_templates`, as the filter leaves them; `template_ids`, their rows in the library, and `templates` (n_units,
    n_channels, n_t) as they are there, without drift; `bursts`, for each unit the number of the burst that each spike was drawn
    in, or -1; `overlap_labels`, for each unit whether spikes of others coincide (see `overlap_labels`); `overlap_pairs`, a
    DataFrame with a row a pair of units that overlap in space: `unit_1`, `unit_2`, `sync_rate`; `filter` or None; `noise` or
    None; `moving`, units that drift, or None; `adc`, which makes samples of traces.
    """

    fs: float
    n_samples: int
    units: pd.DataFrame
    ticks: list
    gains: list
    stretches: list
    placed: PlacedTemplates | None
    unfiltered_templates: np.ndarray
    filtered_templates: np.ndarray
    template_ids: np.ndarray
    templates: np.ndarray
    bursts: list
    overlap_labels: list
    overlap_pairs: pd.DataFrame
    filter: Filter | None
    noise: Noise | None
    n_channels: int
    n_phases: int
    moving: Moving | None
    adc: Adc

    @property
    def ticks_per_second(self):
        """Grid points a second, on which spikes lie."""
        return self.fs * self.n_phases

    @property
    def peak(self):
        """Sample of the spike in placed templates; of none, where it would be."""
        return self.placed.peak if self.placed else 0


def plan_recording(library, settings, *, seed, name, far_library=None, threads=1):
    """Draw the units of a recording, their spikes and gains.

    Parameters
    ----------
    library : Library
    settings : allenrec.settings.Recording
    seed : int
    name : str
        Of the recording; with the seed it is the address of all its random numbers.
    far_library : Library or None
        Where far neurons are from, if not from the library.
    threads : int
        Nothing depends on it but the time.

    Raises
    ------
    UserError
        If the library cannot supply the units, with what binds; or given spike trains do not fit.
    """
    signal, limits = settings.recordings, settings.templates
    address = (seed, "recording", name)
    groups = _groups(settings.cell_types, settings.spiketrains.n_exc, settings.spiketrains.n_inh)
    template_ids = _select(library, settings, groups, address)
    n_channels, n_phases = len(library.channel_positions), limits.upsample
    fs, n_samples = _sampling(library, settings)
    placing = {"n_phases": n_phases, "pad_len": limits.pad_len, "threads": threads}
    templates, placed = _read_and_placed(library, template_ids, fs, **placing)

    overlaps = spatial_overlaps(-templates.min(axis=2), limits.overlap_threshold)
    trains = _draw_spikes(library.celltypes[template_ids], settings, groups, overlaps, n_samples, fs, n_phases, address)
    ticks = [train.ticks for train in trains]
    bursting = _bursting(signal, _unit_keys(groups), address)
    gains, stretches = _modulation(signal, _unit_keys(groups), ticks, fs * n_phases, n_channels, bursting, address)
    moving = _moving(library, settings, template_ids, ticks, fs, name, address) if signal.drifting else None

    unfiltered = _templates(placed, waveforms_of, n_channels, threads)
    bandpass = design_filter(fs, signal.filter_cutoff, signal.filter_order, signal.filter_mode) if signal.filter else None
    filtered = (
        _templates(placed, partial(filtered_waveforms, bandpass=bandpass), n_channels, threads) if bandpass else unfiltered
    )
    far = None
    if signal.noise_mode == "far-neurons":
        far = _far_neurons(far_library or library, settings, fs, address, moving, threads)
    noise = design_noise((*address, "noise"), signal, fs, library.channel_positions, bandpass, far)
    units = _unit_table(library, template_ids, groups, trains, settings, fs * n_phases).assign(
        snr=_signal_to_noise(unfiltered, noise and noise.raw),
        snr_filtered=_signal_to_noise(filtered, noise and noise.filtered),
        bursting=[unit in bursting for unit in range(len(ticks))],
    )
    return Plan(
        fs=fs,
        n_samples=n_samples,
        units=units,
        ticks=ticks,
        gains=gains,
        stretches=stretches,
        placed=placed,
        unfiltered_templates=unfiltered,
        filtered_templates=filtered,
        template_ids=template_ids,
        templates=templates,
        bursts=[train.bursts for train in trains],
        overlap_labels=overlap_labels(ticks, overlaps, round(OVERLAP_WINDOW * fs * n_phases)),
        overlap_pairs=_overlap_pairs(ticks, overlaps, round(signal.sync_jitt / 1000 * fs * n_phases)),
        filter=bandpass,
        noise=noise,
        n_channels=n_channels,
        n_phases=n_phases,
        moving=moving,
        adc=design_adc(signal, unfiltered),
    )


def recording_size(library, settings, n_spikes=0):
    """Return how many bytes the traces of a recording take, uncompressed, with those of units, if asked for, and the waveforms
    of so many spikes."""
    signal, n_channels, n_units = settings.recordings, len(library.channel_positions), settings.spiketrains.n_units
    fs, n_samples = _sampling(library, settings)
    width = np.dtype(signal.dtype).itemsize
    size = n_samples * n_channels * width
    if signal.spike_traces != "none":
        size += n_samples * n_units * 4
    if signal.spike_traces == "all":
        size += n_samples * n_channels * n_units * 4
    if signal.extract_waveforms:
        size += int(n_spikes) * n_channels * int(2.5e-3 * fs) * width
    return size


def _sampling(library, settings):
    """The sampling rate, Hz, and the number of samples."""
    fs = settings.recordings.fs or 1000 / library.dt
    return fs, int(fs * settings.spiketrains.duration)


def _groups(cell_types, n_excitatory, n_inhibitory):
    return [("excitatory", cell_types.excitatory, n_excitatory), ("inhibitory", cell_types.inhibitory, n_inhibitory)]


def _select(library, settings, groups, address):
    limits, signal = settings.templates, settings.recordings
    if limits.template_ids is not None:
        return given_templates(limits.template_ids, library.celltypes, groups)
    paths = library.locations if library.drifting else library.locations[:, np.newaxis]
    return select_templates(
        generator(*address, "selection"),
        Candidates(paths, library.positions, library.amplitudes, library.celltypes, library.at_centre),
        groups,
        Limits(
            min_dist=limits.min_dist,
            min_amp=limits.min_amp,
            max_amp=limits.max_amp,
            xlim=limits.xlim,
            ylim=limits.ylim,
            zlim=limits.zlim,
            max_similarity=limits.max_similarity,
            preferred_dir=signal.preferred_dir,
            angle_tol=signal.angle_tol,
            n_overlap_pairs=limits.n_overlap_pairs,
            overlap_threshold=limits.overlap_threshold,
        ),
    )


def _read_and_placed(library, template_ids, fs, **placing):
    """The templates (n_units, n_channels, n_t) of units without drift and, placed while the next ones are read, the
    `PlacedTemplates`, or None of no units."""
    templates = np.empty((len(template_ids), *library.templates.shape[-2:]), dtype=np.float32)
    if not len(templates):
        return templates, None

    def read():
        for unit, row in enumerate(template_ids):
            templates[unit] = library.at_centre([row])[0]
            yield templates[unit]

    return templates, place_templates(read(), library.peak_sample, 1000 / library.dt, fs, **placing)


def _draw_spikes(celltypes, settings, groups, overlaps, n_samples, fs, n_phases, address):
    """The trains of all units; `overlaps` (n_units, n_units), which of them are near each other."""
    trains, signal = settings.spiketrains, settings.recordings
    # The last half sample is left out: a spike there would belong to a sample after the end.
    grid = {"n_ticks": n_samples * n_phases - n_phases // 2, "ticks_per_second": fs * n_phases}
    if trains.file is not None:
        return given_trains(trains.file, trains.file_units, trains.n_units, duration=trains.duration, **grid)
    keys = _unit_keys(groups)
    drawn = draw_trains(address, keys, celltypes, trains, **grid)
    if signal.sync_rate is not None:
        drawn = synchronise(
            address,
            keys,
            drawn,
            overlaps,
            sync_rate=signal.sync_rate,
            jitter=round(signal.sync_jitt / 1000 * fs * n_phases),
            ref_per=int(np.ceil(trains.ref_per / 1000 * fs * n_phases)),
            first_tick=round(trains.t_start * fs * n_phases),
            n_ticks=grid["n_ticks"],
        )
    return drawn


def _overlap_pairs(ticks, overlaps, jitter):
    first, second = np.nonzero(np.triu(overlaps))
    rates = [synchrony(ticks[a], ticks[b], jitter) for a, b in zip(first, second, strict=True)]
    return pd.DataFrame({"unit_1": first, "unit_2": second, "sync_rate": np.array(rates, dtype=float)})


def _unit_keys(groups):
    return [(kind, index) for kind, _, count in groups for index in range(count)]


def _bursting(signal, keys, address):
    """Of each unit that bursts, how; which ones are chosen at random depends on the number of each, not on the others'."""
    if not signal.bursting:
        return {}
    units = signal.bursting_units
    if units is None:
        lots = [generator(*address, "bursting", *key).random() for key in keys]
        units = sorted(np.argsort(lots)[: len(keys) if signal.n_bursting is None else signal.n_bursting].tolist())
    columns = {}
    for name in ("exp_decay", "n_burst_spikes", "max_burst_duration"):
        value = getattr(signal, name)
        columns[name] = value if isinstance(value, list) else [value] * len(units)
        if len(columns[name]) != len(units):
            raise UserError(
                f"recordings.{name}: {len(value)} values for {len(units)} bursting units; one each, or a single one"
            )
    return {unit: {name: values[k] for name, values in columns.items()} for k, unit in enumerate(units)}


def _modulation(signal, keys, ticks, ticks_per_second, n_channels, bursting, address):
    """Of each unit the gains of its spikes, and by what factor they are wider, or None."""
    random = {"modulation": signal.modulation, "mrand": signal.mrand, "sdrand": signal.sdrand}
    gains, stretches = [], []
    for unit, key in enumerate(keys):
        decay = np.broadcast_to(np.float32(1), len(ticks[unit]))
        if unit in bursting:
            decay = burst_gains(ticks[unit] * (1000 / ticks_per_second), **bursting[unit])
        gains.append(draw_gains((*address, "gain", *key), decay, n_channels, **random))
        wider = unit in bursting and signal.shape_mod
        stretches.append(1 + signal.shape_widening * (1 - decay) if wider else None)
    return gains, stretches


def _moving(library, settings, template_ids, ticks, fs, name, address):
    """The units as they drift, with their spikes."""
    signal, where = settings.recordings, f"recordings.{name}"
    if not library.drifting:
        raise UserError(
            f"{where}: drifting needs a library whose templates drift (libraries.{settings.library}.drifting: true)"
        )
    direction, ticks_per_second = _direction(signal), fs * settings.templates.upsample
    paths = paths_of(library.locations[template_ids], library.centre, direction)
    lots = [generator(*address, "drifting", unit).random() for unit in range(len(template_ids))]
    drifts = np.argsort(np.argsort(lots)) < (len(lots) if signal.n_drifting is None else signal.n_drifting)
    depths = library.positions[template_ids] @ direction
    drift = _drift(settings, address, depths=depths, drifts=drifts, reach=paths.reach)
    require_reach(drift, paths, where)

    @lru_cache(maxsize=max(STEPS_HELD, 2 * len(ticks)))
    def at_step(unit, step):
        return place_template(
            library.templates[template_ids[unit], step],
            library.peak_sample,
            1000 / library.dt,
            fs,
            n_phases=settings.templates.upsample,
            pad_len=settings.templates.pad_len,
        )

    return Moving(
        drift=drift,
        paths=paths,
        depths=depths,
        displacements=[np.float32(drift.displacement(unit, some / ticks_per_second)) for unit, some in enumerate(ticks)],
        at_step=at_step,
    )


def _direction(signal):
    return np.array(signal.preferred_dir) / np.linalg.norm(signal.preferred_dir)


def _drift(settings, address, **neurons):
    signal, duration = settings.recordings, settings.spiketrains.duration
    return design_drift((*address, "drift"), signal.drift_dicts, duration=duration, fs=signal.drift_fs, **neurons)


def _far_neurons(library, settings, fs, address, moving, threads):
    """Far neurons, which move with the units, `moving`, if there are such and the library drifts."""
    trains, signal = settings.spiketrains, settings.recordings
    n_exc = round(signal.far_neurons_n * signal.far_neurons_exc_inh_ratio)
    groups = _groups(settings.cell_types, n_exc, signal.far_neurons_n - n_exc)
    rows = select_far_neurons(
        generator(*address, "far selection"),
        library.amplitudes,
        library.celltypes,
        groups,
        min_amp=signal.far_neurons_min_amp,
        max_amp=signal.far_neurons_max_amp,
    )
    rates = [
        draw_rate(generator(*address, "far rate", *key), *rate_of(trains, key[0], library.celltypes[row]), trains.min_rate)
        for key, row in zip(_unit_keys(groups), rows, strict=True)
    ]
    address, rates = (*address, "far spikes"), np.array(rates) / fs
    # Spikes of Poisson processes lie on samples as well as between them: one phase will do.
    rate_and_pads = {"fs_out": fs, "n_phases": 1, "pad_len": settings.templates.pad_len, "threads": threads}
    place = partial(place_templates, peak=library.peak_sample, fs_in=1000 / library.dt, **rate_and_pads)
    if not (moving and library.drifting):
        return FarNeurons(address, rates, place(library.at_centre(rows)), np.arange(len(rows)))
    direction = _direction(signal)
    paths = paths_of(library.locations[rows], library.centre, direction)
    depths, everyone = library.positions[rows] @ direction, np.ones(len(rows), dtype=bool)
    drift = _drift(settings, address[:-1], depths=depths, drifts=everyone, reach=moving.paths.reach, tissue=moving.depths)
    return FarNeurons(address, rates, *_along_paths(library, rows, paths, drift, fs, place))


def _along_paths(library, rows, paths, drift, fs, place):
    """The placed templates of neurons (n,) at all steps of their paths that they come to; which of them are those without
    drift (n,); and the function from samples and neurons to which ones they are. Beyond its path a neuron stays at its end."""
    n = len(rows)
    courses = [drift.of_unit(neuron) for neuron in range(n)]
    ends = [np.array([0.0, course.min(), course.max()]) for course in courses]
    steps = np.array([paths.nearest(np.full(3, neuron), ends[neuron]) for neuron in range(n)])
    lowest, n_steps = steps.min(axis=1), np.ptp(steps, axis=1) + 1
    begins = np.cumsum(n_steps) - n_steps - lowest

    def templates():
        for neuron, row in enumerate(rows):
            for step in range(lowest[neuron], lowest[neuron] + n_steps[neuron]):
                yield library.templates[row, paths.order[neuron, step]]

    def moved(samples, neurons):
        nearest = paths.nearest(neurons, drift.displacements(neurons, samples / fs))
        return begins[neurons] + nearest

    return place(templates()), begins + steps[:, 0], moved


def _unit_table(library, template_ids, groups, trains, settings, ticks_per_second):
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
        }
    ).join(_train_table(trains, settings.spiketrains, ticks_per_second))
    table = table.join(features)
    known = [c for c in library.cells if c not in table and c not in ("n_templates", "n_candidates", "acceptance_rate")]
    return table.merge(library.cells[["model_id", *known]], on="model_id", how="left", validate="many_to_one")


def _train_table(trains, settings, ticks_per_second):
    """What was asked of each train and what it is: a row a unit."""
    refractory = [np.sum(np.diff(train.ticks) < settings.ref_per / 1000 * ticks_per_second) for train in trains]
    n_spikes = np.array([len(train.ticks) for train in trains], dtype=np.int64)
    return pd.DataFrame(
        {
            "process": np.array([train.process for train in trains], dtype=object),
            "rate": np.array([train.rate for train in trains], dtype=float),
            "rate_found": n_spikes / (settings.duration - settings.t_start),
            "n_spikes": n_spikes,
            "n_refractory_violations": np.array(refractory, dtype=np.int64),
            "n_bursts": np.array([train.bursts.max(initial=-1) + 1 for train in trains], dtype=np.int64),
        }
    )


def _templates(placed, waveforms, n_channels, threads):
    """What a function makes of the courses and weights of each unit, (n_units, n_channels, n_t) float32."""
    if not placed:
        return np.zeros((0, n_channels, 0), dtype=np.float32)
    n_units, _, n_t, _ = placed.courses.shape
    templates = np.empty((n_units, n_channels, n_t), dtype=np.float32)

    def fill(unit):
        templates[unit] = waveforms(*placed.at_sample[unit]).T

    deque(in_order(fill, range(n_units), threads), maxlen=0)
    return templates


def _signal_to_noise(waveforms, noise):
    """The largest deflection of each unit over the standard deviation (n_channels,) of the noise; infinite without noise."""
    if noise is None:
        return np.full(len(waveforms), np.inf)
    if not len(waveforms):
        return np.zeros(0)
    return (np.maximum(waveforms.max(axis=2), -waveforms.min(axis=2)) / noise).max(axis=1)
