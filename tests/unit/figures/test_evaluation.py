"""The figure of the evaluation."""

import matplotlib
import numpy as np
import pandas as pd

from allenrec.evaluation.tables import COLUMNS, SorterRun, failed_table
from allenrec.figures.evaluation import accuracy


def table_of(sorter, **columns):
    row = {"recording": "demo", "sorter": sorter, "status": "ok", "message": "", "unit_id": [0, 1, 2], "cell_type": "spiny"}
    row |= {"bintype": "E", "snr_filtered": [4.0, 6.0, 8.0], "amplitude_uV": [40.0, 60.0, 80.0], "accuracy": [0.3, 0.8, 1.0]}
    return pd.DataFrame(row | {"n_sorted": 4, "n_false_units": 1} | columns).reindex(columns=COLUMNS)


def test_figure_has_a_mark_a_unit_a_panel_a_sorter_and_the_message_of_one_that_failed():
    tables = [
        table_of("simple"),
        failed_table(SorterRun("demo", "kilosort4"), "no GPU"),
        table_of("tridesclous2", accuracy=1.0),
    ]
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
