"""The cell table, and what is known of a cell from the metadata of its model."""

import csv
import re
from pathlib import Path

from .errors import UserError

REQUIRED_COLUMNS = ("model_id", "specimen_id", "cell_type")
SPECIES = {1: "Homo Sapiens", 2: "Mus musculus"}


def read_cells(path):
    """Read a cell table: tab-separated, a header, one row a model.

    Returns
    -------
    list of dict
        Column to text; "" where a cell is empty. `model_id` are digits and unique.

    Raises
    ------
    UserError
        With file, line and column at fault.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", restkey="", strict=True)
            rows = [(reader.line_num, row) for row in reader]
            columns = reader.fieldnames or []
    except FileNotFoundError:
        raise UserError(f"{path}: no such cell table (config: cells)") from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise UserError(f"{path} is not a tab-separated table: {error}") from None
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        raise UserError(f"{path}: no column {missing[0]!r}; the columns (tab-separated) are {', '.join(columns) or 'none'}")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise UserError(f"{path}: column {repeated[0]!r} is there twice")
    if "" in columns:
        raise UserError(f"{path}: column {columns.index('') + 1} of the header has no name")
    if not rows:
        raise UserError(f"{path}: no cells; each row after the header is one")
    lines = {}
    for line, row in rows:
        _check_row(path, line, row, columns)
        first = lines.setdefault(row["model_id"], line)
        if first != line:
            raise UserError(f"{path}, line {line}: model_id {row['model_id']} is in line {first} already")
    return [{column: row[column].strip() for column in columns} for _, row in rows]


def _check_row(path, line, row, columns):
    if "" in row or None in row.values():
        raise UserError(f"{path}, line {line}: not {len(columns)} tab-separated values, as the header has")
    if not re.fullmatch(r"[0-9]+", row["model_id"]):
        raise UserError(f"{path}, line {line}: model_id {row['model_id']!r} is not an id of digits")
    if not re.fullmatch(r"[0-9]*", row["specimen_id"]):
        raise UserError(f"{path}, line {line}: specimen_id {row['specimen_id']!r} is not an id of digits")


def cell_facts(metadata):
    """Return what the metadata of a model say of its cell.

    Parameters
    ----------
    metadata : dict
        Content of `model_metadata.json`, as in the archives of the Allen site; {} if there is none.

    Returns
    -------
    dict
        Column to text, "" where nothing is known: specimen_id, specimen_name, dendrite_type, apical, area, layer, line,
        species.

    Raises
    ------
    UserError
        If the metadata have another shape.
    """
    try:
        return _facts(metadata)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"model {metadata.get('id')}: its metadata have another shape than an archive's: {error!r}") from None


def _facts(metadata):
    specimen = metadata.get("specimen") or {}
    structure = specimen.get("structure") or {}
    donor = specimen.get("donor") or {}
    tags = dict(tag["name"].split(" - ", 1) for tag in specimen.get("specimen_tags") or [] if " - " in tag["name"])
    drivers = [
        line["name"] for line in donor.get("transgenic_lines") or [] if line.get("transgenic_line_type_name") == "driver"
    ]
    layer = re.search(r"layer (\S+)", structure.get("name") or "")
    return {
        "specimen_id": str(metadata.get("specimen_id") or ""),
        "specimen_name": specimen.get("name") or "",
        "dendrite_type": tags.get("dendrite type", ""),
        "apical": tags.get("apical", ""),
        "area": (structure.get("acronym") or "").removesuffix(layer[1] if layer else ""),
        "layer": layer[1] if layer else "",
        "line": ";".join(drivers),
        "species": SPECIES.get(donor.get("organism_id"), ""),
    }


def describe_cell(row, facts):
    """Join a row of the cell table with the facts of its model.

    Parameters
    ----------
    row : dict
        Of the cell table. What it says goes before the facts.
    facts : dict
        As `cell_facts` returns them.

    Returns
    -------
    dict
        Column to text: those of the table, and those of the facts. An empty `cell_type` is the dendrite type.

    Raises
    ------
    UserError
        If neither knows the cell type, or they name different specimens.
    """
    if row["specimen_id"] and facts["specimen_id"] and row["specimen_id"] != facts["specimen_id"]:
        raise UserError(
            f"model {row['model_id']}: the cell table says specimen {row['specimen_id']}, its metadata {facts['specimen_id']}"
        )
    cell = {column: value or facts.get(column, "") for column, value in row.items()}
    cell |= {column: value for column, value in facts.items() if column not in row}
    cell["cell_type"] = row["cell_type"] or facts["dendrite_type"]
    if not cell["cell_type"]:
        raise UserError(f"model {row['model_id']}: its metadata name no dendrite type; fill in `cell_type` in the cell table")
    return cell
