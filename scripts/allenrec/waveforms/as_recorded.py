"""Templates as recordings show them by default: padded, and through the default filter of recordings."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.settings.recordings import Filter as FilterSettings
from allenrec.settings.recordings import UnitSelection

from .features import feature_columns, filtered_name
from .filters import Filter, design_filter, filter_in_place

if TYPE_CHECKING:
    import pandas as pd


class AsRecorded(NamedTuple):
    """The way of a template into a recording with the default settings, in arrays for compiled functions.

    `before`, the number of zeros in front of it; `fade` (n,), the factors by which its last value fades to zero behind it; the
    filter's `sections` and whether it runs `both_ways`; `margin`, the number of samples until its response has died away; and
    `gain`: a filtered waveform never exceeds `gain` times the range of the unfiltered one.
    """

    before: int
    fade: NDArray[np.float64]
    sections: NDArray[np.float64]
    both_ways: bool
    margin: int
    gain: float


@lru_cache(maxsize=8)
def as_recorded(dt: float) -> AsRecorded:
    """Return the default way into a recording for templates with `dt` ms between samples.

    Cut-offs that the samples are too coarse for are left out.
    """
    settings, (before, after) = FilterSettings(), UnitSelection().pad_len
    fs = 1000 / dt
    cutoffs = settings.filter_cutoff if isinstance(settings.filter_cutoff, tuple) else (settings.filter_cutoff,)
    possible = tuple(cutoff for cutoff in cutoffs if cutoff < fs / 2)
    design = Filter(np.zeros((0, 6)), False)
    if possible:
        chosen = possible if len(possible) == 2 else possible[0]
        design = design_filter(fs, settings.model_copy(update={"filter_cutoff": chosen}))
    response = design.response(np.ones((1, 1)))[0] if possible else np.ones((1, 1))
    return AsRecorded(
        before=max(round(before / dt), 1),
        fade=fade(max(round(after / dt), 1)),
        sections=design.sections,
        both_ways=design.both_ways,
        margin=design.margins[0] if possible else 0,
        # A high-pass filter takes constants away, so that half of the range counts. One in a thousand is for rounding
        gain=float(np.abs(response).sum()) * (0.5 if possible else 1.0) * 1.001,
    )


def fade(n: int) -> NDArray[np.float64]:
    """Return the factors (n,) by which the last value of a template fades to zero."""
    faded: NDArray[np.float64] = 0.5 * (1 + np.cos(np.pi * np.arange(1, n + 1) / (n + 1)))
    return faded


def padded(templates: NDArray[Any], before: int, after: int) -> NDArray[Any]:
    """Return templates (..., n_t) with `before` zeros in front, and their last value faded to zero over `after` samples.

    The template itself is untouched. Its first sample is zero already; its last is not, because the slow end of a spike
    outlasts the window, and a step there would ring in every filter.
    """
    front = np.zeros((*templates.shape[:-1], before), dtype=templates.dtype)
    return np.concatenate((front, templates, templates[..., -1:] * fade(after)), axis=-1)


@numba.njit(cache=True, nogil=True)
def recorded(template: NDArray[np.float32], how: AsRecorded) -> NDArray[np.float64]:
    """Return a template (n_contacts, n_t) µV as a recording shows it, (n_contacts, before + n_t + after) float64 µV."""
    n_contacts, n_t = template.shape
    before, after = how.before, len(how.fade)
    n = before + n_t + after
    traces = np.zeros((n + how.margin, n_contacts))
    for c in range(n_contacts):
        for t in range(n_t):
            traces[before + t, c] = template[c, t]
        for t in range(after):
            traces[before + n_t + t, c] = template[c, n_t - 1] * how.fade[t]
    for run in range(2 if how.both_ways else 1):
        filter_in_place(traces, how.sections, run == 1)
    out = np.zeros((n_contacts, n))
    for c in range(n_contacts):
        for t in range(n):
            out[c, t] = traces[t, c]
    return out


@numba.njit(cache=True, nogil=True, inline="always")
def pre_peak(waveform: NDArray[np.float64]) -> float:
    """Return the height of the highest sample before the lowest one, or 0 if all are below zero."""
    highest = before_lowest = 0.0
    lowest = np.inf
    for value in waveform:
        if value < lowest:
            lowest, before_lowest = value, highest
        highest = max(highest, value)
    return before_lowest


def features_both_ways(templates: NDArray[np.float32], channel_positions: NDArray[np.float64], dt: float) -> pd.DataFrame:
    """Return the `waveform_features` of templates as they are and, in further columns, as recordings show them by default.

    Parameters
    ----------
    templates : numpy.ndarray
        (n, n_contacts, n_t) float32 µV.
    channel_positions : numpy.ndarray
        (n_contacts, 3) µm.
    dt : float
        ms between samples.

    Returns
    -------
    pandas.DataFrame
        One row per template, with the columns `FEATURES` and `FILTERED_FEATURES`.
    """
    import pandas as pd  # who writes a library does without it

    return pd.DataFrame(columns_both_ways(templates, channel_positions, dt))


def columns_both_ways(
    templates: NDArray[np.float32], channel_positions: NDArray[np.float64], dt: float
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Return the columns of `features_both_ways`."""
    how = as_recorded(dt)
    filtered = (recorded(np.ascontiguousarray(template), how) for template in templates)
    in_recordings = feature_columns(filtered, channel_positions, dt)
    return feature_columns(templates, channel_positions, dt) | {
        filtered_name(name): column for name, column in in_recordings.items()
    }
