"""`snakemake evaluate`: real sorters on recordings of real cells, in the environment of the tests, which has some."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from support import ROOT
from workflow.snake import clean_environment, copy_workflow, snakemake

from allenrec.evaluation.studies import read_study
from allenrec.evaluation.tables import read_table

#: Recordings of the library of the finished run
CHANGE = {
    "recordings": {
        "demo": {"spiketrains": {"duration": 8.0, "n_exc": 3, "n_inh": 0}},
        "noise": {"library": "neuronexus", "spiketrains": {"duration": 2.0, "n_exc": 0, "n_inh": 0}},
        "levels": {"like": "demo", "spiketrains": {"duration": 4.0}, "grid": {"recordings.noise_level": [5, 10]}},
    },
    "evaluation": {
        "sorters": ["simple", "kilosort3"],
        "parameters": {"simple": {"apply_preprocessing": True}},
        "time_limit": 10,  # minutes, which neither of them takes
    },
}
#: Runs Snakemake as an environment without the sorters would
WITHOUT_SORTERS = "import sys; sys.modules['hdbscan'] = None; from snakemake.cli import main; main()"


def test_two_recordings_two_sorters_of_which_one_is_not_installed(finished, tmp_path):
    """A run with two recordings and a study of two, each sorted twice; a sorter imports for seconds before it begins."""
    folder = shutil.copytree(finished, tmp_path / "evaluate", symlinks=True)
    (folder / "change.yaml").write_text(yaml.safe_dump(CHANGE))
    arguments = ("evaluate", "--cores", "2", "--configfile", "change.yaml")
    result = snakemake(folder, *arguments)
    assert result.returncode == 0, result.stderr
    assert "their accuracy" in result.stdout and "not installed" in result.stdout
    tables = {
        (recording, sorter): read_table(folder / "results" / "evaluation" / recording / f"{sorter}.csv")
        for recording in ("demo", "noise")
        for sorter in ("simple", "kilosort3")
    }
    units = tables["demo", "simple"]
    assert list(units["status"]) == ["ok"] * 3 and units["accuracy"].between(0, 1).all()
    assert units["accuracy"][units["amplitude_uV"].idxmax()] > 0.5
    for table in (tables["demo", "kilosort3"], tables["noise", "kilosort3"]):
        assert list(table["status"]) == ["failed"] and "not installed" in table["message"][0]
    # On noise a sorter may find units that are not there, or give up; either way there is one row that says so.
    (status,) = tables["noise", "simple"]["status"]
    assert status in ("no units", "failed")
    figures = folder / "results" / "figures" / "recordings"
    for name in ("demo", "noise"):
        assert (figures / name / "accuracy.png").read_bytes().startswith(b"\x89PNG")
        assert "ground truth" in (figures / name / "accuracy.txt").read_text()
    assert_study_and_summary_tell_what_failed(folder / "results")
    assert not list((folder / "results").rglob(".*part*"))
    again = snakemake(folder, *arguments)
    assert again.returncode == 0 and "not installed" in again.stdout and "Sorting all" not in again.stderr


def assert_study_and_summary_tell_what_failed(results):
    """The study has the units of the sorter that runs, and rows of the one that is not installed; so has the summary."""
    units, factors = read_study(results / "evaluation" / "studies" / "levels.csv")
    assert factors == ["noise_level"] and set(units["noise_level"]) == {5, 10}
    assert units.groupby(["sorter", "status"]).size().to_dict() == {("kilosort3", "failed"): 2, ("simple", "ok"): 6}
    assert (results / "figures" / "studies" / "levels" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    summary = pd.read_csv(results / "evaluation" / "summary.csv").set_index(["recording", "sorter"])
    for name in ("demo", "levels-noise_level=5", "levels-noise_level=10"):
        assert summary["n_units"][name, "simple"] == summary["n_units"][name, "kilosort3"] == 3
        assert np.isnan(summary["accuracy"][name, "kilosort3"]) and np.isnan(summary["n_well_detected"][name, "kilosort3"])


def test_missing_sorters_are_one_line_before_anything_runs(tmp_path):
    folder = copy_workflow(tmp_path / "run")
    command = [sys.executable, "-c", WITHOUT_SORTERS]
    options = {"cwd": folder, "env": clean_environment(), "capture_output": True, "text": True}
    result = subprocess.run([*command, "evaluate"], **options)
    assert result.returncode == 1 and not (folder / "results").exists()
    assert result.stderr.splitlines()[-1].startswith("error: the sorters are not installed: `make evaluate` installs them")
    # Who does not evaluate does not need them.
    assert subprocess.run([*command, "-n"], **options).returncode == 0


@pytest.mark.slow
def test_acceptance_of_the_physics(default_run, tmp_path):
    """The default recording and sorter: units with an SNR above 5 have a mean accuracy of 0.9 or more."""
    folder = shutil.copytree(default_run, tmp_path / "run", symlinks=True)
    assert (folder / "config" / "config.yaml").read_bytes() == (ROOT / "config" / "config.yaml").read_bytes()
    result = snakemake(folder, "evaluate", "--cores", "2")
    assert result.returncode == 0, result.stderr
    units = read_table(folder / "results" / "evaluation" / "demo" / "spykingcircus2.csv")
    for snr in ("snr", "snr_filtered"):
        expected = units[units[snr] > 5]
        assert len(expected) and expected["accuracy"].mean() >= 0.9
