"""A model beside its recorded cell, with models made of arithmetic; `test_simulation` has a real one."""

import math

import pytest

from allenrec.intracellular.comparison import compare, model_rheobase
from allenrec.models.recorded_sweeps import RecordedStep

#: A cell that fires once at 0.19 nA, and the faster the more current it receives
CELL = [RecordedStep(a, 1000.0, (n,)) for a, n in ((0.15, 0), (0.19, 1), (0.21, 2), (0.25, 40), (0.29, 70))]


def model(rheobase, gain=700.0, jump=2):
    """Return the number of spikes at an amplitude of a model that fires from `rheobase` on."""
    return lambda amplitude: 0 if amplitude < rheobase else jump + round(gain * (amplitude - rheobase))


@pytest.mark.parametrize("rheobase", [0.008, 0.12, 0.19, 0.26, 0.5])
@pytest.mark.parametrize("tried", [[], [(0.2, None)], [(0.05, None), (0.6, None)]])
def test_rheobase_is_found_from_below_and_above(rheobase, tried):
    count, asked = model(rheobase), []

    def fires(amplitude):
        asked.append(amplitude)
        return count(amplitude) > 0

    found = model_rheobase([(amplitude, count(amplitude)) for amplitude, _ in tried], 0.19, fires)
    assert rheobase <= found <= rheobase + max(0.01, 0.05 * found)
    assert len(asked) <= 8


def test_model_that_never_fires_has_no_rheobase():
    asked = []
    assert math.isnan(model_rheobase([(0.2, 0)], 0.1, lambda amplitude: asked.append(amplitude)))
    assert len(asked) <= 5
    # It was silent up to far above already, so that nothing is tried.
    assert math.isnan(model_rheobase([(5.0, 0)], 0.1, lambda amplitude: pytest.fail("tried")))
    # A rheobase that is known to lie far above that of the cell is found all the same.
    assert model_rheobase([(0.9, 0), (1.0, 3)], 0.1, lambda amplitude: amplitude > 0.95) == pytest.approx(0.95, abs=0.05)


def judged(cell, count, n=3):
    asked = []

    def respond(amplitude, duration):
        asked.append(amplitude)
        return count(amplitude), True

    found = compare(cell, n, [], lambda amplitude, _: count(amplitude) > 0, respond)
    return found, asked


def test_model_is_judged_as_far_from_its_own_rheobase():
    """A model fires twice at 25 pA less than its cell, and 80 times where its cell fires twice. It is run again, as close to
    its own rheobase, only where it is far off at the same current."""
    cell = [RecordedStep(a, 1000.0, (n,)) for a, n in ((0.15, 0), (0.19, 2), (0.25, 70), (0.29, 90))]
    found, asked = judged(cell, lambda amplitude: 0 if amplitude < 0.165 else 2 if amplitude < 0.175 else 80)
    assert found.flags == [] and found.spikes == [80, 80, 80]
    assert 0.165 <= found.model_rheobase <= 0.175 and found.cell_rheobase == (0.15, 0.19)
    assert asked == pytest.approx([0.19, 0.25, 0.29, found.model_rheobase])


def test_without_a_silent_step_the_rheobase_is_unknown_and_the_same_currents_judge():
    cell = [RecordedStep(0.2, 1000.0, (2,)), RecordedStep(0.3, 1000.0, (2,))]
    found, asked = judged(cell, model(0.1))
    assert found.flags == ["spike counts far off"] and asked == [0.2, 0.3]
    assert math.isnan(found.model_rheobase)


@pytest.mark.parametrize(
    ("count", "flags"),
    [
        (model(0.19), []),
        (model(0.19, gain=3000.0), ["spike counts far off"]),
        (model(0.35), ["rheobase far off"]),
        (lambda amplitude: 0, ["does not fire"]),
    ],
    ids=["like its cell", "too fast", "too much current", "silent"],
)
def test_each_flag_has_a_model_that_earns_it(count, flags):
    assert judged(CELL, count)[0].flags == flags


@pytest.mark.parametrize("spikes", [0, 1])
def test_steps_with_one_spike_or_none_judge_nothing(spikes):
    """The only step that made the cell fire at most once; the model fires 82 times there."""
    found, asked = judged([RecordedStep(0.19, 1000.0, (spikes,))], model(0.17, jump=68))
    assert found.flags == [] and asked == []


def test_nothing_is_run_where_nothing_is_to_be_compared():
    assert judged(CELL, model(0.19), n=0)[1] == []
    assert judged([], model(0.19))[0].flags == []
