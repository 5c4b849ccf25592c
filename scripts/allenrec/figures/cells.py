"""Figures of one cell: its shape, its spikes and its membrane currents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator, MultipleLocator
from numpy.typing import NDArray

from .look import ACCENT, GREY, INK, PALE
from .nothing import NothingToDrawError
from .style import new_figure, round_length, scale_bar, styled

if TYPE_CHECKING:
    from allenrec.intracellular.intracellular_file import Currents

#: Colours of the types of sections, in the order of the legends
SECTIONS = {"soma": INK, "axon": "#B07D00", "dend": "#3F5866", "apic": "#8FB0C0"}
SECTION_NAMES = {"soma": "soma", "axon": "axon", "dend": "basal dendrite", "apic": "apical dendrite"}
AXON_NAMES = {"stub": "axon stub", "truncated": "axon, truncated", "keep": "axon, as reconstructed"}
#: Axons that replace the reconstructed one
REPLACED = ("stub", "truncated")
#: Settings of images whose rows are segments
AS_ROWS: dict[str, Any] = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
#: Width of the halo of an axon beyond the axon itself, points
HALO, HALO_COLOUR = 6.0, "#F7D9A0"
#: Why the figures of a cell whose search ended without spikes that can be stored are not drawn
NO_SPIKES = "the model has no usable spikes"


def _heading(currents: Currents, what: str) -> str:
    """Return the title of a figure of `what`, with the name and the kind of the model."""
    parts = [f"model {currents.info.model_id}", currents.info.cell_type, currents.info.model_kind]
    return "  ·  ".join(part for part in (what, *parts) if part)


def _section_names(currents: Currents) -> dict[str, str]:
    """Return the types of sections that the cell has, with the name of each."""
    axon = AXON_NAMES.get(currents.info.axon, "axon")
    return {kind: axon if kind == "axon" else SECTION_NAMES[kind] for kind in SECTIONS if kind in currents.section}


def _window_time(currents: Currents) -> NDArray[np.floating]:
    """Return the time of the samples of a spike window, ms, 0 at the peak."""
    peak = int(np.argmax(currents.spike_vmem.mean(axis=0)))
    return (np.arange(currents.spike_vmem.shape[1]) - peak) * currents.info.settings.dt


@styled
def morphology(currents: Currents) -> Figure:
    """Draw three projections of the cell at one scale (µm), in the axes of the reconstruction, with the soma at the origin.

    Lines are segments, wider where the diameter is larger, coloured by the type of section. The disc is the soma, with its
    diameter. An axon that replaces the reconstructed one has a halo.
    """
    low, high = _limits(currents)
    extent = high - low
    # The added inches are for labels and ticks.
    inches = 5.6 / max(extent[0] + extent[2], extent[1] + extent[2])
    figure = new_figure(
        inches * (extent[0] + extent[2]) + 1.3,
        inches * (extent[1] + extent[2]) + 1.4,
        _heading(currents, "Morphology"),
        layout="compressed",
    )
    grid = figure.add_gridspec(2, 2, width_ratios=[extent[0], extent[2]], height_ratios=[extent[1], extent[2]])
    panels = [(figure.add_subplot(grid[0, 0]), 0, 1), (figure.add_subplot(grid[1, 0]), 0, 2)]
    panels.append((figure.add_subplot(grid[0, 1]), 2, 1))
    for axes, across, up in panels:
        _draw_projection(axes, currents, across, up)
        axes.set(xlim=(low[across], high[across]), ylim=(low[up], high[up]), aspect="equal")
        axes.set(xlabel=f"{'xyz'[across]} (µm)", ylabel=f"{'xyz'[up]} (µm)")
        axes.set_title(f"{'–'.join(sorted('xyz'[across] + 'xyz'[up]))} projection")
        axes.xaxis.set_major_locator(_ticks(extent, across))
        axes.yaxis.set_major_locator(_ticks(extent, up))
    bar = round_length(0.25 * extent[:2].max())
    scale_bar(panels[0][0], width=bar, width_label=f"{bar:g} µm", loc=_emptiest_corner(currents, low, high))
    corner = figure.add_subplot(grid[1, 1])
    corner.axis("off")
    handles, labels = _morphology_legend(currents)
    corner.legend(handles, labels, loc="center", borderpad=0, handlelength=1.6)
    return figure


def _ticks(extent: NDArray[Any], coordinate: int) -> MultipleLocator:
    """Return ticks at the same distance for x and y, and closer ones for z, the short side of a slice."""
    return MultipleLocator(round_length(extent[2] / 2.5 if coordinate == 2 else extent.max() / 3))


def _emptiest_corner(currents: Currents, low: NDArray[np.floating], high: NDArray[np.floating]) -> str:
    """Return the corner of the x-y projection, as matplotlib names it, with the fewest segments in it."""
    fraction = ((0.5 * (currents.start + currents.end) - low) / (high - low))[:, :2]
    corners = {"lower left": (0, 0), "lower right": (1, 0), "upper left": (0, 1), "upper right": (1, 1)}
    return min(corners, key=lambda name: (np.abs(fraction - corners[name]) < (0.35, 0.15)).all(axis=1).sum())


def _limits(currents: Currents) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the corners of a box around the cell, µm, with a margin; no side is much shorter than the others."""
    points = np.concatenate([currents.start, currents.end])
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low
    padding = np.maximum(0.04 * extent.max(), (0.36 * extent.max() - extent) / 2)
    return low - padding, high + padding


