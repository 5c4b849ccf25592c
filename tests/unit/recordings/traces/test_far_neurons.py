"""Far neurons against the statistics of Poisson processes and the sum of their spikes. Bounds are five standard errors."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from unit.recordings.traces.examples import far_neurons

from allenrec.common.errors import UserError
from allenrec.recordings.traces.far_neurons import select_far_neurons
from allenrec.recordings.units.selection import UnitGroup
from allenrec.settings.recordings import FarNeurons


def test_far_neurons_fire_as_poisson_processes():
    """Counts in blocks have the mean and variance of Poisson processes, and spikes lie anywhere in a block."""
    far = far_neurons()
    drawn = [far.spikes(block) for block in range(-200, 200)]
    counts = np.array([np.bincount(neurons, minlength=40) for _, neurons in drawn])
    expected = far.rates * 2**13
    assert (np.abs(counts.mean(axis=0) - expected) < 5 * np.sqrt(expected / len(drawn))).all()
    dispersion = counts.var(axis=0, ddof=1) / expected
    assert np.abs(dispersion - 1).max() < 5 * np.sqrt(2 / len(drawn) + 1 / (expected * len(drawn)).min())
    assert np.abs(np.corrcoef(counts.T) - np.eye(40)).max() < 5 / np.sqrt(len(drawn))
    places = np.concatenate([samples - block * 2**13 for (samples, _), block in zip(drawn, range(-200, 200), strict=True)])
    assert places.min() >= 0 and places.max() < 2**13
    assert stats.kstest((places + 0.5) / 2**13, "uniform").pvalue > 1e-4


def test_far_neurons_are_the_sum_of_their_spikes():
    far = far_neurons()
    traces = np.zeros((30000, 6), dtype=np.float32)
    far.add_to(traces, -100)
    waveforms = far.templates.temporal[:, 0, :, :6]
    expected = np.zeros((30000 + 400, 6)) - np.einsum("u,utc->c", far.rates, waveforms)
    for block in range(-2, 6):
        for sample, neuron in zip(*far.spikes(block), strict=True):
            first = sample - far.templates.peak + 100 + 200
            if 0 <= first <= 30000 + 400 - 64:
                expected[first : first + 64] += waveforms[neuron]
    np.testing.assert_allclose(traces, expected[200:-200], atol=1e-6)
    assert np.abs(traces.mean(axis=0)).max() < 0.2 * traces.std()


def test_far_neurons_drift():
    """At rest neurons have the template of the middle step, and after a drift that of the step where they are."""
    far = far_neurons(n_steps=3)
    still, moved = np.zeros((2, 3 * 2**13, 6), dtype=np.float32)
    far.add_to(still, 0)
    far = replace(far, moved=lambda samples, neurons: 3 * neurons + np.where(samples < 2**13, 0, 2))
    far.add_to(moved, 0)
    still, moved = still + far.mean, moved + far.mean
    # The steps have the sizes 1, 1.5 and 2
    np.testing.assert_allclose(moved[: 2**13 - 64], still[: 2**13 - 64] / 1.5, atol=1e-6)
    np.testing.assert_allclose(moved[2**13 + 64 :], still[2**13 + 64 :] * 2 / 1.5, atol=1e-6)


def test_far_neurons_are_chosen_by_type_and_amplitude():
    amplitudes, types = np.arange(20.0), np.array(["spiny", "aspiny"] * 10)
    groups = [UnitGroup("excitatory", ["spiny"], 4), UnitGroup("inhibitory", ["aspiny"], 2)]
    limits = FarNeurons(far_neurons_min_amp=3, far_neurons_max_amp=13)
    rows = select_far_neurons(np.random.default_rng(0), amplitudes, types, groups, limits)
    assert list(types[rows]) == ["spiny"] * 4 + ["aspiny"] * 2
    assert amplitudes[rows].min() > 3 and amplitudes[rows].max() < 13 and len(set(rows)) == 6
    with pytest.raises(UserError, match=r"9 excitatory far neurons were requested, but their library has 5 of .* 3 and 13 µV"):
        groups = [UnitGroup("excitatory", ["spiny"], 9)]
        select_far_neurons(np.random.default_rng(0), amplitudes, types, groups, limits)
