"""Modulation: how much each spike is louder or quieter than its template."""

import numpy as np


def draw_gains(rng, n_spikes, n_channels, *, modulation, mrand, sdrand):
    """Return the gain of each spike, float32 (n_spikes, 1), or (n_spikes, n_channels) for "electrode".

    "none": 1; "template": one normal number a spike; "electrode": one a spike and channel, independent, as in MEArec.
    """
    if modulation == "none":
        return np.ones((n_spikes, 1), dtype=np.float32)
    columns = n_channels if modulation == "electrode" else 1
    return (mrand + sdrand * rng.standard_normal((n_spikes, columns))).astype(np.float32)
