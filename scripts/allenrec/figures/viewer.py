"""The viewer of a recording: its first minute in the browser, to pan and zoom, with the spikes of the ground truth.

Python packs the data and lays out the plots; `viewer.js` draws what is in view.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.embed import file_html, json_item
from bokeh.layouts import column, row
from bokeh.models.annotations import BoxAnnotation, Legend
from bokeh.models.callbacks import CustomJS
from bokeh.models.layouts import LayoutDOM
from bokeh.models.ranges import Range, Range1d
from bokeh.models.sources import ColumnDataSource
from bokeh.models.tickers import FixedTicker
from bokeh.models.tools import (
    BoxZoomTool,
    HoverTool,
    PanTool,
    RangeTool,
    ResetTool,
    SaveTool,
    Tool,
    WheelZoomTool,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.models.widgets.inputs import MultiSelect, Select
from bokeh.models.widgets.markups import Div
from bokeh.models.widgets.sliders import Slider
from bokeh.plotting import figure
from bokeh.resources import INLINE
from numpy.typing import NDArray

from allenrec.common.files import write_text

from .channels import best_channels, shanks
from .excerpt import LENGTH, busiest_window, channels_by_depth, make_excerpt, pack
from .look import GREY, INK, PALE, unit_look
from .units import unit_colours, unit_kinds, unit_names

if TYPE_CHECKING:
    from allenrec.recordings.formats.recording_file import Recording

CODE = Path(__file__).with_suffix(".js")
#: Maximum number of channels on which the waveform of a spike is coloured
COLOURED = 4
#: Number of channels that are shown at first
SHOWN = 32
#: Length of the window that is shown at first, s
WINDOW = 0.2
#: Bokeh's markers for those of units; all are filled
MARKER_NAMES = {
    **{"o": "circle", "^": "triangle", "s": "square", "D": "diamond", "v": "inverted_triangle"},
    **{"P": "hex", "X": "square_pin", "*": "star"},
}
#: Maximum number of units in a legend; if there are more, the tool tips name them
LEGEND = 24


def trace_viewer(recording: Recording, n_values: int) -> LayoutDOM:
    """Return a Bokeh layout that shows the first minute of a recording.

    Parameters
    ----------
    recording : Recording
    n_values : int
        The number of values of the traces that it holds, about.
    """
    view = _first_view(recording)
    rows, titles = _choices(recording, channels_by_depth(recording))
    excerpt = make_excerpt(recording, n_values, middle=sum(view) / 2, rows=_most_wanted(rows))
    rate = recording.sampling_frequency
    labels = _channel_labels(recording, excerpt.channels)
    colours, spikes = unit_colours(recording), _spikes(recording, excerpt.duration)
    plot = _plot(view, excerpt.duration)
    chosen, unit, gain = _controls(rows, titles, labels)
    sources = {name: ColumnDataSource(columns, name=f"{name}_source") for name, columns in _empty().items()}
    plot.multi_line("xs", "ys", source=sources["traces"], color="#9a9a9a", line_width=0.8)
    plot.multi_line("xs", "ys", source=sources["waveforms"], color="colour", line_width=1.8)
    # In the colour of the waveform on which they lie, marks are seen by their outline only.
    look: dict[str, Any] = {"fill_color": "colour", "line_color": "white", "marker": "marker", "size": 9}
    marks = plot.scatter("x", "y", source=sources["markers"], **look)
    plot.add_tools(HoverTool(renderers=[marks], tooltips=[("unit", "@unit"), ("type", "@kind"), ("time", "@x{0.0000} s")]))
    _add_legend(plot, recording, colours, unit)
    words = Div(name="words", text="", styles={"color": GREY}, sizing_mode="stretch_width")
    arguments = sources | {
        "plot": plot,
        "words": words,
        "axis": plot.yaxis[0],
        "spikes": spikes,
        "chosen": chosen,
        "gain": gain,
        "packed": pack(excerpt.values),
        "n_bins": excerpt.values.shape[1] // 2,
        "bin_width": excerpt.bin_length / rate,
        "packed_samples": pack(excerpt.samples),
        "n_samples": excerpt.samples.shape[1],
        "sampled_rows": excerpt.sampled.tolist(),
        "first_sample": excerpt.first_sample,
        "rate": rate,
        "step": excerpt.step,
        "spacing": _spacing(recording, excerpt.deviation),
        "labels": labels,
        "colours": colours,
        "unit_markers": _markers(len(colours)),
        "names": unit_names(recording),
        "kinds": [f"{cell_type} ({bintype})" for bintype, cell_type in unit_kinds(recording)],
        "nearest": _nearest(recording, excerpt.channels),
    }
    draw = CustomJS(name="draw", args=arguments, code=CODE.read_text(encoding="utf-8"))
    _draw_after_changes(draw, plot, chosen, gain)
    overview = _overview(spikes, plot.x_range, excerpt.duration, colours)
    sampled = (excerpt.first_sample / rate, (excerpt.first_sample + excerpt.samples.shape[1]) / rate)
    overview.add_layout(BoxAnnotation(left=sampled[0], right=sampled[1], fill_color=PALE, fill_alpha=0.5, level="underlay"))
    return column(words, plot, overview, row(unit, gain, sizing_mode="stretch_width"), chosen, sizing_mode="stretch_width")


def _draw_after_changes(draw: CustomJS, plot: figure, chosen: MultiSelect, gain: Slider) -> None:
    """Let the script run when the size, the time in view, the channels or the gain change."""
    # The width is known when the plot is first laid out; only then can it be drawn.
    plot.js_on_change("inner_width", draw)
    for property_ in ("start", "end"):
        plot.x_range.js_on_change(property_, draw)
    chosen.js_on_change("value", draw)
    gain.js_on_change("value", draw)


def write_viewer(viewer: LayoutDOM, page: str | Path, item: str | Path) -> None:
    """Write a viewer as a page of its own, and as the JSON from which another page can show it."""
    # json_item must come first, because file_html takes the layout over.
    content = json.dumps(json_item(viewer), separators=(",", ":"))
    write_text(item, content, checked=True)
    write_text(page, file_html(viewer, INLINE, title="Viewer of traces"))


def _empty() -> dict[str, dict[str, Any]]:
    """Return the columns that the script fills."""
    return {
        "traces": {"xs": [], "ys": []},
        "waveforms": {"xs": [], "ys": [], "colour": []},
        "markers": {"x": [], "y": [], "colour": [], "marker": [], "unit": [], "kind": []},
    }


def _spikes(recording: Recording, duration: float) -> ColumnDataSource:
    """Return all spikes before `duration` (s) in the order of time."""
    times = np.concatenate([np.zeros(0), *(np.asarray(train) for train in recording.spike_times)])
    units = np.repeat(np.arange(len(recording.spike_times)), [len(train) for train in recording.spike_times])
    order = np.argsort(times, kind="stable")
    order = order[times[order] < duration]
    return ColumnDataSource({"time": times[order], "unit": units[order].astype(np.int32)})


def _first_view(recording: Recording) -> tuple[float, float]:
    """Return start and end (s) of what is shown at first: the window in the first minute in which most units fire."""
    duration = min(recording.duration, LENGTH)
    start, _ = busiest_window(recording, min(WINDOW, duration)) if len(recording.units) else (0.0, 0.0)
    start = min(start, max(duration - WINDOW, 0.0))
    return start, min(start + WINDOW, duration)


def _plot(view: tuple[float, float], duration: float) -> figure:
    """Return the plot of the traces, which the script fills."""
    window = Range1d(start=view[0], end=view[1], bounds=(0, duration), min_interval=0.002, name="window")
    pan = PanTool(dimensions="width")
    tools: list[Tool] = [pan, WheelZoomTool(dimensions="width"), BoxZoomTool(dimensions="width")]
    tools += [ZoomInTool(dimensions="width"), ZoomOutTool(dimensions="width"), ResetTool(), SaveTool()]
    plot = figure(
        name="traces", height=520, sizing_mode="stretch_width", tools=tools, x_range=window, y_range=Range1d(start=-1.2, end=1),
        x_axis_label="time (s)", y_axis_label="channel · depth", active_drag=pan, active_scroll=None,
    )  # fmt: skip
    plot.yaxis.ticker = FixedTicker(ticks=[])
    plot.ygrid.grid_line_color = None
    plot.xgrid.grid_line_color = PALE
    plot.outline_line_color = None
    plot.toolbar.logo = None
    return plot


def _channel_labels(recording: Recording, channels: NDArray[np.intp]) -> list[str]:
    """Return the label of each channel: its number, its depth and, if there are several, its shank."""
    names = shanks(recording)
    several = len(set(names)) > 1
    return [
        f"{channel} · {f'shank {names[channel]} · ' if several else ''}{recording.channel_positions[channel, 2]:.0f} µm"
        for channel in channels
    ]


def _controls(rows: dict[str, list[int]], titles: dict[str, str], labels: Sequence[str]) -> tuple[MultiSelect, Select, Slider]:
    """Return the choice of channels, the choice of a unit, and the gain; `rows` and `titles` are those of `_choices`."""
    options: list[Any] = [(str(k), labels[k]) for k in reversed(range(len(labels)))]
    shown: list[Any] = list(titles.items())
    first, values = next(iter(rows)), {key: [str(k) for k in group] for key, group in rows.items()}
    chosen = MultiSelect(
        title="Channels (Ctrl or Shift for several)", name="channels", options=options, size=6, sizing_mode="stretch_width",
        value=values[first],
    )  # fmt: skip
    unit = Select(title="Show", name="unit", value=first, options=shown, sizing_mode="stretch_width")
    arguments = {"unit": unit, "chosen": chosen, "rows": values}
    unit.js_on_change("value", CustomJS(args=arguments, code="chosen.value = rows[unit.value]"))
    gain = Slider(
        title="Gain", name="gain", start=0.25, end=5, step=0.25, value=1, sizing_mode="stretch_width", margin=(5, 20, 5, 20)
    )
    return chosen, unit, gain


def _choices(recording: Recording, channels: NDArray[np.intp]) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Return the rows of `channels` that can be shown with one click, by key, and their titles; the first is shown at first.

    They are, if there are many channels, some neighbours with many units; all channels; each shank of several; and the channels
    around each unit.
    """
    n, names, kinds, of_shank = len(channels), unit_names(recording), unit_kinds(recording), shanks(recording)[channels]
    n_all, rows, titles = len(recording.channel_positions), {}, {}
    if n > SHOWN:
        rows["some"], titles["some"] = _rows_with_units(recording, channels), f"{SHOWN} of {n_all} channels"
    rows["all"], titles["all"] = list(range(n)), f"all {n} channels" if n == n_all else f"{n} of {n_all} channels"
    if len(set(of_shank)) > 1:
        for name in dict.fromkeys(of_shank.tolist()):
            rows[f"shank {name}"] = np.flatnonzero(of_shank == name).tolist()
            titles[f"shank {name}"] = f"shank {name}"
    for unit, near in enumerate(_nearest(recording, channels, 8)):
        rows[str(unit)], titles[str(unit)] = near, f"around unit {names[unit]} ({kinds[unit][1]})"
    return rows, titles


