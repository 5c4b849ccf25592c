"""Currents as few components: as exact as float32, whatever the currents are."""

import numpy as np
import pytest

from allenrec.libraries.acceptance import aligned
from allenrec.libraries.components import TOLERANCE, components_of
from allenrec.libraries.contacts import contacts_of
from allenrec.libraries.eap import CellOnProbe, eap, spike_currents
from allenrec.libraries.forward_model import transfer_matrix
from allenrec.libraries.medium import Medium
from allenrec.libraries.poses import Geometry, Poses
from allenrec.probes import load_probe
from allenrec.settings.libraries import Acceptance


@pytest.mark.parametrize("model", ["473863510", "472363762", "472912177"])
def test_currents_of_cells_have_few_components_that_give_them_to_the_rounding_of_float32(model, currents):
    spikes = spike_currents(currents[model].imem)
    spatial, temporal = components_of(spikes)
    assert spatial.shape[1] <= 40 and spatial.shape[1] % 4 == 0
    error = np.abs(np.einsum("sm,kmt->kst", spatial, temporal.astype(float)) - spikes).max()
    assert error <= TOLERANCE * np.abs(spikes).max() * 1.01


@pytest.mark.parametrize("shape", [(3, 50, 100), (1, 1, 4), (2, 5, 3000), (0, 7, 20)])
def test_noise_keeps_each_segment(shape):
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    spatial, temporal = components_of(noise)
    assert np.array_equal(spatial, np.eye(shape[1])) and np.array_equal(temporal, noise)


def test_a_current_that_few_samples_have_is_not_lost():
    """One sample of one segment, which lies between those among which components are looked for first."""
    time = np.linspace(0, 1, 2000)
    smooth = np.outer(np.linspace(1, 2, 30), np.sin(6 * time)).astype(np.float32)[np.newaxis]
    smooth[0, 17, 1001] += 0.1
    spatial, temporal = components_of(smooth)
    assert np.abs(spatial @ temporal[0] - smooth[0]).max() <= TOLERANCE * smooth.max() * 1.01


def test_templates_are_the_sums_over_segments_to_the_rounding_of_float32(currents):
    """The error is a share of what all segments give together if their currents are at their largest and do not cancel."""
    cell, probe = currents["472363762"], load_probe("Neuronexus-32", 10)
    spikes, geometry = spike_currents(cell.imem), Geometry(cell.start, cell.end, cell.diameter)
    own = CellOnProbe(spikes, geometry, contacts_of(probe), Medium(), Acceptance(), 64, bounded=False)
    for x in (5.0, 30.0, 150.0):
        pose = Poses(np.array([[x, 3.0, 20.0]]), np.array([[0.3, -1.0, 2.0]]), np.array([4]))
        placed = geometry.placed(pose.rotations[0], pose.positions[0])
        exact = aligned(eap(spikes[4], placed, contacts_of(probe), Medium()), 64)
        together = 1000 * transfer_matrix(*placed, probe.positions).sum(axis=1).max() * np.abs(spikes).max()
        assert np.abs(own.template(pose) - exact).max() < TOLERANCE * together
