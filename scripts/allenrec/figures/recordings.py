"""Figures of a recording. All take an object with the attributes that `read_recording` returns."""

import numpy as np
from matplotlib.collections import EventCollection, LineCollection
from matplotlib.lines import Line2D

from .style import (
    GREY,
    add_waveforms,
    contact_pitch,
    draw_contacts,
    new_figure,
    outlined,
    round_length,
    scale_bar,
    styled,
    waveform_scale_bar,
)
from .units import (
    KINDS,
    heading,
    label_rows,
    of_units,
    part_kinds,
    row_height,
    type_colours,
    type_legend,
    unit_colours,
    unit_kinds,
    unit_names,
    unit_order,
)

#: On how many channels at most the templates of a unit are drawn, and how small they may be beside its largest
BEST_CHANNELS, LEAST_SHARE = 8, 0.25
#: At most how many channels are legible in one figure
CHANNELS_SHOWN = 48
MARKERS = {"E": "o", "I": "^"}


@styled
@of_units
def raster(recording):
    """Spikes of each unit over time (s), grouped by type, with the rate of each (Hz) at the right.

    Rows are sorted by bintype, cell type and amplitude, the largest on top of its group; colours are cell types.
    """
    order = unit_order(recording)
    rows = type_colours(recording, order)
    height = 1.5 + row_height(len(order), 0.2, 1.6, 7)
    figure = new_figure(9.0, height, heading(recording, "Spikes"))
    axes, side = figure.subplots(1, 2, sharey=True, width_ratios=[5.2, 1])
    for row, (unit, colour) in enumerate(zip(order, rows, strict=True)):
        times = np.asarray(recording.spike_times[unit])
        axes.add_collection(EventCollection(times, lineoffset=row, linelength=0.8, linewidth=0.7, color=colour))
    axes.set(xlabel="time (s)", xlim=(0, recording.duration))
    label_rows(axes, recording, order)
    rates = recording.units["rate"].to_numpy(dtype=float)[order]
    side.barh(range(len(order)), rates, color=rows, height=0.7)
    side.set(xlabel="rate (Hz)", xlim=(0, 1.05 * max(rates.max(), 1e-9)))
    side.tick_params(labelleft=False, left=False)
    part_kinds(side, recording, order)
    type_legend(axes, recording, lw=4)
    return figure


def best_channels(template, most=BEST_CHANNELS, least_share=LEAST_SHARE):
    """Return the channels on which a template (n_channels, n_t) is largest, the largest first.

    At most `most`, and none where it is smaller (peak to peak) than `least_share` of its largest.
    """
    size = np.ptp(template, axis=1)
    order = np.argsort(-size, kind="stable")[:most]
    return order[size[order] >= least_share * size[order[0]]]


@styled
@of_units
def unit_templates(recording):
    """Templates of the units on the probe and their soma positions (y-z plane, µm); one colour a unit.

    A waveform is drawn at each contact where the unit has at least a tenth of its largest amplitude; all share one
    scale, and the silence before and after them is cut off. Circles are excitatory and triangles inhibitory units, with
    their names.
    """
    contacts, names = recording.channel_positions[:, 1:], unit_names(recording)
    chosen = unit_colours(recording)
    across, along = contact_pitch(contacts)
    rows = len(np.unique(np.round(contacts[:, 1], 3)))
    figure = new_figure(9.0, row_height(rows, 0.16, 2.6, 7.5) + 2.6, heading(recording, "Unit templates"))
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1], sharey=True)
    templates = _without_silence(recording.templates)
    sizes = np.ptp(templates, axis=2)
    gain = 2.2 * along / sizes.max()
    draw_contacts(left, contacts, size=5, zorder=1)
    for unit in np.argsort(-sizes.max(axis=1), kind="stable"):
        shown = sizes[unit] >= 0.1 * sizes[unit].max()
        add_waveforms(
            left, contacts[shown], templates[unit][shown], 0.86 * across, gain,
            colors=chosen[unit], linewidths=1.1, alpha=0.9, gid=f"unit {names[unit]}",
        )  # fmt: skip
    duration = 1000.0 * templates.shape[2] / recording.sampling_frequency
    waveform_scale_bar(left, 0.86 * across, gain, duration, 1.2 * along)
    points = np.concatenate([contacts, recording.units[["y", "z"]].to_numpy(dtype=float)])
    low, high = points.min(axis=0), points.max(axis=0)
    left.set(xlabel="y (µm)", ylabel="z (µm)", title="Templates")
    left.set(xlim=(contacts[:, 0].min() - 0.8 * across, contacts[:, 0].max() + 0.8 * across))
    left.set_ylim(low[1] - 3.2 * along, high[1] + 1.5 * along)
    draw_contacts(right, contacts, size=7, zorder=1)
    _draw_somata(right, recording, names, chosen)
    right.set(xlabel="y (µm)", xlim=(low[0] - 0.8 * across, high[0] + 0.8 * across), title="Somata")
    return figure


