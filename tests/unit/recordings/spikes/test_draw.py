"""Spike trains of all units of a recording: what each unit does depends on no other, and follows the settings."""

import numpy as np
import pytest

from allenrec.recordings.spikes.draw import draw_trains
from allenrec.recordings.tick_grid import TickGrid
from allenrec.settings.recordings import SpikeTrains

TICKS = 32000 * 32


KEYS = [("excitatory", 0), ("excitatory", 1), ("inhibitory", 0)]


def trains_of(keys=KEYS, cell_types=("spiny", "spiny", "aspiny"), duration=300.0, **changes):
    settings = SpikeTrains.model_validate({"duration": duration, "n_exc": 2, "n_inh": 1} | changes)
    grid = TickGrid(fs=TICKS, n_samples=int(duration * TICKS), n_phases=1)
    return draw_trains((0, "recording", "test"), keys, cell_types, settings, grid)


def test_another_unit_changes_none_of_the_others():
    some = trains_of()
    more = trains_of([*KEYS[:2], ("excitatory", 2), KEYS[2]], ("spiny", "spiny", "spiny", "aspiny"), n_exc=3)
    for mine, theirs in zip(some, [more[0], more[1], more[3]], strict=True):
        assert np.array_equal(mine.ticks, theirs.ticks) and mine.rate == theirs.rate


def test_units_are_independent():
    """Counts of two units in 100 ms bins are uncorrelated, and their coincidences as many as of independent Poisson processes;
    both to 5 standard deviations."""
    first, second = (t.ticks / TICKS for t in trains_of(duration=2000.0, rates=[20.0, 20.0, 20.0])[:2])
    counts = [np.histogram(times, 20000, (0, 2000))[0] for times in (first, second)]
    assert abs(np.corrcoef(counts)[0, 1]) < 5 / np.sqrt(20000)
    n = np.sum(np.searchsorted(second, first + 0.001) - np.searchsorted(second, first - 0.001))
    expected = 2000 * 20 * 20 * 0.002
    assert abs(n - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([4.0, 6.0, 30.0], [4.0, 6.0, 30.0]),
        ({"spiny": 4.0, "aspiny": [30.0, 0.0]}, [4.0, 4.0, 30.0]),
        ({"aspiny": 30.0}, [None, None, 30.0]),
    ],
    ids=["units", "types", "one type"],
)
def test_rates_of_units_and_of_types(rates, expected):
    for unit, wanted in zip(trains_of(rates=rates, process="gamma"), expected, strict=True):
        if wanted is None:  # 5 Hz and 1 Hz of standard deviation
            assert 1 < unit.rate < 9 and unit.rate != round(unit.rate)
        else:
            assert unit.rate == wanted
        assert abs(len(unit.ticks) - 300 * unit.rate) < 5 * np.sqrt(300 * unit.rate)


def test_rates_of_a_type_spread():
    keys = [("excitatory", k) for k in range(400)]
    rates = [t.rate for t in trains_of(keys, ["spiny"] * 400, duration=1.0, rates={"spiny": [20.0, 2.0]}, n_exc=400)]
    assert np.mean(rates) == pytest.approx(20, abs=5 * 2 / 20) and np.std(rates) == pytest.approx(2, rel=0.2)


def test_types_have_their_processes():
    burst, other = trains_of(
        [("excitatory", 0), ("inhibitory", 0)], ["spiny", "aspiny"], process={"spiny": "burst"}, n_exc=1, n_inh=1
    )
    assert (burst.process, other.process) == ("burst", "poisson")
    assert burst.bursts.max() > 10 and other.bursts.max() == -1
    intervals = [np.diff(t.ticks) for t in (burst, other)]
    variation = [i.std() / i.mean() for i in intervals]
    assert variation[0] > 1.2 > variation[1]


def test_units_are_silent_before_t_start():
    """MEArec neither shifts the times nor keeps the spikes after the end."""
    early, late = trains_of(), trains_of(t_start=100.0)
    for a, b in zip(early, late, strict=True):
        assert b.ticks.min() >= 100 * TICKS
        assert abs(len(b.ticks) - 200 * b.rate) < 5 * np.sqrt(200 * b.rate)
        assert np.array_equal(b.ticks - 100 * TICKS, a.ticks[a.ticks < 200 * TICKS])


def test_shared_modulation_is_shared():
    modulation = {"rate_modulation": "random-walk", "rate_modulation_depth": 0.8, "rate_modulation_period": 20.0}
    correlations = []
    for shared in (True, False):
        trains = trains_of(duration=2000.0, rates=[20.0] * 3, rate_modulation_shared=shared, **modulation)
        counts = [np.histogram(t.ticks / TICKS, 400, (0, 2000))[0] for t in trains]
        correlations.append(np.corrcoef(counts)[0, 1])
    assert correlations[0] > 0.8 and abs(correlations[1]) < 0.4
