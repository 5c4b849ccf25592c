"""Figures that have nothing to show: in their place there is a card with the reason, and the report has a line in words."""

from __future__ import annotations

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
