"""Ticks, samples and phases of the grid on which spikes lie."""

import numpy as np

from allenrec.recordings.tick_grid import split_shift, split_ticks


def test_ticks_split_into_the_nearest_sample_and_a_phase():
    ticks = np.arange(-5, 1000)
    samples, phases = split_ticks(ticks, 8)
    shifts = np.array([split_shift(p, 8) for p in phases])
    np.testing.assert_allclose(samples + shifts, ticks / 8)
    assert shifts.min() == -0.5 and shifts.max() < 0.5
    samples, phases = split_ticks(ticks, 1)
    assert np.array_equal(samples, ticks) and not phases.any()
