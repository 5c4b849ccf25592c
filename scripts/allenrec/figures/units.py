"""Units of a recording in figures: names, kinds, colours, the order of rows, labels and headings."""

from functools import wraps

import numpy as np
from matplotlib.lines import Line2D

from .style import PALE, colours, new_figure

#: At most how many rows have a legible label in one figure
LABELS_SHOWN = 45
KINDS = {"E": "excitatory", "I": "inhibitory"}


def unit_names(recording):
    """Return the name of each unit, in the order of the table."""
    units = recording.units
    return [str(name) for name in (units["unit_id"] if "unit_id" in units else units.index)]


def unit_kinds(recording):
    """Return (bintype, cell type) of each unit."""
    units = recording.units
    return list(zip(units["bintype"].astype(str), units["cell_type"].astype(str), strict=True))


def unit_colours(recording):
    """Return the colour of each unit, in the order of the table."""
    return list(colours(range(len(recording.units))).values())


def type_colours(recording, order):
    """Return the colour of the cell type of each unit in `order`."""
    chosen, kinds = colours(recording.units["cell_type"].astype(str)), unit_kinds(recording)
    return [chosen[kinds[unit][1]] for unit in order]


def unit_order(recording):
    """Return the units in the order of the rows: excitatory first, by cell type, then the largest amplitude first."""
    kinds, amplitude = unit_kinds(recording), recording.units["amplitude"].to_numpy(dtype=float)
    return sorted(range(len(kinds)), key=lambda unit: (*kinds[unit], -amplitude[unit], unit))


def heading(recording, what):
    count = recording.units["bintype"].value_counts()
    parts = [f"{count[kind]} {name}" for kind, name in KINDS.items() if count.get(kind)]
    units = f"{' and '.join(parts) or 'no'} unit{'s' * (len(recording.units) != 1)}"
    n = len(recording.channel_positions)
    return f"{what}  ·  {units}, {n} channel{'s' * (n != 1)}"


def of_units(function):
    """Make a figure of units say that there are none, where a recording is nothing but noise."""

    @wraps(function)
    def draw(recording, *args):
        if len(recording.units):
            return function(recording, *args)
        figure = new_figure(5.0, 1.2, heading(recording, function.__name__.replace("_", " ").capitalize()))
        figure.text(0.5, 0.4, "This recording is noise without spikes.", ha="center")
        return figure

    return draw


def label_rows(axes, recording, order):
    """Label the rows with the units' names, as many as are legible, and part the kinds by lines."""
    names = unit_names(recording)
    step = -(-len(order) // LABELS_SHOWN)
    axes.set_yticks(range(0, len(order), step), [names[unit] for unit in order[::step]])
    axes.set(ylabel="unit", ylim=(len(order) - 0.4, -0.6))
    part_kinds(axes, recording, order)


def part_kinds(axes, recording, order):
    kinds = unit_kinds(recording)
    for row in range(1, len(order)):
        if kinds[order[row]] != kinds[order[row - 1]]:
            axes.axhline(row - 0.5, color=PALE, lw=0.8, zorder=0)


def type_legend(axes, recording, **line):
    """Put a legend of the cell types, with the number of units of each, above the axes."""
    chosen, kinds = colours(recording.units["cell_type"].astype(str)), unit_kinds(recording)
    handles = [
        Line2D([], [], color=chosen[kind[1]], label=f"{kind[1]} ({kind[0]}): {kinds.count(kind)}", **line)
        for kind in sorted(set(kinds))
    ]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, handlelength=1.2)


def row_height(n, each, least, most):
    return float(np.clip(each * n, least, most))