def _most_wanted(rows: dict[str, list[int]]) -> list[int]:
    """Return the rows of which samples are kept first: those that are shown at first, and those around each unit in turn."""
    around = [shown for key, shown in rows.items() if key.isdigit()]
    in_turn = [row for nearest in zip_longest(*around) for row in nearest if row is not None]
    return [*next(iter(rows.values())), *in_turn]


def _rows_with_units(recording: Recording, channels: NDArray[np.intp]) -> list[int]:
    """Return the neighbouring rows of `channels`, as many as are shown at first, on which most units are largest."""
    peaks = [near[0] for near in _nearest(recording, channels, 1) if near]
    n_peaks = np.concatenate([[0], np.cumsum(np.bincount(peaks, minlength=len(channels)))])
    in_part = n_peaks[SHOWN:] - n_peaks[:-SHOWN]
    # Of those with the same number of units it is the one nearest to the middle
    best = np.flatnonzero(in_part == in_part.max())
    first = int(best[np.abs(best - (len(channels) - SHOWN) / 2).argmin()])
    return list(range(first, first + SHOWN))


def _markers(n: int) -> list[str]:
    """Return the name of the marker of each of `n` units in Bokeh."""
    return [MARKER_NAMES[unit_look(unit)[1]] for unit in range(n)]


