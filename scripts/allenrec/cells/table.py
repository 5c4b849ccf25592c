"""The cell table, and its rows joined with what is known about each cell from the metadata of its model."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from allenrec.common.csv_text import as_data, from_data
from allenrec.common.errors import UserError, has_control_characters, shortened, shown
from allenrec.common.files import written_beside
from allenrec.common.processes import describe_exception
from allenrec.models.metadata import FACTS, FACTS_OF_SOME_KINDS, KIND_OF_TEMPLATE, CellFacts

#: Ids of models: digits for those of the Allen Institute, names for others
MODEL_ID = re.compile(r"[0-9]{1,20}|[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
#: The folder of an Allen model begins so, not its id
FOLDER_OF_ALLEN = "neuronal_model_"
#: Columns that every row has, whether or not the table has them; a row names its model or its specimen
COLUMNS = ("model_id", "specimen_id", "cell_type")
KINDS = ("perisomatic", "all active", "best")


@dataclass(frozen=True)
class CellRow:
    """A row of the cell table; each value is text, "" where the table has none.

    `others` are further columns, in the order of the table: those that `allenrec.models.metadata.FACTS` names take precedence
    over the metadata, and any others are the user's own.
    """

    model_id: str
    specimen_id: str = ""
    cell_type: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_columns(cls, columns: Mapping[str, str]) -> CellRow:
        """Return the row with these columns and values."""
        others = {column: value for column, value in columns.items() if column not in COLUMNS}
        return cls(columns.get("model_id", ""), columns.get("specimen_id", ""), columns.get("cell_type", ""), others)

    @property
    def kind(self) -> str:
        """The kind of the model: a wanted one, if the row names only a specimen."""
        return self.others.get("kind", "")

    def columns(self) -> dict[str, str]:
        """Return all columns of the row with their values."""
        return {"model_id": self.model_id, "specimen_id": self.specimen_id, "cell_type": self.cell_type, **self.others}

    def __str__(self) -> str:
        """Return how the row names its model."""
        if self.model_id:
            return f"model_id {self.model_id}"
        return " ".join(filter(None, (f"specimen_id {self.specimen_id}", self.kind)))


class ChosenModel(NamedTuple):
    """The model that is used for a specimen if this kind is wanted."""

    specimen_id: str
    kind: str
    model_id: str


def read_cells(path: str | Path) -> list[CellRow]:
    """Read a cell table: tab-separated, with a header and one row for each model.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of CellRow
        `model_id` is a name (`MODEL_ID`), `specimen_id` digits; at least one of them is there, and no model is there twice.

    Raises
    ------
    UserError
        The message names the file, the line and the column that are wrong.

    Examples
    --------
    >>> [row.model_id for row in read_cells("config/cells.tsv")]  # doctest: +SKIP
    ['473863510', '473863035', '472912177']
    """
    numbered_rows, columns = read_table(path)
    if not {"model_id", "specimen_id"} & set(columns):
        known = ", ".join(columns) or "none"
        raise UserError(f"{path}: neither a column 'model_id' nor 'specimen_id'; the columns (tab-separated) are {known}")
    if not numbered_rows:
        raise UserError(f"{path}: no cells; each row after the header is one")
    rows: list[CellRow] = []
    first_lines: dict[str, int] = {}
    for line, values in numbered_rows:
        _check_values(path, line, values, columns)
        row = CellRow.from_columns({column: value.strip() for column, value in values.items()})
        if not row.model_id and not row.specimen_id:
            raise UserError(f"{path}, line {line}: neither a model_id nor a specimen_id")
        if not row.model_id and row.kind not in ("", *KINDS):
            raise UserError(f"{path}, line {line}: kind {shown(row.kind)} is not one of {', '.join(KINDS)}")
        first = first_lines.setdefault(_without_zeros(row), line)
        if first != line:
            raise UserError(f"{path}, line {line}: {row} is in line {first} already")
        rows.append(row)
    return rows


def _without_zeros(row: CellRow) -> str:
    """Return how a row names its model, with ids as the numbers that they are: 012 is 12."""
    return str(replace(row, model_id=_number(row.model_id), specimen_id=_number(row.specimen_id)))


def _number(model_id: str) -> str:
    """Return an id without zeros in front if it is a number, else the name as it is."""
    return model_id.lstrip("0") if model_id.isdigit() else model_id


def write_cells(path: str | Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a tab-separated table with the columns of its first row, whole or not at all."""
    with written_beside(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: as_data(value) for column, value in row.items()} for row in rows)


