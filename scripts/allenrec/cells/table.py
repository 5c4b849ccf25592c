"""The cell table, and what is known of a cell from the metadata of its model."""

import csv
import re
from pathlib import Path
from statistics import mean

from allenrec.common.errors import UserError
from allenrec.common.files import written_beside
from allenrec.models.archive import KIND_OF_TEMPLATE

#: Those that every row has, given or not; a row names its model or its specimen
COLUMNS = ("model_id", "specimen_id", "cell_type")
#: What `cell_facts` finds in the metadata of a model
FACTS = (
    *("specimen_id", "specimen_name", "dendrite_type", "apical", "area", "layer", "line", "species"),
    *("model_kind", "explained_variance"),
)
KINDS = ("perisomatic", "all active", "best")
SPECIES = {1: "Homo Sapiens", 2: "Mus musculus"}


def read_cells(path):
    """Read a cell table: tab-separated, a header, one row a model.

    Returns
    -------
    list of dict
        Column to text; "" where a cell is empty. Each has `COLUMNS`. `model_id` and `specimen_id` are digits, at least one
        of them is there, and no model is there twice.

    Raises
    ------
    UserError
        With file, line and column at fault.
    """
    rows, columns = read_table(path)
    if not {"model_id", "specimen_id"} & set(columns):
        known = ", ".join(columns) or "none"
        raise UserError(f"{path}: neither a column 'model_id' nor 'specimen_id'; the columns (tab-separated) are {known}")
    if not rows:
        raise UserError(f"{path}: no cells; each row after the header is one")
    lines = {}
    for line, row in rows:
        _check_row(path, line, row, columns)
        row |= {column: row.get(column, "").strip() for column in (*columns, *COLUMNS)}
        if not row["model_id"] and not row["specimen_id"]:
            raise UserError(f"{path}, line {line}: neither a model_id nor a specimen_id")
        if not row["model_id"] and row.get("kind", "") not in ("", *KINDS):
            raise UserError(f"{path}, line {line}: kind {row['kind']!r} is not one of {', '.join(KINDS)}")
        name = _name(row)
        first = lines.setdefault(name, line)
        if first != line:
            raise UserError(f"{path}, line {line}: {name} is in line {first} already")
    return [row for _, row in rows]


def _name(row):
    """How a row names its model."""
    if row["model_id"]:
        return f"model_id {row['model_id']}"
    return " ".join(filter(None, (f"specimen_id {row['specimen_id']}", row.get("kind"))))


def write_cells(path, rows):
    """Write a cell table, whole or not at all; the columns are those of the first row."""
    with written_beside(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def with_models(rows, found, kind):
    """Return the rows of a cell table with the models of those that name only a specimen.

    Parameters
    ----------
    rows : list of dict
        As `read_cells` returns them.
    found : list of dict
        `specimen_id`, `kind` and `model_id`, see `allenrec.cells.query.find_models`.
    kind : str
        Of rows without one.

    Raises
    ------
    UserError
        If two rows mean the same model.
    """
    models = {(row["specimen_id"], row["kind"]): row["model_id"] for row in found}
    named, rows_of = [], {}
    for row in rows:
        model = row["model_id"] or models.get((row["specimen_id"], row.get("kind") or kind), "")
        if model and model in rows_of:
            raise UserError(f"cell table: {_name(row)} and {_name(rows_of[model])} are the same model, {model}")
        rows_of[model] = row
        named.append(row | {"model_id": model})
    return named


def read_table(path):
    """Return the rows (dicts), each with its line, and the columns of a tab-separated file."""
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
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise UserError(f"{path}: column {repeated[0]!r} is there twice")
    if "" in columns:
        raise UserError(f"{path}: column {columns.index('') + 1} of the header has no name")
    return rows, columns


def _check_row(path, line, row, columns):
    if "" in row or None in row.values():
        raise UserError(f"{path}, line {line}: not {len(columns)} tab-separated values, as the header has")
    for column in ("model_id", "specimen_id"):
        if not re.fullmatch(r"[0-9]*", row.get(column, "")):
            raise UserError(f"{path}, line {line}: {column} {row[column]!r} is not an id of digits")


def cell_facts(metadata):
    """Return what the metadata of a model say of its cell.

    Parameters
    ----------
    metadata : dict
        Content of `model_metadata.json`, as in the archives of the Allen site; {} if there is none.

    Returns
    -------
    dict
        The columns `FACTS` to text, "" where nothing is known.

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
    variance = explained_variance(metadata)
    return {
        "specimen_id": str(metadata.get("specimen_id") or ""),
        "specimen_name": specimen.get("name") or "",
        "dendrite_type": tags.get("dendrite type", ""),
        "apical": tags.get("apical", ""),
        "area": (structure.get("acronym") or "").removesuffix(layer[1] if layer else ""),
        "layer": layer[1] if layer else "",
        "line": ";".join(drivers),
        "species": SPECIES.get(donor.get("organism_id"), ""),
        "model_kind": KIND_OF_TEMPLATE.get(metadata.get("neuronal_model_template_id"), ""),
        "explained_variance": "" if variance is None else f"{variance:.3f}",
    }


def explained_variance(model):
    """Return the explained variance of a model (its metadata, or a row of the Allen site): the mean of its runs, None where
    nothing is known."""
    runs = [run.get("explained_variance_ratio") for run in model.get("neuronal_model_runs") or []]
    known = [float(value) for value in runs if value is not None]
    return mean(known) if known else None


def check_cell_type_column(rows, column):
    """Raise a `UserError` if the column that shall name the cell types is neither in the cell table nor in the metadata."""
    known = dict.fromkeys((*COLUMNS, *(rows[0] if rows else ()), *FACTS))
    if rows and column not in known:
        raise UserError(
            f"config: cell_type_column: {column!r} is not a column of the cell table or the metadata: {', '.join(known)}"
        )


def describe_cell(row, facts, cell_type_column="cell_type"):
    """Join a row of the cell table with the facts of its model.

    Parameters
    ----------
    row : dict
        Of the cell table. What it says goes before the facts.
    facts : dict
        As `cell_facts` returns them, and others.
    cell_type_column : str
        Which column, of the table or the facts, names the cell type.

    Returns
    -------
    dict
        Column to text: those of the table, and those of the facts. `cell_type` is what the column says; where it is the
        column `cell_type` of the table and that is empty, the dendrite type.

    Raises
    ------
    UserError
        If neither knows the cell type, or they name different specimens or kinds of model.
    """
    for column, fact in (("specimen_id", "specimen_id"), ("kind", "model_kind")):
        said, known = row.get(column), facts.get(fact)
        if said and known and said != known and (column != "kind" or said in KIND_OF_TEMPLATE.values()):
            raise UserError(f"model {row['model_id']}: the cell table says {column} {said}, its files say {known}")
    cell = {column: value or facts.get(column, "") for column, value in row.items()}
    cell |= {column: value for column, value in facts.items() if column not in row}
    cell["cell_type"] = cell.get(cell_type_column) or (cell.get("dendrite_type", "") if cell_type_column == "cell_type" else "")
    if not cell["cell_type"]:
        missing = "dendrite type" if cell_type_column == "cell_type" else cell_type_column
        raise UserError(
            f"model {row['model_id']}: its metadata name no {missing}; fill in `{cell_type_column}` in the cell table"
        )
    return cell
