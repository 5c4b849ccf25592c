"""Drift of units: where each spike happens along the path of its unit, and the templates there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError
from allenrec.common.random_streams import StreamKey, generator

from .drift import Drift, DriftingCells, MotionFrame, design_drift
from .paths import Paths, paths_of, require_reach
from .upsampling import Upsampling, upsample_template

if TYPE_CHECKING:
    from allenrec.settings.recordings import DriftingUnits, Recording

    from ..tick_grid import TickGrid
    from ..types import TemplateLibrary
    from .low_rank import UpsampledTemplate

#: Maximum number of templates along paths that are held in memory; at least two per unit are held in any case
STEPS_HELD = 1024


@dataclass(frozen=True)
class UnitDrift:
    """The drift of the units of a recording.

    Attributes
    ----------
    stream_key : tuple
        Random stream of the movements, which far neurons follow as well.
    drift : Drift
        Displacement of each unit at every moment.
    paths : Paths
        Paths of the units' templates.
    depths : numpy.ndarray
        (n_units,) µm, positions of the units along the axis of the drift.
    displacements : list of numpy.ndarray
        (n_spikes,) float32 µm; one array per unit, the displacement at each of its spikes.
    at_step : callable
        A function that returns the upsampled template of a unit at a step of the library.
    """

    stream_key: StreamKey
    drift: Drift
    paths: Paths
    depths: NDArray[np.float64]
    displacements: list[NDArray[np.float32]]
    at_step: Callable[[int, int], UpsampledTemplate]

    def templates(self, unit: int, spikes: slice) -> Iterator[tuple[UpsampledTemplate, NDArray[np.float32]]]:
        """Yield the templates between which some spikes of a unit lie.

        Each comes with the share (n_spikes,) float32 that every spike has of it.
        """
        steps = self.paths.steps(unit, self.displacements[unit][spikes])
        for step in np.unique([np.floor(steps), np.ceil(steps)]).astype(int):
            template = self.at_step(unit, int(self.paths.order[unit, step]))
            yield template, np.maximum(1 - np.abs(steps - step), 0).astype(np.float32)


def drift_direction(settings: DriftingUnits) -> NDArray[np.float64]:
    """Return the unit vector (3,) along which displacements are positive."""
    return np.array(settings.preferred_dir) / np.linalg.norm(settings.preferred_dir)


def design_unit_drift(
    stream_key: StreamKey,
    name: str,
    library: TemplateLibrary,
    template_ids: NDArray[np.int64],
    ticks: Sequence[NDArray[np.int64]],
    settings: Recording,
    grid: TickGrid,
    how: Upsampling,
    frame: MotionFrame | None = None,
) -> UnitDrift | None:
    """Return the drift of the units of a recording, or None if they stay.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the drift of the recording.
    name : str
        Name of the recording, for messages.
    library : TemplateLibrary
    template_ids : numpy.ndarray
        (n_units,) rows of the library.
    ticks : sequence of numpy.ndarray
        (n_spikes,) spike times of each unit.
    settings : allenrec.settings.recordings.Recording
    grid : TickGrid
    how : Upsampling
    frame : MotionFrame, optional
        See `design_drift`.

    Returns
    -------
    UnitDrift or None

    Raises
    ------
    UserError
        If the templates of the library do not drift, or do not reach as far as the units.
    """
    signal, where = settings.recordings, f"recordings.{name}"
    if not signal.drifting:
        return None
    if not library.drifting:
        raise UserError(
            f"{where}: drifting needs a library whose templates drift (libraries.{settings.library}.drifting: true)"
        )
    direction = drift_direction(signal)
    paths = paths_of(library.locations[template_ids], library.centre, direction)
    depths = library.positions[template_ids] @ direction
    cells = DriftingCells(depths, _which_drift(stream_key, len(template_ids), signal), paths.reach)
    movements: StreamKey = (*stream_key, "drift")
    drift = design_drift(movements, signal, settings.spiketrains.duration, cells, frame)
    require_reach(drift, paths, where)

    @lru_cache(maxsize=max(STEPS_HELD, 2 * len(ticks)))
    def at_step(unit: int, step: int) -> UpsampledTemplate:
        return upsample_template(library.templates[template_ids[unit], step], how)

    displacements = [drift.displacement(unit, grid.seconds(some)).astype(np.float32) for unit, some in enumerate(ticks)]
    return UnitDrift(movements, drift, paths, depths, displacements, at_step)


def _which_drift(stream_key: StreamKey, n_units: int, settings: DriftingUnits) -> NDArray[np.bool_]:
    """Return which units drift, (n_units,) bool; they are chosen by random draws, one per unit."""
    draws = [generator(*stream_key, "drifting", unit).random() for unit in range(n_units)]
    return np.argsort(np.argsort(draws)) < (n_units if settings.n_drifting is None else settings.n_drifting)
