"""The spikes of all units: drawn by their processes and made synchronous, or imported from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.common.random_streams import StreamKey, generator

from .imported import import_trains
from .processes import Process, Train, draw_rate, draw_train, rate_factor
from .synchrony import synchronise

if TYPE_CHECKING:
    from allenrec.settings.recordings import SpikeTrains, Synchrony

    from ..tick_grid import TickGrid
    from ..types import UnitKey


def draw_spikes(
    stream_key: StreamKey,
    keys: Sequence[UnitKey],
    cell_types: Sequence[str] | NDArray[np.object_],
    overlaps: NDArray[np.bool_],
    settings: SpikeTrains,
    sync: Synchrony,
    grid: TickGrid,
) -> list[Train]:
    """Return the spikes of all units.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the spikes of the recording.
    keys : sequence of (str, int)
        Kind and number of each unit.
    cell_types : sequence of str
        Cell type of each unit.
    overlaps : numpy.ndarray
        (n_units, n_units) bool, which units overlap in space.
    settings : allenrec.settings.recordings.SpikeTrains
    sync : allenrec.settings.recordings.Synchrony
    grid : TickGrid

    Returns
    -------
    list of Train

    Raises
    ------
    UserError
        If spikes are imported and do not fit the recording.
    """
    if settings.file is not None:
        return import_trains(settings.file, settings.file_units, settings.n_units, settings.duration, grid)
    trains = draw_trains(stream_key, keys, cell_types, settings, grid)
    return trains if sync.sync_rate is None else synchronise(stream_key, keys, trains, overlaps, sync, settings, grid)


def draw_trains(
    stream_key: StreamKey,
    keys: Sequence[UnitKey],
    cell_types: Sequence[str] | NDArray[np.object_],
    settings: SpikeTrains,
    grid: TickGrid,
) -> list[Train]:
    """Draw the spikes of all units; the spikes of a unit depend on no other unit. See `draw_spikes` for the parameters."""
    silent = round(settings.t_start * grid.ticks_per_second)
    trains = []
    for unit, (key, cell_type) in enumerate(zip(keys, cell_types, strict=True)):
        if isinstance(settings.rates, list):
            rate = settings.rates[unit]
        else:
            rate = draw_rate(generator(*stream_key, "rate", *key), *rate_of(settings, key[0], cell_type), settings.min_rate)
        name, process = process_of(settings, cell_type)
        ticks, bursts = draw_train(
            generator(*stream_key, "train", *key),
            rate,
            process,
            n_ticks=grid.n_ticks - silent,
            ticks_per_second=grid.ticks_per_second,
            factor=_rate_factor(stream_key, key, settings),
        )
        trains.append(Train(ticks + silent, bursts, float(rate), name))
    return trains


def process_of(settings: SpikeTrains, cell_type: str) -> tuple[str, Process]:
    """Return the name and the process of units of a cell type."""
    name = settings.process if isinstance(settings.process, str) else settings.process.get(cell_type, "poisson")
    process = Process(settings.ref_per / 1000)
    if name == "gamma":
        process = replace(process, shape=settings.gamma_shape)
    if name == "burst":
        process = replace(
            process,
            burst_share=settings.burst_share,
            burst_spikes=settings.burst_spikes,
            burst_interval=settings.burst_interval / 1000,
            burst_shape=settings.burst_shape,
        )
    return name, process


def rate_of(settings: SpikeTrains, kind: str, cell_type: str) -> tuple[float, float]:
    """Return mean and standard deviation of the rates of units of a kind and cell type, Hz."""
    if isinstance(settings.rates, dict) and cell_type in settings.rates:
        rate = settings.rates[cell_type]
        return rate if isinstance(rate, tuple) else (rate, 0.0)
    return (settings.f_exc, settings.st_exc) if kind == "excitatory" else (settings.f_inh, settings.st_inh)


def _rate_factor(stream_key: StreamKey, key: UnitKey, settings: SpikeTrains) -> NDArray[np.float64] | None:
    """Return the factor of a unit's rate over time, or None; all units have the same one if it is shared."""
    if settings.rate_modulation == "none":
        return None
    whose = ("all",) if settings.rate_modulation_shared else key
    return rate_factor(
        generator(*stream_key, "rate modulation", *whose),
        settings.duration - settings.t_start,
        kind=settings.rate_modulation,
        depth=settings.rate_modulation_depth,
        period=settings.rate_modulation_period,
    )
