"""Figures of a template library, and of the part of it that belongs to one cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .channels import contact_pitch, shank_numbers
from .look import GREY, INK, PALE, colours
from .nothing import NothingToDrawError
from .style import (
    add_waveforms,
    contact_marker,
    contact_outlines,
    draw_contacts,
    mark_contacts,
    new_figure,
    styled,
    waveform_scale_bar,
)

if TYPE_CHECKING:
    from allenrec.libraries.library_file import Library

#: Maximum number of contacts, around the largest one, that are drawn for a template on a large probe
CONTACTS_SHOWN = 32
#: Maximum number of waveforms that are drawn on each other
WAVEFORMS_SHOWN = 200
#: Maximum number of templates in one figure; each cell type has at least one nevertheless
PANELS_SHOWN = 18
#: Maximum number of entries of a legend inside of axes
LEGEND_INSIDE = 8
#: Maximum ratio of height to width up to which positions are drawn at one scale
TALL = 4.0


def _nearest(library: Library) -> NDArray[np.float64]:
    """Return the distance of each soma to the nearest contact, µm."""
    return np.array([np.linalg.norm(library.channel_positions - x, axis=1).min() for x in library.positions])


def _size(library: Library) -> str:
    n_models = len(np.unique(library.model_ids))
    return f"{len(library.templates):,} templates of {n_models} cell{'s' * (n_models != 1)}"


def _type_handles(library: Library, **line: Any) -> list[Line2D]:
    """Return the handles of a legend with a dot for each cell type."""
    shown: dict[str, Any] = {"ls": "", "marker": "o", "ms": 5} | line
    return [Line2D([], [], color=colour, label=name, **shown) for name, colour in colours(library.celltypes).items()]


def _legend(axes: Axes, handles: Sequence[Line2D], loc: str) -> None:
    """Draw a legend inside of axes or, if it is long and would cover what is drawn, at their right."""
    beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)}
    place: dict[str, Any] = {"loc": loc} if len(handles) <= LEGEND_INSIDE else beside
    axes.legend(handles=handles, **place)


def min_amp(library: Library) -> float:
    """Return the smallest amplitude that was accepted for the library, µV; 0 if it is not known."""
    return float(library.params.get("min_amp", 0.0))


@styled
def amplitudes(library: Library, min_amp: float) -> Figure:
    """Draw the amplitudes of templates (µV): their distribution in each cell type, and against the distance (µm) to the probe.

    The amplitude is the depth of a template below zero on its largest contact. The distance is measured from the soma to the
    nearest contact. The dashed line is `min_amp` (µV), below which templates are not accepted.
    """
    values, chosen = library.amplitudes, colours(library.celltypes)
    # The axes are logarithmic, so a bound of 0, which bounds nothing, cannot be drawn.
    lowest = min_amp if min_amp > 0 else max(values.min(), 1e-3 * values.max())
    figure = new_figure(8.6, max(3.6, 0.9 + 0.9 * len(chosen)), f"Template amplitudes  ·  {_size(library)}")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.15], squeeze=False)[0]
    panels = left.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    bins = _log_bins(values, lowest)
    for axes, (name, colour) in zip(panels, chosen.items(), strict=True):
        own = values[library.celltypes == name]
        axes.hist(own, bins=bins, color=colour, edgecolor="white", linewidth=0.4)
        axes.axvline(lowest, color=INK, ls="--", lw=1)
        axes.set(xscale="log", ylabel="templates", xlim=(bins[0] * 0.92, bins[-1]))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_title(f"{name}: {len(own):,} templates, median {np.median(own):.0f} µV")
    panels[-1].set_xlabel("amplitude (µV)")
    left.align_ylabels()
    axes = right.subplots()
    distance = _nearest(library)
    size = np.clip(6000 / len(values), 4, 22)
    for name, colour in chosen.items():
        own = library.celltypes == name
        axes.scatter(distance[own], values[own], s=size, color=colour, alpha=0.7, linewidths=0, label=name)
    axes.axhline(lowest, color=INK, ls="--", lw=1)
    axes.set(xlabel="distance from soma to nearest contact (µm)", ylabel="amplitude (µV)", yscale="log")
    axes.set_xlim(left=0)
    threshold = Line2D([], [], color=INK, ls="--", lw=1, label=f"min_amp, {min_amp:g} µV")
    _legend(axes, [*_type_handles(library), threshold], "upper right")
    for shown, axis in ((panels[-1], panels[-1].xaxis), (axes, axes.yaxis)):
        _plain_log_ticks(axis, values, lowest)
        shown.minorticks_off()
    return figure


def _log_bins(values: NDArray[np.floating], lowest: float) -> NDArray[np.float64]:
    """Return edges at equal ratios from `lowest` to beyond the largest value."""
    largest: Any = values.max()
    ratio = max(largest / lowest, 1.5) ** (1 / 24)
    return lowest * ratio ** np.arange(26)


def _plain_log_ticks(axis: Axis, values: NDArray[np.floating], lowest: float) -> None:
    """Label round values with plain numbers; if the range is short, the values are closer."""
    low, high = lowest, values.max()
    ticks = [m * 10.0**k for k in range(-1, 6) for m in ((1, 2, 5) if high > 12 * low else (1, 1.5, 2, 3, 5, 7))]
    shown = [tick for tick in ticks if 0.85 * low <= tick <= 1.1 * high]
    axis.set_ticks(shown, [f"{tick:g}" for tick in shown])


@styled
def poses(library: Library) -> Figure:
    """Draw the positions of the somata around the probe (µm), seen from the side (x-z) and from the front (y-z).

    Colours are cell types. The area of a dot is proportional to the amplitude of its template. Contacts are grey.
    """
    values, chosen = library.amplitudes, colours(library.celltypes)
    points = np.concatenate([library.positions, library.channel_positions])
    low, high = points.min(axis=0) - 8, points.max(axis=0) + 8
    width, height = (high - low)[:2], (high - low)[2]
    tall = bool(height > TALL * width.max())
    if tall:
        sizes = np.array([2.2, 2.2, 5.0])
    else:
        sizes = (high - low) * min(5.0 / height, 4.4 / width.sum())
    figure = new_figure(
        max(sizes[:2].sum() + 2.0, 4.6),
        sizes[2] + 1.1,
        f"Soma positions  ·  {_size(library)}",
        layout="constrained" if tall else "compressed",
    )
    panels = figure.subplots(1, 2, sharey=True, width_ratios=list(sizes[:2]))
    unit = 60 / np.percentile(values, 95)
    order = np.argsort(-values, kind="stable")
    outlines = contact_outlines(library.probe)
    for axes, across in zip(panels, (0, 1), strict=True):
        # From the side, contacts are seen edge-on.
        seen = [outline * (across, 1) for outline in outlines]
        contacts = library.channel_positions[:, [across, 2]]
        if tall:
            mark_contacts(axes, contacts, library.probe)
        else:
            draw_contacts(axes, contacts, seen, zorder=0.5)
        axes.scatter(
            library.positions[order, across], library.positions[order, 2], s=unit * values[order],
            color=[chosen[name] for name in library.celltypes[order]], alpha=0.75, edgecolors="white", linewidths=0.4,
        )  # fmt: skip
        axes.set(xlabel=f"{'xyz'[across]} (µm)", xlim=(low[across], high[across]), ylim=(low[2], high[2]))
        axes.set_title(("Side view", "Front view")[across] + ", not to scale" * tall)
        if not tall:
            axes.set_aspect("equal")
    panels[0].set_ylabel("z (µm)")
    handles = [*_type_handles(library, ms=6), Line2D([], [], ls="", label="")]
    handles.append(
        Line2D([], [], ls="", marker=contact_marker(library.probe), ms=3, label="contact", color=PALE, mec=GREY, mew=0.4)
    )
    handles.append(Line2D([], [], ls="", label=""))
    for amplitude in _round_amplitudes(values):
        size = float(np.sqrt(unit * amplitude))
        handles.append(Line2D([], [], ls="", marker="o", ms=size, label=f"{amplitude:g} µV", color=GREY, mec="white"))
    panels[1].legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1), labelspacing=0.7)
    return figure


def _round_amplitudes(values: NDArray[np.floating]) -> list[float]:
    """Return up to three round amplitudes, µV, for a legend of sizes."""
    low, high = np.percentile(values, [2, 98])
    return sorted({float(f"{value:.1g}") for value in np.geomspace(low, high, 3)})


@styled
def templates_on_probe(library: Library, n: int = 3) -> Figure:
    """Draw up to `n` templates of each cell type on the probe (y-z plane, µm), each in a panel with its own scale bars.

    The templates are of median amplitude, from as many models of the type as possible. Each waveform stands at its contact. The
    shank with the largest contact is shown, of a long one the contacts around the largest. The circle is the soma.
    """
    chosen = colours(library.celltypes)
    n = max(1, min(n, PANELS_SHOWN // len(chosen)))
    rows = [typical_templates(library, name, n) for name in chosen]
    n = max(len(row) for row in rows)
    # Up to three types have a row each; of more types, several share a row.
    columns = n if len(chosen) <= 3 else n * max(1, 6 // n)
    places: list[int | None] = [index for row in rows for index in (*row, *[None] * (n - len(row)))]
    half_width = max(np.ptp(_horizontal(library, index)) for row in rows for index in row) / 2
    n_rows = -(-len(places) // columns)
    figure = new_figure(2.75 * columns + 0.3, 4.3 * n_rows + 0.4, "Typical templates on the probe  ·  circle: soma")
    panels = figure.subplots(n_rows, columns, squeeze=False)
    for axes in panels[:, 0]:
        axes.set_ylabel("z (µm)")
    for axes, index in zip_longest(panels.flat, places):
        if index is None:
            axes.remove()
        else:
            kind, model = str(library.celltypes[index]), library.model_ids[index]
            _draw_template(axes, library, index, chosen[kind], half_width, f"{kind}\nmodel {model}")
    return figure


def typical_templates(library: Library, cell_type: str, n: int) -> list[int]:
    """Return the indices of up to `n` templates of a cell type: from each model in turn the one nearest to its median."""
    values = library.amplitudes
    queues = []
    for model in sorted(set(library.model_ids[library.celltypes == cell_type])):
        own = np.flatnonzero((library.model_ids == model) & (library.celltypes == cell_type))
        queues.append(own[np.argsort(np.abs(values[own] - np.median(values[own])), kind="stable")])
    longest = max(len(queue) for queue in queues)
    turns = [int(queue[turn]) for turn in range(longest) for queue in queues if turn < len(queue)]
    return sorted(turns[:n], key=lambda index: (library.model_ids[index], index))


def _around(library: Library, template: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the contacts of the shank on which a template (n_contacts, n_t) is largest; of a long one those around it."""
    largest = template.min(axis=1).argmin()
    shanks = shank_numbers(library.channel_positions[:, 1:])
    own = np.flatnonzero(shanks == shanks[largest])
    if len(own) <= 2 * CONTACTS_SHOWN:
        return own
    distance = np.linalg.norm(library.channel_positions[own] - library.channel_positions[largest], axis=1)
    return np.sort(own[np.argsort(distance, kind="stable")[:CONTACTS_SHOWN]])


