"""`like`, `replicates`, `grid` and `seeds`: which recordings they become, and what is said where they cannot."""

import copy
import json

import jsonschema
import pytest
from support import ROOT

from allenrec.common.errors import UserError
from allenrec.settings import load_settings
from allenrec.settings.studies import expand_recordings

LIBRARIES = {
    "near": {"probe": "Neuronexus-32"},
    "other": {"probe": "Neuropixels-128", "poses_from": "near"},
    "third": {"probe": "tetrode", "poses_from": "other"},
    "alone": {"probe": "tetrode"},
}
STILL = {"library": "near", "spiketrains": {"n_exc": 3, "rates": {"spiny": 5.0}}, "recordings": {"noise_level": 8.0}}


def config(**recordings):
    return {"libraries": LIBRARIES, "recordings": {"still": STILL} | recordings}


def load(**recordings):
    return load_settings(config(**recordings)).recordings


def message(**recordings):
    """Return the error of a configuration, which is one line."""
    with pytest.raises(UserError) as caught:
        load(**recordings)
    text = str(caught.value)
    assert text.startswith("config: recordings") and "\n" not in text
    return text.removeprefix("config: recordings").removeprefix(".")


def test_a_recording_like_another_differs_in_its_changes_alone():
    given = config(moving={"like": "still", "recordings": {"filter": False}, "spiketrains": {"rates": {"aspiny": 9.0}}})
    before = copy.deepcopy(given)
    found = load_settings(given).recordings
    assert given == before
    still, moving = (found[name].model_dump() for name in ("still", "moving"))
    assert moving.pop("stream")["recording"] == "still" and still.pop("stream")["recording"] == "still"
    assert moving["recordings"].pop("filter") is False and still["recordings"].pop("filter") is True
    assert moving["spiketrains"].pop("rates") == {"spiny": 5.0, "aspiny": 9.0}
    assert still["spiketrains"].pop("rates") == {"spiny": 5.0}
    assert moving == still


def test_likeness_is_handed_on_whatever_the_order_of_recordings():
    found = load(
        c={"like": "b", "recordings": {"noise_level": 1.0}}, b={"like": "still", "seeds": {"noise": 7}, "cell_types": {}}
    )
    assert found["c"].stream.recording == found["b"].stream.recording == "still"
    assert found["c"].seeds.noise == 7 and found["c"].spiketrains.n_exc == 3 and found["c"].recordings.noise_level == 1


def test_movements_of_the_other_recording_are_replaced_by_a_list_of_movements():
    moving = {"like": "still", "recordings": {"drifting": True, "slow_drift_velocity": 9.0}}
    several = [{"drift_mode_speed": "fast"}, {"drift_mode_speed": "random-walk"}]
    found = load(moving=moving, more={"like": "moving", "recordings": {"drift_dicts": several}})
    assert [movement.drift_mode_speed for movement in found["more"].recordings.drift_dicts] == ["fast", "random-walk"]
    assert found["more"].recordings.drifting


@pytest.mark.parametrize(("library", "choosing"), [("near", None), ("other", "near"), ("third", "near"), ("alone", None)])
def test_units_are_chosen_in_the_library_of_the_other_recording_if_the_poses_are_the_same(library, choosing):
    found = load(second={"like": "still", "library": library}, back={"like": "second", "library": "near"})
    assert found["second"].choosing_library == choosing
    assert found["back"].choosing_library is None and found["still"].choosing_library is None


def test_libraries_of_a_grid_share_their_units():
    plain = {key: value for key, value in STILL.items() if key != "library"}
    found = load(two={**plain, "grid": {"library": ["other", "near", "alone"]}})
    assert [found[f"two-library={name}"].choosing_library for name in ("other", "near", "alone")] == [None, "other", None]


GRID = {"recordings.noise_level": [5, 7.5, 20.0], "spiketrains.n_exc": [4, 6]}


