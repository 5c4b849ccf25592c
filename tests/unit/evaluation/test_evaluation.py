"""What a sorter found, held against the ground truth: made-up sortings with known scores, and real sorters that fail."""

import json
import os
import signal
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import spikeinterface.core as si
from spikeinterface.comparison import compare_sorter_to_ground_truth
from spikeinterface.sorters import available_sorters

from allenrec.common.errors import UserError
from allenrec.evaluation import sorting
from allenrec.evaluation import tables as evaluation
from allenrec.evaluation.tables import (
    COLUMNS,
    failed_table,
    read_table,
    run_sorters,
    summary,
    unit_table,
    write_table,
)
from allenrec.figures.evaluation import accuracy
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import provenance, read_recording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.traces.blocks import blocks
from allenrec.settings import load_settings
from allenrec.settings.evaluation import SORTERS
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
    write_mearec(path, plan, blocks(plan), library, settings, provenance=origin)
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
    """A sorting with known mistakes: unit 0 found as it is, 1 without every fourth spike, 2 with as many false ones as it has
    and more, 3 in two parts, 4 not at all, and a unit of nothing but noise."""
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
    assert counts == {"n_sorted": 6, "n_false_units": 1, "n_redundant": 1, "n_merged": 0}


def test_table_is_that_of_spikeinterface_and_of_the_recording(recording, path):
    """SpikeInterface's own comparison with the ground truth that its MEArec reader gives."""
    from spikeinterface.extractors import read_mearec

    found = made_up(recording)
    _, truth = read_mearec(path)
    theirs = compare_sorter_to_ground_truth(truth, found, exhaustive_gt=True).get_performance().reset_index(drop=True)
    performance, counts = sorting.compare(recording, found)
    run = {"recording": "demo", "sorter": "made up", "sorter_version": "1", "duration_s": 2.5}
    table = unit_table(recording, performance, run | counts)
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
    assert list(performance["accuracy"]) == [0] * 5 and counts["n_sorted"] == 0
    assert list(performance["n_missed"]) == [len(train) for train in recording.spike_trains]


def test_recording_without_units_has_one_row_that_says_so(noise_only, tmp_path):
    with read_recording(noise_only) as recording:
        found = si.NumpySorting.from_unit_dict([{"a": np.arange(100, 5000, 100)}], recording.sampling_frequency)
        performance, counts = sorting.compare(recording, found)
        table = unit_table(recording, performance, {"recording": "noise", "sorter": "made up"} | counts)
    write_table(tmp_path / "table.csv", table)
    (row,) = read_table(tmp_path / "table.csv").to_dict("records")
    assert row["status"] == "no units" and row["n_sorted"] == row["n_false_units"] == 1 and np.isnan(row["accuracy"])


def test_units_without_spikes_have_no_scores():
    units = pd.DataFrame({"cell_type": ["spiny"] * 2, "bintype": "E", "model_id": "1", "snr": 5.0, "snr_filtered": 6.0})
    templates = np.zeros((2, 3, 4))
    templates[0, 0], templates[1, 0], templates[1, 1] = -1, -1, -1
    recording = SimpleNamespace(
        units=units.assign(amplitude=50.0), spike_trains=[np.array([5, 9]), np.array([], int)], duration=1.0,
        filtered_templates=templates,
    )  # fmt: skip
    scores = {"sorted_unit": "", "accuracy": 0.5, "precision": 0.5, "recall": 0.5, "n_found": 1, "n_missed": 1, "n_false": 0}
    table = unit_table(recording, pd.DataFrame(scores, index=range(2)), {})
    assert table["accuracy"][0] == 0.5 and table.loc[1, ["accuracy", "precision", "recall"]].isna().all()
    # Two vectors of ones in one and in two channels: an angle of 45 degrees
    np.testing.assert_allclose(table["similarity"], np.sqrt(0.5))


def test_sorters_that_fail_leave_a_row_with_their_message(path, tmp_path):
    """One that is not installed, one that refuses its parameters, one that crashes in the middle."""
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


def test_reason_is_the_last_line_of_the_trace():
    trace = "Spike sorting error trace:\nTraceback (most recent call last):\n  File 'x', line 1\nValueError: no peaks\n"
    assert sorting.reason(RuntimeError(f"{trace}Spike sorting failed. You can inspect x.")) == "ValueError: no peaks"
    assert sorting.reason(KeyError("a")) == "KeyError: 'a'"