def with_models(rows: Iterable[CellRow], found: Iterable[ChosenModel], kind: str) -> list[CellRow]:
    """Return the rows of a cell table with the models of those that name only a specimen.

    Parameters
    ----------
    rows : iterable of CellRow
        As `read_cells` returns them.
    found : iterable of ChosenModel
        See `allenrec.cells.query.find_models`.
    kind : str
        The wanted kind in rows that name none.

    Returns
    -------
    list of CellRow
        `model_id` is "" where no model was found.

    Raises
    ------
    UserError
        If two rows mean the same model.
    """
    models = {(chosen.specimen_id, chosen.kind): chosen.model_id for chosen in found}
    completed: list[CellRow] = []
    row_of_model: dict[str, CellRow] = {}
    for row in rows:
        model = row.model_id or models.get((row.specimen_id, row.kind or kind), "")
        number = _number(model)
        if number and number in row_of_model:
            raise UserError(f"cell table: {row} and {row_of_model[number]} are the same model, {number}")
        row_of_model[number] = row
        completed.append(replace(row, model_id=model))
    return completed


def read_table(path: str | Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """Return the rows of a tab-separated file, each with the number of its line, and the columns.

    Raises
    ------
    UserError
        If the file is missing, is not such a table, or has a column twice or without a name.
    """
    path = Path(path)
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe may have no end
        raise UserError(f"{path} is not a tab-separated table: it is no regular file")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", restkey="", strict=True)
            rows = [
                (reader.line_num, {_column_name(column): from_data(value) for column, value in row.items()})
                for row in islice(reader, MOST_ROWS + 1)
            ]
            columns = list(map(_column_name, reader.fieldnames or []))
    except FileNotFoundError:
        raise UserError(f"{path}: no such cell table (config: cells)") from None
    except PermissionError as error:
        raise UserError(describe_exception(error)) from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise UserError(f"{path} is not a tab-separated table: {shortened(error)}") from None
    if len(rows) > MOST_ROWS:
        raise UserError(f"{path}: more than {MOST_ROWS} rows; make several tables of it")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise UserError(f"{path}: column {shown(repeated[0])} is there twice")
    if "" in columns:
        raise UserError(f"{path}: column {columns.index('') + 1} of the header has no name")
    for column in columns:
        _check_column(path, column)
    return rows, columns


#: Largest number of rows: no workflow of more jobs can be planned
MOST_ROWS = 100_000
#: Most characters of the name of a column, and of a value
MOST_CHARACTERS_OF_COLUMN, MOST_CHARACTERS_OF_VALUE = 100, 1000


def _column_name(text: str) -> str:
    """Return the name of a column in one form, because spaces around it, and how its accents are coded, cannot be seen."""
    return unicodedata.normalize("NFC", from_data(text).strip())


def _check_column(path: str | Path, column: str) -> None:
    """Raise a `UserError` if a column cannot be a dataset in the files of libraries, where `/` would make a group of it."""
    problem = ""
    if "/" in column or column.strip() in (".", ".."):
        problem = "a column's name must not have / in it, nor be a dot"
    elif len(column) > MOST_CHARACTERS_OF_COLUMN:
        problem = f"a column's name has at most {MOST_CHARACTERS_OF_COLUMN} characters"
    elif has_control_characters(column.replace("\t", "")):
        problem = "a column's name must not have control characters"
    if problem:
        raise UserError(f"{path}: column {shown(column)}: {problem}")


def _check_values(path: str | Path, line: int, values: Mapping[str, str], columns: Sequence[str]) -> None:
    """Raise a `UserError` if a row has another number of values than the header, or an id that cannot be one."""
    if "" in values or None in values.values():
        raise UserError(f"{path}, line {line}: not {len(columns)} tab-separated values, as the header has")
    specimen, model = values.get("specimen_id", ""), values.get("model_id", "")
    if not re.fullmatch(r"[0-9]{0,20}", specimen):
        raise UserError(f"{path}, line {line}: specimen_id {shown(specimen)} is not an id of digits")
    if model and not _is_model_id(model):
        raise UserError(
            f"{path}, line {line}: model_id {shown(model)} is not an id: neither digits, as the Allen Institute has them, "
            f"nor a name of at most 100 letters, digits and _ . - that begins with a letter, a digit or _"
        )
    for column, value in values.items():
        if len(value) > MOST_CHARACTERS_OF_VALUE or has_control_characters(value.replace("\t", "")):
            raise UserError(
                f"{path}, line {line}: {column} {shown(value)} must have {MOST_CHARACTERS_OF_VALUE} characters at most, and no "
                f"control characters"
            )


def _is_model_id(text: str) -> bool:
    """Return whether a text can be the id of a model; other numbers than whole ones are none, as programs change their text."""
    if not MODEL_ID.fullmatch(text) or text.startswith(FOLDER_OF_ALLEN):
        return False
    if text.isdigit():
        return len(text) <= 20
    try:
        float(text)
    except ValueError:
        return True
    return False


def check_cell_type_column(rows: Sequence[CellRow], column: str) -> None:
    """Check that the column that names the cell types is one of the cell table or of the metadata.

    Raises
    ------
    UserError
        If it is neither; the message lists the columns.
    """
    known = dict.fromkeys((*COLUMNS, *(rows[0].others if rows else ()), *FACTS, *FACTS_OF_SOME_KINDS))
    if rows and column not in known:
        raise UserError(
            f"config: cell_type_column: {shown(column)} is not a column of the cell table or the metadata: {', '.join(known)}"
        )


def check_left_out(rows: Sequence[CellRow], left_out: Iterable[str]) -> None:
    """Check that models which the configuration leaves out are in the cell table.

    Raises
    ------
    UserError
        If one is not; it would be used under its right id.
    """
    known = {row.model_id for row in rows}
    for model in left_out:
        if rows and model not in known:
            raise UserError(f"config: models.leave_out: {shown(model)} is not a model_id of the cell table")


def describe_cell(row: CellRow, facts: CellFacts, cell_type_column: str = "cell_type") -> dict[str, str]:
    """Join a row of the cell table with the facts in the metadata of its model.

    Parameters
    ----------
    row : CellRow
        Its values take precedence over the facts.
    facts : CellFacts
        As `allenrec.models.cell_facts` returns them, or those of an intracellular file.
    cell_type_column : str
        The column, of the table or the facts, that names the cell type.

    Returns
    -------
    dict of str to str
        A row of a table of cells: the columns of the cell table, then those of the facts. `cell_type` is the value of
        `cell_type_column`; if that is the column `cell_type` and it is empty, the dendrite type.

    Raises
    ------
    UserError
        If neither knows the cell type, or if they name different specimens or kinds of model.
    """
    known = facts.columns()
    if row.specimen_id and known["specimen_id"] and row.specimen_id != known["specimen_id"]:
        raise _contradiction(row, "specimen_id", row.specimen_id, known["specimen_id"])
    # A column `kind` with other words in it is the user's own.
    if row.kind in KIND_OF_TEMPLATE.values() and known["model_kind"] and row.kind != known["model_kind"]:
        raise _contradiction(row, "kind", row.kind, known["model_kind"])
    cell = {column: value or known.get(column, "") for column, value in row.columns().items()}
    cell |= {column: value for column, value in known.items() if column not in cell}
    cell["cell_type"] = cell.get(cell_type_column) or (cell["dendrite_type"] if cell_type_column == "cell_type" else "")
    if not cell["cell_type"]:
        missing = "dendrite type" if cell_type_column == "cell_type" else cell_type_column
        raise UserError(f"model {row.model_id}: its metadata name no {missing}; fill in `{cell_type_column}` in the cell table")
    return cell


def _contradiction(row: CellRow, column: str, in_table: str, in_files: str) -> UserError:
    return UserError(f"model {row.model_id}: the cell table says {column} {in_table}, its files say {in_files}")
