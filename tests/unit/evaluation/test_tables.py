"""The tables of the evaluation, and the processes in which sorters run."""

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from allenrec.common.errors import UserError
from allenrec.common.files import write_table
from allenrec.evaluation import tables as evaluation
from allenrec.evaluation.tables import (
    COLUMNS,
    SortedUnits,
    SorterRun,
    failed_table,
    read_table,
    run_sorters,
    summary,
    unit_table,
)


def test_units_without_spikes_have_no_scores():
    units = pd.DataFrame({"cell_type": ["spiny"] * 2, "bintype": "E", "model_id": "1", "snr": 5.0, "snr_filtered": 6.0})
    templates = np.zeros((2, 3, 4))
    templates[0, 0], templates[1, 0], templates[1, 1] = -1, -1, -1
    recording = SimpleNamespace(
        units=units.assign(amplitude=50.0), spike_trains=[np.array([5, 9]), np.array([], int)], duration=1.0,
        filtered_templates=templates,
    )  # fmt: skip
    scores = {"sorted_unit": "", "accuracy": 0.5, "precision": 0.5, "recall": 0.5, "n_found": 1, "n_missed": 1, "n_false": 0}
    run, counts = SorterRun("demo", "made up"), SortedUnits(1, 0, 0, 0)
    table = unit_table(recording, pd.DataFrame(scores, index=range(2)), run, counts)
    assert table["accuracy"][0] == 0.5 and table.loc[1, ["accuracy", "precision", "recall"]].isna().all()
    # One template is in one channel and the other in two: the angle between them is 45 degrees.
    np.testing.assert_allclose(table["similarity"], np.sqrt(0.5))


def test_process_that_dies_takes_only_its_recording_down(tmp_path, monkeypatch):
    """A stand-in for the program is killed at the second of four recordings, as by an error in a library of C."""
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


def test_sorter_that_hangs_is_stopped_with_its_processes_and_the_next_recording_goes_on(tmp_path, monkeypatch):
    """A stand-in for the program starts another process at the second of three recordings, and waits for it for a minute."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, subprocess, sys\nfrom pathlib import Path\n"
        "for path, table in json.loads(sys.argv[1])['recordings']:\n"
        "    if 'second' in path:\n"
        "        child = subprocess.Popen(['sleep', '60'])\n"
        f"        Path({str(tmp_path / 'child')!r}).write_text(str(child.pid))\n"
        "        child.wait()\n"
        "    Path(table).write_text('done')\n"
    )
    monkeypatch.setattr(evaluation, "PROGRAM", program)
    pairs = [(tmp_path / name / "recording.h5", tmp_path / f"{name}.csv") for name in ("first", "second", "third")]
    start = time.monotonic()
    run_sorters(sys.executable, "simple", {}, pairs, time_limit=0.05)
    assert time.monotonic() - start < 50
    (row,) = read_table(pairs[1][1]).to_dict("records")
    assert row["status"] == "failed" and row["message"] == "stopped after 0.05 min, the evaluation.time_limit"
    assert pairs[0][1].read_text() == pairs[2][1].read_text() == "done"
    child = Path("/proc", (tmp_path / "child").read_text(), "status")
    assert not child.exists() or "zombie" in child.read_text()


def test_sorter_with_a_time_limit_ends_with_its_job(tmp_path, monkeypatch):
    """The job is told to end while it waits."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, time\nfrom pathlib import Path\n"
        f"Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    monkeypatch.setattr(evaluation, "PROGRAM", program)
    now = time.monotonic

    def told_to_end():
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise SystemExit(143)
        return now()

    monkeypatch.setattr(evaluation.time, "monotonic", told_to_end)
    with pytest.raises(SystemExit):
        run_sorters(sys.executable, "simple", {}, [(tmp_path / "a" / "recording.h5", tmp_path / "a.csv")], time_limit=5)
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists() and not (tmp_path / "a.csv").exists()


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
    rows = summary([table_of("simple"), failed_table(SorterRun("demo", "kilosort4"), "no GPU")]).to_dict("records")
    assert (rows[0]["n_units"], rows[0]["n_expected"], rows[0]["n_well_detected"], rows[0]["n_sorted"]) == (3, 2, 2, 4)
    assert rows[0]["accuracy"] == pytest.approx(0.7) and rows[0]["accuracy_expected"] == pytest.approx(0.9)
    assert rows[1]["status"] == "failed" and rows[1]["message"] == "no GPU"
    # It has counted nothing; how many units there are, the other sorter's table says.
    assert (rows[1]["n_units"], rows[1]["n_expected"]) == (3, 2) and pd.isna(rows[1]["n_well_detected"])


def test_summary_of_a_recording_on_which_all_sorters_failed_has_no_numbers(tmp_path):
    tables = [failed_table(SorterRun("a", "kilosort4"), "no GPU"), table_of("kilosort4", recording="b")]
    write_table(tmp_path / "summary.csv", summary(tables))
    failed, done = (tmp_path / "summary.csv").read_text().splitlines()[1:]
    assert failed == "a,kilosort4,failed,,,,,,,,,,,,no GPU" and done.startswith("b,kilosort4,ok,3,2,")


def test_summary_of_a_sorter_that_finds_nothing_says_zero():
    nothing = table_of("simple", accuracy=0.0, n_sorted=0, n_false_units=0)
    (row,) = summary([nothing]).to_dict("records")
    assert (row["status"], row["n_units"], row["n_sorted"], row["accuracy"], row["n_well_detected"]) == ("ok", 3, 0, 0, 0)