def test_grid_and_replicates_become_recordings_with_names_and_a_table():
    study = {"like": "still", "replicates": {"n": 12, "vary": ["spikes", "noise"]}, "grid": GRID}
    given = config(study=study)
    found, rows = load_settings(given).recordings, expand_recordings(given)[1]["study"].rows
    assert len(found) == 1 + 3 * 2 * 12 and list(found)[1:] == list(rows)
    assert expand_recordings(given)[1]["study"].factors == ("noise_level", "n_exc")
    for name, row in rows.items():
        recording = found[name]
        level = f"{row['noise_level']:g}"
        assert name == f"study-noise_level={level}-n_exc={row['n_exc']}-{row['replicate']:02d}"
        assert (recording.recordings.noise_level, recording.spiketrains.n_exc) == (row["noise_level"], row["n_exc"])
        assert (recording.stream.recording, recording.stream.replicate) == ("still", row["replicate"])
        assert recording.stream.vary == ["spikes", "noise"]
    assert len({tuple(row.values()) for row in rows.values()}) == len(rows)


def test_what_is_saved_is_a_configuration_of_the_same_recordings():
    """All defaults are filled in, and everything is expanded; it can be expanded again, to the same."""
    given = config(study={"like": "still", "replicates": {"n": 2}, "grid": GRID})
    settings = load_settings(given)
    dumped = json.loads(json.dumps(settings.model_dump(mode="json")))
    assert load_settings(dumped) == settings
    plain, _ = expand_recordings(given)
    assert expand_recordings(plain) == (plain, {})
    assert not {"like", "grid", "replicates"} & dumped["recordings"]["study-noise_level=5-n_exc=4-01"].keys()


def test_a_study_like_another_study_is_the_same_recordings_with_changes():
    found = load(
        study={**STILL, "grid": GRID, "replicates": {"n": 2}}, raw={"like": "study", "recordings": {"filter": False}},
        single={"like": "study", "grid": None, "replicates": None},
    )  # fmt: skip
    assert len(found) == 1 + 12 + 12 + 1
    for name, recording in found.items():
        if name.startswith("raw-"):
            other = found[name.replace("raw", "study")]
            assert recording.stream == other.stream and not recording.recordings.filter
    assert found["single"].stream.recording == "study" and found["single"].stream.replicate is None


@pytest.mark.parametrize(
    ("grid", "names"),
    [
        ({"recordings.filter": [True, False]}, ["filter=true", "filter=false"]),
        ({"recordings.filter_cutoff": [[300, 6000], 300.5]}, ["filter_cutoff=300-6000", "filter_cutoff=300.5"]),
        ({"recordings.fs": [None, 24000.0]}, ["fs=null", "fs=24000"]),
        ({"recordings.noise_mode": ["uncorrelated", "distance-correlated"]}, None),
        ({"spiketrains.rates": [{"spiny": 3}, [1, 1, 1, 2, 2]]}, ["rates=spiny_3", "rates=1-1-1-2-2"]),
        ({"spiketrains.rates.spiny": [3, 4]}, ["spiny=3", "spiny=4"]),
        ({"templates.zlim": [[-50, 50]]}, ["zlim=-50-50"]),
        ({"recordings.slow_drift_velocity": [5, 10]}, ["slow_drift_velocity=5", "slow_drift_velocity=10"]),
        ({"seeds.noise": [1, 2]}, ["noise=1", "noise=2"]),
        ({"recordings.drift_dicts": [[{"drift_mode_speed": "fast"}]]}, ["drift_dicts=drift_mode_speed_fast"]),
        (
            {"templates.min_amp": [30], "recordings.far_neurons_min_amp": [0], "recordings.min_amp": []},
            None,
        ),
    ],
    ids=str,
)
def test_values_of_every_kind_make_names(grid, names):
    if not all(grid.values()):
        assert "[] must be a list of one value or more" in message(s={"like": "still", "grid": grid})
        return
    found = [name.removeprefix("s-") for name in load(s={"like": "still", "grid": grid}) if name != "still"]
    ((key, values),) = grid.items()
    assert found == (names or [f"{key.rpartition('.')[2]}={value}" for value in values])


def test_a_factor_may_lie_in_a_list_of_movements():
    moving = {"like": "still", "recordings": {"drift_dicts": [{}, {"drift_mode_speed": "fast"}]}}
    found = load(s=moving | {"grid": {"recordings.drift_dicts.1.fast_drift_period": [3, 7]}})
    movements = found["s-fast_drift_period=7"].recordings.drift_dicts
    assert [movement.fast_drift_period for movement in movements] == [10, 7] and movements[1].drift_mode_speed == "fast"


