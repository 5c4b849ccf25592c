"""Recordings that differ in one thing: what they share is equal to the bit, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from made_library import made_library

from allenrec.common.errors import UserError
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.streams import streams_of
from allenrec.recordings.traces.blocks import blocks, piece
from allenrec.settings import load_settings
from allenrec.settings.recordings import Recording

LIBRARIES = {
    "near": {"probe": "Neuronexus-32", "drifting": True},
    "other": {"probe": "tetrode", "poses_from": "near"},
}


@pytest.fixture(scope="module")
def plan_all(tmp_path_factory):
    """Return a function that plans recordings `a`, as given, and others that are like it."""
    folder = tmp_path_factory.mktemp("libraries")
    libraries = {
        name: made_library(folder / f"{name}.h5", LIBRARIES[name]["probe"], scale)
        for name, scale in (("near", 3000), ("other", 1e5))
    }
    base = {
        "library": "near",
        "spiketrains": {"duration": 3.0, "n_exc": 4, "n_inh": 3},
        "templates": {"min_dist": 1.0, "min_amp": 40.0, "max_amp": 500.0},
        "recordings": {"modulation": "electrode"},
    }

    def plans(own, **changes):
        config = {"libraries": LIBRARIES, "recordings": {"a": {**base, **own}} | changes}
        return {
            name: plan_recording(
                libraries[chosen.library],
                chosen,
                seed=3,
                name=name,
                choosing_library=chosen.choosing_library and libraries[chosen.choosing_library],
            )
            for name, chosen in load_settings(config).recordings.items()
        }

    return plans


def parts(plan):
    """Return what is drawn at random for each part of a recording."""
    return {
        "units": plan.template_ids,
        "spikes": np.concatenate(plan.ticks),
        "gains": np.concatenate([gains[:].ravel() for gains in plan.gains]),
        "noise": plan.noise.draw(0, 3000),
        "drift": plan.unit_drift and np.stack([plan.unit_drift.drift.of_unit(unit) for unit in range(len(plan.units))]),
    }


def differing(one, other):
    """Return the parts in which two recordings differ."""
    first, second = parts(one), parts(other)
    return {part for part in first if not np.array_equal(first[part], second[part])}


def traces(plan):
    return np.concatenate([block.copy() for block in blocks(plan)])


MOVING = {"drifting": True, "drift_mode_speed": "random-walk", "random_walk_deviation": 5.0}


def test_a_still_and_a_drifting_recording_have_the_same_neurons_spikes_and_noise(plan_all):
    found = plan_all({}, b={"like": "a", "recordings": MOVING})
    assert differing(found["a"], found["b"]) == {"drift"}
    assert not np.array_equal(traces(found["a"]), traces(found["b"]))
    # A unit that does not move adds the same: the movement is all that differs.
    held = found["b"].unit_drift
    still = replace(found["b"], unit_drift=replace(held, displacements=[0 * d for d in held.displacements]))
    np.testing.assert_allclose(traces(still), traces(found["a"]), atol=1e-3)


def test_a_raw_recording_is_the_filtered_one_before_the_filter(plan_all):
    found = plan_all({}, raw={"like": "a", "recordings": {"filter": False}})
    assert not differing(found["a"], found["raw"])
    assert np.array_equal(traces(replace(found["a"], filter=None)), traces(found["raw"]))
    assert not np.array_equal(traces(found["a"]), traces(found["raw"]))


@pytest.mark.parametrize("mode", ["uncorrelated", "distance-correlated", "far-neurons"])
def test_noise_of_another_level_is_the_same_noise_scaled(mode, plan_all):
    """The factors 2 and 1/2 are exact in binary; for any other, numbers are rounded again."""
    far = {"noise_mode": mode, "far_neurons_n": 8, "far_neurons_max_amp": 40.0}
    levels = {f"level{level:g}": {"like": "a", "recordings": {"noise_level": level}} for level in (5.0, 20.0, 13.0)}
    found = plan_all({"recordings": far}, **levels)
    noise = {name: plan.noise.draw(0, 40_000) for name, plan in found.items()}
    for name, factor in (("level5", 0.5), ("level20", 2.0), ("level13", 1.3)):
        assert differing(found["a"], found[name]) == {"noise"}
        np.testing.assert_allclose(noise[name], factor * noise["a"], rtol=0, atol=1e-6 * np.abs(noise["a"]).max())
        if mode == "uncorrelated" and factor != 1.3:
            assert np.array_equal(noise[name], np.float32(factor) * noise["a"])


def test_the_same_session_on_two_probes(plan_all):
    """Units are chosen by their amplitudes in the first library; in the second, most of them are beyond `max_amp`."""
    found = plan_all({"recordings": MOVING}, b={"like": "a", "library": "other", "recordings": {}})
    a, b = found["a"], found["b"]
    assert differing(a, b) == {"noise"}  # which belongs to the channels
    assert (a.n_channels, b.n_channels) == (32, 4)
    assert (b.units["amplitude"] > 500).any() and (a.units["amplitude"] < 500).all()
    assert a.units["model_id"].tolist() == b.units["model_id"].tolist()
    assert a.units[["x", "y", "z"]].equals(b.units[["x", "y", "z"]])


def test_units_of_another_library_need_its_poses(plan_all, tmp_path):
    library = made_library(tmp_path / "near.h5", "Neuronexus-32", 3000)
    other = replace(library, rotations=library.rotations + 1)
    chosen = Recording(library="near", stream={"library": "other"})
    with pytest.raises(UserError, match=r"recordings.b: units are chosen in other, but near does not have the same poses"):
        plan_recording(library, chosen, seed=0, name="b", choosing_library=other)


@pytest.mark.parametrize("kind", ["n_exc", "n_inh"])
def test_more_units_are_added_and_those_before_stay(kind, plan_all):
    more = {"n_exc": 4, "n_inh": 3} | {kind: 6}
    found = plan_all({}, b={"like": "a", "spiketrains": more})
    a, b = found["a"], found["b"]
    kept = [*range(4), *range(more["n_exc"], more["n_exc"] + 3)]
    assert len(b.units) == sum(more.values()) and np.array_equal(b.template_ids[kept], a.template_ids)
    for unit, same in enumerate(kept):
        assert np.array_equal(a.ticks[unit], b.ticks[same]) and np.array_equal(a.gains[unit][:], b.gains[same][:])
    assert np.array_equal(a.noise.draw(0, 100), b.noise.draw(0, 100))
    added = [unit for unit in range(len(b.units)) if unit not in kept]
    without = replace(b, ticks=[ticks[:0] if unit in added else ticks for unit, ticks in enumerate(b.ticks)])
    np.testing.assert_allclose(piece(without, 0, 20_000), piece(a, 0, 20_000), atol=1e-3)


PARTS = ("units", "spikes", "gains", "noise", "drift")
#: Parts that follow from another one: other units have other paths, and other spikes other gains
FOLLOW = {"units": set(), "spikes": {"gains"}, "gains": set(), "noise": set(), "drift": set()}


@pytest.mark.parametrize("part", PARTS)
def test_a_replicate_and_a_seed_change_their_part_alone(part, plan_all):
    study = {"like": "a", "replicates": {"n": 2, "vary": [part]}}
    found = plan_all({"recordings": MOVING}, study=study, seeded={"like": "a", "seeds": {part: 7}})
    first, second = found["study-01"], found["study-02"]
    assert differing(first, second) == differing(found["a"], first) == differing(found["a"], found["seeded"]) == {
        part,
        *FOLLOW[part],
    }  # fmt: skip


def test_equal_seeds_make_equal_parts_in_recordings_of_any_name(plan_all):
    seeds = {"seeds": {"units": 1, "spikes": 2, "gains": 3, "noise": 4, "drift": 5}}
    found = plan_all({"recordings": MOVING} | seeds, b={"like": "a", "stream": {"recording": "elsewhere"}})
    assert not differing(found["a"], found["b"])
    assert np.array_equal(traces(found["a"]), traces(found["b"]))


def test_streams_without_settings_are_those_of_the_name():
    """As in all versions before: results stay the same."""
    plain = Recording(library="near")
    streams = streams_of(plain, seed=3, name="demo")
    assert {getattr(streams, part) for part in PARTS} == {(3, "recording", "demo")}
    mine = plain.model_copy(update={"seeds": plain.seeds.model_copy(update={"noise": 9})})
    assert streams_of(mine, seed=3, name="demo").noise == streams_of(mine, seed=4, name="other").noise != streams.noise
    assert streams_of(mine, seed=3, name="demo").units == streams.units
