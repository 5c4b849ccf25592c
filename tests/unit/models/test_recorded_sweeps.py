"""The recorded cell beside its model: the steps of a made archive and of a real one, and which model gets which flag."""

import json
import math

import numpy as np
import pytest
from made_data import ephys_sweeps

from allenrec.common.errors import UserError
from allenrec.models.recorded_sweeps import (
    RecordedStep,
    flags,
    format_steps,
    read_recorded_steps,
    recorded_rheobase,
    recorded_steps,
    steps_to_compare,
)


@pytest.fixture
def steps(tmp_path):
    """The steps of a made archive."""
    (tmp_path / "ephys_sweeps.json").write_text(json.dumps(ephys_sweeps()))
    return read_recorded_steps(tmp_path)


def test_steps_of_an_archive(steps):
    """The steps are compared with `ephys_sweeps`: seven currents above zero, of which 170 pA was repeated four times."""
    assert [(round(1000 * step.amplitude), step.spikes) for step in steps if max(step.spikes)] == [
        (150, (5,)),
        (170, (11, 13, 17, 19)),
        (210, (21,)),
    ]
    assert {step.duration for step in steps} == {1000} and all(step.amplitude > 0 for step in steps)
    assert format_steps(steps) == "10: 0, 50: 0, 70: 0, 130: 0, 150: 5, 170: 11-19, 210: 21"


def test_steps_of_a_real_archive(shared_data):
    """The archive of model 491766131, compared by eye: ten currents above zero; 170 pA was repeated four times."""
    steps = read_recorded_steps(shared_data / "allen_zip_example")
    assert [(round(1000 * step.amplitude), step.spikes) for step in steps if max(step.spikes)] == [
        (150, (5,)),
        (170, (12, 14, 18, 19)),
        (210, (20,)),
    ]
    assert {step.duration for step in steps} == {1000} and all(step.amplitude > 0 for step in steps)
    assert format_steps(steps) == "10: 0, 50: 0, 70: 0, 130: 0, 150: 5, 170: 12-19, 210: 20"


def test_stored_answer_of_the_site_has_the_same_form(shared_data):
    answer = json.loads((shared_data / "allen_api" / "neuronal_model_472451419.json").read_text())
    sweeps = answer["msg"][0]["specimen"]["ephys_sweeps"]
    assert recorded_steps(sweeps) == [RecordedStep(0.11, 1000, (2,))]


def test_compared_steps_spread_from_the_weakest_to_the_strongest(steps):
    chosen = {n: [round(1000 * step.amplitude) for step in steps_to_compare(steps, n)] for n in (0, 1, 2, 3, 9)}
    assert chosen == {0: [], 1: [150], 2: [150, 210], 3: [150, 170, 210], 9: [150, 170, 210]}
    nearly_silent = [RecordedStep(0.1, 1000, (0,)), RecordedStep(0.2, 1000, (1, 2)), RecordedStep(0.3, 1000, (1,))]
    assert steps_to_compare(nearly_silent, 3) == steps_to_compare([], 3) == []


def test_rheobase_lies_between_a_silent_step_and_one_that_made_the_cell_fire(steps):
    assert recorded_rheobase(steps) == (0.13, 0.15)
    silent, firing = RecordedStep(0.1, 1000, (0,)), RecordedStep(0.2, 1000, (0, 1))
    assert recorded_rheobase([firing, silent]) == (0.1, 0.2)
    assert np.isnan([recorded_rheobase([silent]), recorded_rheobase([firing]), recorded_rheobase([])]).all()


@pytest.mark.parametrize(
    ("spikes", "at_rest", "expected"),
    [
        ([5, 16, 20], [True] * 3, []),
        ([0, 11, 28], [True] * 3, []),
        ([0, 2, 20], [True] * 3, []),
        ([0, 2, 9], [True] * 3, ["spike counts far off"]),
        ([30, 45, 60], [True] * 3, ["spike counts far off"]),
        ([0, 0, 0], [True] * 3, ["does not fire"]),
        ([5, 16, 20], [True, True, False], ["does not return to rest"]),
        ([0, 0, 0], [False] * 3, ["does not fire", "does not return to rest"]),
    ],
    ids=["the same", "within the tolerance", "one far off", "two too few", "too many", "silent", "stays up", "both"],
)
def test_flags(steps, spikes, at_rest, expected):
    """The cell fired 5, 15 and 21 spikes."""
    assert flags(steps_to_compare(steps, 3), spikes, at_rest) == expected


def test_without_recorded_steps_nothing_is_flagged(tmp_path):
    assert read_recorded_steps(tmp_path) == [] and flags([], [], []) == []


@pytest.mark.parametrize(("recorded", "found"), [((0,), []), ((1,), []), ((1, 2), []), ((2,), ["spike counts far off"])])
def test_steps_with_less_than_two_recorded_spikes_judge_nothing(recorded, found):
    assert flags([RecordedStep(0.1, 1000, recorded)], [30], [True]) == found
    assert flags([RecordedStep(0.1, 1000, recorded)], [0], [True]) == (["does not fire"] if found else [])


@pytest.mark.parametrize(
    ("silent", "firing", "model", "off"),
    [
        *((0.13, 0.15, 0.125, False), (0.13, 0.15, 0.23, True), (0.13, 0.15, 0.05, True), (0.05, 0.4, 0.1, False)),
        *((0.02, 0.03, 0.07, False), (0.13, 0.15, math.nan, False), (math.nan, math.nan, 0.5, False)),
    ],
    ids=["25 pA less", "half as much again", "half", "between far steps", "40 pA more", "model unknown", "cell unknown"],
)
def test_rheobases_are_compared(silent, firing, model, off):
    assert flags([], [], [], (silent, firing), model) == ["rheobase far off"] * off


def sweep(key, value):
    """The JSON of a list of one sweep with a value, written as it is, at a key."""
    values = {"stimulus_name": '"Long Square"', "stimulus_absolute_amplitude": "100", "stimulus_duration": "1"} | {key: value}
    return "[{" + ", ".join(f'"{name}": {text}' for name, text in values.items()) + "}]"


KEYS = ("stimulus_absolute_amplitude", "stimulus_duration", "num_spikes")
WRONG_NUMBERS = [sweep(key, value) for key in KEYS for value in ("Infinity", "NaN", "1e999", "1e300", '"1"', "1" * 4000)]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        *WRONG_NUMBERS,
        "[" * 100_000,
        '[{"stimulus_name": "Long Square", "stimulus_absolute_amplitude": "x", "stimulus_duration": 1}]',
        "3",
    ],
)
def test_file_that_holds_no_sweeps_is_named(content, tmp_path):
    (tmp_path / "ephys_sweeps.json").write_text(content)
    with pytest.raises(UserError, match=r"ephys_sweeps\.json is not a list of sweeps") as caught:
        read_recorded_steps(tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < len(str(tmp_path)) + 350
