"""Questions to the Allen site: which cells are, for example, aspiny cells of layer 5, and which models they have.

The answer is a cell table that the user reviews and keeps, so that the same configuration means the same cells next year.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allenrec.common.errors import UserError, shown
from allenrec.common.files import write_json
from allenrec.models.metadata import KIND_OF_TEMPLATE, explained_variance, format_variance
from allenrec.models.recorded_sweeps import format_steps, recorded_steps

from .table import CellRow, ChosenModel, read_cells, read_table, with_models, write_cells

if TYPE_CHECKING:
    from allenrec.models.sources.allen_api import AllenApi, Row
    from allenrec.settings.models import Allen, Cells, Models, Query

#: Keys of a question, and the columns of the site's cell table (`ApiCellTypesSpecimenDetail`) that they are compared with
FIELDS = {
    "species": "donor__species",
    "area": "structure_parent__acronym",
    "layer": "structure__layer",
    "line": "line_name",
    "dendrite_type": "tag__dendrite_type",
    "apical": "tag__apical",
}
#: Kinds of models, and the columns of the site's cell table that count them
COUNTS = {"perisomatic": "m__biophys_perisomatic", "all active": "m__biophys_all_active"}

#: What is raised when a row of the site holds other values than it used to
FORM_CHANGED = (KeyError, TypeError, ValueError, AttributeError, OverflowError)

#: Columns of the cell table that answers a question
COLUMNS = (
    *("model_id", "specimen_id", "cell_type", "kind", "specimen_name", "species", "area", "layer", "line", "dendrite_type"),
    *("apical", "soma_depth", "explained_variance", "recorded_spikes"),
)


def load_cell_table(cells: Cells, models: Models, *, query_pending: bool = False) -> list[CellRow]:
    """Return the rows of the configuration's cell table, each with its model.

    If rows name only a specimen, their models are looked up at the Allen site, once. The answer is kept beside the table, in
    `<table>.models.tsv`.

    Parameters
    ----------
    cells : allenrec.settings.models.Cells
        The table, and the question that it answers.
    models : allenrec.settings.models.Models
        `kind` chooses the model of a specimen, `allen` is the site.
    query_pending : bool
        Whether this run asks the question. If so, a table that does not exist yet gives no rows instead of an error.

    Returns
    -------
    list of CellRow

    Raises
    ------
    UserError
        If the table is not a cell table, if the question has not been asked yet or has changed since, or if the site does not
        know a specimen.

    Examples
    --------
    >>> from allenrec.settings.models import Cells, Models
    >>> rows = load_cell_table(Cells(query=None, table="config/cells.tsv"), Models())  # doctest: +SKIP
    """
    table = Path(cells.table)
    if cells.query is not None:
        if not os.path.exists(table):  # also where its name is too long
            if query_pending:
                return []
            raise UserError(f"{table} does not exist yet; `snakemake query` asks the Allen site (cells.query) and writes it")
        if answered_question(table) not in (None, _as_recorded(cells.query)) and not query_pending:
            raise UserError(
                f"{table} answers another question than cells.query, see {_record(table)}; move both away and run "
                f"`snakemake query`, or restore the question"
            )
    rows = read_cells(table)
    if all(row.model_id for row in rows):
        return rows
    kept = table.with_suffix(".models.tsv")
    found = _read_kept(kept) if kept.exists() else []
    rows = with_models(rows, found, models.kind)
    unknown = [row for row in rows if not row.model_id]
    if unknown:
        print(
            f"Asking {models.allen.url} for the models of {len(unknown)} specimens; {kept} keeps the answer.", file=sys.stderr
        )
        found += find_models(_api(models.allen), unknown, models.kind)
        write_cells(kept, [chosen._asdict() for chosen in found])
        rows = with_models(rows, found, models.kind)
    return rows


def _read_kept(path: Path) -> list[ChosenModel]:
    """Read the file that keeps the site's answer beside a cell table."""
    rows, _ = read_table(path)
    found = [ChosenModel(**values) for _, values in rows if set(values) == set(ChosenModel._fields)]
    if len(found) < len(rows) or not all(re.fullmatch("[0-9]{1,20}", model.model_id or "") for model in found):
        raise UserError(
            f"{path}: not {', '.join(ChosenModel._fields)} in each line, as the Allen site's answer was kept; delete the file, "
            f"and the site is asked again"
        )
    return found


