"""A spike sorter on recordings, and its comparison with the ground truth.

Only this module needs SpikeInterface and its sorters. It runs in their environment (see `tables`).
"""

import re
import shutil
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import spikeinterface.core as si
from spikeinterface.comparison import compare_sorter_to_ground_truth
from spikeinterface.sorters import installed_sorters, run_sorter, sorter_dict
from tqdm import tqdm

from allenrec.common.errors import DamagedFile, UserError
from allenrec.common.files import AnyPath, write_table
from allenrec.common.temporary import temporary_beside
from allenrec.recordings.formats.recording_file import Recording, read_recording
from allenrec.recordings.formats.spikeinterface_adapter import as_recording, as_sorting_with_known

from .tables import SortedUnits, SorterRun, SortingJob, failed_table, unit_table


class RecordingFile(si.BaseRecording):
    """A recording of SpikeInterface that reads a recording file as it is sliced. Other processes open the file by its path."""

    def __init__(self, file_path: AnyPath) -> None:
        recording = as_recording(read_recording(file_path))
        super().__init__(recording.sampling_frequency, recording.channel_ids, recording.dtype)
        for segment in recording.segments:
            self.add_recording_segment(segment)
        recording.copy_metadata(self)
        self._kwargs = {"file_path": str(Path(file_path).absolute())}


def compare(recording: Recording, sorting: si.BaseSorting) -> tuple[pd.DataFrame, SortedUnits]:
    """Compare the units that a sorter found with the ground truth.

    Parameters
    ----------
    recording : allenrec.recordings.Recording
    sorting : spikeinterface.BaseSorting

    Returns
    -------
    performance : pandas.DataFrame
        One row per unit of the ground truth: `sorted_unit`, the unit that is matched with it (by the Hungarian method on the
        agreement of spike times within 0.4 ms; empty if none agrees by half), `accuracy`, `precision`, `recall`, and
        `n_found`, `n_missed`, `n_false` spikes. The scores are those of SpikeInterface's `compare_sorter_to_ground_truth`.
    found : SortedUnits
        Known units of a background are matched as well, so that none of them counts as false.
    """
    n_sorted = len(sorting.unit_ids)
    if not len(recording.spike_trains) or not n_sorted:
        return _nothing_found(recording), SortedUnits(n_sorted, n_false_units=n_sorted, n_redundant=0, n_merged=0)
    n_true = len(recording.spike_trains)
    comparison = compare_sorter_to_ground_truth(as_sorting_with_known(recording), sorting, exhaustive_gt=True)
    performance = comparison.get_performance().astype(float)[["accuracy", "precision", "recall"]]
    spikes = comparison.count_score[["tp", "fn", "fp"]].set_axis(["n_found", "n_missed", "n_false"], axis=1)
    performance = performance.join(spikes.astype(int)).reset_index(drop=True).head(n_true)
    matches = zip(comparison.hungarian_match_12[:n_true], performance["n_found"], strict=True)
    performance.insert(0, "sorted_unit", [str(unit) if n_found else "" for unit, n_found in matches])
    found = SortedUnits(
        n_sorted=n_sorted,
        n_false_units=len(comparison.get_false_positive_units()),
        n_redundant=len(comparison.get_redundant_units()),
        n_merged=len(comparison.get_overmerged_units()),
    )
    return performance, found


def _nothing_found(recording: Recording) -> pd.DataFrame:
    n_spikes = np.array([len(train) for train in recording.spike_trains], dtype=int)
    scores = dict.fromkeys(("accuracy", "precision", "recall"), 0.0)
    nothing = {"sorted_unit": ""} | scores | {"n_found": 0, "n_missed": n_spikes, "n_false": 0}
    return pd.DataFrame(nothing, index=range(len(n_spikes)))


def evaluate(path: AnyPath, sorter: str, parameters: Mapping[str, Any], folder: AnyPath, n_jobs: int = 1) -> pd.DataFrame:
    """Run a sorter on a recording file and return the table of its units.

    Parameters
    ----------
    path : path
    sorter : str
        Name of a sorter of SpikeInterface.
    parameters : dict
        Parameters for `spikeinterface.sorters.run_sorter`. Those left out have the sorter's defaults.
    folder : path
        The folder in which the sorter works. It is removed before and after.
    n_jobs : int
        Processes of the sorter.

    Returns
    -------
    pandas.DataFrame
        See `tables.unit_table`. A sorter that fails leaves one row with its message.
    """
    name = Path(path).parent.name
    if sorter not in installed_sorters():
        return failed_table(SorterRun(name, sorter), "not installed; `run_sorter` of SpikeInterface says what it needs")
    version, start = str(sorter_dict[sorter].get_sorter_version()), time.perf_counter()
    si.set_global_job_kwargs(n_jobs=n_jobs, progress_bar=False)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        sorting = run_sorter(sorter, RecordingFile(path), folder=folder, verbose=True, **parameters)
        sorting = si.NumpySorting.from_sorting(sorting)  # in memory, because the folder is removed
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return failed_table(SorterRun(name, sorter, version, time.perf_counter() - start), reason(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    run = SorterRun(name, sorter, version, time.perf_counter() - start)
    try:
        with read_recording(path) as recording:
            performance, found = compare(recording, sorting)
            return unit_table(recording, performance, run, found)
    except DamagedFile as error:  # the recordings that follow are sound perhaps
        return failed_table(run, reason(error))


def reason(error: BaseException) -> str:
    """Return in one line why a sorter failed. SpikeInterface's own error ends a traceback with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Spike sorting error trace"):
        lines = lines[: next((i for i, line in enumerate(lines) if line.startswith("Spike sorting failed")), len(lines))]
        return re.sub(r"^allenrec\.common\.errors\.\w+: ", "", lines[-1])
    return " ".join(lines) if isinstance(error, UserError) else f"{type(error).__name__}: {' '.join(lines)}"


def main(job: SortingJob) -> None:
    """Do a job: all its recordings in one process, because a sorter takes longer to compile than to sort a short recording."""
    for path, table in tqdm(job.recordings, unit="recording"):
        folder = temporary_beside(Path(table).with_name(job.sorter))
        write_table(table, evaluate(path, job.sorter, job.parameters, folder, job.n_jobs), checked=True)
