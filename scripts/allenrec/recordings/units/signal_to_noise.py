"""The signal-to-noise ratio of units, and of the templates that may become units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..types import TemplateLibrary

#: Number of templates that are read at once
TEMPLATES_AT_ONCE = 256


def signal_to_noise(templates: NDArray[np.float32], noise: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the signal-to-noise ratio of each unit: the largest deflection over the standard deviation of the noise there.

    Parameters
    ----------
    templates : numpy.ndarray
        (n_units, n_channels, n_t) µV.
    noise : numpy.ndarray or None
        (n_channels,) µV, standard deviation of the noise; without noise the ratios are infinite. Dead channels, whose level is
        0 beside others, say nothing.

    Returns
    -------
    numpy.ndarray
        (n_units,), the largest ratio over all channels.
    """
    if noise is None:
        return np.full(len(templates), np.inf)
    if not len(templates):
        return np.zeros(0)
    sizes = np.maximum(templates.max(axis=2), -templates.min(axis=2))
    return (sizes / np.where(noise > 0, noise, np.inf)).max(axis=1) if noise.any() else np.full(len(templates), np.inf)


def library_signal_to_noise(library: TemplateLibrary, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the signal-to-noise ratio of each template of a library, (N,); see `signal_to_noise` for `noise`."""
    n = len(library.positions)
    groups = [range(first, min(first + TEMPLATES_AT_ONCE, n)) for first in range(0, n, TEMPLATES_AT_ONCE)]
    return np.concatenate([np.zeros(0), *(signal_to_noise(library.at_centre(rows), noise) for rows in groups)])
