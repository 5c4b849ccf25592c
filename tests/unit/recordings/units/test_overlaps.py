"""Overlaps of units in space, and labels of their spikes, against a count of every pair of spikes."""

import numpy as np

from allenrec.recordings.spikes.processes import Process, draw_train
from allenrec.recordings.units.overlaps import coincident, overlap_labels, spatial_overlaps, synchrony

TICKS = 512_000
MS = TICKS // 1000
#: Unit 0 overlaps with 1 and 2, unit 1 with 2; unit 3 with none
OVERLAPS = np.zeros((4, 4), dtype=bool)
OVERLAPS[[0, 1, 0, 2, 1, 2], [1, 0, 2, 0, 2, 1]] = True


def drawn(rates=(8.0, 10.0, 20.0, 15.0)):
    """Return Poisson trains of 600 s with a refractory period of 2 ms."""
    trains = []
    for seed, rate in enumerate(rates):
        rng = np.random.default_rng(seed)
        ticks, _ = draw_train(rng, rate, Process(0.002), n_ticks=600 * TICKS, ticks_per_second=TICKS)
        trains.append(ticks)
    return trains


def test_labels_are_those_of_every_pair_of_spikes():
    trains = [ticks[:300] for ticks in drawn()]
    for unit, labels in enumerate(overlap_labels(trains, OVERLAPS, MS)):
        for tick, label in zip(trains[unit], labels, strict=True):
            near = [np.abs(trains[other] - tick).min() <= MS for other in range(4) if other != unit]
            same_place = [OVERLAPS[unit, other] for other in range(4) if other != unit]
            expected = "STO" if any(np.logical_and(near, same_place)) else "TO" if any(near) else "NO"
            assert label.decode() == expected


def test_labels_without_spikes_or_units():
    none = np.zeros(0, dtype=np.int64)
    labels = overlap_labels([none, np.array([5])], ~np.eye(2, dtype=bool), 10)
    assert [len(label) for label in labels] == [0, 1] and labels[1][0] == b"NO"
    assert [len(label) for label in overlap_labels([none, none], ~np.eye(2, dtype=bool), 10)] == [0, 0]
    assert overlap_labels([], np.zeros((0, 0), dtype=bool), 10) == []


def test_coincidences_include_the_ends_of_the_window():
    assert coincident(np.array([10, 20, 31]), np.array([0, 41]), 10).tolist() == [True, False, True]
    assert synchrony(np.array([10, 20, 31]), np.array([0, 41]), 10) == 2 / 5


def test_units_overlap_though_their_troughs_come_at_different_times():
    """MEArec compares them at one sample, and finds no overlap."""
    templates = np.zeros((3, 4, 50))
    templates[0, 1, 20] = templates[1, 1, 25] = templates[2, 3, 20] = -50
    overlaps = spatial_overlaps(-templates.min(axis=2), 0.9)
    assert np.array_equal(np.argwhere(overlaps), [[0, 1], [1, 0]])
