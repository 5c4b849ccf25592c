"""A figure of probes. It takes objects with the attributes of `allenrec.probes.Probe`."""

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import FancyBboxPatch, Polygon

from allenrec.probes import describe_probe

from .style import BLUE, GREY, INK, ORANGE, PALE, new_figure, round_length, scale_bar, styled

#: What a panel shows at most, µm: of a longer probe the lower end; a wider one is drawn smaller
WIDTH, HEIGHT = 200.0, 330.0
#: µm. Of the probe around its outermost contacts; and below it, for a scale bar
MARGIN, FOOT = 10.0, 34.0
COLUMNS = 7
#: Letters of a name that a panel has room for
LONGEST = 22
#: Inches of a panel, and of what is written below it
PANEL, LABEL = 1.5, 0.72


@styled
def overview(probes, libraries):
    """All probes, each in a panel with its contacts in their true shape, in the plane in which they lie (µm).

    All are drawn to one scale, with a bar in each row, but for those that are too wide for it, which have a bar of their own.
    `libraries` holds, for the name of a probe, the libraries of the configuration that are on it.
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


def _shown(probe):
    """The lower left corner of what a panel shows (µm), how much smaller it is drawn, and the height that all of it takes."""
    corners = np.concatenate(probe.layout.get_contact_vertices())
    low, high = corners.min(axis=0) - MARGIN, corners.max(axis=0) + MARGIN
    if probe.layout.probe_planar_contour is not None:  # as far up as there are contacts
        outline = probe.layout.probe_planar_contour
        outline = np.vstack([low, high, outline[outline[:, 1] <= high[1]]])
        low, high = outline.min(axis=0), outline.max(axis=0)
    zoom = max(1.0, (high - low)[0] / WIDTH)
    left = (low + high)[0] / 2 - zoom * WIDTH / 2
    return np.array([left, low[1]]), zoom, (high - low)[1] / zoom


def _panel(axes, probe, height, libraries, with_bar):
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


def _draw_shanks(axes, layout):
    """The outline of a probe where it is known, else a plate behind the contacts of each shank."""
    if layout.probe_planar_contour is not None:
        axes.add_patch(Polygon(layout.probe_planar_contour, fc=PALE, ec="none", zorder=0))
        return
    contacts = layout.get_contact_vertices()
    for shank in layout.get_shanks():
        corners = np.concatenate([contacts[k] for k in shank.get_indices()])
        low, size = corners.min(axis=0), np.ptp(corners, axis=0)
        axes.add_patch(FancyBboxPatch(low, *size, boxstyle=f"round,pad={MARGIN}", fc=PALE, ec="none", zorder=0))


def _fade(axes, top, zoom):
    """Let what goes on above a panel end in white."""
    white = LinearSegmentedColormap.from_list("white", [(1, 1, 1, 0), (1, 1, 1, 1)])
    limits = axes.get_xlim(), axes.get_ylim()
    extent = (*limits[0], top - 40 * zoom, top)
    axes.imshow([[1], [0]], extent=extent, cmap=white, interpolation="bilinear", aspect="equal", zorder=3)
    axes.set(xlim=limits[0], ylim=limits[1], anchor="SW")


def _label(axes, probe, libraries, cut):
    """Below a panel: the name, how many contacts of what shape and size, and the libraries that are on it."""
    described = describe_probe(probe)
    channels = f"{probe.n_contacts} channel{'s' * (probe.n_contacts != 1)}"
    shanks = f", {described['shanks']} shanks" if described["shanks"] > 1 else ", a wire" * (not probe.on_plane)
    lines = [channels + shanks, f"{described['shape']} {described['contact_um']} µm"]
    if cut:
        lines.append(f"lower part of {described['height_um']:.0f} µm")
    if libraries:
        lines.append(f"library {libraries}")
    place = {"xy": (0, 0), "xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    colour = BLUE if libraries else INK
    name = probe.name if len(probe.name) <= LONGEST else f"…{probe.name[1 - LONGEST :]}"
    axes.annotate(name, xytext=(0, -3), fontsize=8, fontweight="bold", color=colour, **place)
    axes.annotate("\n".join(lines), xytext=(0, -14), fontsize=7, linespacing=1.3, color=GREY, **place)
