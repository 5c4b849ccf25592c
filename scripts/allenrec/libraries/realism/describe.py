"""The columns of a table of cells that say how real the spikes of a cell are."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from allenrec.common.files import read_checked
from allenrec.libraries.eap import spike_currents
from allenrec.libraries.poses import Geometry, upright_axis

from .in_vivo import read_in_vivo
from .measure import DISTANCES, Measured, measure
from .verdict import judge

if TYPE_CHECKING:
    import pandas as pd

    from allenrec.common.files import AnyPath
    from allenrec.intracellular.intracellular_file import Currents

#: The columns in words; libraries have them too, so that recordings can ask for them
VERDICTS = ("realism", "realism_in_range", "realism_by_label", "realism_by_waveform")
#: The direction to the pia in reconstructions without an apical dendrite
UPRIGHT = np.array([0.0, 1.0, 0.0])
#: How the tables write whether a cell lies within the ranges
WITHIN = {True: "yes", False: "no", None: "unknown"}
#: The names of the columns for each field of `Measured` that has one value
COLUMNS = {
    "trough_to_peak_as_in_vivo_ms": "realism_trough_to_peak_as_in_vivo_ms",
    "half_width_as_in_vivo_ms": "realism_half_width_as_in_vivo_ms",
    "trough_to_peak_ms": "realism_trough_to_peak_filtered_ms",
    "half_width_ms": "realism_half_width_filtered_ms",
    "pre_peak_ratio": "realism_pre_peak_to_trough_ratio_filtered",
    "spread_um": "realism_spread_filtered_um",
    "speed_above_um_per_ms": "realism_propagation_speed_above_filtered_um_per_ms",
    "speed_below_um_per_ms": "realism_propagation_speed_below_filtered_um_per_ms",
}
#: The same for each distance
PEAK_TO_PEAK = {distance: f"realism_peak_to_peak_at_{distance}um_filtered_uV" for distance in DISTANCES}
#: What is measured of a cell without spikes
NOTHING = Measured(np.nan, np.nan, np.nan, np.nan, np.nan, (np.nan,) * len(DISTANCES), np.nan, np.nan, np.nan)


def describe_realism(currents: Currents, cell: Mapping[str, str]) -> dict[str, str | float]:
    """Return how real the spikes of a cell are, as columns of a table of cells.

    Parameters
    ----------
    currents : Currents
        Its intracellular file. The mean of the stored spikes is measured.
    cell : mapping
        What is known of the cell, see `judge`.

    Returns
    -------
    dict
        `realism`, the verdict in words; `realism_in_range`, "yes", "no" or "unknown"; `realism_by_label` and
        `realism_by_waveform`; and what was measured, rounded to four digits, see `Measured`.
    """
    measured, in_vivo = NOTHING, read_in_vivo()
    if len(currents.imem):
        geometry = Geometry(currents.start, currents.end, currents.diameter)
        upright = upright_axis(geometry, currents.section)
        spike = spike_currents(currents.imem).mean(axis=0, dtype=np.float64)
        upright = UPRIGHT if upright is None else upright
        measured = measure(geometry, spike, currents.info.settings.dt, upright, in_vivo.filter)
    verdict = judge(cell, measured, in_vivo)
    words = dict(zip(VERDICTS, (verdict.words, WITHIN[verdict.within], verdict.label, verdict.waveform), strict=True))
    values = {column: getattr(measured, field) for field, column in COLUMNS.items()}
    values |= dict(zip(PEAK_TO_PEAK.values(), measured.peak_to_peak_uV, strict=True))
    return words | {column: float(f"{value:.4g}") for column, value in values.items()}


def read_verdicts(path: AnyPath) -> dict[str, dict[str, str]]:
    """Return the columns `VERDICTS` of each model of a table of cells."""
    rows = read_realism(path).to_dict("records")
    return {str(row["model_id"]): {column: str(row[column]) for column in VERDICTS} for row in rows}


def read_realism(path: AnyPath) -> pd.DataFrame:
    """Return the columns of a table of cells that say how real their spikes are, with a row for each cell.

    Words that are not known are "", numbers that are not known NaN.
    """
    import pandas as pd  # jobs that describe a cell need no tables

    numbers = [*COLUMNS.values(), *PEAK_TO_PEAK.values()]
    words = ["model_id", "cell_type", "line", "model_kind", *VERDICTS]
    unknown = {name: ["", "nan"] for name in numbers}
    try:
        text = io.StringIO(read_checked(path, "table"))
        table = pd.read_csv(text, dtype=dict.fromkeys(words, str), keep_default_na=False, na_values=unknown)
    except pd.errors.EmptyDataError:  # every model failed
        table = pd.DataFrame()
    table = table.reindex(columns=[*words, *numbers])
    table[words] = table[words].astype(object).fillna("")
    return table
