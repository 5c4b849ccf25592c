"""The parts that all figures share: the look, the colours, scale bars, waveforms on a probe, and saving."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib.style
import numpy as np
import probeinterface
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Text
from numpy.typing import NDArray

from allenrec.common.files import write_text, written_beside

P = ParamSpec("P")

#: The colours of Okabe and Ito, which colour-blind people can distinguish. Their yellow is left out: it is too pale on white.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, BLACK = "#CC79A7", "#E69F00", "#56B4E9", "#000000"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
#: The colours of labels that look the same in every figure
FIXED: dict[Any, str] = {
    **{"spiny": BLUE, "aspiny": VERMILLION, "sparsely spiny": GREEN, "E": BLUE, "I": VERMILLION},
    **{"excitatory": BLUE, "inhibitory": VERMILLION},
}
#: The types of the cells that MEArec ships. They have the first colours that `FIXED` leaves free.
M_TYPES = tuple(f"L5_{name}" for name in "STPC TTPC1 TTPC2 UTPC BP BTC ChC DBC LBC MC NBC NGC SBC".split())
#: The colours of units, from the muted ones of Paul Tol, which colour-blind people can distinguish. No cell type has them.
UNIT_PALETTE = ("#332288", "#CC6677", "#44AA99", "#999933", "#882255", "#88CCEE", "#117733", "#AA4499")
#: The marks and the lines of units: they change when the colours of units are used up
UNIT_MARKERS, UNIT_LINES = ("o", "^", "s", "D", "v", "P", "X", "*"), ("-", "--", ":", "-.")
#: The colours of spike sorters, which no cell type and no unit has; their marks and lines differ as well
SORTER_PALETTE = ("#222222", "#A6611A", "#607B8B", "#5B3A1E", "#A08A6B")
#: How far the colours are moved towards black (negative) or white when the palette is used up
SHADES = (-0.4, 0.35)
#: A lavender and a leaf green in place of shades that look like another colour: light blue like sky, dark sky like dark blue
INSTEAD = {(BLUE, 0.35): "#A596FF", (SKY, -0.4): "#78C369"}

#: Least contrast of coloured text on white
CONTRAST = 4.5

#: Height of a row of contacts times this number: a wider gap between columns separates shanks
WIDE_GAP = 4

#: The colour of what a figure points at; neither cell types nor units have it
ACCENT = "#B3226B"
INK, GREY, PALE = "#222222", "#767676", "#D9D9D9"

#: Twice what a page shows, so that figures are sharp on fine screens and on paper
DOTS_PER_INCH = 200

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
        figure.savefig(temporary, format="png", metadata={"Software": None})
    if caption:
        write_text(Path(path).with_suffix(".txt"), caption + "\n", checked=True)


def colours(labels: Iterable[str]) -> dict[str, str]:
    """Return a colour for each distinct label, sorted by label.

    Labels in `FIXED` and `M_TYPES` always keep their colour. Other text has a colour that depends on the text, so that a cell
    type looks the same in all figures and runs; only if two would have the same one, the later one takes the next that is free.
    If there are many labels, darker and lighter shades are used as well.
    """
    ordered, free = sorted(set(labels)), _free_colours()
    known = FIXED | dict(zip(M_TYPES, free, strict=False))
    given = {label: known[label] for label in ordered if label in known}
    for label in (label for label in ordered if label not in known):
        first = zlib.crc32(str(label).encode())
        circle = [free[(first + k) % len(free)] for k in range(len(free))]
        given[label] = next((c for c in circle if c not in given.values()), circle[0])
    return {label: given[label] for label in ordered}


def _free_colours() -> list[str]:
    """Return the colours of the palette and their shades, without those in `FIXED`."""
    shades = [(colour, shade) for shade in SHADES for colour in PALETTE if colour != BLACK]
    shaded = [INSTEAD.get(which) or _shaded(*which) for which in shades]
    return [*(colour for colour in PALETTE if colour not in FIXED.values()), *shaded]


def unit_look(number: int) -> tuple[str, str, str]:
    """Return the colour, the marker and the line style of a unit, which together are its own up to the 32nd unit.

    Colours alone tell the first eight units apart.
    """
    turn, place = divmod(number, len(UNIT_PALETTE))
    return UNIT_PALETTE[place], UNIT_MARKERS[turn % len(UNIT_MARKERS)], UNIT_LINES[turn % len(UNIT_LINES)]


def sorter_looks(sorters: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Return the colour, the marker and the line style of each distinct spike sorter, sorted by name."""
    n = len(SORTER_PALETTE)
    return {
        name: (SORTER_PALETTE[k % n], UNIT_MARKERS[k % len(UNIT_MARKERS)], UNIT_LINES[k % len(UNIT_LINES)])
        for k, name in enumerate(sorted(set(sorters)))
    }


