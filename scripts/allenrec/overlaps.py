"""Overlaps: which units are seen at the same contacts, which of their spikes coincide, and how many of them do."""

import numpy as np

#: Spikes of two units overlap in time where they are within so much, s; MEArec's
OVERLAP_WINDOW = 1e-3


def spatial_overlaps(troughs, threshold):
    """Return which units overlap in space, bool (n_units, n_units), symmetric, no unit with itself.

    Two units do where the trough of either, at the loudest contact of the other, has more than the share `threshold` of its
    greatest depth. The troughs need not come at the same time; in MEArec they must, to the sample.

    Parameters
    ----------
    troughs : numpy.ndarray
        (n_units, n_channels) µV, how far each template goes below zero.
    threshold : float
    """
    if not len(troughs):
        return np.zeros((0, 0), dtype=bool)
    loudest = troughs.argmax(axis=1)
    # Row: whose contact; column: whose trough there.
    overlaps = troughs[:, loudest].T > threshold * troughs.max(axis=1)
    np.fill_diagonal(overlaps, False)
    return overlaps | overlaps.T


def coincident(ticks, others, window):
    """Return for each spike whether another train has one at most `window` before or after it; both trains increase."""
    first = np.searchsorted(others, ticks - window, side="left")
    return np.searchsorted(others, ticks + window, side="right") > first


def synchrony(ticks, others, window):
    """Return the share of synchronous spikes of two units: those of the first that coincide, over all of both. MEArec's."""
    return coincident(ticks, others, window).sum() / max(len(ticks) + len(others), 1)


def overlap_labels(trains, overlaps, window):
    """Return for each unit the label of each of its spikes, (n_spikes,) of three bytes.

    MEArec's: "STO" where a unit that overlaps in space has a spike within `window`, else "TO" where any other unit has one,
    else "NO". (In MEArec the label depends on the order of the units, where there are several.)

    Parameters
    ----------
    trains : list of numpy.ndarray
        (n_spikes,) ticks, increasing.
    overlaps : numpy.ndarray
        (n_units, n_units) bool.
    window : int
        Ticks.
    """
    labels = []
    for unit, (ticks, any_near) in enumerate(zip(trains, _near_any_other(trains, window), strict=True)):
        label = np.where(any_near, b"TO", b"NO").astype("S3")
        partners = [trains[other] for other in np.flatnonzero(overlaps[unit])]
        if partners:
            label[coincident(ticks, np.sort(np.concatenate(partners), kind="stable"), window)] = b"STO"
        labels.append(label)
    return labels


def _near_any_other(trains, window):
    """For each unit, which of its spikes have one of another unit within a window."""
    lengths = [len(ticks) for ticks in trains]
    if not sum(lengths):
        return [np.zeros(0, dtype=bool)] * len(trains)
    ticks, units = np.concatenate(trains), np.repeat(np.arange(len(trains)), lengths)
    order = np.argsort(ticks, kind="stable")
    ticks, units = ticks[order], units[order]
    # Between spikes of others stand runs of spikes of one unit; before and after such a run is the nearest of another one.
    starts = np.flatnonzero(np.diff(units, prepend=-1))
    stops = np.append(starts[1:], len(ticks))
    sizes, far = stops - starts, window + 1
    before = np.repeat(np.concatenate((ticks[:1] - far, ticks[starts[1:] - 1])), sizes)
    after = np.repeat(np.concatenate((ticks[stops[:-1]], ticks[-1:] + far)), sizes)
    near = np.empty(len(ticks), dtype=bool)
    near[order] = (ticks - before <= window) | (after - ticks <= window)
    return np.split(near, np.cumsum(lengths)[:-1])
