"""A template library of our own making, for tests of recordings that need no real cells."""

import numpy as np

from allenrec.common.random_streams import generator
from allenrec.libraries.from_arrays import library_from_arrays, template_rows
from allenrec.libraries.library_file import read_library
from allenrec.probes import load_probe

#: Number of cells, half of them spiny; the steps along their paths, µm
N, STEPS = 60, np.arange(-20, 21, 5.0)
DT, PEAK, N_T = 2.0**-5, 64, 224


def made_library(path, probe, scale):
    """Write and return a drifting library of cells around a probe, the same cells on each; spikes are `scale` µV at 1 µm."""
    probe = load_probe(probe, 1)
    rng = generator(0, "cells of the test")
    locations = np.repeat(rng.uniform([10, -40, -300], [60, 40, 300], (N, 3))[:, np.newaxis], len(STEPS), axis=1)
    locations[..., 2] += STEPS
    distance = np.linalg.norm(probe.positions - locations[:, :, np.newaxis], axis=-1)
    time = (np.arange(N_T) - PEAK) * DT
    spike = 0.3 * np.exp(-0.5 * ((time - 0.6) / 0.3) ** 2) - np.exp(-0.5 * (time / 0.15) ** 2)
    templates = np.float32((scale / distance)[..., np.newaxis] * spike)
    rows = template_rows(locations, ["spiny", "aspiny"] * (N // 2))
    library_from_arrays(path, templates, rows, probe, dt=DT, cut_out=(2.0, 5.0), centre=len(STEPS) // 2)
    return read_library(path)
