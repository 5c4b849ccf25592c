"""Overlaps: which units are seen at the same contacts, which of their spikes coincide, and how many of them do."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Time within which spikes of two units overlap, s; MEArec's
OVERLAP_WINDOW = 1e-3


def spatial_overlaps(troughs: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Return which units overlap in space.

    Two units overlap if the trough of one of them, at the peak channel of the other, exceeds the share `threshold` of its
    greatest depth. The two troughs may come at different times; in MEArec they must come at the same sample.

    Parameters
    ----------
    troughs : numpy.ndarray
        (n_units, n_channels) µV, depth of each template below zero.
    threshold : float

    Returns
    -------
    numpy.ndarray
        bool (n_units, n_units), symmetric; no unit overlaps with itself.
    """
    if not len(troughs):
        return np.zeros((0, 0), dtype=bool)
    peak_channels = troughs.argmax(axis=1)
    # Rows are the units whose peak channel is taken; columns are the units whose trough is measured there.
    overlaps = troughs[:, peak_channels].T > threshold * troughs.max(axis=1)
    np.fill_diagonal(overlaps, False)
    return overlaps | overlaps.T


def coincident(ticks: NDArray[np.int64], others: NDArray[np.int64], window: float) -> NDArray[np.bool_]:
    """Return for each spike whether another train has a spike at most `window` before or after it; both trains increase."""
    return _n_coincident(ticks, others, window) > 0


def _n_coincident(ticks: NDArray[np.int64], others: NDArray[np.int64], window: float) -> NDArray[np.int64]:
    first = np.searchsorted(others, ticks - window, side="left")
    return np.searchsorted(others, ticks + window, side="right") - first


def synchrony(ticks: NDArray[np.int64], others: NDArray[np.int64], window: float) -> float:
    """Return MEArec's rate of synchrony: the coincident spikes of the first unit over the spikes of both units."""
    return float(coincident(ticks, others, window).sum() / max(len(ticks) + len(others), 1))


def overlap_pairs(trains: list[NDArray[np.int64]], overlaps: NDArray[np.bool_], window: int) -> pd.DataFrame:
    """Return the pairs of units that overlap in space, with their rates of synchrony.

    Parameters
    ----------
    trains : list of numpy.ndarray
        (n_spikes,) ticks, increasing; one array per unit.
    overlaps : numpy.ndarray
        (n_units, n_units) bool.
    window : int
        Ticks within which spikes are synchronous.

    Returns
    -------
    pandas.DataFrame
        One row per pair: `unit_1`, `unit_2` and `sync_rate`.
    """
    first, second = np.nonzero(np.triu(overlaps))
    rates = [synchrony(trains[a], trains[b], window) for a, b in zip(first, second, strict=True)]
    return pd.DataFrame({"unit_1": first, "unit_2": second, "sync_rate": np.array(rates, dtype=float)})


def overlap_labels(trains: list[NDArray[np.int64]], overlaps: NDArray[np.bool_], window: int) -> list[NDArray[np.bytes_]]:
    """Return MEArec's label of each spike: "STO", "TO" or "NO".

    "STO" means that a unit that overlaps in space has a spike within `window`; "TO" that any other unit has one; "NO" that
    none has. (Where several units have one, the label depends on the order of the units in MEArec, and not here.)

    Parameters
    ----------
    trains : list of numpy.ndarray
        (n_spikes,) ticks, increasing; one array per unit.
    overlaps : numpy.ndarray
        (n_units, n_units) bool.
    window : int
        Ticks.

    Returns
    -------
    list of numpy.ndarray
        (n_spikes,) text of three bytes; one array per unit.
    """
    all_spikes, labels = _merged(trains), []
    for unit, ticks in enumerate(trains):
        any_near = _n_coincident(ticks, all_spikes, window) > _n_coincident(ticks, ticks, window)
        label = np.where(any_near, b"TO", b"NO").astype("S3")
        partners = _merged([trains[other] for other in np.flatnonzero(overlaps[unit])])
        label[coincident(ticks, partners, window)] = b"STO"
        labels.append(label)
    return labels


def _merged(trains: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the spikes of several units as one train."""
    ticks = np.concatenate([np.zeros(0, dtype=np.int64), *trains])
    ticks.sort(kind="stable")
    return ticks
