"""Drift: how far every unit has moved along its path at every moment, as a sum of several movements."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allenrec.common.csv_text import read_users_table
from allenrec.common.errors import UserError, shortened, shown
from allenrec.common.random_streams import StreamKey, generator

if TYPE_CHECKING:
    from allenrec.settings.recordings import Drift as MovementSettings
    from allenrec.settings.recordings import DriftingUnits

    from ..segments import Segments

#: Columns of a drift file
COLUMNS = ["time_s", "depth_um", "displacement_um"]

#: Times (n_times,) s and depths (n_depths,) µm, increasing, and displacements (n_times, n_depths) µm
Motion = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Movement:
    """A movement: time courses, and how much of each of them every unit follows.

    Attributes
    ----------
    time_courses : numpy.ndarray
        (n_times, k) µm.
    factors : numpy.ndarray
        (k, n_units).
    """

    time_courses: NDArray[np.float64]
    factors: NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """The sum of all movements.

    Attributes
    ----------
    times : numpy.ndarray
        (n_times,) s; displacements between these times are interpolated linearly.
    movements : tuple of Movement
    """

    times: NDArray[np.float64]
    movements: tuple[Movement, ...]

    def of_unit(self, unit: int) -> NDArray[np.float64]:
        """Return the displacement of a unit at all times, (n_times,) µm."""
        total = np.zeros(len(self.times))
        for movement in self.movements:
            total += movement.time_courses @ movement.factors[:, unit]
        return total

    def displacement(self, unit: int, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the displacement of a unit at any times (n,) s, µm."""
        return np.interp(times, self.times, self.of_unit(unit))

    def displacements(self, units: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the displacements (n,) µm of units (n,), each at its own time (n,) s."""
        total = np.zeros(len(units))
        for movement in self.movements:
            for course, factors in zip(movement.time_courses.T, movement.factors, strict=True):
                total += np.interp(times, self.times, course) * factors[units]
        return total


@dataclass(frozen=True)
class DriftingCells:
    """The cells that a drift moves.

    Attributes
    ----------
    depths : numpy.ndarray
        (n_units,) µm, position of each cell along the axis of the drift.
    drifts : numpy.ndarray
        (n_units,) bool, which cells drift at all.
    reach : float
        Distance that all cells can move both ways, µm. It limits movements for which the user gives no range.
    tissue : numpy.ndarray or None
        Depths, µm, over which a non-rigid movement changes; None stands for `depths`.
    """

    depths: NDArray[np.float64]
    drifts: NDArray[np.bool_]
    reach: float
    tissue: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class MotionFrame:
    """The clock and the depths that the motion of a background is given in.

    Attributes
    ----------
    segments : Segments
    fs : float
        Sampling rate, Hz.
    depth : float
        Depth, µm, that is 0 in the motion.
    """

    segments: Segments
    fs: float
    depth: float


def design_drift(
    stream_key: StreamKey, settings: DriftingUnits, duration: float, cells: DriftingCells, frame: MotionFrame | None = None
) -> Drift:
    """Put the movements of a recording together.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the drift; movement k uses its substream k.
    settings : allenrec.settings.recordings.DriftingUnits
        `drift_dicts` are the movements; displacements are known at `drift_fs` Hz.
    duration : float
        s.
    cells : DriftingCells
    frame : MotionFrame, optional
        The clock and the depths of drift files, if they are those of a background.

    Returns
    -------
    Drift

    Raises
    ------
    UserError
        If a drift file cannot be read.
    """
    times = np.arange(int(np.ceil(duration * settings.drift_fs)) + 1) / settings.drift_fs
    if frame is not None:  # the motion may jump from one segment to the next
        seams = frame.segments.seams(frame.fs)
        times = np.union1d(times, [*np.nextafter(seams, 0), *seams])
    movements = []
    for number, movement in enumerate(settings.drift_dicts):
        if movement.drift_file is not None:
            courses, factors = _from_file(movement.drift_file, times, cells.depths, frame)
        else:
            course = _time_course((*stream_key, number), movement, times, 2 * cells.reach)
            courses, factors = course[:, np.newaxis], _factors(movement, cells)[np.newaxis]
        movements.append(Movement(_within(courses, times, movement), factors * cells.drifts))
    return Drift(times, tuple(movements))


def _time_course(
    stream_key: StreamKey, movement: MovementSettings, times: NDArray[np.float64], available: float
) -> NDArray[np.float64]:
    """Return the displacement (n_times,) µm of cells that follow a movement in full.

    It is 0 at `t_start_drift`; `available` is the range within which all cells can move, µm.
    """
    since = np.maximum(times - movement.t_start_drift, 0.0)
    if movement.drift_mode_speed == "slow":
        amplitude = available if movement.slow_drift_amplitude is None else movement.slow_drift_amplitude
        return slow_drift(since, amplitude, movement.slow_drift_velocity / 60, movement.slow_drift_waveform)
    if movement.drift_mode_speed == "fast":
        jumps = movement.fast_drift_min_jump, movement.fast_drift_max_jump
        return fast_drift(generator(*stream_key), since, movement.fast_drift_period, jumps, available / 2)
    limit = available / 2 if movement.random_walk_limit is None else movement.random_walk_limit
    return random_walk(generator(*stream_key), since, movement.random_walk_deviation, limit)


def slow_drift(times: NDArray[np.float64], amplitude: float, velocity: float, waveform: str) -> NDArray[np.float64]:
    """Return a slow movement to and fro that begins at 0 and goes down first; it is MEArec's.

    Parameters
    ----------
    times : numpy.ndarray
        (n_times,) s.
    amplitude : float
        Distance from the lowest to the highest point, µm.
    velocity : float
        µm/s; the mean velocity of a sine.
    waveform : str
        "sine"; all others are triangular.

    Returns
    -------
    numpy.ndarray
        (n_times,) µm.
    """
    if not amplitude:
        return np.zeros(len(times))
    phase = times * velocity / (2 * amplitude)  # in periods
    if waveform == "sine":
        return -0.5 * amplitude * np.sin(2 * np.pi * phase)
    return amplitude * (np.abs((phase + 0.25) % 1 - 0.5) * 2 - 0.5)


def fast_drift(
    rng: np.random.Generator, times: NDArray[np.float64], period: float, jumps: tuple[float, float], limit: float
) -> NDArray[np.float64]:
    """Return a movement in jumps.

    The sizes of jumps are uniformly distributed, up or down with equal probability. A jump that would leave the limits goes
    the other way, and is cut short if it would leave them there as well.

    Parameters
    ----------
    rng : numpy.random.Generator
    times : numpy.ndarray
        (n_times,) s.
    period : float
        Time between jumps, s.
    jumps : (float, float)
        Shortest and longest jump, µm.
    limit : float
        The movement stays between minus and plus this, µm.

    Returns
    -------
    numpy.ndarray
        (n_times,) µm.
    """
    number = np.floor(times / period + 1e-9).astype(int)
    levels = np.zeros(number[-1] + 1)
    sizes = rng.uniform(*jumps, len(levels)) * rng.choice([-1, 1], len(levels))
    for k in range(1, len(levels)):
        size = sizes[k] if abs(levels[k - 1] + sizes[k]) <= limit else -sizes[k]
        levels[k] = np.clip(levels[k - 1] + size, -limit, limit)
    return levels[number]


def random_walk(rng: np.random.Generator, times: NDArray[np.float64], deviation: float, limit: float) -> NDArray[np.float64]:
    """Return a Brownian movement between two walls.

    Parameters
    ----------
    rng : numpy.random.Generator
    times : numpy.ndarray
        (n_times,) s.
    deviation : float
        Standard deviation of the displacement in one second, far from the walls, µm.
    limit : float
        The movement is reflected at plus and minus this, µm.

    Returns
    -------
    numpy.ndarray
        (n_times,) µm.
    """
    steps = rng.standard_normal(len(times)) * deviation * np.sqrt(np.diff(times, prepend=times[0]))
    free = np.cumsum(steps)
    if not limit:
        return np.zeros(len(times))
    # A free walk that is folded at two walls is the reflected walk.
    return limit - np.abs((free + limit) % (4 * limit) - 2 * limit)


def _factors(movement: MovementSettings, cells: DriftingCells) -> NDArray[np.float64]:
    """Return how much of the movement each cell follows, (n_units,)."""
    depths, tissue = cells.depths, cells.depths if cells.tissue is None else cells.tissue
    if movement.drift_mode_probe == "rigid" or not len(tissue):
        return np.ones(len(depths))
    if movement.non_rigid_gradient_mode == "step":
        boundary = movement.non_rigid_step_depth_boundary
        above, below = movement.non_rigid_step_factors or (1.0, 0.0)
        return np.where(depths > (tissue.mean() if boundary is None else boundary), above, below)
    height = np.clip((depths - tissue.min()) / max(np.ptp(tissue), 1e-9), 0, 1)
    if movement.non_rigid_linear_direction > 0:
        height = 1 - height
    least = movement.non_rigid_linear_min_factor
    return least + (1 - least) * height


def _within(courses: NDArray[np.float64], times: NDArray[np.float64], movement: MovementSettings) -> NDArray[np.float64]:
    """Return time courses that are zero before the movement begins and constant after it ends."""
    end = np.inf if movement.t_end_drift is None else movement.t_end_drift
    held = courses[np.minimum(np.arange(len(times)), np.searchsorted(times, end, side="right") - 1)]
    held[times < movement.t_start_drift] = 0.0
    return held


def _from_file(
    path: str, times: NDArray[np.float64], depths: NDArray[np.float64], frame: MotionFrame | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the time courses (n_times, k) µm of a file, one for each of its depths, and the factors (k, n_units).

    The factors interpolate between the depths.
    """
    motions = read_motion(path)
    n_segments = 1 if frame is None else len(frame.segments.lengths)
    if len(motions) < n_segments or (frame is None and len(motions) > 1):
        raise UserError(f"{path} has the motion of {len(motions)} segments; the recording has {n_segments}")
    segment = np.zeros(len(times), dtype=np.int64)
    if frame is not None:
        segment, times = frame.segments.clock(times, frame.fs)
        depths = depths - frame.depth
    places = motions[0][1]
    courses = np.empty((len(times), len(places)))
    for number, (at, _, displacements) in enumerate(motions[:n_segments]):
        mine = segment == number
        if frame is not None and mine.any():
            _require_same_clock(path, number, at, times[mine])
        courses[mine] = np.stack([np.interp(times[mine], at, one) for one in displacements.T], axis=1)
    factors = np.stack([np.interp(depths, places, one) for one in np.eye(len(places))])
    return courses, factors


def _require_same_clock(path: str, number: int, at: NDArray[np.float64], times: NDArray[np.float64]) -> None:
    """Refuse a motion of another time than that of a segment: its first or last displacement would hold throughout."""
    step = np.diff(at).max(initial=0.0) if len(at) > 1 else np.inf
    if times[-1] < at[0] - step or times[0] > at[-1] + step:
        raise UserError(
            f"{path}: the motion of segment {number} is from {at[0]:g} to {at[-1]:g} s, but the segment from {times[0]:g} to "
            f"{times[-1]:g} s; its times must be on the clock of the recording"
        )


def read_motion(path: str | PathLike[str]) -> list[Motion]:
    """Read a movement from a file, one for each segment of a recording; they have the same depths.

    Parameters
    ----------
    path : path
        A CSV file with the columns `time_s`, `depth_um` and `displacement_um`, or a folder of SpikeInterface's `Motion`.

    Returns
    -------
    times : numpy.ndarray
        (n_times,) s, increasing.
    depths : numpy.ndarray
        (n_depths,) µm, increasing.
    displacements : numpy.ndarray
        (n_times, n_depths) µm.

    Raises
    ------
    UserError
        If the file is missing or of another kind, or lacks a number for one of its times at one of its depths.
    """
    motions = _read_motion_folder(path) if Path(path).is_dir() else [_read_motion_table(path)]
    for times, depths, displacements in motions:
        fits = len(times) > 0 and displacements.shape == (len(times), len(depths))
        if not fits or not np.isfinite(displacements).all():
            raise UserError(f"{path}: every time needs a displacement_um, a finite number, at every depth")
        for name, values in (("times", times), ("depths", depths)):
            if not (np.isfinite(values).all() and (np.diff(values) > 0).all()):
                raise UserError(f"{path}: the {name} must be finite numbers that increase")
    return motions


def _read_motion_folder(path: str | PathLike[str]) -> list[Motion]:
    from spikeinterface.core.motion import Motion as SavedMotion

    try:
        motion = SavedMotion.load(path)
        parts = zip(motion.temporal_bins_s, motion.displacement, strict=True)
        depths = _real_numbers(motion.spatial_bins_um)
        return [(_real_numbers(times), depths, _real_numbers(displacement)) for times, displacement in parts]
    except Exception as error:  # a damaged folder ends in many kinds
        raise UserError(f"{path} is not a folder that SpikeInterface's Motion.save made ({shortened(error)})") from None


def _real_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers as floats; raise a `TypeError` for text and complex numbers."""
    return np.asarray(values).astype(float, casting="same_kind")


def _read_motion_table(path: str | PathLike[str]) -> Motion:
    try:
        table = read_users_table(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table ({shortened(error)})") from None
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise UserError(f"{path} has no column {shown(missing[0])}; a drift file has {', '.join(COLUMNS)}")
    for column in COLUMNS:
        numbers = pd.to_numeric(table[column], errors="coerce")
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise UserError(f"{path}, line {row + 2}: {column} {shown(table[column].iloc[row])} is not a number")
    if table.duplicated(COLUMNS[:2]).any():
        row = int(np.flatnonzero(table.duplicated(COLUMNS[:2]))[0])
        raise UserError(f"{path}, line {row + 2}: this time and depth stand there twice")
    wide = table.pivot(index="time_s", columns="depth_um", values="displacement_um")
    return wide.index.to_numpy(float), wide.columns.to_numpy(float), wide.to_numpy(float)
