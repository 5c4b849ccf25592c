"""The parts that all figures share: the style, scale bars, waveforms on a probe, and saving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, ParamSpec

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from allenrec.common.files import write_text, written_beside

from .channels import contact_pitch, shank_numbers
from .look import DOTS_PER_INCH, GREY, INK, PALE

if TYPE_CHECKING:  # figures of cells need no probe
    import probeinterface

P = ParamSpec("P")


STYLE: dict[str, Any] = {
    "figure.dpi": DOTS_PER_INCH,
    "savefig.dpi": DOTS_PER_INCH,
    "figure.facecolor": "white",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 10,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "text.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
}


def style() -> AbstractContextManager[None]:
    """Return a context in which figures have the look of this project, whatever the user's own matplotlib settings are."""
    return matplotlib.style.context(["default", STYLE])


def styled(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function that returns a figure, so that it draws in `style`. Settings outside it do not change."""

    @wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style():
            return function(*args, **kwargs)

    return draw


def new_figure(width: float, height: float, title: str | None = None, layout: Any = "constrained") -> Figure:
    """Return an empty figure of `width` x `height` inches with a title on the left."""
    figure = Figure(figsize=(width, height), layout=layout)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def save(figure: Figure, path: str | Path, caption: str | None = None) -> None:
    """Write a figure as PNG, and its caption as text beside it.

    Files appear only when they are complete. The same figure gives the same bytes each time.
    """
    with style(), written_beside(path) as temporary:
        # `Figure.savefig` draws twice, the first time for the layout only; a canvas lays out as it draws.
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        # Figures are opaque. More compression takes twice as long, and makes files a twentieth smaller.
        picture = Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))
        picture.save(temporary, format="png", compress_level=3, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    if caption:
        write_text(Path(path).with_suffix(".txt"), caption + "\n", checked=True)


def outlined(artist: Text) -> Text:
    """Give a text a white outline, so that it is legible on top of lines."""
    artist.set_path_effects([Stroke(linewidth=2, foreground="white"), Normal()])
    return artist


def round_length(span: float) -> float:
    """Return the largest number of the form 1, 2 or 5 times a power of ten that does not exceed `span`."""
    power = 10.0 ** np.floor(np.log10(span))
    return float(max(m * power for m in (1, 2, 5, 10) if m * power <= span * (1 + 1e-9)))


def scale_bar(
    axes: Axes,
    width: float | None = None,
    height: float | None = None,
    width_label: str = "",
    height_label: str = "",
    loc: str = "lower right",
    **anchor: Any,
) -> AnchoredOffsetbox:
    """Draw a horizontal bar of length `width` and a vertical bar of length `height` (data units), with labels, in a corner."""
    bars = AuxTransformBox(axes.transData)
    if width:
        bars.add_artist(Rectangle((0, 0), width, 0, ec=INK, fc="none", lw=1.4))
    if height:
        bars.add_artist(Rectangle((0, 0), 0, height, ec=INK, fc="none", lw=1.4))
    label = "\n".join(text for text in (width_label, height_label) if text)
    text = TextArea(label, textprops={"fontsize": 7.5, "linespacing": 1.15})
    packed = VPacker(children=[bars, text], align="center", pad=0, sep=3)
    box = AnchoredOffsetbox(loc, child=packed, pad=0.2, borderpad=0.3, frameon=False, **anchor)
    axes.add_artist(box)
    return box


@dataclass(frozen=True)
class ProbeAxis:
    """A horizontal axis (y, µm) on which the gaps between the shanks of a probe are short.

    Parameters
    ----------
    columns : numpy.ndarray
        (n,) µm, the y of each column of contacts.
    drawn : numpy.ndarray
        (n,) µm, the place of each column on the axis.
    shanks : numpy.ndarray
        (n,), the number of the shank of each column.
    """

    columns: NDArray[np.floating]
    drawn: NDArray[np.floating]
    shanks: NDArray[np.intp]

    def __call__(self, y: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return where points at y (µm) are drawn."""
        outside = np.minimum(y - self.columns[0], 0) + np.maximum(y - self.columns[-1], 0)
        return np.interp(y, self.columns, self.drawn) + outside

    def points(self, positions: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return where points (n, 2) in the plane of the probe, µm, are drawn."""
        return np.column_stack([self(positions[:, 0]), positions[:, 1]])

    def label(self, axes: Axes, name: str = "y") -> None:
        """Label the axis; if it is shortened, with the true places of both sides of each shank, and a line in each gap."""
        axes.set_xlabel(f"{name} (µm)")
        if self.shanks[-1] == 0:
            return
        step = np.diff(self.shanks) > 0
        ends = np.flatnonzero(np.concatenate([[True], step]) | np.concatenate([step, [True]]))
        axes.set_xticks(self.drawn[ends], [f"{self.columns[k]:.0f}".replace("-", "\N{MINUS SIGN}") for k in ends])
        axes.set_xlabel(f"{name} (µm), gaps between shanks shortened")
        for k in np.flatnonzero(step):
            axes.axvline((self.drawn[k] + self.drawn[k + 1]) / 2, color=PALE, lw=0.8, ls=":", zorder=0)


def probe_axis(contacts: NDArray[np.floating]) -> ProbeAxis:
    """Return a horizontal axis for contacts (n, 2) µm, on which a gap between shanks is as wide as two steps of columns."""
    columns, first = np.unique(np.round(contacts[:, 0], 3), return_index=True)
    shanks = shank_numbers(contacts)[first]
    steps, between = np.diff(columns), np.diff(shanks) > 0
    short = 2 * min(steps[~between].min(initial=np.inf), contact_pitch(contacts)[1])
    steps = np.where(between, np.minimum(steps, short), steps)
    return ProbeAxis(columns, columns[0] + np.concatenate([[0], np.cumsum(steps)]), shanks)


def waveform_lines(
    contacts: NDArray[np.floating], template: NDArray[np.floating], width: float, gain: float
) -> NDArray[np.floating]:
    """Return a template (n_contacts, n_t) µV as lines (n_contacts, n_t, 2) µm at its contacts (n_contacts, 2) µm.

    Each line is `width` µm wide and centred on its contact; `gain` is in µm per µV.
    """
    across = np.linspace(-0.5, 0.5, template.shape[1]) * width
    x = contacts[:, :1] + across
    return np.stack([x, contacts[:, 1:] + gain * template], axis=2)


def add_waveforms(
    axes: Axes, contacts: NDArray[np.floating], template: NDArray[np.floating], width: float, gain: float, **line: Any
) -> None:
    """Draw a template at its contacts; see `waveform_lines`."""
    lines = list(waveform_lines(contacts, template, width, gain))
    axes.add_collection(LineCollection(lines, **line), autolim=True)


def waveform_scale_bar(axes: Axes, width: float, gain: float, duration: float, room: float) -> AnchoredOffsetbox:
    """Draw scale bars (ms and µV) for waveforms of `duration` ms that are `width` µm wide; the vertical bar fits `room` µm."""
    ms, microvolts = round_length(0.6 * duration), round_length(room / gain)
    return scale_bar(axes, width * ms / duration, gain * microvolts, f"{ms:g} ms", f"{microvolts:g} µV")


def contact_outlines(layout: probeinterface.Probe) -> list[NDArray[np.floating]]:
    """Return the outline of each contact of a probe in its plane, (n_corners, 2) µm from the centre of the contact."""
    outlines = zip(layout.get_contact_vertices(), layout.contact_positions, strict=True)
    return [np.asarray(corners) - centre for corners, centre in outlines]


def contact_marker(layout: probeinterface.Probe) -> str:
    """Return the marker of the contacts of a probe: a circle if they are circles, else a square."""
    return "o" if set(layout.contact_shapes) == {"circle"} else "s"


def mark_contacts(axes: Axes, contacts: NDArray[np.floating], layout: probeinterface.Probe) -> None:
    """Mark contacts (n, 2) µm of a probe in axes with two scales, x and y, where true outlines would be distorted."""
    look: dict[str, Any] = {"color": PALE, "edgecolors": GREY, "linewidths": 0.4, "zorder": 1}
    axes.scatter(contacts[:, 0], contacts[:, 1], s=6, marker=contact_marker(layout), gid="contacts", **look)


def draw_contacts(
    axes: Axes, contacts: NDArray[np.floating], outlines: Sequence[NDArray[np.floating]], **settings: Any
) -> PolyCollection:
    """Draw contacts (n, 2) µm in grey and true to scale, with their `outlines` (n_corners, 2) µm from their centres."""
    corners = [centre + outline for centre, outline in zip(contacts, outlines, strict=True)]
    drawn = PolyCollection(corners, facecolors=PALE, edgecolors=GREY, linewidths=0.4, gid="contacts", **settings)
    axes.add_collection(drawn, autolim=True)
    return drawn


@styled
def card(title: str, reason: object) -> Figure:
    """Return a small figure that says why the intended one could not be drawn."""
    lines = wrap(f"Not drawn, because {reason}", 76)
    figure = new_figure(5.0, 0.6 + 0.16 * len(lines), title)
    figure.text(0.02, 0.1, "\n".join(lines), color=GREY)
    return figure
