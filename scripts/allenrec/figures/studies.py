"""A figure of how the accuracy of spike sorters depends on the factors of a study."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from allenrec.evaluation.studies import BAND, SNR_BANDS, accuracy_by
from allenrec.evaluation.tables import WELL_DETECTED

from .look import PALE, sorter_looks
from .nothing import NothingToDrawError
from .style import new_figure, styled

#: How far sorters are drawn beside each other, in steps of the horizontal axis
BESIDE = 0.06


@styled
def accuracy(study: tuple[pd.DataFrame, Sequence[str]]) -> Figure:
    """Draw the accuracy against each factor of a study: a row for each factor, a panel for all units and for each band of SNR.

    Lines are sorters. Bars are the standard deviation over replicates; the values of other factors are averaged before. In a
    study without factors, the accuracy is drawn against the bands of SNR.

    Parameters
    ----------
    study : (pandas.DataFrame, sequence of str)
        The table of the study and the names of its factors; see `allenrec.evaluation.studies.read_study`.
    """
    table, factors = study
    if table["accuracy"].isna().all():
        raise NothingToDrawError("no unit of the study has an accuracy")
    bands = [band for band in SNR_BANDS if (table.loc[table["accuracy"].notna(), BAND] == band).any()]
    columns = [None, *bands] if factors else [None]
    n_rows = max(len(factors), 1)
    figure = new_figure(1.2 + 2.4 * max(len(columns), 2), 0.7 + 2.3 * n_rows, f"Accuracy of sorted units  ·  {_name(table)}")
    panels = figure.subplots(n_rows, len(columns), sharey=True, squeeze=False)
    looks = sorter_looks(table["sorter"])
    for row, factor in zip(panels, factors or [BAND], strict=True):
        for axes, band in zip(row, columns, strict=True):
            part = table if band is None else table[table[BAND] == band]
            _panel(axes, part, factor, looks, bands if factor == BAND else _levels(table[factor]))
            axes.set_title(("all units" if factor != BAND else "") if band is None else band)
        row[0].set_ylabel("accuracy")
    panels[0, 0].set_ylim(-0.03, 1.05)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right upper")
    return figure


def _panel(axes: Axes, table: pd.DataFrame, factor: str, looks: dict[str, tuple[str, str, str]], levels: Sequence[Any]) -> None:
    """Draw the accuracy of each sorter at each level of a factor; `looks` are those of `sorter_looks`."""
    axes.axhline(WELL_DETECTED, color=PALE, lw=0.8, zorder=0)
    places = {level: place for place, level in enumerate(levels)}
    means = accuracy_by(table, ["sorter", factor])
    middle = (len(looks) - 1) / 2
    for number, (sorter, (colour, marker, dashes)) in enumerate(looks.items()):
        mine = means[means["sorter"] == sorter]
        mine = mine.assign(place=mine[factor].map(places)).sort_values("place")
        x = mine["place"].to_numpy(dtype=float) + BESIDE * (number - middle)
        means_at, bars = mine["mean"].to_numpy(dtype=float), np.nan_to_num(mine["std"].to_numpy(dtype=float))
        axes.errorbar(x, means_at, bars, marker=marker, ls=dashes, color=colour, ms=4, capsize=2, lw=1, label=sorter)
    axes.set_xticks(range(len(levels)), [f"{level:g}" if isinstance(level, float) else str(level) for level in levels])
    axes.set(xlabel="signal-to-noise ratio" if factor == BAND else factor, xlim=(-0.5, len(levels) - 0.5))


def _levels(values: pd.Series) -> list[Any]:
    """Return the levels of a factor, in the order of numbers or else in that of the study."""
    levels = values.drop_duplicates().tolist()
    return sorted(levels) if pd.api.types.is_numeric_dtype(values) else levels


def _name(table: pd.DataFrame) -> str:
    """Return the number of recordings of a study, in words."""
    return f"{table['recording'].nunique()} recordings"
