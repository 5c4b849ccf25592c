"""The viewer of a recording: its first minute in the browser, to pan and zoom, with the spikes of the ground truth."""

import json
from pathlib import Path

import numpy as np
from bokeh.embed import file_html, json_item
from bokeh.layouts import column, row
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    CustomJS,
    FixedTicker,
    HoverTool,
    Legend,
    MultiSelect,
    PanTool,
    Range1d,
    RangeTool,
    ResetTool,
    SaveTool,
    Select,
    Slider,
    WheelZoomTool,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.plotting import figure
from bokeh.resources import INLINE

from allenrec.common.files import write_text

from .excerpt import excerpt_of, packed
from .recordings import best_channels, busiest_window
from .style import GREY, INK, PALE
from .units import unit_colours, unit_kinds, unit_names

CODE = Path(__file__).with_suffix(".js")
#: On how many channels at most the waveform of a spike is coloured, and how many channels are shown at first
COLOURED, SHOWN = 4, 32
#: How long the window is that is shown at first, s
WINDOW = 0.2
#: Up to how many units have a legend; of more, the mouse tells
LEGEND = 24


def trace_viewer(recording, n_values):
    """Return a Bokeh layout that shows the first minute of a recording.

    Parameters
    ----------
    recording : allenrec.recordings.formats.recording_file.Recording
    n_values : int
        About how many values of the traces it holds.
    """
    excerpt = excerpt_of(recording, n_values)
    bin_width = excerpt.bin_length / recording.sampling_frequency
    labels = [f"{channel} · {recording.channel_positions[channel, 2]:.0f} µm" for channel in excerpt.channels]
    colours, spikes = unit_colours(recording), _spikes(recording, excerpt.duration)
    plot = _plot(recording, excerpt.duration)
    chosen, controls = _controls(recording, excerpt, labels)
    sources = {name: ColumnDataSource(columns, name=f"{name}_source") for name, columns in _empty().items()}
    plot.multi_line("xs", "ys", source=sources["traces"], color="#9a9a9a", line_width=0.8)
    plot.multi_line("xs", "ys", source=sources["waveforms"], color="colour", line_width=1.8)
    marks = plot.scatter("x", "y", source=sources["markers"], color="colour", marker="triangle", size=6)
    plot.add_tools(HoverTool(renderers=[marks], tooltips=[("unit", "@unit"), ("type", "@kind"), ("time", "@x{0.0000} s")]))
    _add_legend(plot, recording, colours)
    arguments = sources | {
        "plot": plot,
        "axis": plot.yaxis[0],
        "spikes": spikes,
        "chosen": chosen,
        "gain": controls[1],
        "packed": packed(excerpt.values),
        "n_bins": excerpt.values.shape[1] // 2,
        "bin_width": bin_width,
        "step": excerpt.step,
        "spacing": _spacing(recording, excerpt.deviation),
        "labels": labels,
        "colours": colours,
        "names": unit_names(recording),
        "kinds": [f"{cell_type} ({bintype})" for bintype, cell_type in unit_kinds(recording)],
        "nearest": _nearest(recording, excerpt.channels),
    }
    draw = CustomJS(name="draw", args=arguments, code=CODE.read_text(encoding="utf-8"))
    # The width becomes known when the plot is first laid out: then it is drawn
    plot.js_on_change("inner_width", draw)
    for property_ in ("start", "end"):
        plot.x_range.js_on_change(property_, draw)
    chosen.js_on_change("value", draw)
    controls[1].js_on_change("value", draw)
    overview = _overview(recording, spikes, plot.x_range, excerpt.duration, colours)
    return column(plot, overview, row(*controls, sizing_mode="stretch_width"), chosen, sizing_mode="stretch_width")


def write_viewer(viewer, page, item):
    """Write a viewer as a page of its own, and as the JSON from which another page can show it."""
    # json_item first: a page takes the layout over
    content = json.dumps(json_item(viewer), separators=(",", ":"))
    write_text(item, content)
    write_text(page, file_html(viewer, INLINE, title="Viewer of traces"))


def _empty():
    """The columns that the script fills."""
    return {
        "traces": {"xs": [], "ys": []},
        "waveforms": {"xs": [], "ys": [], "colour": []},
        "markers": {"x": [], "y": [], "colour": [], "unit": [], "kind": []},
    }


def _spikes(recording, duration):
    """Return all spikes before `duration` (s) in the order of time."""
    times = np.concatenate([np.zeros(0), *(np.asarray(train) for train in recording.spike_times)])
    units = np.repeat(np.arange(len(recording.spike_times)), [len(train) for train in recording.spike_times])
    order = np.argsort(times, kind="stable")
    order = order[times[order] < duration]
    return ColumnDataSource({"time": times[order], "unit": units[order].astype(np.int32)})


