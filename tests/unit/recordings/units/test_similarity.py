"""Similarity of templates against SpikeInterface's."""

import numpy as np
import pytest
from spikeinterface.postprocessing.template_similarity import _compute_similarity_matrix_numpy

from allenrec.recordings.units.similarity import largest_similarity, nearest_similarities, similarity_bounds


def test_similarity_is_that_of_spikeinterface():
    """SpikeInterface cuts off the ends of templates, which are zero here; as many shifts are taken as let templates meet."""
    templates = np.zeros((6, 5, 100))
    templates[:, :, 40:60] = np.random.default_rng(2).standard_normal((6, 5, 20)).cumsum(axis=2)
    templates[5] = 3 * np.roll(templates[0], 4, axis=1)
    samples_first, everywhere = np.moveaxis(templates, 1, 2), np.ones((6, 5), dtype=bool)
    # For equal arrays it takes the shift of one pair for that of the other; so the second one is larger. (The public function
    # compiles the same in a quarter of a minute.)
    distances = _compute_similarity_matrix_numpy(
        samples_first, 2 * samples_first, 24, "cosine", everywhere, everywhere, support="dense"
    )
    theirs = 1 - distances.min(axis=0)
    for k in range(6):
        np.testing.assert_allclose([largest_similarity(templates[k], templates[[j]]) for j in range(6)], theirs[k], atol=1e-6)
    assert largest_similarity(templates[5], templates[:1]) == pytest.approx(1)
    norms = np.linalg.norm(templates, axis=2)
    assert (similarity_bounds(norms[1], norms) >= theirs[1] - 1e-6).all()
    assert largest_similarity(templates[1], templates[[0, 2, 3]]) == pytest.approx(max(theirs[1, [0, 2, 3]]), abs=1e-6)


def test_similarity_to_the_nearest_template_is_that_without_shifts():
    """Two vectors of ones in one and in two channels have an angle of 45 degrees; a shifted copy resembles neither."""
    templates = np.zeros((3, 3, 8))
    templates[0, 0, :4], templates[1, :2, :4], templates[2, 0, 4:] = -1, -3, -1
    np.testing.assert_allclose(nearest_similarities(templates), [np.sqrt(0.5), np.sqrt(0.5), 0])
    assert np.isnan(nearest_similarities(templates[:1])).all() and not len(nearest_similarities(templates[:0]))