def _line_widths(diameter: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return line widths (points) for diameters (µm), such that thin dendrites remain visible."""
    return 0.5 + 1.1 * np.minimum(diameter, 8.0)


def _draw_projection(axes: Axes, currents: Currents, across: int, up: int) -> None:
    """Draw the cell with the coordinates `across` and `up`: the axon on top of the dendrites, and the soma above all."""
    lines = np.stack([currents.start, currents.end], axis=1)[:, :, [across, up]]
    for order, kind in enumerate(("apic", "dend", "axon")):
        chosen = currents.section == kind
        if not chosen.any():
            continue
        own, width = list(lines[chosen]), _line_widths(currents.diameter[chosen])
        if kind == "axon" and _axon_is_replaced(currents):
            halo = LineCollection(own, linewidths=width + HALO, colors=HALO_COLOUR, capstyle="round", zorder=1, gid="axon halo")
            axes.add_collection(halo)
        axes.add_collection(
            LineCollection(own, linewidths=width, colors=SECTIONS[kind], capstyle="round", zorder=2 + order, gid=kind)
        )
    soma = currents.section == "soma"
    centre = 0.5 * (currents.start[soma] + currents.end[soma]).mean(axis=0)
    radius = 0.5 * currents.diameter[soma].max()
    disc = Circle(centre[[across, up]], radius, facecolor=SECTIONS["soma"], edgecolor="white", lw=0.6, zorder=6)
    axes.add_patch(disc)


def _axon_is_replaced(currents: Currents) -> bool:
    return currents.info.axon in REPLACED


def _morphology_legend(currents: Currents) -> tuple[list[Any], list[str]]:
    """Return the handles and labels of a legend of the types of sections, with the length of each."""
    handles: list[Any] = []
    labels: list[str] = []
    for kind, name in _section_names(currents).items():
        chosen = currents.section == kind
        if kind == "soma":
            handles.append(Line2D([], [], ls="", marker="o", ms=7, color=SECTIONS[kind]))
            labels.append(f"{name}, {currents.diameter[chosen].max():.1f} µm")
            continue
        line = Line2D([], [], lw=2.2, color=SECTIONS[kind])
        halo = Line2D([], [], lw=2.2 + HALO, color=HALO_COLOUR, solid_capstyle="round")
        handles.append((halo, line) if kind == "axon" and _axon_is_replaced(currents) else line)
        length = np.linalg.norm(currents.end[chosen] - currents.start[chosen], axis=1).sum()
        labels.append(f"{name}, {length:,.0f} µm")
    diameter = currents.diameter[currents.section != "soma"]
    handles.append(Line2D([], [], ls=""))
    labels.append(f"line width: diameter\n{diameter.min():.1f} to {diameter.max():.1f} µm")
    return handles, labels


@styled
def soma_trace(currents: Currents) -> Figure:
    """Draw the accepted simulation: somatic potential (mV) and injected current (nA) over time (ms), and the search for it.

    Dots mark the spikes whose windows are stored. In the search, each point is a simulation: amplitude (nA) and number of
    spikes.
    """
    figure = new_figure(9.0, 3.8, _heading(currents, "Accepted run"))
    grid = figure.add_gridspec(2, 2, width_ratios=[3.6, 1], height_ratios=[4, 1])
    top = figure.add_subplot(grid[0, 0])
    bottom = figure.add_subplot(grid[1, 0], sharex=top)
    top.plot(currents.time, currents.vmem, color=INK, lw=0.8)
    accepted = currents.accepted_run
    peaks = np.interp(currents.spike_times, currents.time, currents.vmem)
    label = f"{len(peaks)} of {currents.search_n_spikes[accepted]} spikes are stored"
    top.plot(currents.spike_times, peaks, "o", ms=3.2, color=ACCENT, label=label)
    top.set(ylabel="soma potential (mV)", xlim=(currents.time[0], currents.time[-1]))
    top.tick_params(labelbottom=False)
    top.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, borderaxespad=0.2)
    amplitude = float(currents.search_amplitude[accepted])
    onset, end = _step(currents)
    times = [currents.time[0], onset, onset, end, end, currents.time[-1]]
    bottom.plot(times, np.array([0, 0, 1, 1, 0, 0]) * amplitude, color=GREY)
    bottom.set(xlabel="time (ms)", ylabel="step (nA)", ylim=sorted((-0.15 * amplitude, 1.25 * amplitude)))
    bottom.set_yticks([0, amplitude], ["0", f"{amplitude:.3g}"])
    _draw_search(figure.add_subplot(grid[:, 1]), currents, accepted)
    return figure


def _step(currents: Currents) -> tuple[float, float]:
    """Return onset and end of the step current, ms."""
    settings = currents.info.settings
    return settings.delay, 1000.0 * settings.sim_time


def _draw_search(axes: Axes, currents: Currents, accepted: int) -> None:
    """Draw the number of spikes in each simulation of the search over the amplitude of its step."""
    amplitude, count = currents.search_amplitude, currents.search_n_spikes
    order = np.argsort(amplitude)
    axes.plot(amplitude[order], count[order], color=PALE, lw=1, zorder=1)
    others = np.arange(len(amplitude)) != accepted
    if others.any():
        axes.plot(amplitude[others], count[others], "o", ms=5, mfc="white", mec=GREY, label="tried")
    axes.plot(amplitude[accepted], count[accepted], "o", ms=6, color=ACCENT, label="accepted")
    axes.set(xlabel="step amplitude (nA)", ylabel="number of spikes", title=f"Search, {_runs(len(amplitude))}")
    axes.set_ylim(-0.06 * count.max(), 1.28 * count.max() + 1)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if len(amplitude) == 1:
        axes.set_xlim(0, 2 * amplitude[0])
    else:
        axes.margins(x=0.12)
    axes.legend(loc="upper left")


def _runs(n: int) -> str:
    return f"{n} run{'s' * (n != 1)}"


@styled
def spike_counts(currents: Currents) -> Figure:
    """Draw the number of spikes at step currents (nA): of the recorded cell, of the model at the same steps, and of the search.

    If the model has flags, they are the title.
    """
    steps, flags = currents.recorded_amplitude, currents.info.facts.flags
    if len(steps) == 0:
        raise NothingToDrawError("the model comes without recorded sweeps of its cell, so there is nothing to compare")
    figure = new_figure(5.2, 3.6, _heading(currents, "Step currents"))
    axes = figure.add_subplot()
    axes.margins(x=0.08, y=0.12)
    order = np.argsort(currents.search_amplitude)
    searched = (currents.search_amplitude[order], currents.search_n_spikes[order])
    axes.plot(*searched, "o-", color=PALE, mfc="white", mec=GREY, ms=4, lw=1, label="model, in the search")
    axes.plot(steps, currents.recorded_cell_spikes, "o-", color=INK, ms=6, label="recorded cell, mean")
    axes.plot(steps, currents.recorded_model_spikes, "D--", color=ACCENT, ms=5, label="model, same steps")
    axes.set_title(flags or "", color=ACCENT)
    axes.set(xlabel="step amplitude (nA)", ylabel="number of spikes")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    axes.legend(loc="best")
    return figure


@styled
def spike_overlay(currents: Currents) -> Figure:
    """Draw all stored spikes of the soma (mV) over time from the peak (ms), and their mean in bold."""
    n = len(currents.spike_vmem)
    if n == 0:
        raise NothingToDrawError(NO_SPIKES)
    figure = new_figure(4.8, 3.6, _heading(currents, "Stored spikes"))
    axes = figure.add_subplot()
    time = _window_time(currents)
    lines = np.stack([np.broadcast_to(time, currents.spike_vmem.shape), currents.spike_vmem], axis=2)
    axes.add_collection(LineCollection(list(lines), colors=GREY, linewidths=0.7, alpha=0.5, label=f"{n} spikes"))
    axes.plot(time, currents.spike_vmem.mean(axis=0), color=INK, lw=2.4, label="mean")
    axes.set(xlabel="time from peak (ms)", ylabel="soma potential (mV)", xlim=(time[0], time[-1]))
    axes.margins(y=0.06)
    axes.autoscale_view(scalex=False)
    axes.legend(loc="upper right")
    return figure


@styled
def membrane_currents(currents: Currents) -> Figure:
    """Draw the membrane currents of the mean spike (nA, outward positive) over time from the peak (ms), without the stimulus.

    The upper panel shows their sum over each type of section. In the lower panel each row is a segment, sorted by its distance
    from the soma (µm); the strip on the left gives its type. The colours are linear near zero and logarithmic beyond.
    """
    if len(currents.imem) == 0:
        raise NothingToDrawError(NO_SPIKES)
    mean = currents.imem.mean(axis=0)
    mean = mean - mean[:, :1]
    time = _window_time(currents)
    names = _section_names(currents)
    figure = new_figure(6.4, 6.0, _heading(currents, "Membrane currents, mean spike"))
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 0.03], height_ratios=[1, 1.35])
    top = figure.add_subplot(grid[0, 0])
    image = figure.add_subplot(grid[1, 0], sharex=top)
    for kind, name in names.items():
        chosen = currents.section == kind
        label = f"{name} ({chosen.sum()})"
        top.plot(time, mean[chosen].sum(axis=0), color=SECTIONS[kind], lw=1.6, label=label)
    top.axhline(0, color=PALE, lw=0.8, zorder=0)
    top.set(ylabel="current (nA)", xlim=(time[0], time[-1]), title="Sum over the segments of each type")
    top.tick_params(labelbottom=False)
    top.legend(title="type (segments)", title_fontsize=7.5, alignment="left")
    distance = np.linalg.norm(0.5 * (currents.start + currents.end), axis=1)
    order = np.argsort(distance, kind="stable")
    drawn, ticks = _draw_image(image, mean[order], time)
    bar = figure.colorbar(drawn, cax=figure.add_subplot(grid[1, 1]), label="current of a segment (nA)")
    bar.set_ticks(ticks)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.ax.yaxis.set_major_formatter("{x:g}")
    strip = image.inset_axes((-0.04, 0, 0.025, 1), sharey=image)
    _draw_types(strip, currents.section[order])
    rows = np.unique(np.linspace(0, len(order) - 1, 6).astype(int))
    strip.set_yticks(rows, [f"{distance[order[row]]:.0f}" for row in rows])
    strip.set_ylabel("segments, by distance from soma (µm)")
    image.tick_params(labelleft=False, left=False)
    image.set(xlabel="time from peak (ms)", title=f"Each of the {len(order)} segments")
    return figure


def _draw_image(axes: Axes, rows: NDArray[np.floating], time: NDArray[np.floating]) -> tuple[AxesImage, list[float]]:
    """Draw the currents of segments (n_segments, n_t) as an image; return it and the ticks of its colour bar."""
    largest = float(np.abs(rows).max())
    linear = max(float(np.percentile(np.abs(rows).max(axis=1), 20)), 1e-4 * largest)
    norm = SymLogNorm(linthresh=linear, linscale=0.6, vmin=-largest, vmax=largest)
    dt = time[1] - time[0]
    extent = (time[0] - dt / 2, time[-1] + dt / 2, -0.5, len(rows) - 0.5)
    axes.spines[["left", "bottom"]].set_visible(False)
    return axes.imshow(rows, cmap="RdBu_r", norm=norm, extent=extent, **AS_ROWS), _powers_of_ten(linear, largest)


def _powers_of_ten(linear: float, largest: float) -> list[float]:
    """Return the ticks of a colour bar up to `largest`: 0, and the powers of ten that are not within its linear part."""
    powers = 10.0 ** np.arange(np.ceil(np.log10(2 * linear)), np.floor(np.log10(largest)) + 1)
    return [*-powers[::-1], 0.0, *powers]


def _draw_types(axes: Axes, sections: NDArray[np.object_]) -> None:
    """Draw the types of segments as a strip of colours."""
    kinds = list(SECTIONS)
    numbers = np.array([kinds.index(kind) for kind in sections])[:, np.newaxis]
    few_colours: dict[str, Any] = {"cmap": ListedColormap(list(SECTIONS.values())), "vmin": -0.5, "vmax": len(kinds) - 0.5}
    axes.imshow(numbers, extent=(0, 1, -0.5, len(numbers) - 0.5), **few_colours, **AS_ROWS)
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
