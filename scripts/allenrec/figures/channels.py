"""The channels of a recording in figures: their shanks, their order, and those that are shown if there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .style import shank_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from allenrec.recordings.formats.recording_file import Recording


def shanks(recording: Recording) -> NDArray[np.str_]:
    """Return the name of the shank of each channel, (n_channels,) text.

    The names are those of the probe. If it has none, shanks are groups of contacts with wide gaps between them, numbered from
    the left, from 1.
    """
    names = recording.probe.shank_ids
    if names is not None and len(set(np.asarray(names).tolist())) > 1:
        return np.asarray(names, dtype=str)
    return (shank_numbers(recording.channel_positions[:, 1:]) + 1).astype(str)


def channels_in_order(recording: Recording) -> NDArray[np.intp]:
    """Return all channels, shank by shank, from the bottom (z) to the top."""
    positions, names = recording.channel_positions, shanks(recording).tolist()
    # Short names come first, so that shank 10 follows shank 9
    number = {name: place for place, name in enumerate(sorted(set(names), key=lambda name: (len(name), name)))}
    return np.lexsort((positions[:, 1], positions[:, 2], np.array([number[name] for name in names], dtype=int)))


def some_channels(order: NDArray[np.intp], wanted: Iterable[int], most: int) -> NDArray[np.intp]:
    """Return up to `most` channels in their order: those that are wanted, the first ones first, and others that are spread."""
    if len(order) <= most:
        return order
    even = order[np.linspace(0, len(order) - 1, most).astype(int)]
    kept = set(list(dict.fromkeys([*map(int, wanted), *map(int, even)]))[:most])
    return np.array([channel for channel in order if int(channel) in kept])
