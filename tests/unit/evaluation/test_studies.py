"""The evaluation of a study: its table, its statistics, its figure, and the study in SpikeInterface's hands."""

import numpy as np
import pandas as pd
import pytest
from made_library import made_library

from allenrec.common.files import write_table
from allenrec.evaluation.sorter_study import open_sorter_study
from allenrec.evaluation.studies import accuracy_by, read_study, study_table
from allenrec.evaluation.tables import COLUMNS, SorterRun, failed_table
from allenrec.figures.look import sorter_looks
from allenrec.figures.nothing import NothingToDrawError
from allenrec.figures.studies import accuracy
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.settings import load_settings
from allenrec.settings.studies import expand_recordings

N_REPLICATES = 3
CONFIG = {
    "libraries": {"made": {"probe": "tetrode"}},
    "recordings": {
        "s": {
            "library": "made",
            "spiketrains": {"duration": 3.0, "n_exc": 2, "n_inh": 1},
            "templates": {"min_dist": 1.0},
            "grid": {"recordings.noise_level": [20, 10], "recordings.fs": [None]},
            "replicates": {"n": N_REPLICATES, "vary": ["noise"]},
        }
    },
}


def made_accuracy(sorter, level, replicate, unit):
    """Return numbers whose means can be done by head."""
    return 0.9 - 0.02 * level + 0.1 * (sorter == "simple") + 0.01 * (replicate - 2) + 0.001 * (unit - 1)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The table of the evaluation of the study of `CONFIG`: two sorters, three units with an SNR of 3, 6 and 12."""
    folder = tmp_path_factory.mktemp("study")
    study = expand_recordings(CONFIG)[1]["s"]
    write_table(folder / "s.csv", pd.DataFrame(study.records()))
    paths = []
    for name, row in study.rows.items():
        for sorter in ("simple", "lupin"):
            scores = [made_accuracy(sorter, row["noise_level"], row["replicate"], unit) for unit in range(3)]
            units = {"unit_id": range(3), "snr_filtered": [3.0, 6.0, 12.0], "accuracy": scores, "cell_type": "spiny"}
            same = {"recording": name, "sorter": sorter, "status": "ok"}
            paths.append(folder / f"{name}-{sorter}.csv")
            write_table(paths[-1], pd.DataFrame(same | units).reindex(columns=COLUMNS))
    write_table(folder / "all.csv", study_table(folder / "s.csv", paths))
    return folder / "all.csv"


def test_table_has_a_row_for_each_unit_with_the_factors_of_its_recording(table):
    found, factors = read_study(table)
    assert factors == ["noise_level", "fs"] and len(found) == 2 * N_REPLICATES * 2 * 3
    assert list(found.columns[:4]) == ["recording", "noise_level", "fs", "replicate"] and set(found["fs"]) == {"null"}
    for row in found.to_dict("records"):
        assert row["accuracy"] == pytest.approx(made_accuracy(*(row[key] for key in KEYS)))
        assert row["snr_band"] == {3.0: "SNR < 5", 6.0: "SNR 5 to 10", 12.0: "SNR > 10"}[row["snr_filtered"]]


KEYS = ("sorter", "noise_level", "replicate", "unit_id")


def test_levels_that_look_like_one_number_stay_two(table, tmp_path):
    """Libraries may be called 01 and 1."""
    write_table(tmp_path / "s.csv", pd.DataFrame({"recording": ["08", "8"], "library": ["01", "1"], "replicate": [1, 1]}))
    paths = []
    for number, name in enumerate(("08", "8")):
        paths.append(tmp_path / f"{name}.csv")
        rows = {"recording": name, "sorter": "simple", "status": "ok", "snr_filtered": [6.0], "accuracy": [0.5 + number / 4]}
        write_table(paths[-1], pd.DataFrame(rows).reindex(columns=COLUMNS))
    write_table(tmp_path / "all.csv", study_table(tmp_path / "s.csv", paths))
    found, factors = read_study(tmp_path / "all.csv")
    assert factors == ["library"] and list(found["recording"]) == ["08", "8"]
    assert accuracy_by(found, ["library"]).set_index("library")["mean"].to_dict() == {"01": 0.5, "1": 0.75}


def test_spread_is_that_of_replicates(table):
    """Replicates differ by 0.01 from each to the next, and units by 0.001, which their mean does not have."""
    found = accuracy_by(read_study(table)[0], ["sorter", "noise_level"]).set_index(["sorter", "noise_level"])
    assert len(found) == 4
    for (sorter, level), row in found.iterrows():
        assert row["mean"] == pytest.approx(made_accuracy(sorter, level, 2, 1)) and row["std"] == pytest.approx(0.01)
        assert (row["n_replicates"], row["n_units"]) == (N_REPLICATES, 3 * N_REPLICATES)
    single = read_study(table)[0].query("replicate == 1").drop(columns="replicate")
    assert accuracy_by(single, ["sorter"])["std"].isna().all()


def test_figure_has_a_row_for_each_factor_and_a_panel_for_each_band(table):
    study = read_study(table)
    panels = accuracy(study).axes
    assert [axes.get_title(loc="left") for axes in panels[:4]] == ["all units", "SNR < 5", "SNR 5 to 10", "SNR > 10"]
    assert [axes.get_xlabel() for axes in panels] == ["noise_level"] * 4 + ["fs"] * 4
    assert [text.get_text() for text in panels[0].get_xticklabels()] == ["10", "20"]
    for axes, unit in zip(panels[:4], (1, 0, 1, 2), strict=True):
        drawn = {container.get_label(): container.lines[0].get_ydata() for container in axes.containers}
        for sorter in ("simple", "lupin"):
            expected = [made_accuracy(sorter, level, 2, unit) for level in (10, 20)]
            np.testing.assert_allclose(drawn[sorter], expected)
    looks = sorter_looks(["simple", "lupin"])
    lines = {container.get_label(): container.lines[0] for container in panels[0].containers}
    assert {name: (line.get_color(), line.get_marker(), line.get_linestyle()) for name, line in lines.items()} == looks
    # Without factors, the bands are the axis; a study in which all sorters failed has no figure.
    (only,) = accuracy((study[0], [])).axes
    assert [text.get_text() for text in only.get_xticklabels()] == ["SNR < 5", "SNR 5 to 10", "SNR > 10"]
    with pytest.raises(NothingToDrawError, match="no unit of the study has an accuracy"):
        accuracy((study[0].assign(accuracy=np.nan), ["noise_level"]))


def test_sorters_that_fail_are_in_the_table_and_the_others_in_the_figure(table, tmp_path):
    """One fails on all recordings, one on those of a level; where all fail, the figure says that there is nothing to draw."""
    units, factors = read_study(table)
    failing = tmp_path / "failing"
    failing.mkdir()
    rows = units.drop_duplicates("recording")[["recording", *factors, "replicate"]]
    write_table(failing / "s.csv", rows)
    paths = {"fails": [], "sorts": []}
    for name, level in zip(rows["recording"], rows["noise_level"], strict=True):
        some = units[(units["recording"] == name) & (units["sorter"] == "simple")]
        tables = {"fails": failed_table(SorterRun(name, "fails"), "no GPU"), "sorts": some.assign(sorter="sorts")}
        if level == 20:
            tables["sorts"] = failed_table(SorterRun(name, "sorts"), "its process ended with the signal SIGKILL")
        for sorter, found in tables.items():
            paths[sorter].append(failing / f"{name}-{sorter}.csv")
            write_table(paths[sorter][-1], found.reindex(columns=COLUMNS))
    for name, taken in {"some": [*paths["fails"], *paths["sorts"]], "none": paths["fails"]}.items():
        write_table(failing / f"{name}.csv", study_table(failing / "s.csv", taken))
    found = read_study(failing / "some.csv")[0]
    assert (found["status"] == "failed").sum() == 3 * N_REPLICATES and (found["status"] == "ok").sum() == 3 * N_REPLICATES
    assert list(accuracy_by(found, ["noise_level", "sorter"])["sorter"]) == ["sorts"]
    assert accuracy(read_study(failing / "some.csv")).axes
    with pytest.raises(NothingToDrawError, match="no unit of the study has an accuracy"):
        accuracy(read_study(failing / "none.csv"))


def test_spikeinterface_opens_a_study(tmp_path):
    """Each recording is a dataset with its ground truth; a sorting that is the truth has an accuracy of 1."""
    library, settings, study = (
        made_library(tmp_path / "l.h5", "tetrode", 3000),
        load_settings(CONFIG),
        expand_recordings(CONFIG)[1]["s"],
    )
    names = list(study.rows)[:: 2 * N_REPLICATES - 1]
    for name in names:
        chosen = settings.recordings[name]
        plan = plan_recording(library, chosen, seed=0, name=name)
        (tmp_path / "recordings" / name).mkdir(parents=True)
        write_mearec(tmp_path / "recordings" / name / "recording.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    (tmp_path / "recordings" / "studies").mkdir()
    path = tmp_path / "recordings" / "studies" / "s.csv"
    write_table(path, pd.DataFrame(study.records()).query("recording in @names"))
    opened = open_sorter_study(path, tmp_path / "study", ["simple", "lupin"], {"simple": {"apply_preprocessing": True}})
    assert opened.levels == ["sorter", "noise_level", "fs", "replicate"] and list(opened.datasets) == names
    assert set(opened.cases) == {(s, level, "null", k) for s in ("simple", "lupin") for level, k in ((20, 1), (10, 3))}
    assert opened.cases["simple", 20, "null", 1]["params"] == {"sorter_name": "simple", "apply_preprocessing": True}
    for name in names:
        recording, sorting = opened.datasets[name]
        with read_recording(tmp_path / "recordings" / name / "recording.h5") as ours:
            assert np.array_equal(recording.get_traces(start_frame=100, end_frame=300), ours.traces[100:300])
            for unit, train in enumerate(ours.spike_trains):
                assert np.array_equal(sorting.get_unit_spike_train(unit), train)
    again = open_sorter_study(path, tmp_path / "study", ["simple", "lupin"])
    for key in again.cases:
        again.benchmarks[key] = again.create_benchmark(key)
        again.benchmarks[key].result = {"sorting": again.datasets[again.cases[key]["dataset"]][1]}
        again.benchmarks[key].save_run(again.folder / "results" / again.key_to_str(key))
    again.compute_results()
    assert (again.get_performance_by_unit()["accuracy"].astype(float) == 1).all()
