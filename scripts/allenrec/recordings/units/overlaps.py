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
    return _n_coincident(ticks, others, window) > 0


def _n_coincident(ticks, others, window):
    first = np.searchsorted(others, ticks - window, side="left")
    return np.searchsorted(others, ticks + window, side="right") - first


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
    everyone, labels = _together(trains), []
    for unit, ticks in enumerate(trains):
        any_near = _n_coincident(ticks, everyone, window) > _n_coincident(ticks, ticks, window)
        label = np.where(any_near, b"TO", b"NO").astype("S3")
        label[coincident(ticks, _together([trains[other] for other in np.flatnonzero(overlaps[unit])]), window)] = b"STO"
        labels.append(label)
    return labels


def _together(trains):
    """The spikes of several units as one train."""
    ticks = np.concatenate([np.zeros(0, dtype=np.int64), *trains])
    ticks.sort(kind="stable")
    return ticks