def test_blocks_of_a_grid_are_merged_as_those_of_like():
    """A level names some keys of a block; the others stay as they are."""
    base = {"like": "still", "recordings": {"noise_level": 17.0}}
    found = load(s=base | {"grid": {"recordings": [{"filter": True}, {"filter": False, "noise_level": 3.0}]}})
    assert [(r.recordings.filter, r.recordings.noise_level) for name, r in found.items() if name != "still"] == [
        (True, 17.0),
        (False, 3.0),
    ]


def test_factors_with_the_same_last_word_have_their_whole_key_in_names():
    found = load(s={"like": "still", "grid": {"spiketrains.rates.spiny": [3], "spiketrains.process.spiny": ["gamma"]}})
    assert list(found)[1] == "s-spiketrains.rates.spiny=3-spiketrains.process.spiny=gamma"


LIKE = {"like": "still"}
MISTAKES = {
    "unknown": ({"a": {"like": "stills"}}, "a.like: 'stills' is not in `recordings`; did you mean 'still'? known are still, a"),
    "itself": ({"a": {"like": "a"}}, "a.like: 'a' is the recording itself"),
    "circle": ({"a": {"like": "b"}, "b": {"like": "c"}, "c": {"like": "a"}}, "c.like: goes round in a circle, a like b"),
    "circle behind": ({"a": {"like": "b"}, "b": {"like": "c"}, "c": {"like": "b"}}, "c.like: goes round in a circle, b like c"),
    "no name": ({"a": {"like": 3}}, "a.like: 3 must be a string"),
    "unknown factor": (
        {"a": LIKE | {"grid": {"recordings.noise_levl": [1]}}},
        "a.grid: 'recordings.noise_levl' is no key of a recording; did you mean 'recordings.noise_level'? keys of",
    ),
    "key of a library": (
        {"a": LIKE | {"grid": {"libraries.near.n": [1]}}},
        "a.grid: 'libraries.near.n' is no key of a recording; make a library for each value, and let the grid vary `library`",
    ),
    "probe": (
        {"a": LIKE | {"grid": {"probe": ["tetrode"]}}},
        "a.grid: 'probe' is no key of a recording; make a library for each value, and let the grid vary `library`; keys of",
    ),
    "bare key": (
        {"a": LIKE | {"grid": {"n_exc": [1]}}},
        "a.grid: 'n_exc' is no key of a recording; did you mean 'spiketrains.n_exc'? keys of",
    ),
    "unknown block": ({"a": LIKE | {"grid": {"noise.level": [1]}}}, "a.grid: 'noise.level' is no key of a recording; keys"),
    "factor that makes recordings": ({"a": LIKE | {"grid": {"like": ["still"]}}}, "a.grid: 'like' cannot be a factor"),
    "no list": ({"a": LIKE | {"grid": {"recordings.noise_level": 5}}}, "a.grid.recordings.noise_level: 5 must be a list"),
    "factor in another": (
        {"a": LIKE | {"grid": {"recordings.noise_level": [5, 10], "recordings": [{"filter": True}]}}},
        "a.grid: 'recordings.noise_level' lies in 'recordings', so one would replace the other; name one of them",
    ),
    "twice": (
        {"a": LIKE | {"grid": {"recordings.noise_level": [5, 6, 5.0]}}},
        "a.grid.recordings.noise_level: 5 has the same name as another value, 5",
    ),
    "bad value": (
        {"a": LIKE | {"grid": {"recordings.noise_level": [5, -1]}}},
        "a-noise_level=-1.recordings.noise_level: -1 must be greater than or equal to 0",
    ),
    "thousand": (
        {"a": LIKE | {"grid": {"spiketrains.n_exc": [*range(20)], "recordings.mrand": [1, 2]}, "replicates": {"n": 25}}},
        "a: makes 1000 recordings (20 x 2 x 25 replicates), more than 999",
    ),
    "billion": ({"a": LIKE | {"replicates": {"n": 10**9}}}, "a.replicates.n: 1000000000 must be less than or equal to"),
    "none": ({"a": LIKE | {"replicates": {"n": 0}}}, "a.replicates.n: 0 must be greater than 0"),
    "no number": ({"a": LIKE | {"replicates": {}}}, "a.replicates.n: missing"),
    "unknown part": ({"a": LIKE | {"replicates": {"n": 2, "vary": ["nose"]}}}, "a.replicates.vary.0: 'nose' must be 'units',"),
    "no part": ({"a": LIKE | {"replicates": {"n": 2, "vary": []}}}, "a.replicates.vary: [] must be at least 1 long"),
    "part twice": (
        {"a": LIKE | {"replicates": {"n": 2, "vary": ["noise", "noise"]}}},
        "a.replicates.vary: ['noise', 'noise'] must not name a part twice",
    ),
    "part that is not drawn": (
        {"a": LIKE | {"replicates": {"n": 2, "vary": ["spikes", "drift"]}}},
        "a.replicates.vary: 'drift' is not drawn at random here, so that all replicates would be the same; drawn are units, "
        "spikes, gains, noise",
    ),
    "long name": (
        {"a" * 180: LIKE | {"grid": {"recordings.color_peak": [300], "recordings.far_neurons_exc_inh_ratio": [0.5]}}},
        "a: makes a recording whose name has 225 characters, aaa",
    ),
    "long name of one": ({"a" * 201: LIKE}, ": a recording's name has 201 characters, aaa"),
    "taken name": (
        {"a": LIKE | {"replicates": {"n": 1}}, "a-01": LIKE},
        "a: makes 'a-01', which is the name of another recording",
    ),
    "name of the folder": ({"studies": LIKE, "a": LIKE | {"replicates": {"n": 1}}}, "studies: is where the tables of"),
    "seed": ({"a": LIKE | {"seeds": {"noise": -1}}}, "a.seeds.noise: -1 must be greater than or equal to 0"),
    "unknown seed": ({"a": LIKE | {"seeds": {"nois": 1}}}, "a.seeds.nois: unknown key; did you mean 'noise'?"),
    "seed twice": ({"a": LIKE | {"seeds": {"spiketrains": 1, "spikes": 1}}}, "a.seeds.spiketrains: is MEArec's name of spikes"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line_with_its_place_and_what_is_right(name):
    recordings, expected = MISTAKES[name]
    assert message(**recordings).removeprefix("a" * 179).startswith(expected)


UNDRAWN = {
    "units": ({"templates": {"template_ids": [0, 1, 2, 3, 4]}}, {}),
    "spikes": ({"spiketrains": {"n_exc": 0, "n_inh": 0}}, {}),
    "gains": ({"recordings": {"modulation": "none", "bursting": True}}, {"bursting": True, "n_bursting": 1}),
    "noise": ({"recordings": {"noise_level": 0.0}}, {}),
    "drift": ({"recordings": {"drifting": True}}, {"drifting": True, "drift_mode_speed": "fast"}),
}


@pytest.mark.parametrize("part", UNDRAWN)
def test_replicates_vary_what_is_drawn_at_random(part):
    undrawn, signal = UNDRAWN[part]
    replicates = {"replicates": {"n": 2, "vary": [part]}}
    assert message(a=LIKE | undrawn | replicates).startswith(f"a.replicates.vary: '{part}' is not drawn")
    assert len(load(a=LIKE | {"recordings": signal} | replicates)) == 3
    # One recording of a grid that draws it is enough, and without names all parts vary.
    grid = {"grid": {"recordings.noise_level": [0, 5]}}
    assert len(load(a=LIKE | grid | {"replicates": {"n": 2, "vary": ["noise"]}})) == 5
    assert len(load(a=LIKE | undrawn | {"replicates": {"n": 2}})) == 3


def test_mearecs_seeds_are_understood():
    theirs = load(a=LIKE | {"seeds": {"spiketrains": 1, "templates": 2, "convolution": 3, "noise": None}})["a"].seeds
    assert theirs.model_dump() == {"units": 2, "spikes": 1, "gains": 3, "noise": None, "drift": None}
    both = load(a=LIKE | {"seeds": {"spiketrains": 1}}, b={"like": "a", "seeds": {"spikes": 2}})
    assert both["b"].seeds.spikes == 2


def test_editors_accept_recordings_like_others():
    schema = json.loads((ROOT / "config" / "schema.json").read_text())
    given = config(s={"like": "still", "grid": GRID, "replicates": {"n": 2, "vary": ["noise"]}, "seeds": {"units": 1}})
    jsonschema.validate(given, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config(s={"spiketrains": {}}), schema)
