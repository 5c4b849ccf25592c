"""The columns of the tables of the report: their headings, and which of them have something to show."""

from collections.abc import Iterable, Mapping
from typing import Any

from allenrec.libraries.realism.columns import COLUMNS, PEAK_TO_PEAK

#: Text columns of the tables of cells, with their headings; those that are empty for all cells are left out
CELL_TEXTS = {"cell_type": "Type", "layer": "Layer", "line": "Line", "model_kind": "Kind"}
#: Number columns of the table of realism
REALISM_NUMBERS = {
    COLUMNS["trough_to_peak_as_in_vivo_ms"]: "Trough to peak, in vivo (ms)",
    COLUMNS["half_width_as_in_vivo_ms"]: "Half width, in vivo (ms)",
    COLUMNS["trough_to_peak_ms"]: "Trough to peak (ms)",
    COLUMNS["half_width_ms"]: "Half width (ms)",
    COLUMNS["pre_peak_ratio"]: "Peak before / trough",
    **{column: f"Height at {distance}\N{NO-BREAK SPACE}µm (µV)" for distance, column in PEAK_TO_PEAK.items()},
    COLUMNS["spread_um"]: "Spread (µm)",
    COLUMNS["speed_above_um_per_ms"]: "Speed up (µm/ms)",
    COLUMNS["speed_below_um_per_ms"]: "Speed down (µm/ms)",
}
#: Columns of the table of spike sorters; notes, which may be long, come after the numbers
SORTER_TEXTS = {
    "recording": "Recording",
    "sorter": "Sorter",
    "status": "Status",
}
SORTER_NUMBERS = {
    "n_units": "Units",
    "n_expected": "Expected",
    "accuracy": "Accuracy, all units",
    "accuracy_expected": "Accuracy, expected",
    "n_well_detected": "Well detected",
    "n_sorted": "Sorted units",
    "n_false_units": "False",
    "n_redundant": "Redundant",
    "n_merged": "Merged",
    "duration_s": "Time (s)",
}
SORTER_NOTES = {"sorter_version": "Version", "message": "Message"}


def filled(headings: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the columns that have a value in at least one of the rows, with their headings."""
    rows = list(rows)
    return {name: heading for name, heading in headings.items() if any(is_known(row.get(name)) for row in rows)}


def is_known(value: Any) -> bool:
    """Return whether a value of a table is there: not None, "" or NaN."""
    return value is not None and value != "" and bool(value == value)