def _plot(recording, duration):
    start, _ = busiest_window(recording, min(WINDOW, duration)) if len(recording.units) else (0.0, 0.0)
    start = min(start, max(duration - WINDOW, 0.0))
    window = Range1d(start, min(start + WINDOW, duration), bounds=(0, duration), min_interval=0.002, name="window")
    tools = [PanTool(dimensions="width"), WheelZoomTool(dimensions="width"), BoxZoomTool(dimensions="width")]
    tools += [ZoomInTool(dimensions="width"), ZoomOutTool(dimensions="width"), ResetTool(), SaveTool()]
    plot = figure(
        name="traces", height=520, sizing_mode="stretch_width", tools=tools, x_range=window, y_range=Range1d(-1.2, 1),
        x_axis_label="time (s)", y_axis_label="channel · depth", active_drag=tools[0], active_scroll=None, title=" ",
    )  # fmt: skip
    plot.yaxis.ticker = FixedTicker(ticks=[])
    plot.ygrid.grid_line_color = None
    plot.xgrid.grid_line_color = PALE
    plot.title.text_font_style, plot.title.text_color = "normal", GREY
    plot.outline_line_color = None
    plot.toolbar.logo = None
    return plot


def _controls(recording, excerpt, labels):
    """Return the choice of channels, and what stands in the row above it: a unit to look at, and the gain."""
    n, names, kinds = len(labels), unit_names(recording), unit_kinds(recording)
    options = [(str(k), labels[k]) for k in reversed(range(n))]
    first = max(0, (n - SHOWN) // 2)
    chosen = MultiSelect(
        title="Channels (Ctrl or Shift for several)", name="channels", options=options, size=6, sizing_mode="stretch_width",
        value=[str(k) for k in range(first, min(first + SHOWN, n))],
    )  # fmt: skip
    around = {str(unit): [str(k) for k in near] for unit, near in enumerate(_nearest(recording, excerpt.channels, 8))}
    every = [str(k) for k in range(n)]
    units = [("all", f"all {n} channels"), *((str(u), f"around unit {names[u]} ({kinds[u][1]})") for u in range(len(names)))]
    unit = Select(title="Show", name="unit", value="all", options=units, sizing_mode="stretch_width")
    choose = "chosen.value = unit.value == 'all' ? every : around[unit.value]"
    arguments = {"unit": unit, "chosen": chosen, "every": every, "around": around}
    unit.js_on_change("value", CustomJS(args=arguments, code=choose))
    gain = Slider(
        title="Gain", name="gain", start=0.25, end=5, step=0.25, value=1, sizing_mode="stretch_width", margin=(5, 20, 5, 20)
    )
    return chosen, [unit, gain]


def _add_legend(plot, recording, colours):
    if 0 < len(colours) <= LEGEND:
        names, kinds = unit_names(recording), unit_kinds(recording)
        items = [
            (
                f"{names[u]} {kinds[u][1]} ({kinds[u][0]})",
                [plot.scatter([-1], [-9], color=colours[u], marker="triangle", size=8)],
            )
            for u in range(len(colours))
        ]
        legend = Legend(items=items, orientation="horizontal", ncols=4, border_line_color=None, label_text_font_size="11px")
        legend.update(padding=2, spacing=8, margin=2, label_standoff=2, glyph_width=14)
        plot.add_layout(legend, "above")


def _spacing(recording, deviation):
    """Return how far rows are apart, µV: clear of the noise, and a third of the largest template."""
    largest = float(np.ptp(recording.filtered_templates, axis=2).max(initial=0.0)) if len(recording.units) else 0.0
    return max(6.0 * deviation, 0.35 * largest) or 1.0


def _nearest(recording, channels, most=COLOURED):
    """Return for each unit the rows of `channels` on which it is largest, the loudest first."""
    places = {int(channel): place for place, channel in enumerate(channels)}
    found = []
    for template in recording.filtered_templates:
        ranked = best_channels(template, most, 0.0 if most > COLOURED else 0.25)
        found.append([places[int(channel)] for channel in ranked if int(channel) in places])
    return found


def _overview(recording, spikes, window, duration, colours):
    """Return a small raster of all spikes on which the part in view can be moved."""
    n = max(len(colours), 1)
    raster = figure(
        name="overview", height=110, sizing_mode="stretch_width", x_range=Range1d(0, duration), y_range=Range1d(n - 0.4, -0.6),
        tools="", toolbar_location=None, x_axis_label="all that is shown here (s): move the window",
    )  # fmt: skip
    spikes.data["colour"] = [colours[unit] for unit in spikes.data["unit"]]
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