def _add_legend(plot: figure, recording: Recording, colours: Sequence[str], unit: Select) -> None:
    """Draw a legend of the units above the plot, if they are not too many. A click shows the channels around a unit."""
    if 0 < len(colours) <= LEGEND:
        names, kinds = unit_names(recording), unit_kinds(recording)
        items: list[Any] = [
            (
                f"{names[u]} {kinds[u][1]} ({kinds[u][0]})",
                [plot.scatter([-1], [-9], color=colours[u], marker=marker, size=8)],
            )
            for u, marker in enumerate(_markers(len(colours)))
        ]
        legend = Legend(items=items, orientation="horizontal", ncols=4, border_line_color=None, label_text_font_size="11px")
        legend.update(padding=2, spacing=8, margin=2, label_standoff=2, glyph_width=14)
        choose = "const key = String(legend.items.indexOf(cb_obj.item)); unit.value = unit.value == key ? before : key"
        legend.js_on_click(CustomJS(args={"legend": legend, "unit": unit, "before": unit.value}, code=choose))
        plot.add_layout(legend, "above")


def _spacing(recording: Recording, deviation: float) -> float:
    """Return the distance between rows, µV: more than the noise needs, and a third of the largest template."""
    largest = float(np.ptp(recording.filtered_templates, axis=2).max(initial=0.0)) if len(recording.units) else 0.0
    return max(6.0 * deviation, 0.35 * largest) or 1.0


