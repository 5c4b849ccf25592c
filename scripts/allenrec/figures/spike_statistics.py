"""Figures of the spikes of a recording in its traces, and of the noise between them.

Most functions take what `allenrec.figures.snippets` measured in the recording.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .look import GREY, INK, PALE, UNIT_PALETTE, colours, legible, unit_look
from .nothing import NothingToDrawError
from .snippets import NoiseMeasure, Snippets, evenly, principal_components
from .style import new_figure, styled
from .units import (
    heading,
    needs_spikes,
    needs_units,
    row_height,
    type_colours,
    unit_colours,
    unit_kinds,
    unit_labels,
    unit_names,
    unit_order,
)

if TYPE_CHECKING:
    from allenrec.recordings.formats.recording_file import Recording

#: Maximum number of units with a panel of their own, and of lines that are drawn for one unit
PANELS_SHOWN, LINES_SHOWN = 24, 100
#: Maximum height of all rows of a figure together, inches; more rows are lower
ROWS_HIGH = 7.5
#: Minimum standard deviation of noise, µV; smaller values between spikes are the tails of spikes
NO_NOISE = 0.01
#: Maximum distance of paths that count as one, µm
SAME_PATH = 0.01
#: Maximum number of points in a line of the drift
POINTS = 4000
#: Maximum number of units that a histogram shows one by one, each with its own colour; more units are joined by cell type
UNITS_STACKED = len(UNIT_PALETTE)
#: What a unit lacks that has no spike, or only spikes at the very ends of the recording
WHOLE = "whole spikes"
#: Usual detection threshold of spike sorters, in standard deviations of the noise
THRESHOLD = 5.0


def _shown(recording: Recording, counts: NDArray[np.integer], what: str) -> tuple[list[int], str]:
    """Return the units that have a panel, in the order of the raster, and words that say so if these are not all units.

    Units have none if their number in `counts` is zero; `what` they lack then, such as "spikes", is in the words, and in the
    NothingToDrawError that is raised if no unit has any.
    """
    order = [unit for unit in unit_order(recording) if counts[unit] > 0]
    if not order:
        raise NothingToDrawError(f"no unit has {what}")
    n_without = len(counts) - len(order)
    without = f", {n_without} without {what}" if n_without else ""
    if len(order) <= PANELS_SHOWN:
        return order, without
    return [int(unit) for unit in evenly(np.array(order), PANELS_SHOWN)], f"{without}, {PANELS_SHOWN} units shown"


def _panels(
    recording: Recording, title: str, height: float, counts: NDArray[np.integer], what: str
) -> tuple[Figure, Sequence[Axes], list[int]]:
    """Return a figure with a panel for each unit that is shown, the panels, and the units in their order; see `_shown`."""
    shown, part = _shown(recording, counts, what)
    columns = min(len(shown), 4 if len(shown) <= 8 else 6)
    rows = -(-len(shown) // columns)
    figure = new_figure(max(1.75 * columns, 5.0) + 0.4, height * rows + 0.6, f"{heading(recording, title)}{part}")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes in panels[len(shown) :]:
        axes.remove()
    for axes in panels[max(len(shown) - columns, 0) : len(shown)]:
        axes.tick_params(labelbottom=True)
    return figure, list(panels[: len(shown)]), shown


def _counts(recording: Recording, snippets: Snippets) -> NDArray[np.integer]:
    """Return the number of spikes of each unit that could be cut out."""
    return np.bincount(snippets.units, minlength=len(recording.units))


def _title(axes: Axes, recording: Recording, unit: int, more: str) -> None:
    axes.set_title(f"{unit_labels(recording)[unit]}\n{more}", fontsize=7.5, color=INK)


@styled
@needs_spikes
def waveforms(recording: Recording, snippets: Snippets) -> Figure:
    """Draw spikes of each unit in the traces on its peak channel (µV) over time (ms), their mean, and the template.

    Each unit has a panel. Thin lines are up to 100 spikes, the coloured line is their mean, and the dashed line is the
    template as the filter leaves it.
    """
    figure, panels, shown = _panels(recording, "Waveforms", 1.75, _counts(recording, snippets), WHOLE)
    chosen = unit_colours(recording)
    rate, peak = recording.sampling_frequency, recording.template_peak
    for axes, unit in zip(panels, shown, strict=True):
        spikes = snippets.of_unit(unit)
        channel = snippets.peak[unit]
        template = recording.filtered_templates[unit][channel]
        time = (np.arange(len(template)) - peak) * 1000 / rate
        axes.plot(time, template, color=INK, lw=0.9, ls="--", zorder=4, gid="template")
        few = evenly(spikes, LINES_SHOWN)
        lines = np.stack([np.broadcast_to(snippets.time, few.shape), few], axis=2)
        axes.add_collection(LineCollection(list(lines), colors=PALE, linewidths=0.5, gid="spikes"))
        axes.plot(snippets.time, spikes.mean(axis=0), color=chosen[unit], lw=1.8, zorder=3, gid="mean")
        axes.set_xlim(snippets.time[0], snippets.time[-1])
        axes.autoscale_view(scalex=False)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        _title(axes, recording, unit, f"channel {channel}, {len(spikes)} spikes")
    _outer_labels(panels, "time (ms)", "µV")
    handles = [Line2D([], [], color=PALE, label="spikes"), Line2D([], [], color=GREY, lw=2, label="their mean")]
    handles.append(Line2D([], [], color=INK, lw=0.9, ls="--", label="template"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _outer_labels(panels: Sequence[Axes], across: str, up: str) -> None:
    """Label the axes at the left and at the bottom of the figure."""
    for axes in panels:
        place = axes.get_subplotspec()
        if place is not None and place.is_first_col():
            axes.set_ylabel(up)
        if axes.xaxis.get_tick_params().get("labelbottom", False):
            axes.set_xlabel(across)


@styled
@needs_spikes
def amplitudes_over_time(recording: Recording, snippets: Snippets) -> Figure:
    """Draw the amplitudes of spikes in the traces (µV) over time (s). Rows are those of the raster, each with its own scale.

    The amplitude is the depth of a spike below zero on the peak channel of its unit, noise included. The line is the median.
    """
    shown, part = _shown(recording, _counts(recording, snippets), WHOLE)
    chosen, names = unit_colours(recording), unit_names(recording)
    title = f"{heading(recording, 'Amplitudes over time')}{part}"
    figure = new_figure(9.0, row_height(len(shown), 0.62, 0.62, ROWS_HIGH) + 1.1, title)
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    amplitudes = snippets.amplitudes
    for axes, unit in zip(panels, shown, strict=True):
        own = snippets.units == unit
        axes.scatter(snippets.times[own], amplitudes[own], s=5, color=chosen[unit], linewidths=0)
        axes.axhline(np.median(amplitudes[own]), color=INK, lw=0.7)
        axes.set_ylim(0, 1.15 * amplitudes[own].max(initial=1.0))
        axes.yaxis.set_major_locator(MaxNLocator(2))
        colour = legible(chosen[unit])
        axes.set_ylabel(names[unit], rotation=0, ha="right", va="center", labelpad=10, color=colour, fontweight="bold")
    panels[-1].set(xlabel="time (s)", xlim=(0, recording.duration))
    figure.supylabel("unit, amplitude (µV)", fontsize=8)
    return figure


@styled
@needs_spikes
def amplitude_histogram(recording: Recording, snippets: Snippets, noise: NoiseMeasure) -> Figure:
    """Draw the distribution of the amplitudes of spikes in the traces (µV), stacked by unit, or by cell type if units are many.

    The dashed line is at five standard deviations of the noise, a usual detection threshold of sorters.
    """
    _shown(recording, _counts(recording, snippets), WHOLE)
    amplitudes, order, kinds = snippets.amplitudes, unit_order(recording), unit_kinds(recording)
    by_unit = len(order) <= UNITS_STACKED
    if by_unit:
        chosen, labels = unit_colours(recording), unit_labels(recording)
        groups = [(labels[unit], chosen[unit], snippets.units == unit) for unit in order]
    else:
        types = np.array([kind[1] for kind in kinds])[snippets.units]
        groups = [(name, colour, types == name) for name, colour in colours([kind[1] for kind in kinds]).items()]
    figure = new_figure(6.4, 3.4, heading(recording, "Amplitudes of spikes"))
    axes = figure.add_subplot()
    bins = amplitude_bins(amplitudes, *_lattice(recording))
    axes.hist(
        [amplitudes[own] for _, _, own in groups], bins=list(bins), stacked=True,
        color=[colour for _, colour, _ in groups], label=[name for name, _, _ in groups],
    )  # fmt: skip
    level = float(np.median(noise.deviation))
    if level > 0:
        axes.axvline(THRESHOLD * level, color=INK, ls="--", lw=1, label=f"{THRESHOLD:g} × noise ({level:.1f} µV)")
    axes.set(xlabel="amplitude of a spike (µV)", ylabel="spikes", xlim=(bins[0], bins[-1]))
    axes.legend(title="unit" if by_unit else "cell type", title_fontsize=7.5, alignment="left")
    return figure


def amplitude_bins(amplitudes: NDArray[np.floating], step: float, origin: float = 0.0) -> NDArray[np.floating]:
    """Return the edges of about 60 bins from zero, or from the lowest amplitude (µV), to beyond the largest.

    If amplitudes are `origin` and whole multiples of `step` (µV, else 0), each bin has the same number of their values;
    otherwise the histogram would be a comb.
    """
    low, high = min(0.0, float(amplitudes.min(initial=0.0))), float(amplitudes.max(initial=1.0))
    width = (high - low) / 60
    if step == 0:
        return low + width * np.arange(61)
    width = step * max(1, math.ceil(width / step))
    first = origin + (math.floor((low - origin) / step) - 0.5) * step
    return first + width * np.arange(math.ceil((high - first) / width) + 1)


def _lattice(recording: Recording) -> tuple[float, float]:
    """Return the step of the amplitudes in a recording of integers, and one of their values, µV.

    The step is 0 if the channels have no step or no offset in common.
    """
    gains, offsets = np.unique(recording.gain_to_uV), np.unique(recording.offset_to_uV)
    alike = len(gains) == len(offsets) == 1 and np.issubdtype(recording.samples.dtype, np.integer)
    return (float(gains[0]), -float(offsets[0])) if alike else (0.0, 0.0)


@styled
@needs_spikes
def principal_component_map(recording: Recording, snippets: Snippets) -> Figure:
    """Draw the spikes of all units by their first three principal components.

    Each unit has a colour, and its name stands at the median of its spikes. The components are computed from the waveforms on
    the peak channels of all units, and are in standard deviations of the first one.
    """
    _shown(recording, _counts(recording, snippets), WHOLE)
    scores, share = principal_components(snippets)
    names = unit_names(recording)
    looks = [unit_look(unit) for unit in range(len(names))]
    figure = new_figure(9.0, 4.4, heading(recording, "Principal components of the spikes"))
    for axes, (across, up) in zip(figure.subplots(1, 2), ((0, 1), (0, 2)), strict=True):
        for marker in sorted({look[1] for look in looks}):
            own = np.array([looks[unit][1] == marker for unit in snippets.units], dtype=bool)
            colour = [looks[unit][0] for unit in snippets.units[own]]
            size = 6 if marker == "o" else 11
            axes.scatter(scores[own, across], scores[own, up], s=size, c=colour, alpha=0.6, linewidths=0, marker=marker)
        for unit in np.unique(snippets.units):
            middle = np.median(scores[snippets.units == unit][:, [across, up]], axis=0)
            box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": looks[unit][0], "lw": 0.8, "alpha": 0.85}
            axes.annotate(names[unit], middle, fontsize=7.5, ha="center", va="center", bbox=box)
        axes.set_xlabel(f"component {across + 1} ({100 * share[across]:.0f} % of the variance)")
        axes.set_ylabel(f"component {up + 1} ({100 * share[up]:.0f} %)")
    return figure


@styled
@needs_spikes
def intervals(recording: Recording) -> Figure:
    """Draw histograms of the intervals between successive spikes (ms, logarithmic), with a panel for each unit.

    The dashed line is the shortest interval.
    """
    counts = np.array([max(len(train) - 1, 0) for train in recording.spike_trains])
    figure, panels, shown = _panels(recording, "Intervals between spikes", 1.55, counts, "two spikes")
    order_colours = dict(zip(shown, type_colours(recording, shown), strict=True))
    every = [1000 * np.diff(np.asarray(recording.spike_times[unit])) for unit in shown]
    longest = max((gaps.max(initial=0.0) for gaps in every), default=0.0)
    bins = np.geomspace(1.0, max(longest, 100.0), 41)
    for axes, unit, gaps in zip(panels, shown, every, strict=True):
        axes.hist(np.maximum(gaps, bins[0]), bins=list(bins), color=order_colours[unit])
        axes.set_xscale("log")
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.axvline(gaps.min(), color=INK, ls="--", lw=0.8)
        _title(axes, recording, unit, f"shortest {gaps.min():.1f} ms")
    _outer_labels(panels, "interval (ms)", "intervals")
    return figure


@styled
def noise_spectrum(recording: Recording, noise: NoiseMeasure) -> Figure:
    """Draw the power of the traces between spikes (µV²/Hz) over frequency (Hz): the median and the range of all channels.

    The legend gives the median, over channels, of the standard deviation of the noise.
    """
    known = ~np.isnan(noise.density).all(axis=0)
    if not known.any():
        raise NothingToDrawError("no pause between spikes is long enough to measure the noise")
    if np.median(noise.deviation) < NO_NOISE:
        raise NothingToDrawError("the recording has no noise")
    density = noise.density[1:, known]
    figure = new_figure(6.4, 3.4, heading(recording, "Noise spectrum"))
    axes = figure.add_subplot()
    frequency = noise.frequency[1:]
    lowest, highest = density.min(axis=1), density.max(axis=1)
    axes.fill_between(frequency, lowest, highest, color=PALE, linewidth=0, label=f"{known.sum()} channels")
    axes.plot(frequency, np.median(density, axis=1), color=INK, lw=1.3, label="median")
    axes.set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel="power (µV²/Hz)", xlim=(frequency[0], frequency[-1]))
    top = float(highest.max())
    axes.set_ylim(max(float(lowest[lowest > 0].min(initial=top)), 1e-5 * top), 2 * top)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(loc="lower center", title=f"standard deviation {np.median(noise.deviation):.2f} µV", title_fontsize=7.5)
    return figure


def unit_drift(recording: Recording) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times (n,) s, and the displacement of each unit along its path, (n, n_units) µm."""
    return recording.file["drift/times"][()], recording.file["drift/displacements"][()]


