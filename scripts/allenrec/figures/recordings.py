"""Figures of a recording: its units and their spikes, and a window of its traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EventCollection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from .channels import BEST_CHANNELS, LEAST_SHARE, best_channels, channels_in_order, contact_pitch, shanks, some_channels
from .excerpt import busiest_window
from .look import GREY, PALE, legible, unit_look
from .nothing import NothingToDrawError
from .style import (
    add_waveforms,
    contact_outlines,
    draw_contacts,
    mark_contacts,
    new_figure,
    outlined,
    probe_axis,
    round_length,
    scale_bar,
    styled,
    waveform_scale_bar,
)
from .units import (
    KINDS,
    MARKERS,
    heading,
    label_rows,
    needs_spikes,
    needs_units,
    row_height,
    separate_kinds,
    type_colours,
    type_legend,
    unit_colours,
    unit_labels,
    unit_names,
    unit_order,
)

if TYPE_CHECKING:
    from allenrec.recordings.formats.recording_file import Recording

#: Minimum height of the tallest waveform on a probe, as a share of the part that is shown
LEAST_HEIGHT = 0.04
#: Maximum number of rows of contacts that are all drawn (of a longer probe the part with units is), and of legible channels
ROWS_SHOWN, CHANNELS_SHOWN = 48, 48
#: Maximum ratio of height to width up to which positions are drawn at one scale
TALL = 8.0


@styled
@needs_spikes
def raster(recording: Recording) -> Figure:
    """Draw the spikes of each unit over time (s), and its firing rate (Hz) on the right.

    Rows are sorted by bintype, cell type and amplitude; the largest amplitude is at the top of its group. Colours are cell
    types.
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
    side.set(xlabel="rate (Hz)", xlim=(0, 1.05 * (float(rates.max()) or 1.0)))
    side.tick_params(labelleft=False, left=False)
    separate_kinds(side, recording, order)
    type_legend(axes, recording, lw=4)
    return figure


@styled
@needs_units
def unit_templates(recording: Recording) -> Figure:
    """Draw the templates of the units on the probe, and the positions of their somata (y-z plane, µm); one colour per unit.

    Shanks stand side by side, with short gaps between them.

    A waveform is drawn at each contact where the unit has at least a quarter of its largest size. All waveforms share one
    scale, and the flat parts before and after them are cut off. Circles are excitatory and triangles inhibitory units, with
    their names.
    """
    names, chosen = unit_names(recording), unit_colours(recording)
    axis = probe_axis(recording.channel_positions[:, 1:])
    contacts = axis.points(recording.channel_positions[:, 1:])
    across, along = contact_pitch(contacts)
    rows = len(np.unique(np.round(contacts[:, 1], 3)))
    figure = new_figure(9.0, row_height(rows, 0.16, 2.6, 7.5) + 2.6, heading(recording, "Unit templates"))
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1], sharey=True)
    templates = _without_flat_ends(recording.unfiltered_templates)
    sizes = np.ptp(templates, axis=2)
    shown = sizes >= LEAST_SHARE * sizes.max(axis=1, keepdims=True)
    somata = axis.points(recording.units[["y", "z"]].to_numpy(dtype=float))
    points = np.concatenate([contacts[shown.any(axis=0) | (rows <= ROWS_SHOWN)], somata])
    low, high = points.min(axis=0), points.max(axis=0)
    # On a long probe, waveforms are higher than a row, because they would be flat otherwise.
    tallest = max(2.2 * along, LEAST_HEIGHT * (high[1] - low[1]))
    gain = tallest / sizes.max()
    mark_contacts(left, contacts, recording.probe)
    for unit in np.argsort(-sizes.max(axis=1), kind="stable"):
        line: dict[str, Any] = {"colors": chosen[unit], "linestyles": unit_look(int(unit))[2], "linewidths": 1.1, "alpha": 0.9}
        at = shown[unit]
        add_waveforms(left, contacts[at], templates[unit][at], 0.86 * across, gain, **line, gid=f"unit {names[unit]}")
    duration = 1000.0 * templates.shape[2] / recording.sampling_frequency
    waveform_scale_bar(left, 0.86 * across, gain, duration, 0.55 * tallest)
    room = 0.8 * across
    left.set(ylabel="z (µm)", title="Templates", xlim=(contacts[:, 0].min() - room, contacts[:, 0].max() + room))
    left.set_ylim(low[1] - max(1.5 * tallest, 0.08 * (high[1] - low[1])), high[1] + 0.7 * tallest)
    _draw_somata(right, recording, somata, names, chosen)
    axis.label(left)
    axis.label(right)
    right.set(xlim=(low[0] - room, high[0] + room), title="Somata", anchor="W")
    if np.ptp(right.get_ylim()) <= TALL * np.ptp(right.get_xlim()):
        draw_contacts(right, contacts, contact_outlines(recording.probe), zorder=1)
        right.set_aspect("equal")
    else:
        mark_contacts(right, contacts, recording.probe)
        right.set_title("Somata, not to scale")
    return figure


