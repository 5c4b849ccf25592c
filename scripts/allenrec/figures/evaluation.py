"""A figure of what sorters make of a recording. It takes tables as `allenrec.evaluation.tables.unit_table` returns them."""

from textwrap import fill

import numpy as np
from matplotlib.lines import Line2D

from allenrec.evaluation.tables import SNR_EXPECTED, WELL_DETECTED

from .style import GREY, PALE, colours, new_figure, outlined, styled

KINDS, MARKERS = {"E": "excitatory", "I": "inhibitory"}, {"E": "o", "I": "^"}
#: Panels in a row; units of which each has its number beside it
COLUMNS, NUMBERED = 3, 40


@styled
def accuracy(tables):
    """Accuracy of each unit against its signal-to-noise ratio after the filter, a panel a sorter; tables of one recording.

    Without noise there is no ratio, and the amplitude (µV) takes its place. A sorter that failed has its message instead.
    """
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


def _panel(axes, table, chosen, column):
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
    for unit in table.itertuples():
        place = (getattr(unit, column), unit.accuracy)
        axes.plot(*place, MARKERS.get(unit.bintype, "s"), ms=6, color=chosen[unit.cell_type], mec="white", mew=0.5, zorder=3)
    if len(table) <= NUMBERED:
        _number(axes, table.dropna(subset="accuracy").sort_values(column), chosen, column)


def _number(axes, units, chosen, column):
    """Write the number of each unit below its mark, the lower, the more marks there are close at its left."""
    close, before, level = np.array([units[column].max() / 25, 0.1]), np.full(2, -np.inf), 0
    for unit in units.itertuples():
        place = np.array([getattr(unit, column), unit.accuracy])
        level = (level + 1) % 3 if (np.abs(place - before) < close).all() else 0
        before = place
        below = {"xytext": (0, -5 - 8 * level), "textcoords": "offset points", "ha": "center", "va": "top", "zorder": 4}
        outlined(axes.annotate(f"{unit.unit_id:g}", place, fontsize=7, color=chosen[unit.cell_type], **below))


def _legend(figure, tables, chosen):
    """Put a legend of cell types and kinds at the right."""
    kinds = {(unit.cell_type, unit.bintype) for table in tables for unit in table.itertuples() if unit.cell_type in chosen}
    marks = []
    for name, kind in sorted(kinds):
        label = f"{name} ({KINDS.get(kind, kind)})"
        marks.append(Line2D([], [], ls="", marker=MARKERS.get(kind, "s"), color=chosen[name], label=label))
    figure.legend(handles=marks, loc="outside right upper")
