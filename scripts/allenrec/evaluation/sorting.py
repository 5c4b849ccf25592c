"""A spike sorter on recordings, held against the ground truth. Only this module needs SpikeInterface and its sorters; it runs
in their environment (see `evaluation`)."""

import shutil
import time
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import spikeinterface.core as si
from spikeinterface.comparison import compare_sorter_to_ground_truth
from spikeinterface.sorters import installed_sorters, run_sorter, sorter_dict
from tqdm import tqdm

from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.spikeinterface_adapter import as_recording, as_sorting

from .tables import failed_table, unit_table, write_table


class RecordingFile(si.BaseRecording):
    """A recording file as SpikeInterface's recording, read as it is sliced. Other processes find the file by its path."""

    def __init__(self, file_path):
        recording = as_recording(read_recording(file_path))
        super().__init__(recording.sampling_frequency, recording.channel_ids, recording.dtype)
        self.add_recording_segment(recording.segments[0])
        recording.copy_metadata(self)
        self._kwargs = {"file_path": str(Path(file_path).absolute())}


def compare(recording, sorting):
    """Hold what a sorter found against the ground truth.

    Parameters
    ----------
    recording : allenrec.recordings.formats.recording_file.Recording
    sorting : spikeinterface.BaseSorting

    Returns
    -------
    performance : pandas.DataFrame
        A row a unit of the ground truth: `sorted_unit`, the unit that is matched with it (Hungarian method on the agreement of
        spike times within 0.4 ms; empty if none agrees by half), `accuracy`, `precision`, `recall`, and `n_found`, `n_missed`,
        `n_false` spikes. Scores are those of SpikeInterface's `compare_sorter_to_ground_truth`.
    counts : dict
        Of the sorted units: how many there are, and how many are false, redundant, or merge units of the ground truth.
    """
    units = len(recording.spike_trains)
    if not units or not len(sorting.unit_ids):
        counts = {"n_sorted": len(sorting.unit_ids), "n_false_units": len(sorting.unit_ids), "n_redundant": 0, "n_merged": 0}
        return _nothing_found(recording), counts
    comparison = compare_sorter_to_ground_truth(as_sorting(recording), sorting, exhaustive_gt=True)
    performance = comparison.get_performance().astype(float)[["accuracy", "precision", "recall"]]
    spikes = comparison.count_score[["tp", "fn", "fp"]].set_axis(["n_found", "n_missed", "n_false"], axis=1)
    performance = performance.join(spikes.astype(int)).reset_index(drop=True)
    matches = zip(comparison.hungarian_match_12, performance["n_found"], strict=True)
    performance.insert(0, "sorted_unit", [str(unit) if n_found else "" for unit, n_found in matches])
    counts = {
        "n_sorted": len(sorting.unit_ids),
        "n_false_units": len(comparison.get_false_positive_units()),
        "n_redundant": len(comparison.get_redundant_units()),
        "n_merged": len(comparison.get_overmerged_units()),
    }
    return performance, counts


def _nothing_found(recording):
    n_spikes = np.array([len(train) for train in recording.spike_trains], dtype=int)
    scores = dict.fromkeys(("accuracy", "precision", "recall"), 0.0)
    nothing = {"sorted_unit": ""} | scores | {"n_found": 0, "n_missed": n_spikes, "n_false": 0}
    return pd.DataFrame(nothing, index=range(len(n_spikes)))


def evaluate(path, sorter, parameters, folder, n_jobs=1):
    """Run a sorter on a recording file and return the table of its units.

    Parameters
    ----------
    path : path
    sorter : str
        Name of a sorter of SpikeInterface.
    parameters : dict
        For `spikeinterface.sorters.run_sorter`; what is left out has the sorter's defaults.
    folder : path
        Where the sorter works; it must not exist, and is removed.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        See `evaluation.unit_table`. A sorter that fails leaves one row with its message.
    """
    name = Path(path).parent.name
    if sorter not in installed_sorters():
        return failed_table(name, sorter, "not installed; `run_sorter` of SpikeInterface says what it needs")
    version, start = str(sorter_dict[sorter].get_sorter_version()), time.perf_counter()
    si.set_global_job_kwargs(n_jobs=n_jobs, progress_bar=False)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        sorting = run_sorter(sorter, RecordingFile(path), folder=folder, verbose=True, **parameters)
        sorting = si.NumpySorting.from_sorting(sorting)  # in memory: the folder goes
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return failed_table(name, sorter, reason(error), sorter_version=version, duration_s=time.perf_counter() - start)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.perf_counter() - start
    with read_recording(path) as recording:
        performance, counts = compare(recording, sorting)
        run = {"recording": name, "sorter": sorter, "sorter_version": version, "duration_s": seconds}
        return unit_table(recording, performance, run | counts)


def reason(error):
    """Return why a sorter failed, on one line: SpikeInterface's own error ends a traceback with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Spike sorting error trace"):
        lines = lines[: next((i for i, line in enumerate(lines) if line.startswith("Spike sorting failed")), len(lines))]
        return lines[-1]
    return f"{type(error).__name__}: {' '.join(lines)}"


def main(job):
    """Do a job: a dict with `sorter`, `parameters`, `n_jobs`, and `recordings`, pairs of a recording file and its table.

    All in one process, because a sorter compiles for longer than it sorts a short recording.
    """
    for path, table in tqdm(job["recordings"], unit="recording"):
        folder = Path(table).with_name(f".{job['sorter']}.part")
        units = evaluate(path, job["sorter"], job["parameters"], folder, job["n_jobs"])
        write_table(table, units)