def _horizontal(library: Library, index: int) -> NDArray[np.floating]:
    """Return y of the contacts that are drawn for a template, and of its soma, µm."""
    shown = _around(library, library.at_centre([index])[0])
    return np.append(library.channel_positions[shown, 1], library.positions[index, 1])


def _shank(library: Library, contact: int) -> str:
    """Return which shank of several a contact is on, in words."""
    shanks = shank_numbers(library.channel_positions[:, 1:])
    return f"\nshank {shanks[contact] + 1} of {shanks.max() + 1}" if shanks.any() else ""


def _draw_template(axes: Axes, library: Library, index: int, colour: str, half_width: float, heading: str) -> None:
    """Draw a template at its contacts; `half_width` (µm) is the same in all panels."""
    template, soma = library.at_centre([index])[0], library.positions[index]
    shown = _around(library, template)
    contacts = library.channel_positions[shown][:, 1:]
    across, along = contact_pitch(contacts)
    gain = 2.0 * along / np.ptp(template, axis=1).max()
    mark_contacts(axes, contacts, library.probe)
    add_waveforms(axes, contacts, template[shown], 0.86 * across, gain, colors=colour, linewidths=1.1)
    axes.plot(*soma[1:], "o", ms=8, mfc="none", mec=INK, mew=1.3, zorder=4)
    height = np.append(contacts[:, 1], soma[2])
    y = _horizontal(library, index)
    middle, room = (y.min() + y.max()) / 2, half_width + 0.6 * across
    axes.set(xlabel="y (µm)", xlim=(middle - room, middle + room))
    # The space below is for the scale bars.
    axes.set_ylim(height.min() - 3.4 * along, height.max() + 1.2 * along)
    off = abs(soma[0] - library.channel_positions[shown[0], 0])
    size = f"{-template.min():.0f} µV, soma {off:.0f} µm off the plane"
    axes.set_title(f"{heading}\n{size}{_shank(library, shown[0])}", fontsize=8)
    waveform_scale_bar(axes, 0.86 * across, gain, template.shape[1] * library.dt, 0.9 * along)


