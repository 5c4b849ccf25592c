"""The evaluation of a study: one table of all its recordings, and how the accuracy depends on each of its factors."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from allenrec.common.csv_text import parse_table
from allenrec.common.files import read_checked

from .tables import read_table

#: Bounds of the bands of the signal-to-noise ratio into which units are sorted
SNR_BOUNDS = (0.0, 5.0, 10.0, np.inf)
#: The names of these bands
SNR_BANDS = ("SNR < 5", "SNR 5 to 10", "SNR > 10")
#: Columns of the table of a study that are no factors
REPLICATE, BAND = "replicate", "snr_band"


def study_table(study: str | Path, tables: Iterable[str | Path]) -> pd.DataFrame:
    """Return the tables of the units of all recordings of a study in one, with the factors of each recording.

    Parameters
    ----------
    study : path
        The table of the study, with a row for each recording.
    tables : sequence of path
        Tables of units, one for each recording and sorter; see `tables.unit_table`.

    Returns
    -------
    pandas.DataFrame
        One row per unit of each recording and sorter: the columns of the study, then those of the tables, and `snr_band`.
    """
    rows = parse_table(read_checked(study, "table")).astype({"recording": str})
    units = pd.concat([read_table(path) for path in tables], ignore_index=True)
    table = rows.merge(units, on="recording", validate="one_to_many")
    return table.assign(**{BAND: pd.cut(table["snr_filtered"], SNR_BOUNDS, labels=SNR_BANDS).astype(object)})


def read_study(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the table of the evaluation of a study; return it and the names of its factors."""
    table = parse_table(read_checked(path, "evaluation"))
    # The columns of units are what `read_table` makes of them, also those without any value.
    for name, column in read_table(path).items():
        table[name] = column
    factors = [str(name) for name in table.columns[1 : table.columns.get_loc("sorter")] if name != REPLICATE]
    return table, factors


def accuracy_by(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the mean accuracy of units, and its standard deviation over replicates.

    Parameters
    ----------
    table : pandas.DataFrame
        The table of a study.
    columns : sequence of str
        The columns by whose values units are grouped, such as a factor, `sorter` and `snr_band`.

    Returns
    -------
    pandas.DataFrame
        One row for each group: `columns`, `mean` and `std` over the replicates of the mean over units, `n_replicates`, and
        `n_units`. If there is a single replicate, `std` is empty. Units without an accuracy are left out.
    """
    replicate = table[REPLICATE] if REPLICATE in table else 1
    known = table.assign(**{REPLICATE: replicate}).dropna(subset=["accuracy", *columns])
    means = known.groupby([*columns, REPLICATE])["accuracy"].agg(["mean", "size"]).reset_index()
    groups = means.groupby(list(columns))
    return groups.agg(
        mean=("mean", "mean"), std=("mean", "std"), n_replicates=("mean", "size"), n_units=("size", "sum")
    ).reset_index()
