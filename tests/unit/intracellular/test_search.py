"""The search for an amplitude, with cells made of arithmetic; `test_simulation` has real cells."""

import numpy as np
import pytest

from allenrec.intracellular.search import Response, accepted, format_search, judge, search_amplitude
from allenrec.settings.models import Intracellular

TARGET = (3, 50)


def cell_of(count, verdict=None):
    """Return the run of a pretended cell: `count` maps an amplitude to a number of spikes, judged as the stage does."""

    def run(amplitude):
        n = count(amplitude)
        judged = "many" if n > TARGET[1] else "good" if n > TARGET[0] else "few"
        if verdict:
            judged = verdict(amplitude) or judged
        return Response(amplitude, np.zeros(1), np.zeros(1), np.arange(n), judged)

    return run


@pytest.mark.parametrize("rheobase", [0.001, 0.02, 0.19, 0.7, 5.0])
def test_search_finds_an_amplitude_over_a_wide_range_of_rheobases(rheobase):
    run = cell_of(lambda a: int(40 * np.sqrt(max(a / rheobase - 1, 0))))
    runs = search_amplitude(run, TARGET, 0.2, 20)
    assert TARGET[0] < len(runs[-1].peaks) <= TARGET[1]
    assert len(runs) <= 12


def test_search_goes_down_from_block_and_up_from_silence():
    """The cell fires between 0.05 and 0.07 nA only; it is silent below, and in block above."""
    run = cell_of(lambda a: 20 if 0.05 < a < 0.07 else 2, lambda a: "block" if a >= 0.07 else None)
    for start in (0.001, 0.2, 3.0):
        amplitude = search_amplitude(run, TARGET, start, 20)[-1].amplitude
        assert 0.05 < amplitude < 0.07


def test_search_gives_up_with_a_table():
    run = cell_of(lambda a: 2 if a < 0.1 else 90, lambda a: "block" if a > 0.15 else None)
    message = format_search(search_amplitude(run, TARGET, 0.2, 20), TARGET)
    assert "\n" not in message
    for part in ("0.2 nA: 90 (block)", "0.1 nA: 90", "0.05 nA: 2", "4 to 50 spikes"):
        assert part in message


def test_search_stops_after_max_runs():
    runs = []

    def run(amplitude):
        runs.append(amplitude)
        return Response(amplitude, np.zeros(1), np.zeros(1), np.arange(0), "few")

    assert len(search_amplitude(run, TARGET, 0.2, 4)) == len(runs) == 4


def test_cell_that_jumps_to_a_high_rate_gives_the_spikes_of_the_weakest_step():
    """It is silent up to 0.228 nA, and fires 54 spikes and more from there on, as the all-active model of cell 318331342."""
    for start in (0.05, 0.2, 0.3, 1.0):
        runs = search_amplitude(cell_of(lambda a: 2 if a < 0.228 else 54 + int(50 * a)), TARGET, start, 20)
        taken = accepted(runs)
        assert taken.verdict == "many" and 0.228 <= taken.amplitude < 0.228 * 1.1
        assert len(runs) <= 8


@pytest.mark.parametrize("verdict", ["block", "weak"])
def test_search_goes_down_from_block_and_weak_spikes(verdict):
    run = cell_of(lambda a: 20 if a > 0.05 else 0, lambda a: verdict if a > 0.09 else None)
    assert 0.05 < accepted(search_amplitude(run, TARGET, 0.2, 20)).amplitude <= 0.09


def test_nothing_is_accepted_from_a_cell_that_is_silent_or_in_block():
    run = cell_of(lambda a: 2, lambda a: "block" if a > 0.1 else None)
    runs = search_amplitude(run, TARGET, 0.2, 20)
    assert accepted(runs) is None and len(runs) <= 10


DT = 0.1
TIME = np.arange(0, 1100, DT)


def trace(level, *, end=-80.0, oscillation=0.0):
    """Return the potential (mV) of a cell that is at `level` during the step, and at `end` after it; rest is -80 mV."""
    step = level + oscillation * np.sin(2 * np.pi * TIME / 8)
    return np.where(TIME < 10, -80.0, np.where(TIME < 1000, step, end))


@pytest.mark.parametrize(
    ("vmem", "spikes", "n_usable", "verdict"),
    [
        (trace(-65), [50, 90, 130, 170, 900], 5, "good"),
        (trace(-65), [50, 90], 2, "few"),
        (trace(-50), [20, 25], 2, "block"),
        (trace(-45, oscillation=18), [20, 25], 2, "block"),
        (trace(-45), [20, 25, 500, 900], 4, "good"),
        (trace(-65, end=-40), [50, 90, 130, 170, 900], 5, "block"),
        (trace(-60), [50, 90, 130, 170], 3, "few"),
        (trace(-60), [50, 90, 130, 170, 500, 900], 1, "weak"),
        (trace(-60), range(20, 600, 10), 40, "many"),
        (trace(-60), range(20, 600, 10), 2, "weak"),
    ],
    ids=[
        *(
            "regular",
            "too few",
            "block",
            "oscillates near block",
            "fires to the end, depolarised",
            "does not come back to rest",
        ),
        *("stops near rheobase", "spikes become small", "too many", "too many, most of them small"),
    ],
)
def test_responses_are_judged(vmem, spikes, n_usable, verdict):
    peaks = np.array(spikes) * round(1 / DT)
    assert judge(vmem, DT, peaks, n_usable, Intracellular(target_spikes=TARGET)) == verdict