@styled
def acceptance(library: Library) -> Figure:
    """Draw the share of the tried poses that gave a template (log axis, %), with a bar and the counts for each cell."""
    cells = library.cells.sort_values(["cell_type", "model_id"], kind="stable").reset_index(drop=True)
    chosen = colours(cells["cell_type"])
    figure = new_figure(6.4, 1.3 + 0.34 * len(cells), "Acceptance of poses")
    axes = figure.add_subplot()
    percent = 100 * cells["acceptance_rate"].to_numpy(dtype=float)
    low = 10.0 ** np.floor(np.log10(percent[percent > 0].min() * 0.7)) if (percent > 0).any() else 0.1
    rows = np.arange(len(cells))
    bars = [chosen[name] for name in cells["cell_type"]]
    axes.barh(rows, np.maximum(percent - low, 0), left=low, color=bars, height=0.68)
    for row, rate in enumerate(percent):
        counts = f"{cells['n_templates'][row]:,} of {cells['n_candidates'][row]:,}"
        text = f"{rate:#.2g} %  ({counts})" if 0 < rate < 9.95 else f"{rate:.0f} %  ({counts})"
        axes.annotate(text, (max(rate, low), row), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set(xscale="log", xlim=(low, 100), xlabel="accepted poses (%), with templates obtained of poses tried")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(rows, [f"{model}" for model in cells["model_id"]])
    axes.set(ylabel="model", ylim=(len(cells) - 0.4, -0.6))
    handles = [Line2D([], [], color=colour, lw=5, label=name) for name, colour in chosen.items()]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, handlelength=1)
    return figure


