"""The units of a recording in figures: their names, kinds and colours, the order of rows, labels and headings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from .look import PALE, colours, unit_look
from .nothing import NothingToDrawError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from allenrec.recordings.formats.recording_file import Recording

P = ParamSpec("P")

#: Maximum number of rows with a legible label in one figure
LABELS_SHOWN = 45
KINDS = {"E": "excitatory", "I": "inhibitory"}
MARKERS = {"E": "o", "I": "^"}


def unit_names(recording: Recording) -> list[str]:
    """Return the name of each unit, in the order of the table."""
    units = recording.units
    return [str(name) for name in (units["unit_id"] if "unit_id" in units else units.index)]


def unit_kinds(recording: Recording) -> list[tuple[str, str]]:
    """Return (bintype, cell type) of each unit."""
    units = recording.units
    return list(zip(units["bintype"].astype(str), units["cell_type"].astype(str), strict=True))


def unit_labels(recording: Recording) -> list[str]:
    """Return a label for each unit, such as "3: spiny (E)"."""
    kinds = unit_kinds(recording)
    return [f"{name}: {cell_type} ({bintype})" for name, (bintype, cell_type) in zip(unit_names(recording), kinds, strict=True)]


def unit_colours(recording: Recording) -> list[str]:
    """Return the colour of each unit, in the order of the table."""
    return [unit_look(unit)[0] for unit in range(len(recording.units))]


def type_colours(recording: Recording, order: Sequence[int]) -> list[str]:
    """Return the colour of the cell type of each unit in `order`."""
    chosen, kinds = colours(recording.units["cell_type"].astype(str)), unit_kinds(recording)
    return [chosen[kinds[unit][1]] for unit in order]


def unit_order(recording: Recording) -> list[int]:
    """Return the units in the order of rows: excitatory units first, then by cell type, then by decreasing amplitude."""
    kinds, amplitude = unit_kinds(recording), recording.units["amplitude"].to_numpy(dtype=float)
    return sorted(range(len(kinds)), key=lambda unit: (*kinds[unit], -amplitude[unit], unit))


def heading(recording: Recording, what: str) -> str:
    """Return the title of a figure of `what`, with the numbers of units and channels."""
    count = recording.units["bintype"].value_counts()
    parts = [f"{count[kind]} {name}" for kind, name in KINDS.items() if count.get(kind)]
    units = f"{' and '.join(parts) or 'no'} unit{'s' * (len(recording.units) != 1)}"
    n = len(recording.channel_positions)
    return f"{what}  ·  {units}, {n} channel{'s' * (n != 1)}"


def needs_units(function: Callable[Concatenate[Recording, P], Figure]) -> Callable[Concatenate[Recording, P], Figure]:
    """Decorate a function that draws units, so that it raises NothingToDrawError if a recording has none."""
    return _needing(function, lambda recording: len(recording.units) > 0, "the recording has no units")


def needs_spikes(function: Callable[Concatenate[Recording, P], Figure]) -> Callable[Concatenate[Recording, P], Figure]:
    """Decorate a function that draws spikes, so that it raises NothingToDrawError if a recording has none."""
    return needs_units(_needing(function, lambda recording: any(map(len, recording.spike_trains)), "no unit has a spike"))


def _needing(
    function: Callable[Concatenate[Recording, P], Figure], there: Callable[[Recording], bool], reason: str
) -> Callable[Concatenate[Recording, P], Figure]:
    @wraps(function)
    def draw(recording: Recording, /, *args: P.args, **kwargs: P.kwargs) -> Figure:
        if not there(recording):
            raise NothingToDrawError(reason)
        return function(recording, *args, **kwargs)

    return draw


def label_rows(axes: Axes, recording: Recording, order: Sequence[int]) -> None:
    """Label as many rows as are legible with the names of the units, and separate the kinds of units by lines."""
    names = unit_names(recording)
    step = -(-len(order) // LABELS_SHOWN)
    axes.set_yticks(range(0, len(order), step), [names[unit] for unit in order[::step]])
    axes.set(ylabel="unit", ylim=(len(order) - 0.4, -0.6))
    separate_kinds(axes, recording, order)


def separate_kinds(axes: Axes, recording: Recording, order: Sequence[int]) -> None:
    """Draw a line between rows of units of different kinds."""
    kinds = unit_kinds(recording)
    for row in range(1, len(order)):
        if kinds[order[row]] != kinds[order[row - 1]]:
            axes.axhline(row - 0.5, color=PALE, lw=0.8, zorder=0)


def type_legend(axes: Axes, recording: Recording, **line: Any) -> None:
    """Draw a legend of the cell types, with the number of units of each, above the axes."""
    from matplotlib.lines import Line2D  # the viewer takes names and colours from this module, and needs no matplotlib

    chosen, kinds = colours(recording.units["cell_type"].astype(str)), unit_kinds(recording)
    handles = [
        Line2D([], [], color=chosen[kind[1]], label=f"{kind[1]} ({kind[0]}): {kinds.count(kind)}", **line)
        for kind in sorted(set(kinds))
    ]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, handlelength=1.2)


def row_height(n: int, each: float, least: float, most: float) -> float:
    """Return the height of `n` rows of `each` inches, at least `least` and at most `most`."""
    return float(np.clip(each * n, least, most))
