"""The plan of a recording: its units, their spikes, gains and drift, the noise and the ADC.

The plan holds everything random about a recording except the noise, which is drawn later from its stream key. `traces.blocks`
computes any piece of the traces from a plan. Each part of the plan is designed by the module of its subject; this module calls
them one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allenrec.common.errors import UserError
from allenrec.common.finite import require_finite
from allenrec.waveforms.filters import Filter, design_filter

from .formats.adc import Adc, design_adc
from .size import traces_size
from .spikes.draw import draw_spikes
from .streams import Streams, streams_of
from .tick_grid import TickGrid
from .traces.background import Background, motion_frame, on_background, open_background, require_fit
from .traces.gains import Gains, bursting_units, spike_gains
from .traces.noise import Noise, design_noise
from .traces.noise_parts import NoiseInputs
from .traces.unit_drift import UnitDrift, design_unit_drift
from .traces.upsampling import read_and_upsample, upsampling_for
from .units.overlaps import OVERLAP_WINDOW, overlap_labels, overlap_pairs, spatial_overlaps
from .units.selection import choose_units, unit_groups, unit_keys
from .units.signal_to_noise import library_signal_to_noise, signal_to_noise
from .units.table import unit_table

if TYPE_CHECKING:
    from allenrec.settings.recordings import Recording as RecordingSettings

    from .segments import Segments
    from .traces.low_rank import UpsampledTemplates
    from .types import TemplateLibrary, UnitKey


@dataclass(frozen=True)
class Plan:
    """Everything about a recording except its traces.

    Lists have one element per unit.

    Attributes
    ----------
    grid : TickGrid
        Sampling rate, length, and the ticks on which spikes lie.
    n_channels : int
    units : pandas.DataFrame
        One row per unit; see `allenrec.recordings.units.table`.
    template_ids : numpy.ndarray
        (n_units,) rows of the library.
    templates : numpy.ndarray
        (n_units, n_channels, n_t) µV, the templates of the library, without drift.
    upsampled : UpsampledTemplates
        The same templates at all phases between two samples.
    unfiltered_templates, filtered_templates : numpy.ndarray
        (n_units, n_channels, n_t) µV, the same templates with the spike exactly at a sample, before and after the filter.
    ticks : list of numpy.ndarray
        (n_spikes,) int64, spike times in ticks.
    bursts : list of numpy.ndarray
        (n_spikes,) the number of the burst that each spike belongs to; -1 for single spikes.
    gains : list of numpy.ndarray or ChannelGains
        (n_spikes, 1 or n_channels) gains of the spikes; read them by slices, because some are drawn only then.
    widening_factors : list of numpy.ndarray or None
        (n_spikes,) factors by which spikes are wider than their template, at the peak; None if all keep its shape.
    bends : list of numpy.ndarray or None
        (n_spikes,) how much the time of spikes is bent, see `gains.bends_of`; None if their width changes evenly.
    overlap_labels : list of numpy.ndarray
        (n_spikes,) a label that says whether spikes of other units coincide; see
        `allenrec.recordings.units.overlaps.overlap_labels`.
    overlap_pairs : pandas.DataFrame
        One row per pair of units that overlap in space: `unit_1`, `unit_2`, `sync_rate`.
    filter : Filter or None
    noise : Noise or None
    unit_drift : UnitDrift or None
    adc : Adc
        The ADC, from µV to the samples that are stored; of no use with a background.
    background : Background or None
        The real recording that the units are added to.
    """

    grid: TickGrid
    n_channels: int
    units: pd.DataFrame
    template_ids: NDArray[np.int64]
    templates: NDArray[np.float32]
    upsampled: UpsampledTemplates
    unfiltered_templates: NDArray[np.float32]
    filtered_templates: NDArray[np.float32]
    ticks: list[NDArray[np.int64]]
    bursts: list[NDArray[np.int32]]
    gains: list[Gains]
    widening_factors: list[NDArray[np.float64] | None]
    bends: list[NDArray[np.float64] | None]
    overlap_labels: list[NDArray[np.bytes_]]
    overlap_pairs: pd.DataFrame
    filter: Filter | None
    noise: Noise | None
    unit_drift: UnitDrift | None
    adc: Adc
    background: Background | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return self.background.dtype if self.background else self.adc.dtype

    @property
    def segments(self) -> Segments | None:
        """The segments of the background; None for a recording without interruption that begins at 0."""
        return self.background.segments if self.background else None

    @property
    def fs(self) -> float:
        """Sampling rate, Hz."""
        return self.grid.fs

    @property
    def n_samples(self) -> int:
        """Length of the recording in samples."""
        return self.grid.n_samples

    @property
    def n_phases(self) -> int:
        """Ticks per sample."""
        return self.grid.n_phases

    @property
    def ticks_per_second(self) -> float:
        """Ticks per second."""
        return self.grid.ticks_per_second

    @property
    def peak(self) -> int:
        """The index of the sample at which the spike lies in upsampled templates; 0 if there are no units."""
        return self.upsampled.peak


def plan_recording(
    library: TemplateLibrary,
    settings: RecordingSettings,
    *,
    seed: int,
    name: str,
    far_library: TemplateLibrary | None = None,
    choosing_library: TemplateLibrary | None = None,
    background: Background | None = None,
    threads: int = 1,
) -> Plan:
    """Plan a recording: choose its units, and draw their spikes, gains and drift.

    Parameters
    ----------
    library : TemplateLibrary
        Library of the units, such as `allenrec.libraries.open_library` returns.
    settings : allenrec.settings.recordings.Recording
    seed : int
    name : str
        Name of the recording. All its random numbers depend on the seed and on this name, unless `settings` say otherwise.
    far_library : TemplateLibrary, optional
        Library of the far neurons, if it is not the library of the units.
    choosing_library : TemplateLibrary, optional
        Library in which the units are chosen, if it is another one with the same poses.
    background : Background, optional
        The background that `settings` name; it is opened if it is not given.
    threads : int
        Number of threads; the plan does not depend on it.

    Returns
    -------
    Plan

    Raises
    ------
    UserError
        If the library cannot supply the units (the message names the limiting setting), or if imported spike trains or the
        background do not fit.

    Examples
    --------
    >>> from allenrec.libraries import open_library
    >>> from allenrec.recordings.traces.blocks import blocks
    >>> from allenrec.settings.recordings import Recording
    >>> with open_library("results/libraries/neuronexus/templates.h5") as library:
    ...     plan = plan_recording(library, Recording(library="neuronexus"), seed=0, name="mine")
    ...     first = next(blocks(plan))
    """
    streams = streams_of(settings, seed=seed, name=name)
    settings, background = _with_background(library, settings, background, name)
    groups = unit_groups(settings.cell_types, settings.spiketrains.n_exc, settings.spiketrains.n_inh)
    choosing = choosing_library or library
    if choosing is not library:
        _require_same_poses(library, choosing, settings, name)
    snr = _snr_of_templates(streams, choosing, settings, background, threads)
    template_ids = choose_units(streams.units, choosing, groups, settings.templates, settings.recordings, snr)
    return _plan_units(
        streams, name, library, template_ids, unit_keys(groups), settings, far_library or library, background, threads
    )


def _with_background(
    library: TemplateLibrary, settings: RecordingSettings, background: Background | None, name: str
) -> tuple[RecordingSettings, Background | None]:
    """Return the settings of a recording as its background has them, and the background, opened if it is not given."""
    if settings.background is None:
        return settings, background
    background = background or open_background(settings.background)
    require_fit(background, settings, contacts_of(library), f"recordings.{name}")
    return on_background(settings, background), background


def _snr_of_templates(
    streams: Streams, library: TemplateLibrary, settings: RecordingSettings, background: Background | None, threads: int
) -> NDArray[np.float64] | None:
    """Return the signal-to-noise ratio of each template of a library, (N,), or None if the settings do not limit it."""
    if settings.templates.snr is None:
        return None
    return library_signal_to_noise(library, _noise_before_units(streams, library, settings, background, threads))


def _noise_before_units(
    streams: Streams, library: TemplateLibrary, settings: RecordingSettings, background: Background | None, threads: int
) -> NDArray[np.float64]:
    """Return the standard deviation of the noise at each channel, (n_channels,) µV, before the units are known."""
    signal, positions = settings.recordings, library.channel_positions
    if background is not None:
        if len(background.noise_levels) != len(positions):
            raise UserError("templates.snr: the units are chosen on another probe than that of the background; leave it out")
        return background.noise_levels
    if signal.noise_level_at == "raw":
        return np.full(len(positions), signal.noise_level)
    grid = tick_grid(library, settings)
    bandpass = design_filter(grid.fs, signal) if signal.filter else None
    noise = design_noise(NoiseInputs(streams.noise, settings, positions, library, grid, None, threads), bandpass)
    return noise.raw if noise else np.zeros(len(positions))


def _require_same_poses(library: TemplateLibrary, other: TemplateLibrary, settings: RecordingSettings, name: str) -> None:
    """Raise a `UserError` unless both libraries have templates of the same cells at the same positions and rotations."""
    same = np.array_equal(library.model_ids, other.model_ids) and all(
        np.allclose(getattr(library, key), getattr(other, key), atol=1e-3) for key in ("positions", "rotations")
    )
    if not same:
        raise UserError(
            f"recordings.{name}: units are chosen in {settings.choosing_library}, but {settings.library} does not have the "
            f"same poses; use a library with `poses_from`, or set stream.library to null"
        )


def _plan_units(
    streams: Streams,
    name: str,
    library: TemplateLibrary,
    template_ids: NDArray[np.int64],
    keys: list[UnitKey],
    settings: RecordingSettings,
    far_library: TemplateLibrary,
    background: Background | None,
    threads: int,
) -> Plan:
    """Return the plan of a recording whose units have been chosen."""
    signal, grid, n_channels = settings.recordings, tick_grid(library, settings), len(library.channel_positions)
    how = upsampling_for(library, grid, settings.templates.pad_len)
    templates, upsampled = read_and_upsample(library, template_ids, how, threads)
    bandpass = design_filter(grid.fs, signal) if signal.filter else None
    unfiltered, filtered = _waveforms(upsampled, bandpass, threads)

    overlaps = spatial_overlaps(-templates.min(axis=2), settings.templates.overlap_threshold)
    cell_types = library.celltypes[template_ids]
    trains = draw_spikes(streams.spikes, keys, cell_types, overlaps, settings.spiketrains, signal, grid)
    ticks = [train.ticks for train in trains]
    bursts = bursting_units(streams.gains, keys, signal)
    after_peak = 1 - upsampled.peak / max(upsampled.n_t - 1, 1)
    gains, widening_factors, bends = spike_gains(
        streams.gains, keys, ticks, bursts, grid, n_channels, signal, signal, after_peak
    )
    frame = motion_frame(background, settings, contacts_of(library))
    unit_drift = design_unit_drift(streams.drift, name, library, template_ids, ticks, settings, grid, how, frame)
    noise = design_noise(
        NoiseInputs(streams.noise, settings, library.channel_positions, far_library, grid, unit_drift, threads), bandpass
    )
    levels = (noise.raw, noise.filtered) if noise else (background.noise_levels,) * 2 if background else (None, None)
    units = unit_table(library, template_ids, keys, trains, settings.spiketrains, grid, filtered).assign(
        snr=signal_to_noise(unfiltered, levels[0]),
        snr_filtered=signal_to_noise(filtered, levels[1]),
        bursting=[unit in bursts for unit in range(len(keys))],
    )
    return Plan(
        grid=grid,
        n_channels=n_channels,
        units=units,
        template_ids=template_ids,
        templates=templates,
        upsampled=upsampled,
        unfiltered_templates=unfiltered,
        filtered_templates=filtered,
        ticks=ticks,
        bursts=[train.bursts for train in trains],
        gains=gains,
        widening_factors=widening_factors,
        bends=bends,
        overlap_labels=overlap_labels(ticks, overlaps, round(grid.ticks(OVERLAP_WINDOW))),
        overlap_pairs=overlap_pairs(ticks, overlaps, round(grid.ticks(signal.sync_jitt / 1000))),
        filter=bandpass,
        noise=noise,
        unit_drift=unit_drift,
        adc=design_adc(signal, unfiltered),
        background=background,
    )


def _waveforms(
    upsampled: UpsampledTemplates, bandpass: Filter | None, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return templates whose spike lies at a sample, before and after the filter, (n_units, n_channels, n_t) µV each."""
    unfiltered = upsampled.waveforms(threads)
    filtered = upsampled.waveforms(threads, bandpass) if bandpass else unfiltered
    require_finite("templates of the units", unfiltered, "delete the library and run again")
    require_finite("filtered templates of the units", filtered, "filter_cutoff or filter_order cannot be used at this fs")
    return unfiltered, filtered


def contacts_of(library: TemplateLibrary) -> NDArray[np.float64]:
    """Return the positions of the contacts of a library in their plane, (n_contacts, 2) µm."""
    return np.asarray(library.probe.contact_positions, dtype=float)


def tick_grid(library: TemplateLibrary, settings: RecordingSettings) -> TickGrid:
    """Return the grid of a recording; its sampling rate is that of the library if the user gives none."""
    fs = settings.recordings.fs or 1000 / library.dt
    return TickGrid(fs, int(fs * settings.spiketrains.duration), settings.templates.upsample)


def recording_size(
    library: TemplateLibrary, settings: RecordingSettings, n_spikes: int = 0, background: Background | None = None
) -> int:
    """Return the size of the traces of a recording without compression, in bytes; see `allenrec.recordings.size`."""
    n_channels = len(library.channel_positions)
    if background is None:
        return traces_size(settings, tick_grid(library, settings).fs, n_channels, n_spikes)
    return traces_size(on_background(settings, background), background.fs, n_channels, n_spikes, background.dtype)