@styled
def waveform_shapes(library: Library) -> Figure:
    """Draw the width of the trough at half its depth (ms) against the time from the trough to the following peak (ms).

    These two measures, after the default filter of recordings, separate narrow spikes from broad ones. Dots are templates at
    their largest contact, crosses are the medians of models, and colours are cell types. The panels on the right show the
    distribution of each measure.
    """
    features, chosen = library.features, colours(library.celltypes)
    columns = {
        "half_width_filtered_ms": "half width, filtered (ms)",
        "trough_to_peak_filtered_ms": "trough to peak, filtered (ms)",
    }
    values = {name: features[name].to_numpy(dtype=float) for name in columns}
    known = np.isfinite(values["half_width_filtered_ms"]) & np.isfinite(values["trough_to_peak_filtered_ms"])
    figure = new_figure(8.6, 3.9, f"Waveform shapes  ·  {_size(library)}")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1], squeeze=False)[0]
    axes = left.subplots()
    size = np.clip(6000 / max(len(known), 1), 4, 22)
    for name, colour in chosen.items():
        own = known & (library.celltypes == name)
        x, y = values["trough_to_peak_filtered_ms"][own], values["half_width_filtered_ms"][own]
        axes.scatter(x, y, s=size, color=colour, alpha=0.6, linewidths=0)
        for model in np.unique(library.model_ids[own]):
            of_model = library.model_ids[own] == model
            axes.plot(np.median(x[of_model]), np.median(y[of_model]), "X", ms=8, color=colour, mec="white", mew=0.8)
    axes.set(xlabel=columns["trough_to_peak_filtered_ms"], ylabel=columns["half_width_filtered_ms"])
    axes.margins(0.08)
    median = Line2D([], [], ls="", marker="X", ms=7, color=GREY, mec="white", label="median of a model")
    _legend(axes, [*_type_handles(library), median], "best")
    for panel, name in zip(right.subplots(2, 1), ("trough_to_peak_filtered_ms", "half_width_filtered_ms"), strict=True):
        shown = values[name][known]
        bins = np.linspace(shown.min(initial=np.inf), shown.max(initial=-np.inf), 31) if known.any() else 30
        of_types = [values[name][known & (library.celltypes == kind)] for kind in chosen]
        panel.hist(of_types, bins=bins, stacked=True, color=list(chosen.values()))
        panel.set(xlabel=columns[name], ylabel="templates")
        panel.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


