"""The columns of a table of cells that say how real the spikes of a cell are: their names, and how they are read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from allenrec.common.csv_text import table_from_data
from allenrec.common.files import read_checked

if TYPE_CHECKING:
    import pandas as pd

    from allenrec.common.files import AnyPath

#: Distances from the centre of the soma at which amplitudes are measured, µm
DISTANCES = (10, 20, 30, 50, 80)
#: The columns in words; libraries have them too, so that recordings can ask for them
VERDICTS = ("realism", "realism_in_range", "realism_by_label", "realism_by_waveform")
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
    table = table_from_data(table).reindex(columns=[*words, *numbers])
    table[words] = table[words].astype(object).fillna("")
    return table
