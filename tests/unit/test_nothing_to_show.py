"""Recordings with nothing to show: every format, figure, viewer and table is made of them, and read back."""

import numpy as np
import pandas as pd
import pytest
import spikeinterface
from format_readers import READERS
from small_recording import write_recording

from allenrec.common.files import write_json, write_table
from allenrec.evaluation.sorting import compare
from allenrec.evaluation.tables import SorterRun, read_table, summary, unit_table
from allenrec.figures.draw import draw
from allenrec.figures.drawings import DRAWINGS
from allenrec.figures.excerpt import describe_recording
from allenrec.figures.viewer import trace_viewer, write_viewer
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.register import load_writer
from allenrec.report.contents import recording_facts
from allenrec.settings.recordings.formats import EXPORTED_FORMATS

EVERYTHING = {"extract_waveforms": True, "spike_traces": "all"}
NOISELESS_COUNTS = {"dtype": "int16", "noise_level": 0.0}
#: Spike trains and settings of the signal
CASES = {
    "no units": ({"n_exc": 0, "n_inh": 0, "duration": 0.5}, EVERYTHING | {"noise_level": 0.0}),
    "no spikes": ({"t_start": 0.9999}, EVERYTHING),
    "one silent unit": ({"n_exc": 1, "n_inh": 0, "t_start": 0.9999}, NOISELESS_COUNTS),
    "4 ms": ({"duration": 0.004}, {"noise_mode": "distance-correlated", "noise_color": True}),
    "4 ms without units": ({"duration": 0.004, "n_exc": 0, "n_inh": 0}, {}),
}


@pytest.fixture(scope="module", params=list(CASES))
def recording(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nothing") / "figures" / "recordings" / "small"
    folder.mkdir(parents=True)
    spiketrains, signal = CASES[request.param]
    write_recording(folder / "recording.h5", spiketrains=spiketrains, **signal)
    with read_recording(folder / "recording.h5") as found:
        yield found, folder


def test_every_format_is_written_and_read_back(recording):
    found, folder = recording
    for entry in EXPORTED_FORMATS:
        load_writer(entry.name)(folder / entry.path, found)
    for path, read in READERS.items():
        traces, sorting = read(folder / path)
        assert np.array_equal(traces.get_traces(), found.samples[()])
        assert sorting.get_num_units() == len(found.units)
        for unit, train in zip(sorting.unit_ids, found.spike_trains, strict=True):
            assert np.array_equal(sorting.get_unit_spike_train(unit), train)
        for column in found.units if path != "recording.h5" else ():  # MEArec's reader knows few columns
            np.testing.assert_array_equal(sorting.get_property(column), found.units[column])


def test_every_figure_and_the_viewer_are_made(recording):
    """It draws a dozen figures, which takes seconds."""
    found, folder = recording
    drawing = DRAWINGS["plot_recording"]
    outputs = [folder / f"{figure.name}.png" for figure in drawing.figures]
    draw("plot_recording", [folder / "recording.h5"], outputs)
    assert all(path.stat().st_size > 1000 for path in outputs)
    write_viewer(trace_viewer(found, 100_000), folder / "viewer.html", folder / "viewer.json")
    write_table(folder / "units.csv", found.units, checked=True)
    write_json(folder / "facts.json", {"recording": "small", **describe_recording(found)}, checked=True)
    facts = recording_facts(folder.parents[2], "small")
    assert facts.n_units == len(facts.units) == len(found.units) and facts.n_spikes == sum(map(len, found.spike_trains))


@pytest.mark.parametrize("n_found", [0, 1])
def test_a_sorter_is_evaluated(n_found, recording):
    found, folder = recording
    spikes = np.full(n_found, 5), np.zeros(n_found, dtype=int)
    sorting = spikeinterface.core.NumpySorting.from_samples_and_labels(*spikes, found.sampling_frequency, np.arange(n_found))
    performance, units = compare(found, sorting)
    write_table(folder / "sorter.csv", unit_table(found, performance, SorterRun("small", "sorter"), units), checked=True)
    draw("plot_evaluation", [folder / "sorter.csv"], [folder / f"{f.name}.png" for f in DRAWINGS["plot_evaluation"].figures])
    (row,) = summary([read_table(folder / "sorter.csv")]).to_dict("records")
    assert row["n_units"] == len(found.units) and row["n_sorted"] == n_found and pd.isna(row["accuracy"])
