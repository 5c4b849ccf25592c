"""Synchrony: spikes of units that overlap in space are moved until the requested share of them coincides.

No spike is added or taken away, so that every unit keeps its rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.common.random_streams import StreamKey, generator

from ..units.overlaps import coincident

if TYPE_CHECKING:
    from allenrec.settings.recordings import SpikeTrains
    from allenrec.settings.recordings import Synchrony as SynchronySettings

    from ..tick_grid import TickGrid
    from ..types import UnitKey
    from .processes import Train

#: Maximum distance by which a spike is moved away from another one, in windows of synchrony
FARTHEST = 5
#: Maximum number of rounds in which spikes of a pair are moved; each round moves as many as are still needed
ROUNDS = 100

Ticks = NDArray[np.int64]


@dataclass(frozen=True)
class _Rules:
    """The rules by which spikes move: `sync_rate`; `jitter`, `ref_per`, `first_tick` and `n_ticks` in ticks."""

    sync_rate: float
    jitter: int
    ref_per: int
    first_tick: int
    n_ticks: int


def synchronise(
    stream_key: StreamKey,
    keys: Sequence[UnitKey],
    trains: Sequence[Train],
    overlaps: NDArray[np.bool_],
    settings: SynchronySettings,
    spike_trains: SpikeTrains,
    grid: TickGrid,
) -> list[Train]:
    """Give all pairs of units that overlap in space a rate of synchrony, as far as it can be reached.

    In a pair, spikes of the unit with the larger number move; if both have the same number, spikes of the inhibitory unit
    move. So an additional unit does not change the units before it. To make spikes coincide, the nearest single spike is moved
    to a spike of the other unit. To make them coincide less, spikes of bursts move as well, but only a little and without a
    change of their order.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the spikes of the recording.
    keys : sequence of (str, int)
        Kind and number of each unit.
    trains : sequence of Train
    overlaps : numpy.ndarray
        (n_units, n_units) bool, which units overlap in space.
    settings : allenrec.settings.recordings.Synchrony
        `sync_rate` is that of `allenrec.recordings.units.overlaps.synchrony`. Spikes that are moved towards others come within
        half of `sync_jitt`.
    spike_trains : allenrec.settings.recordings.SpikeTrains
        No interval becomes shorter than `ref_per`, and no spike comes before `t_start`.
    grid : TickGrid

    Returns
    -------
    list of Train
    """
    assert settings.sync_rate is not None
    rules = _Rules(
        sync_rate=settings.sync_rate,
        jitter=round(grid.ticks(settings.sync_jitt / 1000)),
        ref_per=int(np.ceil(grid.ticks(spike_trains.ref_per / 1000))),
        first_tick=round(grid.ticks(spike_trains.t_start)),
        n_ticks=grid.n_ticks,
    )
    moved = list(trains)
    done: list[int] = []
    for unit in sorted(range(len(keys)), key=lambda unit: keys[unit][::-1]):
        settled: list[Ticks] = []
        for partner in (other for other in done if overlaps[unit, other]):
            rng = generator(*stream_key, "synchrony", *keys[unit], *keys[partner])
            moved[unit] = _synchronise_pair(rng, moved[unit], moved[partner].ticks, settled, rules)
            settled.append(moved[partner].ticks)
        done.append(unit)
    return moved


def _synchronise_pair(rng: np.random.Generator, train: Train, partner: Ticks, settled: Sequence[Ticks], rules: _Rules) -> Train:
    """Move spikes of a train until the required number coincides with the partner's, or no more can be moved.

    The number of spikes that coincide with those of `settled` units stays the same.
    """
    ticks, bursts = train.ticks, train.bursts
    wanted = round(rules.sync_rate * (len(ticks) + len(partner)))
    for _ in range(ROUNDS):
        together = coincident(partner, ticks, rules.jitter)
        missing = wanted - together.sum()
        if missing == 0:
            break
        movable = np.ones(len(ticks), dtype=bool) if missing < 0 else (bursts < 0) & ~coincident(ticks, partner, rules.jitter)
        for others in settled:
            movable &= ~coincident(ticks, others, rules.jitter)
        if missing > 0:
            spikes, targets = _pull(rng, ticks, np.flatnonzero(movable), partner[~together], rules.jitter)
        else:
            chosen = rng.permutation(partner[together])[:-missing]
            leaving = np.flatnonzero(movable & coincident(ticks, np.sort(chosen), rules.jitter))
            spikes, targets = _push(rng, ticks, leaving, FARTHEST * rules.jitter, rules.ref_per)
        allowed = (targets >= rules.first_tick) & (targets < rules.n_ticks)
        for others in (*settled, *([partner] if missing < 0 else [])):
            allowed &= ~coincident(targets, others, rules.jitter)
        spikes, targets = spikes[allowed][: abs(missing)], targets[allowed][: abs(missing)]
        ticks = _moved(ticks, spikes, targets, rules.ref_per)
        order = np.argsort(ticks, kind="stable")
        ticks, bursts = ticks[order], bursts[order]
    return replace(train, ticks=ticks, bursts=bursts)


def _pull(rng: np.random.Generator, ticks: Ticks, movable: Ticks, alone: Ticks, jitter: int) -> tuple[Ticks, Ticks]:
    """Return spikes that may move, in random order, and their targets: each moves to the nearest spike that is alone."""
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


def _push(rng: np.random.Generator, ticks: Ticks, spikes: Ticks, farthest: int, ref_per: int) -> tuple[Ticks, Ticks]:
    """Return spikes and their targets, which lie anywhere between their neighbours but not far away."""
    low = np.concatenate(([-farthest], ticks))[spikes] + ref_per
    high = np.concatenate((ticks, ticks[-1:] + 2 * farthest))[spikes + 1] - ref_per
    low, high = np.maximum(low, ticks[spikes] - farthest), np.minimum(high, ticks[spikes] + farthest)
    return spikes, rng.integers(low, np.maximum(high, low) + 1)


def _moved(ticks: Ticks, spikes: Ticks, targets: Ticks, ref_per: int) -> Ticks:
    """Return spike times, not sorted, of which some are moved; moves that would violate a refractory period are undone."""
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