def _without_silence(templates):
    """Return the samples of templates (n_units, n_channels, n_t) between the first and the last that can be seen."""
    size = np.abs(templates).max(axis=(0, 1))
    seen = np.flatnonzero(size >= 0.01 * size.max())
    return templates[:, :, seen[0] : seen[-1] + 1]


def _draw_somata(axes, recording, names, chosen):
    """Draw the units' positions with their names, each name on the side away from the nearest other unit."""
    soma, bintypes = recording.units[["y", "z"]].to_numpy(dtype=float), recording.units["bintype"].astype(str)
    scale = np.maximum(np.ptp(recording.channel_positions[:, 1:], axis=0), 20.0)
    for unit, name in enumerate(names):
        others = np.delete(soma, unit, axis=0) - soma[unit]
        nearest = others[np.argmin(((others / scale) ** 2).sum(axis=1))] if len(others) else (-1.0, 0.0)
        right = nearest[0] <= 0
        axes.plot(*soma[unit], MARKERS.get(bintypes.iloc[unit], "s"), ms=7, color=chosen[unit], mec="white", mew=0.5)
        outlined(
            axes.annotate(
                name, soma[unit], (6 if right else -6, 0), textcoords="offset points", fontsize=7.5, color=chosen[unit],
                ha="left" if right else "right", va="center_baseline", zorder=4,
            )
        )  # fmt: skip
    kinds = [kind for kind in KINDS if (bintypes == kind).any()]
    handles = [Line2D([], [], ls="", marker=MARKERS[kind], color=GREY, label=KINDS[kind]) for kind in kinds]
    axes.legend(handles=handles, loc="lower right")


def busiest_window(recording, length=0.1):
    """Return start and stop (s) of the window of `length` s in which most units fire.

    Windows start at multiples of a quarter of the length; among equals the one with more spikes counts, then the first.
    """
    length = min(length, recording.duration)
    step = length / 4
    n_windows = max(int(np.floor((recording.duration - length) / step + 1e-9)), 0) + 1
    units, spikes = np.zeros(n_windows, dtype=np.int64), np.zeros(n_windows, dtype=np.int64)
    for times in recording.spike_times:
        counts = np.bincount((np.asarray(times) / step).astype(np.int64), minlength=n_windows + 3)
        own = sum(counts[k : k + n_windows] for k in range(4))
        units += own > 0
        spikes += own
    best = int(np.argmax(units * (spikes.max() + 1) + spikes))
    return best * step, best * step + length


