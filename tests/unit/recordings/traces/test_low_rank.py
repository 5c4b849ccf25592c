"""Low-rank templates against the templates themselves."""

import numpy as np
import pytest

from allenrec.recordings.traces.low_rank import low_rank


@pytest.mark.parametrize("shape", [(1, 50), (3, 224), (384, 100)])
def test_components_are_the_template(shape):
    """This holds for fields, which are smooth in time and over contacts, for noise, which has full rank, and for zeros."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(shape)
    across, along = (np.linspace(0, 1, n)[:, np.newaxis] for n in shape)
    smooth = sum(np.exp(-((across - p) ** 2) * 20) @ np.exp(-((along - q) ** 2) * 50).T for p, q in rng.random((30, 2)))
    for template in (noise, smooth, np.zeros(shape)):
        temporal, spatial = low_rank(template)
        largest = np.linalg.norm(template, 2)
        assert np.linalg.norm(temporal @ spatial - template.T) <= 1e-6 * largest + 1e-12
        np.testing.assert_allclose(spatial @ spatial.T, np.eye(len(spatial)), atol=1e-6)


def test_a_template_on_many_contacts_has_few_components():
    across, along = np.linspace(0, 1, 384)[:, np.newaxis], np.linspace(0, 1, 224)[:, np.newaxis]
    travelling = np.exp(-((across - along.T) ** 2) * 30)
    assert low_rank(travelling)[0].shape[1] <= 32
