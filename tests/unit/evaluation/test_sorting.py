"""The comparison of sorters with the ground truth: made-up sortings with known scores, and real sorters that fail."""

import json

import numpy as np
import pytest
import spikeinterface.core as si
from spikeinterface.comparison import compare_sorter_to_ground_truth

from allenrec.common.errors import DamagedFile
from allenrec.common.files import write_table
from allenrec.evaluation import sorting
from allenrec.evaluation.tables import COLUMNS, SortedUnits, SorterRun, read_table, unit_table
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording, provenance
from allenrec.recordings.plan import plan_recording
from allenrec.settings.recordings import Recording

UNITS = {"n_exc": 3, "n_inh": 2}


def make(path, library, duration=10.0, noise=10.0, **trains):
    settings = {
        "library": "test",
        "spiketrains": {"duration": duration, **(trains or UNITS)},
        "templates": {"min_dist": 10.0},
        "recordings": {"noise_level": noise},
    }
    settings = Recording.model_validate(settings)
    plan = plan_recording(library, settings, seed=0, name="test")
    origin = provenance(settings.model_dump(mode="json"), seed=0, name="test", digests={"library": "0" * 64})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mearec(path, GeneratedRecording(plan, library, settings, origin))
    return path


@pytest.fixture(scope="module")
def path(library, tmp_path_factory):
    return make(tmp_path_factory.mktemp("evaluation") / "demo" / "recording.h5", library)


@pytest.fixture(scope="module")
def recording(path):
    with read_recording(path) as recording:
        yield recording


@pytest.fixture(scope="module")
def noise_only(library, tmp_path_factory):
    return make(tmp_path_factory.mktemp("evaluation") / "noise" / "recording.h5", library, 2.0, n_exc=0, n_inh=0)


