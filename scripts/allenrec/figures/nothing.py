"""Figures that have nothing to show: in their place there is a card with the reason, and the report has a line in words."""

from __future__ import annotations

from textwrap import wrap

from matplotlib.figure import Figure

from .style import GREY, new_figure, styled

#: The beginning of the text beside a figure that was not drawn; the reason follows
NOT_DRAWN = "This figure was not drawn, because "


class NothingToDrawError(Exception):
    """A figure would be empty; the message is the reason, as a clause without a full stop."""


def not_drawn(reason: object) -> str:
    """Return the text beside a figure that was not drawn."""
    return f"{NOT_DRAWN}{reason}"


def reason_in(text: str) -> str | None:
    """Return why the figure with a text beside it was not drawn; None if it was drawn."""
    return text.removeprefix(NOT_DRAWN) if text.startswith(NOT_DRAWN) else None


@styled
def card(title: str, reason: object) -> Figure:
    """Return a small figure that says why there is no other one."""
    lines = wrap(f"Not drawn, because {reason}", 76)
    figure = new_figure(5.0, 0.6 + 0.16 * len(lines), title)
    figure.text(0.02, 0.1, "\n".join(lines), color=GREY)
    return figure
