"""A figure of all cells beside what is measured in living animals."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from allenrec.libraries.realism.columns import COLUMNS, PEAK_TO_PEAK
from allenrec.libraries.realism.in_vivo import read_in_vivo
from allenrec.libraries.realism.verdict import ranges_of

from .look import GREY, INK, PALE, colours
from .nothing import NothingToDrawError
from .style import new_figure, outlined, styled

#: The types of the register that have a box, and the line of the box
BOXES = {"regular spiking": "--", "fast spiking": ":"}
#: The widths that are drawn, as `COLUMNS` names them
WIDTHS = ("trough_to_peak_as_in_vivo_ms", "half_width_as_in_vivo_ms")
#: Maximum number of cells up to which each has its number beside it
NUMBERED = 12
#: Marks of cells within the ranges, outside, and without any range
MARKS = {"yes": ("o", "full"), "no": ("o", "none"), "unknown": ("x", "full")}


@styled
def beside_in_vivo(cells: pd.DataFrame) -> Figure:
    """Draw the widths of the spikes of all cells (ms), and their height (µV) against distance (µm), beside measured ranges.

    Parameters
    ----------
    cells : pandas.DataFrame
        As `allenrec.libraries.realism.columns.read_realism` returns it.
    """
    measured = cells[[*map(COLUMNS.__getitem__, WIDTHS), *PEAK_TO_PEAK.values()]].to_numpy(dtype=float)
    if not np.isfinite(measured).any():
        raise NothingToDrawError("no spike of any cell was measured")
    figure = new_figure(9.6, 4.4, f"Cells beside what is measured in vivo  ·  {len(cells)} cell{'s' * (len(cells) != 1)}")
    widths, heights = figure.subplots(1, 2, width_ratios=[1.25, 1])
    chosen = colours(cells["cell_type"])
    _draw_ranges(widths)
    for _, cell in cells.iterrows():
        _draw_cell(widths, heights, cell, chosen[cell["cell_type"]], named=len(cells) <= NUMBERED)
    widths.set(xlabel="trough to peak, filtered as in vivo (ms)", ylabel="half width, filtered as in vivo (ms)")
    widths.set_xlim(left=0)
    widths.set_ylim(bottom=0)
    _draw_amplitude_range(heights)
    heights.set(xlabel="distance from the soma (µm)", ylabel="lowest to highest value (µV)", yscale="log")
    heights.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    types = [Line2D([], [], ls="", marker="o", color=colour, label=kind) for kind, colour in chosen.items()]
    widths.legend(handles=types, loc="upper left", fontsize=7)
    return figure


def _draw_ranges(axes: Axes) -> None:
    """Draw the box of each type, the bar of Sst cells, and the band between fast and regular waveforms."""
    register = read_in_vivo()
    axes.axvspan(register.fast_up_to_ms, register.regular_above_ms, color=PALE, lw=0, zorder=0)
    for kind, line in BOXES.items():
        across, up = register.span(kind, "trough_to_peak_ms"), register.span(kind, "half_width_ms")
        if across and up:
            size = (across[1] - across[0], up[1] - up[0])
            axes.add_patch(Rectangle((across[0], up[0]), *size, fill=False, ec=INK, ls=line, lw=1, gid="range"))
            place: dict[str, Any] = {"textcoords": "offset points", "va": "top", "color": INK, "fontsize": 7}
            axes.annotate(f"{kind}, in vivo", (across[0], up[0]), (0, -3), **place)
    sst = register.span("Sst", "trough_to_peak_ms")
    if sst:
        axes.plot(sst, [0.02, 0.02], color=GREY, lw=2, solid_capstyle="butt")
        axes.annotate("Sst, in vivo", (sst[1], 0.02), (3, 0), textcoords="offset points", va="center", color=GREY, fontsize=7)


def _draw_cell(widths: Axes, heights: Axes, cell: pd.Series, colour: str, named: bool) -> None:
    """Draw a cell in both panels."""
    marker, filled = MARKS.get(str(cell["realism_in_range"]), MARKS["unknown"])
    style: dict[str, Any] = {"marker": marker, "fillstyle": filled, "color": colour, "ms": 6, "mew": 1.3}
    x, y = (cell[COLUMNS[name]] for name in WIDTHS)
    if np.isfinite(x) and np.isfinite(y):
        widths.plot(x, y, ls="", gid="cell", **style)
        if named:
            # Numbers of cells within the ranges stand on the right, those of others on the left, where they seldom meet
            side, align = (5, "left") if filled == "full" else (-5, "right")
            place: dict[str, Any] = {"textcoords": "offset points", "ha": align, "fontsize": 6.5, "color": INK, "zorder": 5}
            outlined(widths.annotate(cell["model_id"], (x, y), (side, 3), **place))
    values = cell[list(PEAK_TO_PEAK.values())].to_numpy(dtype=float)
    if np.isfinite(values).any():
        heights.plot(list(PEAK_TO_PEAK), values, lw=1, gid="cell", **style | {"ms": 4})


def _draw_amplitude_range(axes: Axes) -> None:
    """Draw the range of the amplitudes of sorted units."""
    for entry in ranges_of("peak_to_peak_uV"):
        axes.axhspan(entry.lowest, entry.highest, color=PALE, lw=0, zorder=0)
        axes.annotate("sorted units, in vivo", (80, entry.highest), (0, -3), textcoords="offset points", ha="right", va="top",
                      fontsize=7, color=INK)  # fmt: skip
