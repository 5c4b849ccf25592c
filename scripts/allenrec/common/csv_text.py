"""Text in tables that spreadsheets open: what they would take for a formula has an apostrophe in front, as they write it
themselves. Numbers are left as they are. What is read back is what was written.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from typing import TYPE_CHECKING, Any

from .errors import NO_FILE, shown

if TYPE_CHECKING:  # the start of a workflow needs no pandas
    import pandas as pd

#: Text that a spreadsheet takes for a formula, also behind apostrophes
FORMULA = re.compile(r"'*[=+\-@\t\r]")
#: A number as it is written in our tables
OUR_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?(e[-+][0-9]{2,3})?|-?inf")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|nan)", re.IGNORECASE)
#: Characters that no table needs: those of terminals, without tabs and ends of lines, and those that turn what follows
CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


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


def parse_table(text: str) -> pd.DataFrame:
    """Return the table in a text that `allenrec.common.files.write_table` has written.

    Columns are numbers, or true and false, if all of their values are written as ours are, or empty (NaN). All other values
    stay text, so that names such as `01` and `1` remain two.
    """
    import pandas as pd

    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    for place, (_, column) in enumerate(table.items()):
        values = set(column)
        if values and values <= {"True", "False"}:
            table.isetitem(place, (column == "True").array)
        elif values - {""} and all(OUR_NUMBER.fullmatch(value) for value in values - {""}):
            table.isetitem(place, pd.to_numeric(column.where(column != "")).array)
    return table_from_data(table)


def _with_text(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    from pandas.api.types import is_numeric_dtype

    text = [place for place, kind in enumerate(table.dtypes) if not is_numeric_dtype(kind)]
    changed = table.copy(deep=False)
    for place in text:
        changed.isetitem(place, table.iloc[:, place].map(change).array)
    return changed.rename(columns=change)


def read_users_table(path: str | os.PathLike[str], **options: Any) -> pd.DataFrame:
    """Read a table that the user supplies, comma-separated with a header, as `pandas.read_csv` does with these options.

    Raises
    ------
    OSError
        If the file cannot be read, or is no regular file.
    ValueError
        If it is no such table: it is not text in UTF-8, or has control characters, rows have more values than the header, of
        which pandas would take the first column for an index, or a column is there twice.
    """
    import pandas as pd

    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe may have no end
        raise OSError(NO_FILE)
    with open(path, encoding="utf-8-sig", newline="") as file:
        text = file.read()
    if control := CONTROL.search(text):
        line = len(text[: control.start()].splitlines()) + text[: control.start()].endswith("\n")
        raise ValueError(f"line {max(line, 1)} has a control character, {shown(control[0])}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            table = pd.read_csv(io.StringIO(text), index_col=False, **options)
            header = pd.read_csv(
                io.StringIO(text), header=None, nrows=1, dtype=str, keep_default_na=False, skipinitialspace=True
            )
        except pd.errors.ParserWarning:
            raise ValueError("its rows have more values, between commas, than its header") from None
    columns = [column.strip() for column in header.iloc[0]]
    repeated = next((column for column in columns if columns.count(column) > 1), None)
    if repeated is not None:
        raise ValueError(f"column {shown(repeated)} is there twice")
    return table