def made_up(recording):
    """Return a sorting with known mistakes: unit 0 is found as it is, 1 without every fourth spike, 2 with half as many false
    spikes as it has, 3 in two parts, 4 not at all, and one unit is nothing but noise."""
    trains = [np.asarray(train) for train in recording.spike_trains]
    taken = np.concatenate(trains)
    free = np.array([k for k in range(200, len(recording.traces) - 200, 100) if np.abs(taken - k).min() > 60])
    half = len(trains[2]) // 2
    found = {
        "same": trains[0] + 3,  # 0.1 ms late
        "three quarters": np.delete(trains[1], np.s_[::4]),
        "with false ones": np.sort(np.concatenate([trains[2], free[:half]])),
        "first part": trains[3][: 2 * len(trains[3]) // 3],
        "second part": trains[3][2 * len(trains[3]) // 3 :],
        "noise": free[half : half + 40],
    }
    return si.NumpySorting.from_unit_dict([found], recording.sampling_frequency)


def test_scores_are_those_that_the_sorting_was_made_to_have(recording):
    performance, counts = sorting.compare(recording, made_up(recording))
    n = [len(train) for train in recording.spike_trains]
    missed, part, false = -(-n[1] // 4), 2 * n[3] // 3, n[2] // 2
    assert list(performance["sorted_unit"]) == ["same", "three quarters", "with false ones", "first part", ""]
    # Counts may differ by one where another unit's spike happens to be within the tolerance.
    expected = [1.0, (n[1] - missed) / n[1], n[2] / (n[2] + false), part / n[3], 0.0]
    np.testing.assert_allclose(performance["accuracy"], expected, atol=0.02)
    np.testing.assert_allclose(performance["precision"], [1, 1, n[2] / (n[2] + false), 1, 0], atol=0.02)
    np.testing.assert_allclose(performance["recall"], [1, (n[1] - missed) / n[1], 1, part / n[3], 0], atol=0.02)
    assert counts == SortedUnits(n_sorted=6, n_false_units=1, n_redundant=1, n_merged=0)


def test_table_is_that_of_spikeinterface_and_of_the_recording(recording, path):
    """The scores are those of SpikeInterface's own comparison with the ground truth that its MEArec reader gives."""
    from spikeinterface.extractors import read_mearec

    found = made_up(recording)
    _, truth = read_mearec(path)
    theirs = compare_sorter_to_ground_truth(truth, found, exhaustive_gt=True).get_performance().reset_index(drop=True)
    performance, counts = sorting.compare(recording, found)
    table = unit_table(recording, performance, SorterRun("demo", "made up", "1", 2.5), counts)
    for column in ("accuracy", "precision", "recall"):
        np.testing.assert_allclose(table[column], theirs[column].astype(float))
    assert tuple(table) == COLUMNS and set(table["status"]) == {"ok"}
    for column in ("cell_type", "model_id", "snr", "snr_filtered", "n_spikes"):
        assert list(table[column]) == list(recording.units[column])
    np.testing.assert_allclose(table["rate_Hz"], [len(train) / 10.0 for train in recording.spike_trains])
    assert list(table["n_found"] + table["n_missed"]) == list(table["n_spikes"])


def test_spikeinterface_reads_the_traces_of_a_file_also_in_another_process(path, recording):
    extractor = sorting.RecordingFile(path)
    again = si.load(json.loads(json.dumps(si.core_tools.check_json(extractor.to_dict(recursive=True)))))
    for one in (extractor, again):
        assert one.is_filtered() and one.sampling_frequency == 32000 and one.get_num_channels() == 32
        np.testing.assert_array_equal(
            one.get_traces(start_frame=100, end_frame=300, return_in_uV=True), recording.traces[100:300]
        )
        np.testing.assert_allclose(one.get_channel_locations(), recording.channel_positions[:, 1:])


def test_sorter_that_finds_nothing_scores_zero(recording):
    nothing = si.NumpySorting.from_unit_dict([{}], recording.sampling_frequency)
    performance, counts = sorting.compare(recording, nothing)
    assert list(performance["accuracy"]) == [0] * 5 and counts.n_sorted == 0
    assert list(performance["n_missed"]) == [len(train) for train in recording.spike_trains]


def test_recording_without_units_has_one_row_that_says_so(noise_only, tmp_path):
    with read_recording(noise_only) as recording:
        found = si.NumpySorting.from_unit_dict([{"a": np.arange(100, 5000, 100)}], recording.sampling_frequency)
        performance, counts = sorting.compare(recording, found)
        table = unit_table(recording, performance, SorterRun("noise", "made up"), counts)
    write_table(tmp_path / "table.csv", table)
    (row,) = read_table(tmp_path / "table.csv").to_dict("records")
    assert row["status"] == "no units" and row["n_sorted"] == row["n_false_units"] == 1 and np.isnan(row["accuracy"])


def test_sorters_that_fail_leave_a_row_with_their_message(path, tmp_path):
    """One sorter is not installed, one refuses its parameters, one crashes in the middle."""
    cases = {
        "kilosort3": ({}, "not installed"),
        "simple": ({"no_such_parameter": 1}, "no_such_parameter"),
        "spykingcircus2": ({"filtering": {"freq_min": 5000, "freq_max": 20.0}}, "Wn"),
    }
    for sorter, (parameters, expected) in cases.items():
        (row,) = sorting.evaluate(path, sorter, parameters, tmp_path / "work").to_dict("records")
        assert row["status"] == "failed" and row["sorter"] == sorter and row["recording"] == "demo"
        assert expected in row["message"] and "\n" not in row["message"] and "Traceback" not in row["message"]
        assert not (tmp_path / "work").exists()


DAMAGES = {
    "no file": lambda data: None,
    "empty": lambda data: b"",
    "cut": lambda data: data[:-1],
    "another kind": lambda data: b"model_id\n4711\n",
    "traces": lambda data: data[: 7 * len(data) // 8] + bytes([data[7 * len(data) // 8] ^ 1]) + data[7 * len(data) // 8 + 1 :],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_recording_leaves_a_row_that_names_it(name, path, tmp_path):
    """The other recordings of the job are sorted all the same."""
    damaged = tmp_path / "demo" / "recording.h5"
    damaged.parent.mkdir()
    if (content := DAMAGES[name](path.read_bytes())) is not None:
        damaged.write_bytes(content)
    (row,) = sorting.evaluate(damaged, "simple", {}, tmp_path / "work").to_dict("records")
    assert (row["status"], row["recording"]) == ("failed", "demo") and not (tmp_path / "work").exists()
    reason = ": there is no such recording file" if name == "no file" else " is not a valid recording file ("
    assert row["message"].startswith(f"{damaged}{reason}")


def test_damage_that_only_the_comparison_meets_leaves_a_row_too(path, tmp_path, monkeypatch):
    def refused(recording, found):
        raise DamagedFile(f"{path} is not a valid recording file (spikes); delete it and run again")

    monkeypatch.setattr(sorting, "run_sorter", lambda *_, **__: si.NumpySorting.from_unit_dict([{}], 32000.0))
    monkeypatch.setattr(sorting, "compare", refused)
    (row,) = sorting.evaluate(path, "simple", {}, tmp_path / "work").to_dict("records")
    assert row["status"] == "failed" and row["message"].startswith(f"{path} is not a valid recording file")


def test_reason_is_the_last_line_of_the_trace():
    trace = "Spike sorting error trace:\nTraceback (most recent call last):\n  File 'x', line 1\nValueError: no peaks\n"
    assert sorting.reason(RuntimeError(f"{trace}Spike sorting failed. You can inspect x.")) == "ValueError: no peaks"
    assert sorting.reason(KeyError("a")) == "KeyError: 'a'"
