"""Drift: how far every unit has moved along its path at every moment, as a sum of several movements."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from allenrec.common.errors import UserError
from allenrec.common.random_streams import generator

COLUMNS = ["time_s", "depth_um", "displacement_um"]


@dataclass(frozen=True)
class Movement:
    """One of the movements: `courses` (n_times, k) µm, and how much of each course a unit follows, `weights` (k, n_units)."""

    courses: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Drift:
    """All movements together, at times (n_times,) s; between these displacements are straight lines."""

    times: np.ndarray
    movements: tuple

    def of_unit(self, unit):
        """Return the displacement of a unit at all times, (n_times,) µm."""
        return sum(movement.courses @ movement.weights[:, unit] for movement in self.movements)

    def displacement(self, unit, times):
        """Return the displacement of a unit at any times (n,) s, µm."""
        return np.interp(times, self.times, self.of_unit(unit))

    def displacements(self, units, times):
        """Return the displacements of units (n,) at a time each (n,) s, µm."""
        total = np.zeros(len(units))
        for movement in self.movements:
            for course, weights in zip(movement.courses.T, movement.weights, strict=True):
                total += np.interp(times, self.times, course) * weights[units]
        return total


def design_drift(address, settings, *, duration, fs, depths, drifts, reach, tissue=None):
    """Put the movements of a recording together.

    Parameters
    ----------
    address : tuple
        Seed and address of its random numbers; movement k has those of k.
    settings : list of allenrec.settings.Drift
    duration : float
        s.
    fs : float
        Hz. Of the times at which displacements are known.
    depths : numpy.ndarray
        (n_units,) µm. Where units are along the axis of the drift.
    drifts : numpy.ndarray
        (n_units,) bool. Which of them drift at all.
    reach : float
        µm. How far all units can move both ways together: the range of a movement whose range is not given.
    tissue : numpy.ndarray or None
        µm. The depths over which a non-rigid movement changes, if not those of the units.

    Returns
    -------
    Drift
    """
    times = np.arange(int(np.ceil(duration * fs)) + 1) / fs
    movements = []
    for number, movement in enumerate(settings):
        if movement.drift_mode_speed == "file":
            courses, weights = _from_file(movement.drift_file, times, depths)
        else:
            course = _course((*address, number), movement, times, duration, 2 * reach)
            factors = _factors(movement, depths, depths if tissue is None else tissue)
            courses, weights = course[:, np.newaxis], factors[np.newaxis]
        movements.append(Movement(_within(courses, times, movement), weights * drifts))
    return Drift(times, tuple(movements))


def _course(address, movement, times, duration, available):
    """The displacement (n_times,) µm of what drifts in full, 0 at `t_start_drift`; `available` is the range there is, µm."""
    since = np.maximum(times - movement.t_start_drift, 0.0)
    if movement.drift_mode_speed == "slow":
        amplitude = available if movement.slow_drift_amplitude is None else movement.slow_drift_amplitude
        return slow_course(since, amplitude, movement.slow_drift_velocity / 60, movement.slow_drift_waveform)
    if movement.drift_mode_speed == "fast":
        jumps = movement.fast_drift_min_jump, movement.fast_drift_max_jump
        return fast_course(generator(*address), since, movement.fast_drift_period, jumps, available / 2)
    limit = available / 2 if movement.random_walk_limit is None else movement.random_walk_limit
    return random_walk(generator(*address), since, movement.random_walk_deviation, limit)


def slow_course(times, amplitude, velocity, waveform):
    """Return a slow movement to and fro, (n_times,) µm, that begins at 0 and goes down first.

    Parameters
    ----------
    times : numpy.ndarray
        (n_times,) s.
    amplitude : float
        µm, from the lowest to the highest point.
    velocity : float
        µm/s; of a sine the mean.
    waveform : {"triangular", "sine"}
    """
    if not amplitude:
        return np.zeros(len(times))
    phase = times * velocity / (2 * amplitude)  # in periods
    if waveform == "sine":
        return -0.5 * amplitude * np.sin(2 * np.pi * phase)
    return amplitude * (np.abs((phase + 0.25) % 1 - 0.5) * 2 - 0.5)


def fast_course(rng, times, period, jumps, limit):
    """Return a movement in jumps, one each `period` s, (n_times,) µm.

    Jumps are uniform between `jumps` (2,) µm, up or down alike; the other way where they would leave +- `limit` µm, and
    shorter where they would then as well.
    """
    number = np.floor(times / period + 1e-9).astype(int)
    levels = np.zeros(number[-1] + 1)
    sizes = rng.uniform(*jumps, len(levels)) * rng.choice([-1, 1], len(levels))
    for k in range(1, len(levels)):
        size = sizes[k] if abs(levels[k - 1] + sizes[k]) <= limit else -sizes[k]
        levels[k] = np.clip(levels[k - 1] + size, -limit, limit)
    return levels[number]


def random_walk(rng, times, deviation, limit):
    """Return a Brownian movement between two walls, (n_times,) µm.

    Parameters
    ----------
    times : numpy.ndarray
        (n_times,) s.
    deviation : float
        µm. Standard deviation of the displacement in one second, far from the walls.
    limit : float
        µm. It is reflected at plus and minus this.
    """
    steps = rng.standard_normal(len(times)) * deviation * np.sqrt(np.diff(times, prepend=times[0]))
    free = np.cumsum(steps)
    if not limit:
        return np.zeros(len(times))
    # Folding a free walk at two walls is the reflected walk.
    return limit - np.abs((free + limit) % (4 * limit) - 2 * limit)


def _factors(movement, depths, tissue):
    """How much of the movement each unit follows, (n_units,)."""
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


def _within(courses, times, movement):
    """Zero before the movement begins; held after it ends."""
    end = np.inf if movement.t_end_drift is None else movement.t_end_drift
    held = courses[np.minimum(np.arange(len(times)), np.searchsorted(times, end, side="right") - 1)]
    held[times < movement.t_start_drift] = 0.0
    return held


def _from_file(path, times, depths):
    """Courses (n_times, k) µm of a file, at its depths, and the weights (k, n_units) that interpolate between these."""
    at, places, displacements = read_motion(path)
    courses = np.stack([np.interp(times, at, one) for one in displacements.T], axis=1)
    weights = np.stack([np.interp(depths, places, one) for one in np.eye(len(places))])
    return courses, weights


def read_motion(path):
    """Read a movement: a CSV file with columns `time_s`, `depth_um` and `displacement_um`, or a folder of SpikeInterface's
    `Motion`.

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
        If the file is missing, of another kind, or has no number for each of its times at each of its depths.
    """
    if Path(path).is_dir():
        times, depths, displacements = _read_motion_folder(path)
    else:
        times, depths, displacements = _read_motion_table(path)
    if not len(times) or not np.isfinite(displacements).all():
        raise UserError(f"{path}: every time needs a displacement_um, a finite number, at every depth")
    return times, depths, displacements


def _read_motion_folder(path):
    from spikeinterface.core.motion import Motion

    try:
        motion = Motion.load(path)
    except (OSError, ValueError, KeyError, AssertionError) as error:
        raise UserError(f"{path} is not a folder that SpikeInterface's Motion.save made ({error})") from None
    if motion.num_segments != 1:
        raise UserError(f"{path} has the motion of {motion.num_segments} segments; a recording has one")
    return motion.temporal_bins_s[0], motion.spatial_bins_um, motion.displacement[0]


def _read_motion_table(path):
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table ({error})") from None
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise UserError(f"{path} has no column {missing[0]!r}; a drift file has {', '.join(COLUMNS)}")
    for column in COLUMNS:
        numbers = pd.to_numeric(table[column], errors="coerce")
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise UserError(f"{path}, line {row + 2}: {column} {table[column].iloc[row]!r} is not a number")
    if table.duplicated(COLUMNS[:2]).any():
        row = int(np.flatnonzero(table.duplicated(COLUMNS[:2]))[0])
        raise UserError(f"{path}, line {row + 2}: this time and depth stand there twice")
    wide = table.pivot(index="time_s", columns="depth_um", values="displacement_um")
    return wide.index.to_numpy(float), wide.columns.to_numpy(float), wide.to_numpy(float)


@dataclass(frozen=True)
class Paths:
    """Where units move: `along` (n_units, n_steps) µm, how far each step of a template is from its place without drift,
    increasing; `order` (n_units, n_steps), which step of the library that is."""

    along: np.ndarray
    order: np.ndarray

    @property
    def reach(self):
        """µm: how far all of them can move both ways."""
        return float(min(-self.along[:, 0].max(), self.along[:, -1].min())) if len(self.along) else 0.0

    def nearest(self, units, displacements):
        """Return the steps of the paths of units (n,) that are nearest to a displacement each (n,) µm."""
        return np.abs(self.along[units] - displacements[:, np.newaxis]).argmin(axis=1)

    def steps(self, unit, displacements):
        """Return where displacements (n,) µm lie between the steps of a unit's path, (n,), from 0 to n_steps - 1."""
        return np.interp(displacements, self.along[unit], np.arange(self.along.shape[1]))


