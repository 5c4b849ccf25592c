"""A study as a `SorterStudy` of SpikeInterface, whose tools then run sorters, compare them and draw the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spikeinterface.core as si
from spikeinterface.benchmark import SorterStudy

from allenrec.common.csv_text import parse_table
from allenrec.common.files import read_checked
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.spikeinterface_adapter import as_sorting

from .sorting import RecordingFile

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath

#: What SpikeInterface computes of each recording, for its plots against the signal-to-noise ratio
EXTENSIONS = ("random_spikes", "templates", "noise_levels")


def open_sorter_study(
    table: AnyPath, folder: AnyPath, sorters: Sequence[str], parameters: Mapping[str, Mapping[str, Any]] | None = None
) -> SorterStudy:
    """Open the recordings of a study as a `SorterStudy` of SpikeInterface.

    Parameters
    ----------
    table : path
        The table of the study, `results/recordings/studies/<name>.csv`. The recordings lie beside its folder.
    folder : path
        The folder that SpikeInterface keeps the study in. If it is there already, the study in it is opened.
    sorters : sequence of str
        Sorters of SpikeInterface.
    parameters : dict, optional
        Parameters for each sorter by its name.

    Returns
    -------
    spikeinterface.benchmark.SorterStudy
        With a case for each recording and sorter. Its levels are `sorter`, the factors of the study and `replicate`.

    Examples
    --------
    >>> study = open_sorter_study("results/recordings/studies/noise.csv", "noise_study", ["spykingcircus2"])
    >>> study.run()
    >>> study.compute_results()
    >>> study.plot_performances_vs_snr()
    """
    if Path(folder).exists():
        return SorterStudy(folder)
    rows = parse_table(read_checked(table, "table")).astype({"recording": str}).set_index("recording")
    recordings = Path(table).parents[1]
    cases = {
        # numbers and text of Python, which SpikeInterface can store
        (sorter, *values): {
            "label": " ".join(map(str, (sorter, *values))),
            "dataset": name,
            "params": {"sorter_name": sorter, **(parameters or {}).get(sorter, {})},
        }
        for name, values in zip(rows.index, rows.astype(object).to_numpy().tolist(), strict=True)
        for sorter in sorters
    }
    datasets = {name: _analyzer(recordings / name / "recording.h5") for name in rows.index}
    return SorterStudy.create(folder, datasets, cases, levels=["sorter", *rows.columns])


def _analyzer(path: Path) -> si.SortingAnalyzer:
    """Return a recording with its ground truth, and what SpikeInterface's comparisons need of them."""
    with read_recording(path) as recording:
        sorting = as_sorting(recording)
    analyzer = si.create_sorting_analyzer(sorting, RecordingFile(path), format="memory", sparse=False)
    analyzer.compute(list(EXTENSIONS))
    return analyzer
