"""What all figures share: the look, the colours, scale bars, waveforms on a probe, and saving."""

from functools import wraps
from pathlib import Path
from textwrap import fill

import matplotlib.style
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

from allenrec.common.files import write_text, written_beside

#: Okabe and Ito's colours, which colour-blind people can tell apart; without the yellow, which is too pale on white
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, BLACK = "#CC79A7", "#E69F00", "#56B4E9", "#000000"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
#: Labels that have the same colour in every figure
FIXED = {"spiny": BLUE, "aspiny": VERMILLION, "sparsely spiny": GREEN, "E": BLUE, "I": VERMILLION}
#: After the palette is used up: its hues towards black (below 0) and towards white; after those it begins again
SHADES = (-0.4, 0.35)

INK, GREY, PALE = "#222222", "#767676", "#D9D9D9"

STYLE = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
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


def style():
    """Return a context in which artists get the look of this project, whatever a person's own matplotlib settings."""
    return matplotlib.style.context(["default", STYLE])


def styled(function):
    """Make a function that returns a figure draw in `style`; settings outside are left as they were."""

    @wraps(function)
    def draw(*args, **kwargs):
        with style():
            return function(*args, **kwargs)

    return draw


def new_figure(width, height, title=None, layout="constrained"):
    """Return an empty figure of `width` x `height` inches with a title at its left."""
    figure = Figure(figsize=(width, height), layout=layout)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def save(figure, path, caption=None):
    """Write a figure as PNG, and its caption beside it, whole or not at all; the same figure gives the same bytes each time."""
    with style(), written_beside(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    if caption:
        write_text(Path(path).with_suffix(".txt"), caption + "\n")


def colours(labels):
    """Return a dict of a colour for each distinct label, in sorted order of the labels.

    The families of cell types in `FIXED` keep their colour whatever stands beside them; the others share what is left
    of `PALETTE`, and darker and lighter shades of it when there are many.
    """
    labels = sorted(set(labels))
    taken = {FIXED[label] for label in labels if label in FIXED}
    shaded = [_shaded(colour, shade) for shade in SHADES for colour in PALETTE if colour != BLACK]
    free = [colour for colour in (*PALETTE, *shaded) if colour not in taken]
    others = [label for label in labels if label not in FIXED]
    given = {label: free[k % len(free)] for k, label in enumerate(others)}
    return {label: FIXED.get(label) or given[label] for label in labels}


def _shaded(colour, shade):
    """Move a colour towards black (shade < 0) or white (shade > 0)."""
    rgb = np.array(to_rgb(colour))
    return to_hex(rgb * (1 + shade) if shade < 0 else rgb + (1 - rgb) * shade)


def outlined(artist):
    """Give a text a white outline, so that it is legible on lines."""
    artist.set_path_effects([Stroke(linewidth=2, foreground="white"), Normal()])
    return artist


def round_length(span):
    """Return the largest of 1, 2 or 5 times a power of ten that is not above `span`."""
    power = 10.0 ** np.floor(np.log10(span))
    return float(max(m * power for m in (1, 2, 5) if m * power <= span * (1 + 1e-9)))


def scale_bar(axes, width=None, height=None, width_label="", height_label="", loc="lower right", **anchor):
    """Draw a horizontal bar of `width` and a vertical one of `height` (data units), with labels, at a corner."""
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


def contact_pitch(contacts):
    """Return how much room (µm, horizontal and vertical) each contact (n, 2) has to itself."""
    steps = []
    for values in contacts.T:
        gaps = np.diff(np.unique(np.round(values, 3)))
        steps.append(float(gaps[gaps > 0.5].min()) if (gaps > 0.5).any() else np.nan)
    across, along = steps
    if np.isnan(across) and np.isnan(along):
        return 20.0, 20.0
    # Staggered columns: the next contact in the same column, not in the next one, limits the height
    columns = [contacts[np.abs(contacts[:, 0] - y) < 0.5, 1] for y in np.unique(np.round(contacts[:, 0], 3))]
    gaps = np.concatenate([np.diff(np.sort(column)) for column in columns])
    if (gaps > 0.5).any():
        along = float(gaps[gaps > 0.5].min())
    return (along if np.isnan(across) else across), (across if np.isnan(along) else along)


def waveforms(contacts, template, width, gain):
    """Return polylines (n_contacts, n_t, 2): a template (n_contacts, n_t) µV at its contacts (n_contacts, 2) µm.

    Each is `width` µm wide and centred on its contact; `gain` is in µm a µV.
    """
    across = np.linspace(-0.5, 0.5, template.shape[1]) * width
    x = contacts[:, :1] + across
    return np.stack([x, contacts[:, 1:] + gain * template], axis=2)


def add_waveforms(axes, contacts, template, width, gain, **line):
    """Draw a template at its contacts; see `waveforms`."""
    return axes.add_collection(LineCollection(waveforms(contacts, template, width, gain), **line), autolim=True)


def waveform_scale_bar(axes, width, gain, duration, room):
    """Draw bars of ms and µV for waveforms of `duration` ms drawn `width` µm wide; the upright one fits `room` µm."""
    ms, microvolts = round_length(0.6 * duration), round_length(room / gain)
    return scale_bar(axes, width * ms / duration, gain * microvolts, f"{ms:g} ms", f"{microvolts:g} µV")


def draw_contacts(axes, contacts, size=9, **marker):
    """Draw contacts (n, 2) µm as small grey squares."""
    return axes.scatter(*contacts.T, s=size, marker="s", color=PALE, edgecolors=GREY, linewidths=0.4, **marker)


def failure_card(failure):
    """Return a small figure that says why there is nothing to draw of a model."""
    figure = new_figure(5.0, 1.6, str(failure)[:60])
    figure.text(0.02, 0.5, fill(str(failure), 76), va="center")
    return figure
