"""Imported spike trains: files of CSV, NPZ or NWB that the user supplies."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allenrec.common.csv_text import read_users_table
from allenrec.common.errors import UserError, shortened, shown

from .processes import Train

if TYPE_CHECKING:
    from ..tick_grid import TickGrid

#: What readers raise for files of another kind, damaged ones, and such as say that they hold more than fits into the memory
MALFORMED = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
#: Maximum number of units that an error message lists
UNITS_LISTED = 10


def read_trains(path: str | PathLike[str]) -> dict[str, NDArray[np.float64]]:
    """Read the spike times of all units in a file.

    Parameters
    ----------
    path : path
        `.csv` with the columns `unit` and `time_s`, one row per spike, in which a unit without spikes has one row with an
        empty time; `.npz` with one array of times, s, for each unit, named after it; or `.nwb` with a table of units.

    Returns
    -------
    dict
        For each unit, as text, its times (n_spikes,) float64, s. Units come in the order of the file; those of CSV are sorted
        by their numbers or names.

    Raises
    ------
    UserError
        If the file cannot be read as one of these.
    """
    readers = {".csv": _read_csv, ".npz": _read_npz, ".nwb": _read_nwb}
    try:
        trains = readers[Path(path).suffix.lower()](path)
    except MALFORMED as error:
        raise UserError(f"{path}: cannot be read as spike trains ({shortened(error) or type(error).__name__})") from None
    for unit, times in trains.items():
        if times.ndim != 1 or times.dtype.kind not in "iuf":
            raise UserError(
                f"{path}: unit {shortened(unit)}: must be a list of times in s, not {times.dtype} of shape {times.shape}"
            )
    return {unit: times.astype(float) for unit, times in trains.items()}


def _read_csv(path: str | PathLike[str]) -> dict[str, NDArray[np.float64]]:
    table = read_users_table(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    missing = [column for column in ("unit", "time_s") if column not in table]
    if missing:
        raise UserError(
            f"{path}: has no column {shown(missing[0])}; its columns are {shortened(', '.join(map(str, table))) or 'none'}"
        )
    no_time = table["time_s"].str.strip() == ""
    times = pd.to_numeric(table["time_s"], errors="coerce")
    wrong = np.flatnonzero(times.isna() & ~no_time)
    if len(wrong):
        value = table["time_s"].iloc[wrong[0]]
        raise UserError(f"{path}: row {wrong[0] + 2}: time_s: {shown(value)} must be a number")
    units = table["unit"].str.strip()
    alone = units.map(units.value_counts()) == 1
    wrong = np.flatnonzero((no_time & ~alone) | (units == ""))
    if len(wrong):
        raise UserError(f"{path}: row {wrong[0] + 2}: {'unit' if units.iloc[wrong[0]] == '' else 'time_s'} is empty")
    rows = {str(unit): indices for unit, indices in units.groupby(units).indices.items()}
    are_numbers = all(unit.isdecimal() for unit in rows)
    return {unit: times.iloc[rows[unit]].dropna().to_numpy() for unit in sorted(rows, key=int if are_numbers else str)}


def _read_npz(path: str | PathLike[str]) -> dict[str, NDArray[np.float64]]:
    arrays = np.load(path, allow_pickle=False)
    if not hasattr(arrays, "files"):
        raise ValueError("an array without a name")
    with arrays:
        trains = {unit: arrays[unit] for unit in arrays.files}
    for unit, train in trains.items():
        if not isinstance(train, np.ndarray):
            raise ValueError(f"{shown(unit)} is no array")
    return trains


def _read_nwb(path: str | PathLike[str]) -> dict[str, NDArray[np.float64]]:
    # The import takes a second, and most recordings do not need it
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(path), "r") as file:
        units = file.read().units
        if units is None or "spike_times" not in units.colnames:
            raise UserError(f"{path}: has no table of units with spike_times")
        return {str(unit): np.array(units["spike_times"][row]) for row, unit in enumerate(units.id[:])}


def import_trains(
    path: str | PathLike[str], file_units: Sequence[str] | None, n_units: int, duration: float, grid: TickGrid
) -> list[Train]:
    """Return the trains of all units of a recording from a file, rounded to the grid of the recording.

    Parameters
    ----------
    path : path
        See `read_trains`.
    file_units : sequence of str or None
        Units of the file, in the order of the units of the recording; None stands for all.
    n_units : int
        Number of units of the recording.
    duration : float
        Length of the recording, s.
    grid : TickGrid
        The grid ends half a sample earlier; spikes after its end are put on its last tick.

    Returns
    -------
    list of Train

    Raises
    ------
    UserError
        If the file has other units, or times that are no numbers, negative, beyond the end, or not increasing.
    """
    trains = read_trains(path)
    wanted = list(trains) if file_units is None else file_units
    unknown = [unit for unit in wanted if unit not in trains]
    if unknown:
        raise UserError(f"spiketrains.file_units: {shown(unknown[0])} is not in {path}, which has {_listed(trains)}")
    if len(wanted) != n_units:
        raise UserError(
            f"{path}: {len(wanted)} units, but n_exc + n_inh is {n_units}; change these, or name units in file_units"
        )
    return [_import_train(f"{path}: unit {shortened(unit)}", trains[unit], duration, grid) for unit in wanted]


def _import_train(where: str, times: NDArray[np.float64], duration: float, grid: TickGrid) -> Train:
    checks = [
        (~np.isfinite(times), "must be a number"),
        (times < 0, "is negative; recordings begin at 0 s"),
        (times >= duration, f"is not before the end of the recording, {duration:g} s; see spiketrains.duration"),
        (np.diff(times, prepend=-np.inf) <= 0, "is not later than the one before it; times must increase"),
    ]
    for wrong, what in checks:
        if wrong.any():
            spike = np.flatnonzero(wrong)[0]
            raise UserError(f"{where}: spike {spike + 1}: {times[spike]:.10g} s {what}")
    ticks = np.minimum(np.round(times * grid.ticks_per_second).astype(np.int64), grid.n_ticks - 1)
    # "given" is a value of the column `process` in files
    return Train(ticks, np.full(len(ticks), -1, dtype=np.int32), len(ticks) / duration, "given")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - UNITS_LISTED} more" if len(names) > UNITS_LISTED else ""
    return shortened(", ".join(names[:UNITS_LISTED])) + more if names else "none"