def test_process_that_dies_takes_only_its_recording_down(tmp_path, monkeypatch):
    """A stand-in for the program: killed at the second of three recordings, as by a fault in a library of C."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, os, sys\nfrom pathlib import Path\n"
        "for path, table in json.loads(sys.argv[1])['recordings']:\n"
        "    if 'second' in path: os.kill(os.getpid(), 11)\n"
        "    Path(table).write_text(f'{os.getpid()}')\n"
    )
    monkeypatch.setattr(evaluation, "PROGRAM", program)
    pairs = [(tmp_path / name / "recording.h5", tmp_path / f"{name}.csv") for name in ("first", "second", "third", "fourth")]
    pairs[0][1].write_text("of an earlier run")
    run_sorters(sys.executable, "simple", {}, pairs)
    (row,) = read_table(pairs[1][1]).to_dict("records")
    assert row["status"] == "failed" and row["recording"] == "second"
    assert row["message"] == f"its process ended with the signal {signal.Signals(11).name}"
    processes = [table.read_text() for _, table in (pairs[0], pairs[2], pairs[3])]
    assert processes[0].isdigit() and processes[0] != processes[1] == processes[2]


def test_environment_that_lacks_a_package_is_a_mistake_and_leaves_no_table(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text("import sys; sys.exit(3)")
    monkeypatch.setattr(evaluation, "PROGRAM", program)
    with pytest.raises(UserError, match="lacks a package that the sorters need"):
        run_sorters(sys.executable, "simple", {}, [(tmp_path / "a" / "recording.h5", tmp_path / "a.csv")])
    assert not (tmp_path / "a.csv").exists()


def test_sorters_are_here_or_in_the_environment_of_make_evaluate_or_nowhere(tmp_path, monkeypatch):
    assert evaluation.sorters_python() == sys.executable
    monkeypatch.setattr(evaluation, "PACKAGES", ("no_such_package",))
    monkeypatch.setattr(evaluation, "ENVIRONMENT", tmp_path)
    with pytest.raises(UserError, match=r"the sorters are not installed: `make evaluate`.*--sdm conda evaluate") as caught:
        evaluation.sorters_python()
    assert "\n" not in str(caught.value)
    (tmp_path / "bin").mkdir()
    os.symlink(sys.executable, tmp_path / "bin" / "python")
    assert evaluation.sorters_python() == str(tmp_path / "bin" / "python")


def table_of(sorter, **columns):
    row = {"recording": "demo", "sorter": sorter, "status": "ok", "message": "", "unit_id": [0, 1, 2], "cell_type": "spiny"}
    row |= {"bintype": "E", "snr_filtered": [4.0, 6.0, 8.0], "amplitude_uV": [40.0, 60.0, 80.0], "accuracy": [0.3, 0.8, 1.0]}
    return pd.DataFrame(row | {"n_sorted": 4, "n_false_units": 1} | columns).reindex(columns=COLUMNS)


def test_summary_counts_units_and_keeps_the_message():
    rows = summary([table_of("simple"), failed_table("demo", "kilosort4", "no GPU")]).to_dict("records")
    assert (rows[0]["n_units"], rows[0]["n_expected"], rows[0]["n_well_detected"], rows[0]["n_sorted"]) == (3, 2, 2, 4)
    assert rows[0]["accuracy"] == pytest.approx(0.7) and rows[0]["accuracy_expected"] == pytest.approx(0.9)
    assert rows[1]["status"] == "failed" and rows[1]["message"] == "no GPU" and rows[1]["n_units"] == 0


def test_figure_has_a_mark_a_unit_a_panel_a_sorter_and_the_message_of_one_that_failed():
    tables = [table_of("simple"), failed_table("demo", "kilosort4", "no GPU"), table_of("tridesclous2", accuracy=1.0)]
    panels = [axes for axes in accuracy(tables).axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["simple", "kilosort4", "tridesclous2"]
    for axes, table in zip(panels, tables, strict=True):
        marks = [line for line in axes.lines if line.get_marker() in "o^"]
        places = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in marks)
        assert places == sorted(zip(table["snr_filtered"].dropna(), table["accuracy"].dropna(), strict=True))
    assert any("no GPU" in text.get_text() for text in panels[1].texts)
    assert matplotlib.rcParams["font.size"] == matplotlib.rcParamsDefault["font.size"]
    silent = accuracy([table_of("simple", snr_filtered=np.inf)])
    assert silent.axes[0].get_xlabel() == "amplitude (µV)"


def test_sorters_in_the_settings_are_those_of_spikeinterface():
    assert sorted(SORTERS) == sorted(available_sorters())


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"sorters": ["spykingcircus3"]},
            "evaluation.sorters: 'spykingcircus3' is not one of SpikeInterface's; did you mean 'spyki",
        ),
        ({"sorters": []}, "evaluation.sorters: [] must be at least 1 long"),
        ({"sorters": ["simple", "simple"]}, "evaluation.sorters: 'simple' is named twice"),
        (
            {"parameters": {"simple": {}}},
            "evaluation.parameters: 'simple' is not in evaluation.sorters, which has spykingcircus2",
        ),
        ({"parameters": {"simple": 3}}, "evaluation.parameters: 3 must be a block of keys"),
        ({"sorter": []}, "evaluation.sorter: unknown key; did you mean 'sorters'?"),
    ],
)
def test_mistakes_in_the_settings_are_one_line(block, expected):
    with pytest.raises(UserError) as caught:
        load_settings({"libraries": {"a": {"probe": "tetrode"}}, "evaluation": block})
    assert expected in str(caught.value) and "\n" not in str(caught.value)
