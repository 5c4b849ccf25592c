"""The columns of a table of cells, of real currents and of a cell without any."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from allenrec.common.files import write_table
from allenrec.figures.nothing import NothingToDrawError
from allenrec.figures.realism import beside_in_vivo
from allenrec.libraries.eap import spike_currents
from allenrec.libraries.forward_model import transfer_matrix
from allenrec.libraries.realism.columns import COLUMNS, PEAK_TO_PEAK, VERDICTS, read_realism
from allenrec.libraries.realism.describe import describe_realism

SPINY = {"cell_type": "spiny", "dendrite_type": "spiny"}


def test_columns_of_a_real_cell(currents):
    cell = currents["473863510"]
    row = describe_realism(cell, SPINY)
    assert list(row) == [*VERDICTS, *COLUMNS.values(), *PEAK_TO_PEAK.values()]
    heights = [row[column] for column in PEAK_TO_PEAK.values()]
    assert all(near > 1.3 * far > 0 for near, far in pairwise(heights))
    # The filter takes away the slow part, and lets a spike of a millisecond pass
    spike = spike_currents(cell.imem).mean(axis=0)
    points = 20 * np.vstack([np.eye(3), -np.eye(3)])
    raw = 2000 * transfer_matrix(cell.start, cell.end, cell.diameter, points) @ spike
    assert 0.4 < heights[1] / np.median(np.ptp(raw, axis=1)) < 1.3
    assert row["realism_by_label"] == "regular spiking" and row["realism_in_range"] in ("yes", "no")
    assert describe_realism(cell, {"line": "Pvalb-IRES-Cre"})["realism"].startswith(
        "fast spiking by label, regular by waveform"
    )


def test_a_cell_without_spikes_is_not_judged(currents):
    cell = currents["473863510"]
    row = describe_realism(replace(cell, imem=cell.imem[:0]), SPINY)
    assert row["realism"] == "no waveform to judge" and row["realism_in_range"] == "unknown"
    assert all(math.isnan(row[column]) for column in (*COLUMNS.values(), *PEAK_TO_PEAK.values()))


def test_table_of_a_run_in_which_every_model_failed_has_no_rows(tmp_path):
    write_table(tmp_path / "cells.csv", pd.DataFrame([]))
    table = read_realism(tmp_path / "cells.csv")
    assert table.empty and set(VERDICTS) < set(table.columns)
    with pytest.raises(NothingToDrawError, match="no spike of any cell was measured"):
        beside_in_vivo(table)


def test_table_is_read_as_it_was_written(tmp_path, currents):
    rows = [
        {"model_id": "0012", "line": "", "flags": ""} | SPINY | describe_realism(cell, SPINY)
        for cell in (currents["472912177"], replace(currents["472912177"], imem=np.zeros((0, 1, 1), np.float32)))
    ]
    write_table(tmp_path / "cells.csv", pd.DataFrame(rows))
    table = read_realism(tmp_path / "cells.csv")
    assert list(table["model_id"]) == ["0012", "0012"] and list(table["model_kind"]) == ["", ""]
    for row, read in zip(rows, table.to_dict("records"), strict=True):
        assert read["realism"] == row["realism"]
        numbers = [*COLUMNS.values(), *PEAK_TO_PEAK.values()]
        assert [read[column] for column in numbers] == pytest.approx([row[column] for column in numbers], nan_ok=True)
