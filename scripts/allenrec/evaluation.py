"""What sorters make of recordings: where they are installed, one process for several recordings, and the tables of it.

Nothing here needs SpikeInterface; `sorting`, which does, runs in the environment of the sorters.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from .errors import UserError
from .files import written_beside
from .processes import exit_in_words

ROOT = Path(__file__).parents[2]
#: Where `make evaluate` installs the sorters
ENVIRONMENT = ROOT / ".venv-evaluation"
#: What an environment has that can run SpikeInterface's own sorters
PACKAGES = ("spikeinterface", "hdbscan", "h5py", "MEAutility")
PROGRAM = ROOT / "scripts" / "run_sorter.py"
#: How the program ends where its environment lacks something
LACKS_PACKAGE = 3

#: Columns of a table of units; those from `sorter_version` on are the same in all rows
COLUMNS = (
    *("recording", "sorter", "status", "message", "unit_id", "cell_type", "bintype", "model_id", "snr", "snr_filtered"),
    *("amplitude_uV", "rate_Hz", "n_spikes", "similarity", "sorted_unit", "accuracy", "precision", "recall", "n_found"),
    *("n_missed", "n_false", "sorter_version", "duration_s", "n_sorted", "n_false_units", "n_redundant", "n_merged"),
)
#: Units whose signal-to-noise ratio is above this are those that a sorter is expected to find
SNR_EXPECTED = 5.0
#: Accuracy from which on a unit counts as well detected, as in SpikeInterface
WELL_DETECTED = 0.8


def sorters_python():
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


def run_sorters(python, sorter, parameters, recordings, n_jobs=1):
    """Run a sorter on recordings, in one process as long as it lives, and write a table of each.

    Parameters
    ----------
    python : path
        Interpreter of the environment with the sorters.
    sorter : str
    parameters : dict
        Of the sorter.
    recordings : list of (path, path)
        A recording file, and the table to write. A sorter that fails, or takes the process down, leaves one row that says so.
    n_jobs : int

    Raises
    ------
    UserError
        If the environment lacks what the sorters need.
    """
    for _, table in recordings:
        Path(table).unlink(missing_ok=True)
    waiting = [(str(path), str(table)) for path, table in recordings]
    while waiting:
        job = {"sorter": sorter, "parameters": parameters, "n_jobs": n_jobs, "recordings": waiting}
        code = subprocess.run([python, PROGRAM, json.dumps(job)]).returncode
        if code == LACKS_PACKAGE:
            raise UserError(f"{python} lacks a package that the sorters need (above); `make evaluate` installs them all")
        waiting = [pair for pair in waiting if not Path(pair[1]).exists()]
        if waiting:  # the first of them is where it died
            path, table = waiting.pop(0)
            write_table(table, failed_table(Path(path).parent.name, sorter, f"its process ended with {exit_in_words(code)}"))


def failed_table(recording, sorter, message, **run):
    """Return the table of a sorter that failed: one row with its message."""
    row = {"recording": recording, "sorter": sorter, "status": "failed", "message": message} | run
    return pd.DataFrame([row]).reindex(columns=COLUMNS)


def unit_table(recording, performance, run):
    """Return the table of the units of a recording and what a sorter made of them.

    Parameters
    ----------
    recording : allenrec.recording.Recording
    performance : pandas.DataFrame
        A row a unit: `sorted_unit`, `accuracy`, `precision`, `recall`, `n_found`, `n_missed`, `n_false`; see `sorting.compare`.
    run : dict
        What is the same for all units: `recording`, `sorter`, `sorter_version`, `duration_s`, and numbers of sorted units.

    Returns
    -------
    pandas.DataFrame
        With `COLUMNS`. Of a recording without units it has one row, whose `status` says so. Scores of a unit without spikes
        are empty.
    """
    units = recording.units
    if not len(units):
        row = {"status": "no units", "message": "this recording is noise without spikes"} | run
        return pd.DataFrame([row]).reindex(columns=COLUMNS)
    n_spikes = np.array([len(train) for train in recording.spike_trains])
    table = pd.DataFrame({"unit_id": range(len(units))})
    table = table.join(units[["cell_type", "bintype", "model_id", "snr", "snr_filtered"]].reset_index(drop=True))
    table = table.assign(
        amplitude_uV=units["amplitude"].to_numpy(),
        rate_Hz=n_spikes / recording.duration,
        n_spikes=n_spikes,
        similarity=similarity(recording.filtered_templates),
    ).join(performance)
    table.loc[n_spikes == 0, ["accuracy", "precision", "recall"]] = np.nan
    return table.assign(status="ok", message="", **run).reindex(columns=COLUMNS)


def similarity(templates):
    """Return how much each template (n_units, n_channels, n_t) resembles the most similar other one: the cosine, at most 1.

    NaN where there is no other one.
    """
    flat = templates.reshape(len(templates), -1).astype(float)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    cosines = (flat @ flat.T) / np.maximum(norms * norms.T, np.finfo(float).tiny)
    np.fill_diagonal(cosines, -np.inf)
    largest = cosines.max(axis=1)
    return np.where(np.isfinite(largest), largest, np.nan)


def write_table(path, table):
    """Write a table, whole or not at all."""
    with written_beside(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def read_table(path):
    """Read a table that `write_table` wrote; names and messages are text."""
    text = dict.fromkeys(("recording", "sorter", "status", "message", "cell_type", "bintype", "model_id", "sorted_unit"), str)
    text["sorter_version"] = str
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values={c: [""] for c in COLUMNS if c not in text})


def summary(tables):
    """Return a row for each table of units: how well the sorter did on the recording.

    `accuracy` is the mean over all units, `accuracy_expected` over those whose SNR in the filtered traces is above 5;
    `n_well_detected` counts those with an accuracy of 0.8 or more.
    """
    rows = []
    for table in tables:
        first = table.iloc[0]
        row = {name: first[name] for name in ("recording", "sorter", "status")}
        row["n_units"] = int(table["unit_id"].notna().sum())
        expected = table["snr_filtered"] > SNR_EXPECTED
        row["n_expected"] = int(expected.sum())
        row["accuracy"] = table["accuracy"].mean()
        row["accuracy_expected"] = table.loc[expected, "accuracy"].mean()
        row["n_well_detected"] = int((table["accuracy"] >= WELL_DETECTED).sum())
        row |= {name: first[name] for name in ("n_sorted", "n_false_units", "n_redundant", "n_merged", "duration_s")}
        rows.append(row | {name: first[name] for name in ("sorter_version", "message")})
    counts = ("n_sorted", "n_false_units", "n_redundant", "n_merged")
    return pd.DataFrame(rows).astype(dict.fromkeys(counts, "Int64"))
