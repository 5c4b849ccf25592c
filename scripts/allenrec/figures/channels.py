"""The channels of a recording in figures: their shanks, order and noise, and those that are shown if there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

    from allenrec.recordings.formats.recording_file import Recording

#: The noise is estimated from every fourth sample: its neighbours are much like it, and finding a median takes long
STRIDE = 4
#: Height of a row of contacts times this number: a wider gap between columns separates shanks
WIDE_GAP = 4
#: Maximum number of channels on which the template of a unit is drawn
BEST_CHANNELS = 8
#: Minimum size of a template on these channels, as a share of its largest size (peak to peak)
LEAST_SHARE = 0.25


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


def best_channels(
    template: NDArray[np.floating], most: int = BEST_CHANNELS, least_share: float = LEAST_SHARE
) -> NDArray[np.intp]:
    """Return up to `most` channels on which a template (n_channels, n_t) is largest, the largest first.

    Channels on which it is smaller (peak to peak) than `least_share` of its largest size are left out.
    """
    size = np.ptp(template, axis=1)
    order = np.argsort(-size, kind="stable")[:most]
    return order[size[order] >= least_share * size[order[0]]]


def noise_deviations(traces: NDArray[np.floating]) -> NDArray[np.floating]:
    """Estimate the standard deviation of the noise of traces (n_samples, n_channels), (n_channels,) in the unit of the traces.

    It is 1.4826 times the median of absolute values, which spikes hardly change.
    """
    return 1.4826 * np.median(np.abs(traces[::STRIDE]), axis=0)
