"""A figure of how well spike sorters recover the units of a recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from allenrec.evaluation.tables import SNR_EXPECTED, WELL_DETECTED, read_table

from .look import GREY, PALE, colours
from .nothing import NothingToDrawError
from .style import new_figure, outlined, styled
from .units import KINDS, MARKERS

#: Number of panels in a row
COLUMNS = 3
#: Maximum number of units up to which each has its number beside it
NUMBERED = 40


def read_tables(*paths: str | Path, recording: str | None = None) -> list[pd.DataFrame]:
    """Read the tables of several sorters. If a recording is given, they must be of it."""
    return [read_table(path, recording) for path in paths]


@styled
def accuracy(tables: Sequence[pd.DataFrame]) -> Figure:
    """Draw the accuracy of each unit against its signal-to-noise ratio after the filter, with a panel for each sorter.

    In a recording without noise there is no ratio, and the amplitude (µV) takes its place. If a sorter failed, its panel shows
    its message.

    Parameters
    ----------
    tables : sequence of pandas.DataFrame
        The tables of one recording, one per sorter, as `allenrec.evaluation.tables.unit_table` returns them.
    """
    if all((table["status"] == "no units").all() for table in tables):
        raise NothingToDrawError("the recording has no units")
    if all((table["n_spikes"] == 0).all() for table in tables):
        raise NothingToDrawError("no unit has a spike")
    columns = min(len(tables), COLUMNS)
    rows = -(-len(tables) // columns)
    title = f"Accuracy of sorted units  ·  {tables[0]['recording'].iloc[0]}"
    figure = new_figure(max(3.6 * columns, 4.6) + 1.4, 0.6 + 3.0 * rows, title)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    types = sorted({kind for table in tables for kind in table["cell_type"] if isinstance(kind, str) and kind})
    chosen = colours(types)
    measured = [table["snr_filtered"].to_numpy(dtype=float) for table in tables]
    noisy = any(np.isfinite(values).any() for values in measured)
    for axes, table in zip(panels, tables, strict=False):
        _panel(axes, table, chosen, "snr_filtered" if noisy else "amplitude_uV")
    for axes in panels[len(tables) :]:
        axes.set_visible(False)
    for axes in panels[max(len(tables) - columns, 0) : len(tables)]:
        axes.set_xlabel("signal-to-noise ratio" if noisy else "amplitude (µV)")
        axes.tick_params(labelbottom=True)
    for axes in panels[::columns]:
        axes.set(ylabel="accuracy", ylim=(-0.05, 1.08))
    axes.set_xlim(left=0)
    if types:
        _legend(figure, tables, chosen)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, chosen: Mapping[str, str], column: str) -> None:
    """Draw the units of one table; the horizontal axis shows `column`."""
    axes.axhline(WELL_DETECTED, color=PALE, lw=0.8, zorder=0)
    if column == "snr_filtered":
        axes.axvline(SNR_EXPECTED, color=PALE, lw=0.8, zorder=0)
    first = table.iloc[0]
    axes.set_title(first["sorter"])
    if first["status"] != "ok":
        words = fill(f"{first['status']}: {first['message']}", 44, max_lines=8)
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    count = f"{int(first['n_sorted'])} sorted units, {int(first['n_false_units'])} false"
    axes.set_title(count, loc="right", color=GREY, fontsize=7.5)
    for unit in table.to_dict("records"):
        marker, colour = MARKERS.get(unit["bintype"], "s"), chosen[unit["cell_type"]]
        axes.plot(unit[column], unit["accuracy"], marker, ms=6, color=colour, mec="white", mew=0.5, zorder=3)
    if len(table) <= NUMBERED:
        _number(axes, table.dropna(subset="accuracy").sort_values(column), chosen, column)


def _number(axes: Axes, units: pd.DataFrame, chosen: Mapping[str, str], column: str) -> None:
    """Write the number of each unit below its mark; it is lower if there are other marks close to the left."""
    close, before, level = np.array([units[column].max() / 25, 0.1]), np.full(2, -np.inf), 0
    for unit in units.to_dict("records"):
        place = np.array([unit[column], unit["accuracy"]])
        level = (level + 1) % 3 if (np.abs(place - before) < close).all() else 0
        before = place
        below: dict[str, Any] = {
            "xytext": (0, -5 - 8 * level),
            "textcoords": "offset points",
            "ha": "center",
            "va": "top",
            "zorder": 4,
        }
        name, xy = f"{unit['unit_id']:g}", (place[0], place[1])
        outlined(axes.annotate(name, xy, fontsize=7, color=chosen[unit["cell_type"]], **below))


def _legend(figure: Figure, tables: Sequence[pd.DataFrame], chosen: Mapping[str, str]) -> None:
    """Draw a legend of cell types and kinds on the right."""
    kinds = {pair for table in tables for pair in zip(table["cell_type"], table["bintype"], strict=True)}
    marks = []
    for name, kind in sorted(pair for pair in kinds if pair[0] in chosen):
        label = f"{name} ({KINDS.get(kind, kind)})"
        marks.append(Line2D([], [], ls="", marker=MARKERS.get(kind, "s"), color=chosen[name], label=label))
    figure.legend(handles=marks, loc="outside right upper")