def _shaded(colour: str, shade: float) -> str:
    """Move a colour towards black (shade < 0) or white (shade > 0)."""
    target = 0.0 if shade < 0 else 1.0
    red, green, blue = (value + (target - value) * abs(shade) for value in to_rgb(colour))
    return to_hex((red, green, blue))


def legible(colour: str) -> str:
    """Return a colour in which text is legible on white: a darker one if the contrast is below 4.5, as WCAG 2 asks for."""
    while 1.05 / (_luminance(colour) + 0.05) < CONTRAST:
        colour = _shaded(colour, -0.05)
    return colour


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1, as WCAG 2 defines it."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def outlined(artist: Text) -> Text:
    """Give a text a white outline, so that it is legible on top of lines."""
    artist.set_path_effects([Stroke(linewidth=2, foreground="white"), Normal()])
    return artist


def round_length(span: float) -> float:
    """Return the largest number of the form 1, 2 or 5 times a power of ten that does not exceed `span`."""
    power = 10.0 ** np.floor(np.log10(span))
    return float(max(m * power for m in (1, 2, 5) if m * power <= span * (1 + 1e-9)))


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


def contact_pitch(contacts: NDArray[np.floating]) -> tuple[float, float]:
    """Return the space (µm, horizontal and vertical) around each of the contacts (n, 2)."""
    steps = []
    for values in contacts.T:
        gaps = np.diff(np.unique(np.round(values, 3)))
        steps.append(float(gaps[gaps > 0.5].min()) if (gaps > 0.5).any() else np.nan)
    across, along = steps
    if np.isnan(across) and np.isnan(along):
        return 20.0, 20.0
    # Columns may be staggered: the height is limited by the next contact in the same column, not by one in the next column.
    columns = [contacts[np.abs(contacts[:, 0] - y) < 0.5, 1] for y in np.unique(np.round(contacts[:, 0], 3))]
    gaps = np.concatenate([np.diff(np.sort(column)) for column in columns])
    if (gaps > 0.5).any():
        along = float(gaps[gaps > 0.5].min())
    return (along if np.isnan(across) else across), (across if np.isnan(along) else along)


def shank_numbers(contacts: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the number of the shank of each contact (n, 2) µm, from the left.

    Shanks are groups of columns of contacts, with wide gaps between them.
    """
    y = np.round(contacts[:, 0], 3)
    columns = np.unique(y)
    wide = np.diff(columns) > WIDE_GAP * contact_pitch(contacts)[1]
    return np.concatenate([[0], np.cumsum(wide)])[np.searchsorted(columns, y)]


@dataclass(frozen=True)
class ProbeAxis:
    """A horizontal axis (y, µm) on which the gaps between the shanks of a probe are short.

    Parameters
    ----------
    columns : numpy.ndarray
        (n,) µm, the columns of contacts.
    drawn : numpy.ndarray
        (n,) µm, where they are drawn.
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
    """Mark contacts (n, 2) µm of a probe in axes of two scales, where true outlines would be distorted."""
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