def _without_flat_ends(templates: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the samples of templates (n_units, n_channels, n_t) between the first and the last that can be seen."""
    size = np.abs(templates).max(axis=(0, 1))
    seen = np.flatnonzero(size >= 0.01 * size.max())
    return templates[:, :, seen[0] : seen[-1] + 1]


def _draw_somata(
    axes: Axes, recording: Recording, soma: NDArray[np.floating], names: Sequence[str], chosen: Sequence[str]
) -> None:
    """Draw the positions (n_units, 2) of the units with their names, each on the side away from the nearest other unit."""
    bintypes = recording.units["bintype"].astype(str)
    scale = np.maximum(np.ptp(recording.channel_positions[:, 1:], axis=0), 20.0)
    for unit, name in enumerate(names):
        others = np.delete(soma, unit, axis=0) - soma[unit]
        nearest = others[np.argmin(((others / scale) ** 2).sum(axis=1))] if len(others) else (-1.0, 0.0)
        right = nearest[0] <= 0
        axes.plot(*soma[unit], MARKERS.get(bintypes.iloc[unit], "s"), ms=7, color=chosen[unit], mec="white", mew=0.5)
        outlined(
            axes.annotate(
                name, soma[unit], (6 if right else -6, 0), textcoords="offset points", fontsize=7.5,
                color=legible(chosen[unit]), ha="left" if right else "right", va="center_baseline", zorder=4,
            )
        )  # fmt: skip
    kinds = [kind for kind in KINDS if (bintypes == kind).any()]
    handles = [Line2D([], [], ls="", marker=MARKERS[kind], color=GREY, label=KINDS[kind]) for kind in kinds]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1))


def busiest_traces(recording: Recording) -> Figure:
    """Draw the traces in the window in which most units fire, with the templates as the filter leaves them."""
    return traces(recording, *busiest_window(recording), templates=recording.filtered_templates)


@styled
def traces(recording: Recording, start: float, stop: float, templates: NDArray[np.floating] | None = None) -> Figure:
    """Draw traces (µV) from `start` to `stop` (s), sorted by depth, and the templates of the units at their spike times.

    A template is drawn in the colour and line of its unit, on up to 8 channels where it is largest; the first one is named.
    Shanks stand above each other. Of a large probe only some channels are shown, those with templates first.

    Parameters
    ----------
    recording : Recording
    start, stop : float
        s.
    templates : numpy.ndarray, optional
        (n_units, n_channels, n_t) µV, for filtered traces; by default the templates before the filter.
    """
    templates = recording.unfiltered_templates if templates is None else templates
    rate = recording.sampling_frequency
    first = max(round(start * rate), 0)
    last = min(round(stop * rate), recording.traces.shape[0])
    window = np.asarray(recording.traces[first:last])
    time = np.arange(first, last) / rate
    inside = [_between(train, first, last) for train in recording.spike_trains]
    firing = [unit for unit, samples in enumerate(inside) if len(samples)]
    if not firing and not np.ptp(window, axis=0).any():
        raise NothingToDrawError("the traces are flat: they have neither noise nor spikes")
    channels = _channels_shown(recording, templates[firing])
    spacing = _spacing(window, templates[firing])
    offsets = {int(channel): spacing * row for row, channel in enumerate(channels)}
    for_legend = 0.17 * len(firing) + 1.2
    height = 1.3 + max(row_height(len(channels), 0.2, 2.2, 8.5), for_legend)
    part = "" if len(channels) == window.shape[1] else f", {len(channels)} of them shown"
    figure = new_figure(10.0, height, f"{heading(recording, 'Traces and templates')}{part}")
    axes = figure.add_subplot()
    lines = [np.stack([time, window[:, channel] + offset], axis=1) for channel, offset in offsets.items()]
    axes.add_collection(LineCollection(lines, colors="#B5B5B5", linewidths=0.5, gid="traces"))
    _draw_injected(axes, recording, templates, inside, (first, last), offsets)
    axes.set(xlabel="time (s)", xlim=(first / rate, last / rate), ylim=(-1.6 * spacing, spacing * (len(channels) + 0.6)))
    _label_depths(axes, recording, channels.tolist(), spacing)
    bar = round_length(min(2.5, 0.2 * (len(channels) + 2.2)) * spacing)
    scale_bar(
        axes, height=bar, height_label=f"{bar:g} µV", loc="lower left",
        bbox_to_anchor=(1.005, 0), bbox_transform=axes.transAxes,
    )  # fmt: skip
    if firing:
        _unit_legend(axes, recording, firing, inside)
    return figure


def _draw_injected(
    axes: Axes,
    recording: Recording,
    templates: NDArray[np.floating],
    inside: Sequence[NDArray[np.integer]],
    window: tuple[int, int],
    offsets: dict[int, float],
) -> None:
    """Draw the template of each unit at its spikes `inside` the window (first and last sample), and name the first one.

    `offsets` are those of the channels that are shown, µV.
    """
    chosen, names, rate = unit_colours(recording), unit_names(recording), recording.sampling_frequency
    first, last = window
    for unit, samples in enumerate(inside):
        if len(samples) == 0:
            continue
        lines = _template_lines(templates[unit], samples - recording.template_peak, first, last, offsets)
        lines = [line / (rate, 1.0) for line in lines]
        line: dict[str, Any] = {"colors": chosen[unit], "linestyles": unit_look(unit)[2], "linewidths": 1.1}
        axes.add_collection(LineCollection(lines, **line, gid=f"unit {names[unit]}"))
        near_start = samples[0] - first < 0.02 * (last - first)
        place = (4, "left") if near_start else (-3, "right")
        _name_spike(axes, templates[unit], samples[0] / rate, offsets, names[unit], chosen[unit], place)


def _name_spike(
    axes: Axes,
    template: NDArray[np.floating],
    time: float,
    offsets: dict[int, float],
    name: str,
    colour: str,
    place: tuple[float, str],
) -> None:
    """Write the name of the unit beside the trough of a spike, on its best channel that is shown."""
    channels = [int(channel) for channel in best_channels(template) if int(channel) in offsets]
    if channels:
        trough = offsets[channels[0]] + template[channels[0]].min()
        shift, alignment = place
        outlined(
            axes.annotate(
                name, (time, trough), (shift, 0), textcoords="offset points", fontsize=7.5, color=legible(colour),
                ha=alignment, va="center", zorder=5,
            )
        )  # fmt: skip


def _unit_legend(axes: Axes, recording: Recording, firing: Sequence[int], inside: Sequence[NDArray[np.integer]]) -> None:
    """Draw a legend of the units that fire, with the number of their spikes."""
    labels, looks = unit_labels(recording), {unit: unit_look(unit) for unit in firing}
    named = {unit: f"{labels[unit]}, {len(inside[unit])}" for unit in firing}
    handles = [Line2D([], [], color=looks[unit][0], ls=looks[unit][2], lw=1.6, label=named[unit]) for unit in firing]
    axes.legend(
        handles=handles, title="unit: type, spikes", title_fontsize=7.5, handlelength=2,
        loc="upper left", bbox_to_anchor=(1.005, 1), borderaxespad=0, alignment="left",
    )  # fmt: skip


def _between(train: ArrayLike, first: int, last: int) -> NDArray[np.integer]:
    """Return the samples of a train from `first` to `last`."""
    train = np.asarray(train)
    return train[(train >= first) & (train < last)]


def _channels_shown(recording: Recording, templates: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the channels to draw in their order; of a large probe those with templates and a few more."""
    best = [best_channels(template) for template in templates]
    ranked = [channels[k] for k in range(BEST_CHANNELS) for channels in best if k < len(channels)]
    return some_channels(channels_in_order(recording), ranked, CHANNELS_SHOWN)


def _label_depths(axes: Axes, recording: Recording, channels: Sequence[int], spacing: float) -> None:
    """Label rows of channels, `spacing` µV apart, with their depths; name each of several shanks, with lines between them."""
    rows = range(0, len(channels), -(-len(channels) // 16))
    depths = [f"{recording.channel_positions[channels[row], 2]:.0f}" for row in rows]
    axes.set_yticks([row * spacing for row in rows], [depth.replace("-", "\N{MINUS SIGN}") for depth in depths])
    axes.set_ylabel("depth of channel, z (µm)")
    names = shanks(recording)[list(channels)]
    starts = [row for row in range(len(channels)) if row == 0 or names[row] != names[row - 1]]
    for row in starts if len(starts) > 1 else ():
        if row:
            axes.axhline((row - 0.5) * spacing, color=PALE, lw=0.8, ls=":", zorder=0)
        place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontweight": "bold", "va": "center", "zorder": 6}
        outlined(axes.text(0.004, (row + 0.5) * spacing, f"shank {names[row]}", **place))


def _spacing(window: NDArray[np.floating], templates: NDArray[np.floating]) -> float:
    """Return the distance between traces, µV: more than the noise needs, and a third of the largest template."""
    noise = 1.4826 * np.median(np.abs(window - np.median(window, axis=0)))
    largest = np.ptp(templates, axis=2).max() if templates.size else 0.0
    return float(max(5.0 * noise, 0.35 * largest)) or float(np.ptp(window)) or 1.0


def _template_lines(
    template: NDArray[np.floating], starts: NDArray[np.integer], first: int, last: int, offsets: dict[int, float]
) -> list[NDArray[np.floating]]:
    """Return lines (sample, µV plus the offset of the channel): the template on its best channels, at each start."""
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
@needs_units
def amplitudes(recording: Recording) -> Figure:
    """Draw the amplitude (µV) and the signal-to-noise ratio of each unit; rows are those of the raster.

    The amplitude is the depth of the template below zero on its largest channel. In a recording without noise there is no
    ratio, and its panel is left out. Hollow dots are values after the filter.
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
        separate_kinds(axes, recording, order)
    label_rows(panels[0], recording, order)
    for axes in panels[1:]:
        axes.tick_params(labelleft=False, left=False)
    type_legend(panels[0], recording, ls="", marker="o")
    return figure