@styled
def typical_eaps(library: Library) -> Figure:
    """Draw the extracellular action potential of one model at typical poses, and its waveforms where it is largest.

    The panels on the left show the templates whose amplitudes are at the quartiles, at their contacts (y-z plane, µm). The
    panel on the right shows each template at its largest contact over time (ms), scaled to the same depth; the coloured one is
    that of median amplitude.
    """
    cell = library.cells.iloc[0]
    kind, model, n = cell["cell_type"], cell["model_id"], len(library.templates)
    if n == 0:
        raise NothingToDrawError("the model has no templates in this library")
    title = f"EAP at typical poses  ·  model {model}  ·  {kind}"
    chosen, colour = poses_at_quartiles(library.amplitudes), colours([kind])[kind]
    figure = new_figure(2.2 * len(chosen) + 3.2, 4.6, f"{title}  ·  {n} templates")
    *panels, right = figure.subplots(1, len(chosen) + 1, width_ratios=[1] * len(chosen) + [1.3])
    half_width = max(np.ptp(_horizontal(library, index)) for index in chosen.values()) / 2
    for axes, (name, index) in zip(panels, chosen.items(), strict=True):
        _draw_template(axes, library, index, colour, half_width, name)
    panels[0].set_ylabel("z (µm)")
    median = _scaled_waveform(library, chosen["median amplitude"])
    time = (np.arange(len(median)) - library.peak_sample) * library.dt
    lines = [np.column_stack([time, _scaled_waveform(library, row)]) for row in range(min(n, WAVEFORMS_SHOWN))]
    right.add_collection(LineCollection(lines, colors=PALE, linewidths=0.6))
    right.plot(time, median, color=colour, lw=2, gid="median")
    low, high = library.amplitudes.min(), library.amplitudes.max()
    right.set_title(f"at the largest contact\n{low:.0f} to {high:.0f} µV", fontsize=8)
    right.set(xlabel="time from trough (ms)", ylabel="share of the depth", xlim=(time[0], time[-1]))
    return figure


def _scaled_waveform(library: Library, index: int) -> NDArray[np.floating]:
    """Return a template at the contact where it is largest, (n_t,), scaled to a depth of one."""
    template = library.at_centre([index])[0]
    own = template[template.min(axis=1).argmin()]
    return own / -own.min()


def poses_at_quartiles(amplitudes: NDArray[np.floating]) -> dict[str, int]:
    """Return the templates whose amplitudes are at the quartiles, by name; of fewer than three templates only the median."""
    order = np.argsort(amplitudes, kind="stable")
    names = {"lower quartile": 0.25, "median amplitude": 0.5, "upper quartile": 0.75}
    places = {name: int(order[round(share * (len(order) - 1))]) for name, share in names.items()}
    return places if len(order) > 2 else {"median amplitude": places["median amplitude"]}
