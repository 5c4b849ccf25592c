"""Synchrony: spikes of units that overlap in space moved so that as many coincide as were asked for. No spike is added or
taken away, so that every unit keeps its rate."""

from dataclasses import replace

import numpy as np

from allenrec.common.random_streams import generator

from ..units.overlaps import coincident

#: Spikes that should not coincide go so many times the window away, at most
FARTHEST = 5
#: Spikes of a pair are moved in so many rounds at most, each of all that are wanting
ROUNDS = 100


def synchronise(address, keys, trains, overlaps, *, sync_rate, jitter, ref_per, first_tick, n_ticks):
    """Give all pairs of units that overlap in space a rate of synchrony, as far as it can be had.

    Of a pair, spikes of the unit with the larger index move, of two with the same one the inhibitory one's: another unit
    changes none before it. Towards a spike of the other unit single spikes move, the nearest; away from one also those of
    bursts, by little and not out of their order.

    Parameters
    ----------
    address : tuple
        Of all random numbers of the recording.
    keys : list of (str, int)
        Of each unit: "excitatory" or "inhibitory", and which of them.
    trains : list of allenrec.recordings.spikes.processes.Train
    overlaps : numpy.ndarray
        (n_units, n_units) bool.
    sync_rate : float
        As `allenrec.recordings.units.overlaps.synchrony` defines it.
    jitter : int
        Ticks within which spikes coincide; those that are moved do within half of it.
    ref_per : int
        Ticks; no interval of a unit becomes shorter.
    first_tick, n_ticks : int
        Spikes stay in [first_tick, n_ticks).

    Returns
    -------
    list of Train
    """
    trains, done = list(trains), []
    for unit in sorted(range(len(keys)), key=lambda unit: keys[unit][::-1]):
        settled = []
        for partner in (other for other in done if overlaps[unit, other]):
            trains[unit] = _synchronise_pair(
                generator(*address, "synchrony", *keys[unit], *keys[partner]),
                trains[unit],
                trains[partner].ticks,
                settled,
                sync_rate=sync_rate,
                jitter=jitter,
                ref_per=ref_per,
                first_tick=first_tick,
                n_ticks=n_ticks,
            )
            settled.append(trains[partner].ticks)
        done.append(unit)
    return trains


def _synchronise_pair(rng, train, partner, settled, *, sync_rate, jitter, ref_per, first_tick, n_ticks):
    """Move spikes of a train until those of the partner that coincide are as many as they should, or no more can be moved;
    the number of those that coincide with settled ones stays as it is."""
    ticks, bursts = train.ticks, train.bursts
    wanted = round(sync_rate * (len(ticks) + len(partner)))
    for _ in range(ROUNDS):
        together = coincident(partner, ticks, jitter)
        missing = wanted - together.sum()
        if missing == 0:
            break
        movable = np.ones(len(ticks), dtype=bool) if missing < 0 else (bursts < 0) & ~coincident(ticks, partner, jitter)
        for others in settled:
            movable &= ~coincident(ticks, others, jitter)
        if missing > 0:
            spikes, targets = _pull(rng, ticks, np.flatnonzero(movable), partner[~together], jitter)
        else:
            chosen = rng.permutation(partner[together])[:-missing]
            leaving = np.flatnonzero(movable & coincident(ticks, np.sort(chosen), jitter))
            spikes, targets = _push(rng, ticks, leaving, FARTHEST * jitter, ref_per)
        allowed = (targets >= first_tick) & (targets < n_ticks)
        for others in (*settled, *([partner] if missing < 0 else [])):
            allowed &= ~coincident(targets, others, jitter)
        spikes, targets = spikes[allowed][: abs(missing)], targets[allowed][: abs(missing)]
        ticks = _moved(ticks, spikes, targets, ref_per)
        order = np.argsort(ticks, kind="stable")
        ticks, bursts = ticks[order], bursts[order]
    return replace(train, ticks=ticks, bursts=bursts)


def _pull(rng, ticks, movable, alone, jitter):
    """In random order, spikes that may move and where to: each to the one nearest to it of those that are alone."""
    if not len(movable) or not len(alone):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    targets = rng.permutation(alone)
    targets = targets + rng.integers(-(jitter // 2), jitter // 2 + 1, len(targets))
    after = np.minimum(np.searchsorted(ticks[movable], targets), len(movable) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(ticks[movable[before]] - targets) < np.abs(ticks[movable[after]] - targets)
    spikes = movable[np.where(nearer, before, after)]
    first = np.sort(np.unique(spikes, return_index=True)[1])
    return spikes[first], targets[first]


def _push(rng, ticks, spikes, farthest, ref_per):
    """Spikes and where to, anywhere between their neighbours but not far."""
    low = np.concatenate(([-farthest], ticks))[spikes] + ref_per
    high = np.concatenate((ticks, ticks[-1:] + 2 * farthest))[spikes + 1] - ref_per
    low, high = np.maximum(low, ticks[spikes] - farthest), np.minimum(high, ticks[spikes] + farthest)
    return spikes, rng.integers(low, np.maximum(high, low) + 1)


def _moved(ticks, spikes, targets, ref_per):
    """Spike times with some moved, but for those that would violate a refractory period; not sorted."""
    moved = ticks.copy()
    moved[spikes] = targets
    while len(spikes):
        order = np.argsort(moved, kind="stable")
        short = np.diff(moved[order]) < ref_per
        near = np.zeros(len(ticks), dtype=bool)
        near[order[:-1][short]] = near[order[1:][short]] = True
        back = near[spikes]
        if not back.any():
            break
        moved[spikes[back]] = ticks[spikes[back]]
        spikes = spikes[~back]
    return moved
