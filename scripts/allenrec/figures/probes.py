"""A figure of all probes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import probeinterface
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon
from numpy.typing import NDArray

from allenrec.probes import Probe, describe_probe

from .look import BLUE, GREY, INK, ORANGE, PALE
from .style import new_figure, round_length, scale_bar, styled

#: Maximum width and height that a panel shows at the common scale, µm
WIDTH, HEIGHT = 200.0, 330.0
#: Margin around the outermost contacts, and space below the probe for a scale bar, µm
MARGIN, FOOT = 10.0, 34.0
#: Number of panels in a row
COLUMNS = 7
#: Maximum number of letters of a name
LONGEST = 22
#: Width of a panel, and height of the text below it, inches
PANEL, LABEL = 1.5, 0.72


@styled
def overview(probes: Sequence[Probe], libraries: Mapping[str, str]) -> Figure:
    """Draw all probes, each in a panel with its contacts in their true shape, in their plane (µm).

    All probes have the same scale, with one scale bar per row. A probe that is too wide for this scale is drawn smaller, with
    its own scale bar. If a probe is too long, its lower end is shown.

    Parameters
    ----------
    probes : sequence of Probe
    libraries : mapping of str to str
        From the name of a probe to the libraries of the configuration that use it.
    """
    rows = [probes[k : k + COLUMNS] for k in range(0, len(probes), COLUMNS)]
    heights = [min(max(_shown(probe)[2] for probe in row), HEIGHT) + FOOT for row in rows]
    size = sum(heights) * PANEL / WIDTH + len(rows) * LABEL + 0.3
    title = f"{len(probes)} probes to choose from  ·  those without a scale bar have that of their row"
    figure = new_figure(PANEL * COLUMNS + 0.4, size, title)
    panels = figure.subplots(len(rows), COLUMNS, squeeze=False, height_ratios=heights)
    for row, height, row_panels in zip(rows, heights, panels, strict=True):
        with_bar = [k for k, probe in enumerate(row) if _shown(probe)[1] == 1][:1]
        for k, axes in enumerate(row_panels):
            axes.set(xticks=[], yticks=[], aspect="equal", anchor="SW")
            axes.spines[:].set_visible(False)
            if k < len(row):
                _panel(axes, row[k], height, libraries.get(row[k].name, ""), k in with_bar)
    return figure


def _shown(probe: Probe) -> tuple[NDArray[np.float64], float, float]:
    """Return what a panel shows of a probe.

    Returns
    -------
    corner : numpy.ndarray
        (2,) µm, the lower left corner.
    zoom : float
        How many times smaller than the others the probe is drawn.
    height : float
        Of the whole probe, µm at the common scale.
    """
    corners = np.concatenate(probe.layout.get_contact_vertices())
    low, high = corners.min(axis=0) - MARGIN, corners.max(axis=0) + MARGIN
    if probe.layout.probe_planar_contour is not None:  # The part above the contacts is not shown.
        outline = probe.layout.probe_planar_contour
        outline = np.vstack([low, high, outline[outline[:, 1] <= high[1]]])
        low, high = outline.min(axis=0), outline.max(axis=0)
    zoom = max(1.0, float((high - low)[0]) / WIDTH)
    left = (low + high)[0] / 2 - zoom * WIDTH / 2
    return np.array([left, low[1]]), zoom, float((high - low)[1]) / zoom


def _panel(axes: Axes, probe: Probe, height: float, libraries: str, with_bar: bool) -> None:
    """Draw a probe into a panel that is `height` µm high."""
    (left, bottom), zoom, own_height = _shown(probe)
    cut = own_height > HEIGHT
    contacts = probe.layout.get_contact_vertices()
    if probe.on_plane:
        _draw_shanks(axes, probe.layout)
    axes.add_collection(PolyCollection(contacts, facecolors=ORANGE, edgecolors=INK, linewidths=0.3))
    axes.set(xlim=(left, left + zoom * WIDTH), ylim=(bottom - zoom * FOOT, bottom + zoom * (height - FOOT)))
    if cut:
        _fade(axes, bottom + zoom * HEIGHT, zoom)
    if with_bar or zoom > 1:
        bar = round_length(0.4 * zoom * WIDTH)
        scale_bar(axes, bar, None, f"{bar:g} µm", loc="lower left", bbox_to_anchor=(0, 0), bbox_transform=axes.transAxes)
    _label(axes, probe, libraries, cut)


def _draw_shanks(axes: Axes, layout: probeinterface.Probe) -> None:
    """Draw the outline of a probe or, if it is not known, a plate behind the contacts of each shank."""
    if layout.probe_planar_contour is not None:
        axes.add_patch(Polygon(layout.probe_planar_contour, fc=PALE, ec="none", zorder=0))
        return
    contacts = layout.get_contact_vertices()
    for shank in layout.get_shanks():
        corners = np.concatenate([contacts[k] for k in shank.get_indices()])
        low, (width, height) = corners.min(axis=0), np.ptp(corners, axis=0)
        axes.add_patch(
            FancyBboxPatch((low[0], low[1]), width, height, boxstyle=f"round,pad={MARGIN}", fc=PALE, ec="none", zorder=0)
        )


def _fade(axes: Axes, top: float, zoom: float) -> None:
    """Fade to white below `top` (µm), if a probe is longer than its panel."""
    white = LinearSegmentedColormap.from_list("white", [(1, 1, 1, 0), (1, 1, 1, 1)])
    limits = axes.get_xlim(), axes.get_ylim()
    extent = (*limits[0], top - 40 * zoom, top)
    axes.imshow([[1], [0]], extent=extent, cmap=white, interpolation="bilinear", aspect="equal", zorder=3)
    axes.set(xlim=limits[0], ylim=limits[1], anchor="SW")


def _label(axes: Axes, probe: Probe, libraries: str, cut: bool) -> None:
    """Write the name below a panel, with the number, shape and size of the contacts, and the libraries on the probe."""
    described = describe_probe(probe)
    channels = f"{probe.n_contacts} channel{'s' * (probe.n_contacts != 1)}"
    shanks = f", {described['shanks']} shanks" if described["shanks"] > 1 else ", a wire" * (not probe.on_plane)
    lines = [channels + shanks, f"{described['shape']} {described['contact_um']} µm"]
    if cut:
        lines.append(f"lower part of {described['height_um']:.0f} µm")
    if libraries:
        lines.append(f"library {libraries}")
    place: dict[str, Any] = {"xy": (0, 0), "xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    colour = BLUE if libraries else INK
    name = probe.name if len(probe.name) <= LONGEST else f"…{probe.name[1 - LONGEST :]}"
    axes.annotate(name, xytext=(0, -3), fontsize=8, fontweight="bold", color=colour, **place)
    axes.annotate("\n".join(lines), xytext=(0, -14), fontsize=7, linespacing=1.3, color=GREY, **place)
