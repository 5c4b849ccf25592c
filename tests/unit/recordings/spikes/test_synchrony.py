"""Synchrony of units, against a count of every pair of spikes."""

import numpy as np
import pytest
from scipy import stats

from allenrec.recordings.spikes.processes import Process, Train, draw_train
from allenrec.recordings.spikes.synchrony import synchronise
from allenrec.recordings.tick_grid import TickGrid
from allenrec.recordings.units.overlaps import coincident, synchrony
from allenrec.settings.recordings import SpikeTrains, Synchrony

TICKS = 512_000


MS = TICKS // 1000


N_TICKS = 600 * TICKS
GRID = TickGrid(fs=TICKS, n_samples=N_TICKS, n_phases=1)


KEYS = [("excitatory", 0), ("excitatory", 1), ("inhibitory", 0), ("inhibitory", 1)]


RATES = (8.0, 10.0, 20.0, 15.0)


#: Unit 0 overlaps with 1 and 2, unit 1 with 2; unit 3 with none
OVERLAPS = np.zeros((4, 4), dtype=bool)


OVERLAPS[[0, 1, 0, 2, 1, 2], [1, 0, 2, 0, 2, 1]] = True


def drawn(rates=RATES, ref_per=0.002, **process):
    trains = []
    for seed, rate in enumerate(rates):
        rng = np.random.default_rng(seed)
        made = draw_train(rng, rate, Process(ref_per, **process), n_ticks=N_TICKS, ticks_per_second=TICKS)
        trains.append(Train(*made, rate, "poisson"))
    return trains


def synchronised(sync_rate, trains, keys=KEYS, overlaps=OVERLAPS, name="test"):
    sync = Synchrony(sync_rate=sync_rate, sync_jitt=1.0)
    return synchronise((0, "recording", name), keys, trains, overlaps, sync, SpikeTrains(ref_per=2.0), GRID)


@pytest.mark.parametrize("sync_rate", [0.0, 0.02, 0.1, 0.2])
def test_pairs_have_the_synchrony_that_was_asked_for_and_units_keep_their_rates(sync_rate):
    """Spikes are moved; MEArec adds spikes to both units, or takes some away."""
    before = drawn()
    after = synchronised(sync_rate, before)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        first, second = after[a].ticks, after[b].ticks
        # Counted from the definition, one spike after the other
        n = sum(np.abs(second - tick).min() <= MS for tick in first)
        assert n == round(sync_rate * (len(first) + len(second)))
    for old, new in zip(before, after, strict=True):
        assert len(new.ticks) == len(old.ticks)
        assert np.diff(new.ticks).min() >= 2 * MS
        assert new.ticks.min() >= 0 and new.ticks.max() < N_TICKS
    assert np.array_equal(after[3].ticks, before[3].ticks)  # overlaps with none


def test_moved_trains_look_like_others():
    """A fifth of a unit's spikes are moved. Its intervals are still those of a Poisson process with dead time, to a
    distance between the distributions of 0.1; moved spikes go a fraction of a mean interval."""
    before = drawn()
    after = synchronised(0.1, before)
    distance = stats.kstest(np.diff(after[1].ticks) / TICKS, stats.expon(loc=0.002, scale=0.098).cdf).statistic
    assert distance < 0.1
    assert np.abs(after[1].ticks - before[1].ticks).mean() / TICKS < 0.1


def test_synchronous_spikes_are_jittered_evenly():
    after = synchronised(0.2, drawn())
    first, second = after[0].ticks, after[1].ticks
    nearest = np.searchsorted(second, first)
    distances = np.concatenate([second[np.clip(nearest + k, 0, len(second) - 1)] - first for k in (-1, 0)]) / MS
    inside = distances[np.abs(distances) <= 0.5]
    assert len(inside) > 1000
    assert stats.kstest(inside, stats.uniform(-0.5, 1).cdf).pvalue > 1e-4


def test_what_cannot_be_reached_is_approached():
    """At most 8 of 28 spikes of units of 8 and 20 Hz can be synchronous."""
    after = synchronised(0.45, drawn(RATES[:1] + RATES[2:3]), KEYS[::2], ~np.eye(2, dtype=bool))
    assert 0.25 < synchrony(after[0].ticks, after[1].ticks, MS) <= 8.5 / 28
    assert np.diff(after[1].ticks).min() >= 2 * MS


def test_another_unit_changes_none_before_it():
    """Units come in the order of their numbers, whatever their kind: an excitatory one of number 2 comes after all others."""
    trains = drawn()
    extra = drawn((5.0,) * 9)[8]
    everyone, four = ~np.eye(5, dtype=bool), ~np.eye(4, dtype=bool)
    some = synchronised(0.1, trains, overlaps=four)
    keys = [*KEYS[:2], ("excitatory", 2), *KEYS[2:]]
    more = synchronised(0.1, [*trains[:2], extra, *trains[2:]], keys, everyone)
    assert not np.array_equal(more[2].ticks, extra.ticks)
    for mine, theirs in zip(some, [*more[:2], *more[3:]], strict=True):
        assert np.array_equal(mine.ticks, theirs.ticks)
    assert np.array_equal(some[0].ticks, trains[0].ticks)  # the first unit never moves


def test_bursts_stay_whole():
    bursts = {"burst_share": 0.3, "burst_spikes": (2, 4), "burst_interval": 0.005}
    before = drawn(**bursts)
    after = synchronised(0.05, before)
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old.ticks[old.bursts >= 0], new.ticks[new.bursts >= 0])
        assert np.array_equal(np.bincount(old.bursts + 1), np.bincount(new.bursts + 1))
    n = np.sum(coincident(after[0].ticks, after[1].ticks, MS))
    assert n == round(0.05 * (len(after[0].ticks) + len(after[1].ticks)))
