"""The description of spikes and units in a file, against the spikes themselves and MEArec's readers."""

import MEArec
import numpy as np
import pytest

from allenrec.common.errors import UserError
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.units.similarity import largest_similarity
from allenrec.settings.recordings import Recording


def settings(trains=(), templates=(), signal=()):
    return Recording.model_validate(
        {
            "library": "test",
            "spiketrains": {"duration": 4.0, "n_exc": 4, "n_inh": 3} | dict(trains),
            "templates": {"min_dist": 5.0} | dict(templates),
            "recordings": {"noise_level": 0.0, "filter": False} | dict(signal),
        }
    )


def planned(library, **changes):
    return plan_recording(library, settings(**changes), seed=0, name="test")


BUSY = {"duration": 20.0, "process": {"spiny": "burst", "aspiny": "gamma"}, "rates": {"spiny": 15.0}, "t_start": 2.0}
OVERLAPPING = {"n_overlap_pairs": 4, "overlap_threshold": 0.7}


@pytest.fixture(scope="module")
def written(library, tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "recording.h5"
    chosen = settings(BUSY, OVERLAPPING, {"sync_rate": 0.05})
    plan = plan_recording(library, chosen, seed=0, name="test")
    write_mearec(path, GeneratedRecording(plan, library, chosen, {"config": {}}))
    return path, plan


def test_units_say_what_was_asked_of_them_and_what_they_do(written):
    with read_recording(written[0]) as recording:
        units, times, bursts = recording.units, recording.spike_times, recording.bursts
    assert units["process"].tolist() == ["burst"] * 4 + ["gamma"] * 3
    assert (units["rate"][:4] == 15).all() and (units["rate"][4:] != 15).all()
    assert (units["n_refractory_violations"] == 0).all()
    for unit, train in enumerate(times):
        assert train.min() >= 2.0 and np.diff(train).min() >= 0.002
        assert units["n_spikes"][unit] == len(train)
        assert units["rate_found"][unit] == pytest.approx(len(train) / 18)
        # Bursts of 3.5 spikes make the variance of a count at most five times its mean.
        assert abs(len(train) - 18 * units["rate"][unit]) < 5 * np.sqrt(5 * 18 * units["rate"][unit])
        assert units["n_bursts"][unit] == len(np.unique(bursts[unit][bursts[unit] >= 0]))
    assert (units["n_bursts"][:4] > 5).all() and (units["n_bursts"][4:] == 0).all()


def test_mearec_reads_the_labels_of_overlaps(written):
    path, _ = written
    loaded = MEArec.load_recordings(path)
    pairs = np.asarray(loaded.info["templates"]["overlapping"])
    assert pairs.shape == (4, 2)
    with read_recording(path) as recording:
        labels = recording.overlap_labels
    # Its own search for pairs, at the sample of the peak, finds no others.
    theirs = MEArec.tools.find_overlapping_templates(loaded.original_templates[:], thresh=0.7)
    assert {tuple(sorted(pair)) for pair in theirs} <= {tuple(pair) for pair in pairs.tolist()}
    for unit, train in enumerate(loaded.spiketrains):
        assert [str(label) for label in train.annotations["overlap"]] == labels[unit].tolist()
        partners = {int(b) for pair in pairs for a, b in (pair, pair[::-1]) if a == unit}
        for time, label in zip(train.times.magnitude, labels[unit], strict=True):
            near = {k for k, t in enumerate(loaded.spiketrains) if k != unit and np.abs(t.times.magnitude - time).min() <= 1e-3}
            assert label == ("STO" if near & partners else "TO" if near else "NO")
    assert {"NO", "TO", "STO"} == set(np.concatenate(labels))
    MEArec.plot_rasters(loaded.spiketrains, overlap=True)


def test_overlapping_pairs_have_their_synchrony(written):
    path, _ = written
    with read_recording(path) as recording:
        times, pairs = recording.spike_times, recording.file["overlap_pairs"]
        for first, second, rate in zip(*(pairs[column][()] for column in ("unit_1", "unit_2", "sync_rate")), strict=True):
            n = sum(np.abs(times[second] - time).min() <= 1e-3 for time in times[first])
            both = len(times[first]) + len(times[second])
            assert n / both == pytest.approx(rate)
            assert n == round(0.05 * both)


@pytest.mark.parametrize("sync_rate", [None, 0.0])
def test_synchrony_changes_no_other_unit(sync_rate, written, library):
    """Units without a partner keep their spikes, and all units keep their numbers of spikes."""
    free = planned(library, trains=BUSY, templates=OVERLAPPING, signal={"sync_rate": sync_rate})
    _, bound = written
    assert free.units["n_spikes"].tolist() == bound.units["n_spikes"].tolist()
    paired = set(bound.overlap_pairs[["unit_1", "unit_2"]].to_numpy().ravel())
    moved = {unit for unit in range(7) if not np.array_equal(free.ticks[unit], bound.ticks[unit])}
    assert moved and moved < paired
    if sync_rate == 0:
        assert (free.overlap_pairs["sync_rate"] == 0).all()
        assert not any((labels == b"STO").any() for labels in free.overlap_labels)


def test_imported_spikes_are_those_of_the_recording(library, tmp_path):
    """Spikes of another recording come out of a file as they went in."""
    drawn = planned(library)
    times = [ticks / drawn.ticks_per_second for ticks in drawn.ticks]
    np.savez(tmp_path / "t.npz", **{f"unit{k}": train for k, train in enumerate(times)})
    given = planned(library, trains={"file": str(tmp_path / "t.npz")})
    for mine, theirs in zip(given.ticks, drawn.ticks, strict=True):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(given.template_ids, drawn.template_ids)
    assert (given.units["process"] == "given").all()
    np.testing.assert_allclose(given.units["rate"], drawn.units["n_spikes"] / 4)
    np.savez(tmp_path / "t.npz", a=np.array([1.0, 1.001, 2.0]))
    short = planned(library, trains={"file": str(tmp_path / "t.npz"), "n_exc": 1, "n_inh": 0})
    assert short.units["n_refractory_violations"].tolist() == [1]
    with pytest.raises(UserError, match=r"1 units, but n_exc \+ n_inh is 7"):
        planned(library, trains={"file": str(tmp_path / "t.npz")})


def test_named_templates_are_the_units(library):
    wanted = [100, 3, 50, 7, 110, 41, 90]  # 80 spiny ones, then 40 aspiny ones
    plan = planned(library, templates={"template_ids": wanted})
    assert plan.template_ids.tolist() == [3, 50, 7, 41, 100, 110, 90]
    assert plan.units["bintype"].tolist() == ["E"] * 4 + ["I"] * 3
    assert plan.units["cell_type"].tolist() == ["spiny"] * 4 + ["aspiny"] * 3
    with pytest.raises(UserError, match=r"templates\.template_ids: 3 are excitatory \['spiny'\], but 4 such units"):
        planned(library, templates={"template_ids": [*wanted[2:], 82, 81]})


def test_no_two_units_of_a_recording_are_too_much_alike(library):
    plan = planned(library, templates={"max_similarity": 0.5})
    templates = library.at_centre(plan.template_ids)
    assert len(templates) == 7
    assert max(largest_similarity(templates[k], np.delete(templates, k, axis=0)) for k in range(7)) <= 0.5
    free = library.at_centre(planned(library).template_ids)
    assert max(largest_similarity(free[k], np.delete(free, k, axis=0)) for k in range(7)) > 0.5


def test_rates_of_a_list_are_those_of_units(library):
    rates = [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0]
    plan = planned(library, trains={"rates": rates, "duration": 100.0})
    assert plan.units["rate"].tolist() == rates
    assert (np.abs(plan.units["n_spikes"] - 100 * np.array(rates)) < 5 * np.sqrt(100 * np.array(rates))).all()


def test_recording_without_units_has_no_pairs(library, tmp_path):
    chosen = settings({"n_exc": 0, "n_inh": 0}, {}, {"noise_level": 5.0, "sync_rate": 0.1})
    plan = plan_recording(library, chosen, seed=0, name="test")
    write_mearec(tmp_path / "r.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    with read_recording(tmp_path / "r.h5") as recording:
        assert recording.overlap_labels == [] and len(recording.file["overlap_pairs/unit_1"]) == 0
    assert len(MEArec.load_recordings(tmp_path / "r.h5").spiketrains) == 0
