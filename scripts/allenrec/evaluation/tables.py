"""The evaluation of spike sorters: where they are installed, one process for several recordings, and tables of the results.

Nothing here needs SpikeInterface. The module `sorting` does; it runs in the environment of the sorters.
"""

import importlib.util
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allenrec.common.csv_text import table_from_data
from allenrec.common.errors import UserError, not_valid, require_own
from allenrec.common.files import AnyPath, read_checked, write_table
from allenrec.common.processes import describe_exit
from allenrec.recordings.units.similarity import nearest_similarities

ROOT = Path(__file__).parents[3]
#: The environment in which `make evaluate` installs the sorters
ENVIRONMENT = ROOT / ".venv-evaluation"
#: Packages that an environment needs to run SpikeInterface's own sorters
PACKAGES = ("spikeinterface", "hdbscan", "h5py", "MEAutility")
SCRIPTS = ROOT / "scripts"
PROGRAM = SCRIPTS / "evaluation" / "run_sorter.py"
#: Exit code of the program if its environment lacks a package
LACKS_PACKAGE = 3

#: Columns of a table of units; those from `sorter_version` on are the same in all rows
COLUMNS = (
    *("recording", "sorter", "status", "message", "unit_id", "cell_type", "bintype", "model_id", "snr", "snr_filtered"),
    *("amplitude_uV", "rate_Hz", "n_spikes", "similarity", "sorted_unit", "accuracy", "precision", "recall", "n_found"),
    *("n_missed", "n_false", "sorter_version", "duration_s", "n_sorted", "n_false_units", "n_redundant", "n_merged"),
)
#: Columns with text; the others have numbers
TEXT_COLUMNS = (
    *("recording", "sorter", "status", "message", "cell_type", "bintype", "model_id", "sorted_unit", "sorter_version"),
)
#: The `status` of a sorter that failed
FAILED = "failed"
#: Columns of the summary with whole numbers, which are empty where a sorter failed
COUNTS = ("n_units", "n_expected", "n_well_detected", "n_sorted", "n_false_units", "n_redundant", "n_merged")
#: Signal-to-noise ratio above which a sorter is expected to find a unit
SNR_EXPECTED = 5.0
#: Accuracy from which a unit counts as well detected, as in SpikeInterface
WELL_DETECTED = 0.8


class TrueUnits(Protocol):
    """The ground truth of a recording that a table of units needs; see `allenrec.recordings.Recording`."""

    @property
    def units(self) -> pd.DataFrame: ...

    @property
    def spike_trains(self) -> Sequence[NDArray[np.int64]]: ...

    @property
    def filtered_templates(self) -> NDArray[np.float32]: ...

    @property
    def duration(self) -> float: ...


@dataclass(frozen=True)
class SortingJob:
    """The work of one process: a sorter with its parameters, and pairs of a recording file and the table to write."""

    sorter: str
    parameters: Mapping[str, Any]
    n_jobs: int
    recordings: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class SorterRun:
    """One run of a sorter on one recording; `duration_s` is its time in s. The values are columns of the tables."""

    recording: str
    sorter: str
    sorter_version: str = ""
    duration_s: float = math.nan


@dataclass(frozen=True)
class SortedUnits:
    """The number of units that a sorter found, and how many of them are false, redundant, or merge true units."""

    n_sorted: int
    n_false_units: int
    n_redundant: int
    n_merged: int


@dataclass(frozen=True)
class SummaryRow:
    """The result of a sorter on a recording: one row of the summary.

    `accuracy` is the mean over all `n_units` units, `accuracy_expected` that over the `n_expected` units whose signal-to-noise
    ratio in the filtered traces is above `SNR_EXPECTED`. `n_well_detected` counts the units with an accuracy of `WELL_DETECTED`
    or more. The other columns are those of `SortedUnits` and `SorterRun`. A sorter that failed has counted nothing: its numbers
    are NaN.
    """

    recording: str
    sorter: str
    status: str
    n_units: float
    n_expected: float
    accuracy: float
    accuracy_expected: float
    n_well_detected: float
    n_sorted: float
    n_false_units: float
    n_redundant: float
    n_merged: float
    duration_s: float
    sorter_version: str
    message: str


def sorters_python() -> str:
    """Return the interpreter of an environment with the sorters: this one, or that of `make evaluate`.

    Raises
    ------
    UserError
        If there is none.
    """
    if all(importlib.util.find_spec(package) for package in PACKAGES):
        return sys.executable
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise UserError(
            "the sorters are not installed: `make evaluate` installs them in .venv-evaluation and goes on, "
            "or let conda do it, `snakemake --sdm conda evaluate`"
        )
    return str(python)


def run_sorters(
    python: AnyPath,
    sorter: str,
    parameters: Mapping[str, Any],
    recordings: Sequence[tuple[AnyPath, AnyPath]],
    n_jobs: int = 1,
    time_limit: float | None = None,
) -> None:
    """Run a sorter on recordings, and write a table for each.

    One process sorts all recordings. If it dies or is stopped, another process goes on with the next recording.

    Parameters
    ----------
    python : path
        Interpreter of the environment with the sorters.
    sorter : str
        Name of a sorter of SpikeInterface.
    parameters : dict
        Parameters of the sorter.
    recordings : list of (path, path)
        Recording files and the tables to write. A sorter that fails, or ends the process, leaves one row that says so.
    n_jobs : int
        Processes of the sorter.
    time_limit : float, optional
        Minutes after which the sorter is stopped on a recording.

    Raises
    ------
    UserError
        If the environment lacks what the sorters need.
    """
    for _, table in recordings:
        Path(table).unlink(missing_ok=True)
    waiting = [(str(path), str(table)) for path, table in recordings]
    # The environment of the sorters finds this package only by its path.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(SCRIPTS), os.environ.get("PYTHONPATH"))))}
    while waiting:
        job = SortingJob(sorter, parameters, n_jobs, waiting)
        command = [str(python), str(PROGRAM), json.dumps(asdict(job))]
        code = _exit_code(command, environment, [Path(table) for _, table in waiting], time_limit)
        if code == LACKS_PACKAGE:
            raise UserError(f"{python} lacks a package that the sorters need (above); `make evaluate` installs them all")
        waiting = [pair for pair in waiting if not Path(pair[1]).exists()]
        if waiting:  # the process ended at the first of them
            path, table = waiting.pop(0)
            run, ended = SorterRun(Path(path).parent.name, sorter), f"its process ended with {describe_exit(code or 0)}"
            stopped = f"stopped after {time_limit:g} min, the evaluation.time_limit" if code is None else ended
            write_table(table, failed_table(run, stopped), checked=True)