def paths_of(locations, centre, direction):
    """Return the `Paths` of units.

    Parameters
    ----------
    locations : numpy.ndarray
        (n_units, n_steps, 3) µm, on straight lines.
    centre : int
        The step without drift.
    direction : numpy.ndarray
        (3,): where displacements are positive; each unit moves along its own line, to the side nearer to this.
    """
    relative = locations - locations[:, centre, np.newaxis]
    lines = locations[:, -1] - locations[:, 0]
    lines /= np.maximum(np.linalg.norm(lines, axis=1, keepdims=True), 1e-9)
    lines *= np.where(lines @ direction < 0, -1.0, 1.0)[:, np.newaxis]
    along = np.einsum("usx,ux->us", relative, lines)
    order = np.argsort(along, axis=1, kind="stable")
    return Paths(np.take_along_axis(along, order, axis=1), order)


def require_reach(drift, paths, where):
    """Raise a `UserError` if a unit would move farther than its templates reach; `where` names the recording."""
    for unit, along in enumerate(paths.along):
        course = drift.of_unit(unit)
        low, high = course.min(), course.max()
        if low < along[0] - 1e-6 or high > along[-1] + 1e-6:
            raise UserError(
                f"{where}: unit {unit} drifts from {low:.3g} to {high:.3g} µm, its templates reach from {along[0]:.3g} to "
                f"{along[-1]:.3g} µm; let it drift less, or give the library a wider drift_grid or a longer min_drift"
            )