def ask(table: str | Path, question: Query, site: Allen) -> str:
    """Ask the site a question and write the cell table that answers it. A table that exists already is not changed.

    Parameters
    ----------
    table : path
    question : allenrec.settings.models.Query
    site : allenrec.settings.models.Allen

    Returns
    -------
    str
        The outcome, as a message for the user.

    Raises
    ------
    UserError
        If the table exists and answers another question; and as in `find_cells`.
    """
    table, recorded = Path(table), _as_recorded(question)
    if table.exists():
        if answered_question(table) not in (None, recorded):
            raise UserError(f"{table} exists and answers another question, see {_record(table)}; move both away first")
        return f"{table} exists already; move it away to ask again"
    rows = find_cells(_api(site), question)
    write_json(_record(table), {"query": recorded, "url": site.url, "date": datetime.date.today().isoformat()})
    write_cells(table, [row.columns() for row in rows])
    return f"{table}: {len(rows)} cells. Review it and keep it with the configuration"


def answered_question(table: Path) -> Any:
    """Return the question that a table answers, from the record beside the table; None if there is no record."""
    try:
        return json.loads(_record(table).read_text(encoding="utf-8"))["query"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _record(table: Path) -> Path:
    return table.with_suffix(".query.json")


def _as_recorded(question: Query) -> dict[str, Any]:
    return question.model_dump(mode="json", exclude_none=True)


def _api(site: Allen) -> AllenApi:
    # Imported only here: it loads requests, and the Snakefile loads this module at every start.
    from allenrec.models.sources.allen_api import AllenApi

    return AllenApi(site)


def find_cells(api: AllenApi, question: Query) -> list[CellRow]:
    """Return the cells and models that answer a question.

    Parameters
    ----------
    api : allenrec.models.sources.allen_api.AllenApi
    question : allenrec.settings.models.Query

    Returns
    -------
    list of CellRow
        Rows with `COLUMNS`, sorted from the best explained variance to the lowest.

    Raises
    ------
    UserError
        If no cell matches the question (the message lists the known values), or if the server does not answer.
    """
    try:
        rows = _rows(api, matching(api.cells(), question), question.kind)
    except FORM_CHANGED as error:
        raise _form_changed(api, error) from None
    lowest = question.min_explained_variance
    if lowest is not None:
        rows = [row for row in rows if row["explained_variance"] and float(row["explained_variance"]) >= lowest]
    if not rows:
        raise UserError("config: cells.query: cells match, but none has a model that matches kind and min_explained_variance")
    rows.sort(key=lambda row: (-float(row["explained_variance"] or 0), int(row["specimen_id"])))
    return [CellRow.from_columns({column: row[column] for column in COLUMNS}) for row in rows[: question.max]]


def _rows(api: AllenApi, cells: Sequence[Row], kind: str) -> list[dict[str, str]]:
    """Return the rows of a cell table for cells of the site, each with the model of the wanted kind."""
    models = api.models_of([_specimen(cell) for cell in cells])
    rows = []
    for cell in cells:
        candidates = [model for model in models if str(model["specimen_id"]) == _specimen(cell)]
        chosen = choose_model(candidates, kind)
        if chosen is None:
            print(f"specimen {_specimen(cell)}: the site counts such a model, but does not list it; left out")
        else:
            rows.append(_columns_of_cell(cell) | _columns_of_model(chosen))
    return rows


def matching(cells: Sequence[Row], question: Query) -> list[Row]:
    """Return the rows of the site's cell table that match a question and have a model of its kind.

    A line matches by its first words ("Pvalb" matches "Pvalb-IRES-Cre"), everything else by equality: "aspiny" is not "spiny".

    Parameters
    ----------
    cells : sequence of dict
        Rows of `ApiCellTypesSpecimenDetail`.
    question : allenrec.settings.models.Query

    Raises
    ------
    UserError
        If no row has one of the values in the question, or if no row matches all its keys together.
    """
    kinds = [kind for kind in COUNTS if question.kind in (kind, "best")]
    cells = [cell for cell in cells if any(int(float(cell.get(COUNTS[kind]) or 0)) for kind in kinds)]
    if not cells:
        raise UserError(f"config: cells.query.kind: the site lists no cell with a model that is {' or '.join(kinds)}")
    found = cells
    for key, column in FIELDS.items():
        wanted = getattr(question, key)
        if wanted is None:
            continue
        values = [wanted] if isinstance(wanted, str) else wanted
        for value in values:
            if not any(_matches(key, value, cell.get(column)) for cell in cells):
                known = sorted({str(cell[column]) for cell in cells if cell.get(column)})
                raise UserError(
                    f"config: cells.query.{key}: no cell with a model has {shown(value)}; known are {', '.join(known)}"
                )
        found = [cell for cell in found if any(_matches(key, value, cell.get(column)) for value in values)]
    if not found:
        raise UserError("config: cells.query: no cell with a model matches all of its keys together")
    return found


def _matches(key: str, wanted: str, value: Any) -> bool:
    wanted, value = wanted.casefold(), str(value or "").casefold()
    if key != "line":
        return bool(wanted == value)
    words = wanted.split("-")
    return any(line.split("-")[: len(words)] == words for line in value.replace(";", "|").split("|"))


def choose_model(models: Sequence[Row], kind: str) -> Row | None:
    """Return the model of a cell (a row of the site) of the wanted kind, None if there is none.

    "best" takes a perisomatic model before an all-active one, because its extracellular spikes are more like those measured in
    living animals (docs/realism.md). Among several of a kind the best explained variance decides, then the newest.
    """
    candidates = [model for model in models if kind in (_kind(model), "best")]
    if not candidates:
        return None
    return max(candidates, key=lambda model: (_kind(model) == "perisomatic", explained_variance(model) or 0.0, model["id"]))


def _form_changed(api: AllenApi, error: Exception) -> UserError:
    return UserError(f"{api.url}: the tables of the site have changed their form: {shown(error)}")


def find_models(api: AllenApi, rows: Sequence[CellRow], kind: str) -> list[ChosenModel]:
    """Return the models of those rows of a cell table that name only a specimen.

    Parameters
    ----------
    api : allenrec.models.sources.allen_api.AllenApi
    rows : sequence of CellRow
        Rows with a `specimen_id`; a row's own `kind` takes precedence over the argument.
    kind : {"perisomatic", "all active", "best"}
        The wanted kind in rows that name none.

    Returns
    -------
    list of ChosenModel
        One for each row.

    Raises
    ------
    UserError
        If a cell has no such model; the message says which models it has.
    """
    models = api.models_of(dict.fromkeys(row.specimen_id for row in rows))
    found = []
    for row in rows:
        candidates = [model for model in models if str(model["specimen_id"]) == row.specimen_id]
        listed = ", ".join(f"{model['id']} ({_kind(model)})" for model in candidates) or "none"
        print(f"specimen {row.specimen_id}: biophysical models {listed}", file=sys.stderr)
        wanted = row.kind or kind
        try:
            chosen = choose_model(candidates, wanted)
        except FORM_CHANGED as error:
            raise _form_changed(api, error) from None
        if chosen is None:
            what = "biophysical" if wanted == "best" else wanted
            raise UserError(f"specimen {row.specimen_id} has no {what} model on the Allen site; biophysical ones: {listed}")
        found.append(ChosenModel(row.specimen_id, wanted, str(chosen["id"])))
    return found


def _kind(model: Row) -> str:
    return KIND_OF_TEMPLATE[model["neuronal_model_template_id"]]


def _specimen(cell: Row) -> str:
    return str(cell["specimen__id"])


def _columns_of_cell(cell: Row) -> dict[str, str]:
    depth = cell.get("csl__normalized_depth")
    return {key: str(cell.get(column) or "") for key, column in FIELDS.items()} | {
        "specimen_id": _specimen(cell),
        "specimen_name": str(cell.get("specimen__name") or ""),
        "soma_depth": f"{float(depth):.3f}" if depth not in (None, "") else "",
        "cell_type": "",
    }


def _columns_of_model(model: Row) -> dict[str, str]:
    sweeps = (model.get("specimen") or {}).get("ephys_sweeps") or []
    return {
        "model_id": str(model["id"]),
        "kind": _kind(model),
        "explained_variance": format_variance(explained_variance(model)),
        "recorded_spikes": format_steps(recorded_steps(sweeps)),
    }
