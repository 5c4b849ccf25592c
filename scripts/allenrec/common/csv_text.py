"""Text in tables that spreadsheets open: what they would take for a formula has an apostrophe in front, as they write it
themselves. Numbers are left as they are. What is read back is what was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the start of a workflow needs no pandas
    import pandas as pd

#: Text that a spreadsheet takes for a formula, also behind apostrophes
FORMULA = re.compile(r"'*[=+\-@\t\r]")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|nan)", re.IGNORECASE)


def as_data(value: Any) -> Any:
    """Return what is written for a value: text that looks like a formula gets an apostrophe."""
    is_formula = isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def from_data(value: Any) -> Any:
    """Return the value that `as_data` has written."""
    return value[1:] if isinstance(value, str) and value.startswith("'") and FORMULA.match(value) else value


def table_as_data(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its text, and the names of its columns, as they are written."""
    return _with_text(table, as_data)


def table_from_data(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its text, and the names of its columns, as they were before `table_as_data`."""
    return _with_text(table, from_data)


def _with_text(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    from pandas.api.types import is_numeric_dtype

    text = [place for place, kind in enumerate(table.dtypes) if not is_numeric_dtype(kind)]
    changed = table.copy(deep=False)
    for place in text:
        changed.isetitem(place, table.iloc[:, place].map(change).array)
    return changed.rename(columns=change)