@styled
def traces(recording, start, stop, templates=None):
    """Traces (µV) from `start` to `stop` (s), sorted by depth, with the templates of the units where they were placed.

    A template is drawn in its unit's colour on the channels where it is largest (at most 8); the first is named. Of a
    large probe a part of the channels is shown, those with templates first. `templates` (n_units, n_channels, n_t), µV,
    stand in for the recording's where its traces are filtered.
    """
    templates = recording.templates if templates is None else templates
    rate = recording.sampling_frequency
    first = max(round(start * rate), 0)
    last = min(round(stop * rate), recording.traces.shape[0])
    window = np.asarray(recording.traces[first:last])
    time = np.arange(first, last) / rate
    inside = [_inside(train, first, last) for train in recording.spike_trains]
    firing = [unit for unit, samples in enumerate(inside) if len(samples)]
    channels = _channels_by_depth(recording.channel_positions, templates[firing])
    spacing = _spacing(window, templates[firing])
    offsets = {int(channel): spacing * row for row, channel in enumerate(channels)}
    for_legend = 0.17 * len(firing) + 1.2
    height = 1.3 + max(row_height(len(channels), 0.2, 2.2, 8.5), for_legend)
    part = "" if len(channels) == window.shape[1] else f", {len(channels)} of them shown"
    figure = new_figure(10.0, height, f"{heading(recording, 'Traces and placed templates')}{part}")
    axes = figure.add_subplot()
    lines = [np.stack([time, window[:, channel] + offset], axis=1) for channel, offset in offsets.items()]
    axes.add_collection(LineCollection(lines, colors="#B5B5B5", linewidths=0.5, gid="traces"))
    _draw_placed(axes, recording, templates, inside, (first, last), offsets)
    axes.set(xlabel="time (s)", ylabel="depth of channel, z (µm)", xlim=(first / rate, last / rate))
    axes.set_ylim(-1.6 * spacing, spacing * (len(channels) + 0.6))
    rows = np.arange(0, len(channels), -(-len(channels) // 16))
    depths = [f"{recording.channel_positions[channels[row], 2]:.0f}" for row in rows]
    axes.set_yticks(rows * spacing, [depth.replace("-", "\N{MINUS SIGN}") for depth in depths])
    bar = round_length(min(2.5, 0.2 * (len(channels) + 2.2)) * spacing)
    beside = {"bbox_to_anchor": (1.005, 0), "bbox_transform": axes.transAxes}
    scale_bar(axes, height=bar, height_label=f"{bar:g} µV", loc="lower left", **beside)
    if firing:
        _unit_legend(axes, recording, firing, inside)
    return figure


def _draw_placed(axes, recording, templates, inside, window, offsets):
    """Draw each unit's template at its spikes `inside` the window (first and last sample), and name the first."""
    chosen, names, rate = unit_colours(recording), unit_names(recording), recording.sampling_frequency
    first, last = window
    for unit, samples in enumerate(inside):
        if len(samples) == 0:
            continue
        placed = _placed(templates[unit], samples - recording.template_peak, first, last, offsets)
        placed = [line / (rate, 1.0) for line in placed]
        axes.add_collection(LineCollection(placed, colors=chosen[unit], linewidths=1.1, gid=f"unit {names[unit]}"))
        near_start = samples[0] - first < 0.02 * (last - first)
        place = (4, "left") if near_start else (-3, "right")
        _name_spike(axes, templates[unit], samples[0] / rate, offsets, names[unit], chosen[unit], place)


def _name_spike(axes, template, time, offsets, name, colour, place):
    """Write the unit's name beside the trough of a spike, on its best channel that is shown."""
    channels = [int(channel) for channel in best_channels(template) if int(channel) in offsets]
    if channels:
        trough = offsets[channels[0]] + template[channels[0]].min()
        shift, alignment = place
        where = {"xytext": (shift, 0), "textcoords": "offset points", "ha": alignment, "va": "center", "zorder": 5}
        outlined(axes.annotate(name, (time, trough), fontsize=7.5, color=colour, **where))


def _unit_legend(axes, recording, firing, inside):
    chosen, names, kinds = unit_colours(recording), unit_names(recording), unit_kinds(recording)
    handles = []
    for unit in firing:
        label = f"{names[unit]}: {kinds[unit][1]} ({kinds[unit][0]}), {len(inside[unit])}"
        handles.append(Line2D([], [], color=chosen[unit], lw=2, label=label))
    place = {"loc": "upper left", "bbox_to_anchor": (1.005, 1), "borderaxespad": 0, "alignment": "left"}
    axes.legend(handles=handles, title="unit: type, spikes", title_fontsize=7.5, handlelength=1.4, **place)


def _inside(train, first, last):
    train = np.asarray(train)
    return train[(train >= first) & (train < last)]


def _channels_by_depth(positions, templates):
    """Return the channels to draw, by depth (z) and then y; of a large probe those with templates and a few more."""
    order = np.lexsort((positions[:, 1], positions[:, 2]))
    if len(order) <= CHANNELS_SHOWN:
        return order
    best = [best_channels(template) for template in templates]
    ranked = [channels[k] for k in range(BEST_CHANNELS) for channels in best if k < len(channels)]
    even = order[np.linspace(0, len(order) - 1, CHANNELS_SHOWN).astype(int)]
    kept = set(list(dict.fromkeys([*map(int, ranked), *map(int, even)]))[:CHANNELS_SHOWN])
    return np.array([channel for channel in order if int(channel) in kept])


def _spacing(window, templates):
    """Return the distance between traces, µV: clear of the noise, and a third of the largest template."""
    noise = 1.4826 * np.median(np.abs(window - np.median(window, axis=0)))
    largest = np.ptp(templates, axis=2).max(initial=0.0)
    return float(max(5.0 * noise, 0.35 * largest)) or float(np.ptp(window)) or 1.0


def _placed(template, starts, first, last, offsets):
    """Return polylines (sample, µV with the channel's offset): the template on its best channels, at each start."""
    lines = []
    for channel in best_channels(template):
        if int(channel) not in offsets:
            continue
        waveform = template[channel]
        large = np.flatnonzero(np.abs(waveform) >= 0.05 * np.abs(waveform).max())
        part = np.arange(large[0], large[-1] + 1)
        for start in starts:
            kept = part[(start + part >= first) & (start + part < last)]
            lines.append(np.stack([start + kept, waveform[kept] + offsets[int(channel)]], axis=1))
    return lines


@styled
@of_units
def amplitudes(recording):
    """Amplitude (µV) and signal-to-noise ratio of each unit, grouped by type; rows as in the raster.

    The amplitude is how far the unit's template goes below zero at its loudest channel. Without noise there is no
    ratio, and its panel is left out. Hollow dots are the ratio after the filter.
    """
    order = unit_order(recording)
    columns = {"amplitude": "amplitude (µV)", "snr": "signal-to-noise ratio"}
    columns = {name: label for name, label in columns.items() if name in recording.units}
    columns = {name: label for name, label in columns.items() if np.isfinite(recording.units[name]).any()}
    height = 1.5 + row_height(len(order), 0.2, 1.4, 7)
    figure = new_figure(max(6.4, 2.2 + 2.9 * len(columns)), height, heading(recording, "Unit amplitudes"))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    rows = type_colours(recording, order)
    for axes, (name, label) in zip(panels, columns.items(), strict=True):
        values = recording.units[name].to_numpy(dtype=float)[order]
        axes.hlines(range(len(order)), 0, values, colors=rows, lw=1.4)
        axes.scatter(values, range(len(order)), c=rows, s=26, zorder=3)
        filtered = recording.units.get(f"{name}_filtered", recording.units[name]).to_numpy(dtype=float)[order]
        if not np.array_equal(filtered, values):
            axes.scatter(filtered, range(len(order)), facecolors="white", edgecolors=rows, s=26, zorder=2)
            dots = {"before the filter": GREY, "after": "white"}
            handles = [Line2D([], [], ls="", marker="o", color=GREY, mfc=dots[name], label=name) for name in dots]
            axes.legend(handles=handles, loc="lower right")
        axes.set(xlabel=label, xlim=(0, 1.08 * max(np.nanmax(values), np.nanmax(filtered))))
        part_kinds(axes, recording, order)
    label_rows(panels[0], recording, order)
    for axes in panels[1:]:
        axes.tick_params(labelleft=False, left=False)
    type_legend(panels[0], recording, ls="", marker="o")
    return figure
