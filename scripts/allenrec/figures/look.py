"""The look that figures, the viewer and the report share: colours, marks and size. It needs no matplotlib."""

import zlib
from collections.abc import Iterable
from typing import Any

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
#: The colour of what a figure points at; neither cell types nor units have it
ACCENT = "#B3226B"
INK, GREY, PALE = "#222222", "#767676", "#D9D9D9"
#: Twice what a page shows, so that figures are sharp on fine screens and on paper
DOTS_PER_INCH = 200


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
    mixed = (round(255 * (value + (target - value) * abs(shade))) for value in _rgb(colour))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def legible(colour: str) -> str:
    """Return a colour in which text is legible on white: a darker one if the contrast is below 4.5, as WCAG 2 asks for."""
    while 1.05 / (_luminance(colour) + 0.05) < CONTRAST:
        colour = _shaded(colour, -0.05)
    return colour


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1, as WCAG 2 defines it."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in _rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(colour: str) -> tuple[float, float, float]:
    """Return the red, green and blue of a colour `#rrggbb`, each from 0 to 1."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red / 255, green / 255, blue / 255