def _exit_code(
    command: Sequence[str], environment: Mapping[str, str], tables: Sequence[Path], time_limit: float | None
) -> int | None:
    """Run a program that writes tables, one after the other, and return its exit code.

    If no table is written for `time_limit` minutes, the program and all that it has started are stopped; the result is None.
    """
    if time_limit is None:
        return subprocess.run(command, env=environment).returncode
    # A group of its own, so that the processes of the sorter can be stopped with it
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        written, since = 0, time.monotonic()
        try:
            while time.monotonic() - since < 60 * time_limit:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(timeout=min(1.0, 6 * time_limit))
                if (count := sum(table.exists() for table in tables)) > written:
                    written, since = count, time.monotonic()
        finally:  # also if this job is told to end
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return None


def failed_table(run: SorterRun, message: str) -> pd.DataFrame:
    """Return the table of a sorter that failed: one row with `COLUMNS` and the message."""
    return pd.DataFrame([{**asdict(run), "status": FAILED, "message": message}]).reindex(columns=COLUMNS)


def unit_table(recording: TrueUnits, performance: pd.DataFrame, run: SorterRun, found: SortedUnits) -> pd.DataFrame:
    """Return the table of the units of a recording, with the scores of a sorter.

    Parameters
    ----------
    recording : allenrec.recordings.Recording
    performance : pandas.DataFrame
        One row per unit: `sorted_unit`, `accuracy`, `precision`, `recall`, `n_found`, `n_missed`, `n_false`; see
        `sorting.compare`.
    run : SorterRun
    found : SortedUnits

    Returns
    -------
    pandas.DataFrame
        One row per unit, with `COLUMNS`. For a recording without units, one row whose `status` says so. The scores of a unit
        without spikes are empty.
    """
    same = asdict(run) | asdict(found)
    units = recording.units
    if not len(units):
        row = {"status": "no units", "message": "this recording is noise without spikes"} | same
        return pd.DataFrame([row]).reindex(columns=COLUMNS)
    n_spikes = np.array([len(train) for train in recording.spike_trains])
    table = pd.DataFrame({"unit_id": range(len(units))})
    table = table.join(units[["cell_type", "bintype", "model_id", "snr", "snr_filtered"]].reset_index(drop=True))
    table = table.assign(
        amplitude_uV=units["amplitude"].to_numpy(),
        rate_Hz=n_spikes / recording.duration,
        n_spikes=n_spikes,
        similarity=nearest_similarities(recording.filtered_templates),
    ).join(performance)
    table.loc[n_spikes == 0, ["accuracy", "precision", "recall"]] = np.nan
    return table.assign(status="ok", message="", **same).reindex(columns=COLUMNS)


def read_table(path: AnyPath, recording: str | None = None) -> pd.DataFrame:
    """Read a table of units. Names and messages are text.

    Parameters
    ----------
    path : path
    recording : str, optional
        The recording whose units the table must have.

    Raises
    ------
    DamagedFile
        If the table is damaged, or is that of another recording; the message says what to delete.
    """
    numbers = {column: [""] for column in COLUMNS if column not in TEXT_COLUMNS}
    text = io.StringIO(read_checked(path, "evaluation"))
    try:
        table = pd.read_csv(text, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, na_values=numbers)
        table = table_from_data(table)[list(COLUMNS)]
    except (ValueError, KeyError) as error:
        raise not_valid(path, "evaluation", error) from None
    for found in table["recording"] if recording is not None else ():
        require_own(path, "evaluation", f"recording {found}", f"recording {recording}")
    return table


def summary(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return one `SummaryRow` for each table of units.

    The numbers of units of a recording on which a sorter failed are those that the tables of other sorters have. They are empty
    if all sorters failed on it.
    """
    rows = pd.DataFrame([asdict(_summarise(table)) for table in tables]).astype(dict.fromkeys(COUNTS, "Int64"))
    of_recording = ["n_units", "n_expected"]
    rows[of_recording] = rows[of_recording].fillna(rows.groupby("recording")[of_recording].transform("max"))
    return rows


def _summarise(table: pd.DataFrame) -> SummaryRow:
    first = table.iloc[0]
    expected = table["snr_filtered"] > SNR_EXPECTED
    same = ("recording", "sorter", "status", *COLUMNS[COLUMNS.index("sorter_version") :], "message")
    units = {
        "n_units": table["unit_id"].notna().sum(),
        "n_expected": expected.sum(),
        "n_well_detected": (table["accuracy"] >= WELL_DETECTED).sum(),
    }
    return SummaryRow(
        accuracy=table["accuracy"].mean(),
        accuracy_expected=table.loc[expected, "accuracy"].mean(),
        **(dict.fromkeys(units, math.nan) if first["status"] == FAILED else units),
        **{name: first[name] for name in same},
    )