@styled
@needs_units
def drift(recording: Recording, path: tuple[NDArray[np.float64], NDArray[np.float64]]) -> Figure:
    """Draw the displacement of each unit along its path (µm) over time (s); `path` is what `unit_drift` returns.

    Units that move together share one line.
    """
    times, displacements = path
    names, labels = unit_names(recording), unit_labels(recording)
    figure = new_figure(9.0, 3.8, heading(recording, "Drift"))
    axes = figure.add_subplot()
    shown = evenly(np.arange(len(times)), POINTS)
    groups = moving_together(displacements[shown])
    for first, *others in groups:
        colour, _, dashes = unit_look(first)
        line: dict[str, Any] = {"color": colour, "ls": dashes, "label": labels[first], "gid": f"unit {names[first]}"}
        if others:
            together = f"units {', '.join(names[unit] for unit in (first, *others))}"
            line |= {"label": fill(together, 30), "gid": together}
        if len(groups) == 1 and others:
            line = {"color": INK, "lw": 1.4, "label": f"all {len(names)} units", "gid": "all units"}
        axes.plot(times[shown], displacements[shown, first], **line)
    axes.axhline(0, color=PALE, lw=0.8, zorder=0)
    axes.set(xlabel="time (s)", ylabel="displacement (µm)", xlim=(0, recording.duration))
    if len(groups) == 1:
        axes.legend(loc="best")
    elif len(groups) <= PANELS_SHOWN:
        axes.legend(title="unit", title_fontsize=7.5, alignment="left", loc="upper left", bbox_to_anchor=(1.005, 1))
    return figure


def moving_together(displacements: NDArray[np.float64]) -> list[list[int]]:
    """Return the units whose displacements (n, n_units) µm are the same all the time, a list for each such group."""
    groups: list[list[int]] = []
    for unit, path in enumerate(displacements.T):
        same = (group for group in groups if np.abs(displacements[:, group[0]] - path).max(initial=0.0) <= SAME_PATH)
        group = next(same, None)
        if group is None:
            groups.append([unit])
        else:
            group.append(unit)
    return groups
