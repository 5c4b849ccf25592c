"""Paths of drifting templates."""

import numpy as np

from allenrec.recordings.traces.paths import paths_of


def test_paths_follow_the_direction_however_they_were_drawn():
    locations = np.zeros((2, 5, 3))
    locations[0, :, 2] = [-20, -10, 0, 10, 20]
    locations[1, :, 2] = [8, 4, 0, -4, -8]
    paths = paths_of(locations, 2, np.array([0.0, 0.0, 1.0]))
    assert paths.reach == 8
    np.testing.assert_allclose(paths.steps(0, [-20, 0, 5, 15]), [0, 2, 2.5, 3.5])
    np.testing.assert_allclose(paths.steps(1, [-8, 2]), [0, 2.5])
    assert list(paths.order[1]) == [4, 3, 2, 1, 0]