def _nearest(recording: Recording, channels: NDArray[np.intp], most: int = COLOURED) -> list[list[int]]:
    """Return for each unit the rows of `channels` on which it is largest, the largest first."""
    places = {int(channel): place for place, channel in enumerate(channels)}
    found = []
    for template in recording.filtered_templates:
        ranked = best_channels(template, most, 0.0 if most > COLOURED else 0.25)
        found.append([places[int(channel)] for channel in ranked if int(channel) in places])
    return found


def _overview(spikes: ColumnDataSource, window: Range, duration: float, colours: Sequence[str]) -> figure:
    """Return a small raster of all spikes on which the part in view can be moved."""
    n = max(len(colours), 1)
    raster = figure(
        name="overview", height=110, sizing_mode="stretch_width", x_range=Range1d(start=0, end=duration),
        y_range=Range1d(start=n - 0.4, end=-0.6),
        tools="", toolbar_location=None,
        x_axis_label="time (s): move the window;\neach sample is kept in the grey part",
    )  # fmt: skip
    spikes.data["colour"] = [colours[unit] for unit in np.asarray(spikes.data["unit"])]
    raster.scatter(
        "time", "unit", source=spikes, color="colour", marker="dash", angle=np.pi / 2, size=min(7, 70 / n), alpha=0.6
    )
    raster.yaxis.visible = False
    raster.grid.visible = False
    raster.outline_line_color = PALE
    move = RangeTool(x_range=window, start_gesture="tap")
    move.overlay.update(fill_color=INK, fill_alpha=0.12, line_color=INK)
    raster.add_tools(move)
    return raster
