"""From a question ("aspiny cells of layer 5"), or from ids of cells, to a cell table: which models of the Allen site are meant.

The answer is a table that a person reviews and keeps, so that the same configuration means the same cells next year.
"""

import datetime
import json
import sys
from pathlib import Path

from allenrec.common.errors import UserError
from allenrec.common.files import write_json
from allenrec.models.archive import KIND_OF_TEMPLATE
from allenrec.models.recorded_sweeps import recorded_steps, spikes_in_words

from .table import explained_variance, read_cells, read_table, with_models, write_cells

#: Keys of a question, and the columns of the site's cell table (`ApiCellTypesSpecimenDetail`) that they are compared with
FIELDS = {
    "species": "donor__species",
    "area": "structure_parent__acronym",
    "layer": "structure__layer",
    "line": "line_name",
    "dendrite_type": "tag__dendrite_type",
    "apical": "tag__apical",
}
#: Kinds of models, and the columns of that table that count them
COUNTS = {"perisomatic": "m__biophys_perisomatic", "all active": "m__biophys_all_active"}

#: Columns of the table that answers
COLUMNS = (
    *("model_id", "specimen_id", "cell_type", "kind", "specimen_name", "species", "area", "layer", "line", "dendrite_type"),
    *("apical", "soma_depth", "explained_variance", "recorded_spikes"),
)


def answered_cells(cells, kind, options, *, to_be_asked=False):
    """Return the rows of the cell table that the configuration means, each with its model.

    Models of rows that name only a specimen are looked up at the Allen site once; its answer is kept beside the table, in
    `<table>.models.tsv`.

    Parameters
    ----------
    cells : dict
        `table`, a path, and `query`, a question or None.
    kind : {"perisomatic", "all active", "best"}
        Which model of a specimen.
    options : dict
        Those of `AllenApi`.
    to_be_asked : bool
        Whether the question is about to be asked; if it is not answered yet, there are no cells then.

    Raises
    ------
    UserError
        If the table is no cell table, its question has not been asked or is another one now, or the site does not know.
    """
    table = Path(cells["table"])
    if cells["query"] is not None:
        if not table.exists():
            if to_be_asked:
                return []
            raise UserError(f"{table}: not there yet; `snakemake query` asks the Allen site (cells.query) and writes it")
        if asked(table) not in (None, _without_none(cells["query"])) and not to_be_asked:
            raise UserError(
                f"{table} answers another question than cells.query, see {_record(table)}; move both away and run "
                f"`snakemake query`, or put the question back"
            )
    rows = read_cells(table)
    known = table.with_suffix(".models.tsv")
    if all(row["model_id"] for row in rows):
        return rows
    found = [row for _, row in read_table(known)[0]] if known.exists() else []
    rows = with_models(rows, found, kind)
    nameless = [row for row in rows if not row["model_id"]]
    if nameless:
        print(
            f"Asking {options['url']} for the models of {len(nameless)} specimens; {known} keeps the answer.", file=sys.stderr
        )
        found += find_models(_api(options), nameless, kind)
        write_cells(known, found)
        rows = with_models(rows, found, kind)
    return rows


def ask(table, question, options):
    """Ask the site a question and write the cell table that answers it; an existing one is left as it is.

    Parameters
    ----------
    table : path
    question : dict
        See `find_cells`.
    options : dict
        Those of `AllenApi`.

    Returns
    -------
    str
        What came of it, for people.

    Raises
    ------
    UserError
        If the table is there and answers another question, or as in `find_cells`.
    """
    table, question = Path(table), _without_none(question)
    if table.exists():
        if asked(table) not in (None, question):
            raise UserError(f"{table} is there and answers another question, see {_record(table)}; move both away first")
        return f"{table} is there already; move it away to ask again"
    rows = find_cells(_api(options), question)
    write_json(_record(table), {"query": question, "url": options["url"], "date": datetime.date.today().isoformat()})
    write_cells(table, rows)
    return f"{table}: {len(rows)} cells. Review it and keep it with the configuration"


def asked(table):
    """Return the question that a table answers, None if no record says so."""
    try:
        return json.loads(_record(table).read_text(encoding="utf-8"))["query"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(table):
    return Path(table).with_suffix(".query.json")


def _without_none(question):
    return {key: value for key, value in question.items() if value is not None}


def _api(options):
    from allenrec.models.sources.allen_api import (
        AllenApi,  # only where something is asked: the Snakefile loads this module at every start
    )

    return AllenApi(**options)


def find_cells(api, question):
    """Return the cells and models that answer a question.

    Parameters
    ----------
    api : allenrec.models.sources.allen_api.AllenApi
    question : dict
        Keys as in `FIELDS` (a text or a list of texts each), `kind`, `min_explained_variance` and `max`; all but `kind` may
        be missing.

    Returns
    -------
    list of dict
        Rows with `COLUMNS`, the best explained variance first.

    Raises
    ------
    UserError
        If nothing answers, or the server does not; it says which values there are.
    """
    try:
        rows = _rows(api, matching(api.cells(), question), question["kind"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{api.url}: the site's tables have another shape than they had: {error!r}") from None
    lowest = question.get("min_explained_variance")
    if lowest is not None:
        rows = [row for row in rows if row["explained_variance"] and float(row["explained_variance"]) >= lowest]
    if not rows:
        raise UserError("config: cells.query: cells match, but none has such a model (kind, min_explained_variance)")
    rows.sort(key=lambda row: (-float(row["explained_variance"] or 0), int(row["specimen_id"])))
    return [{column: row[column] for column in COLUMNS} for row in rows[: question.get("max")]]


def _rows(api, cells, kind):
    """The rows of cells of the site, each with the model that is meant."""
    models = api.models_of([_specimen(cell) for cell in cells])
    rows = []
    for cell in cells:
        of_cell = [model for model in models if str(model["specimen_id"]) == _specimen(cell)]
        chosen = choose_model(of_cell, kind)
        if chosen is None:
            print(f"specimen {_specimen(cell)}: the site counts such a model, but does not list it; left out")
        else:
            rows.append(_facts_of_cell(cell) | _facts_of_model(chosen))
    return rows


def matching(cells, question):
    """Return the rows of the site's cell table that match a question and have a model of its kind.

    Parameters
    ----------
    cells : list of dict
        Rows of `ApiCellTypesSpecimenDetail`.
    question : dict
        See `find_cells`. A line matches by its first words ("Pvalb" is "Pvalb-IRES-Cre"), everything else by equality;
        "aspiny" is not "spiny".

    Raises
    ------
    UserError
        If a value of the question is met in no row at all.
    """
    kinds = [kind for kind in COUNTS if question["kind"] in (kind, "best")]
    cells = [cell for cell in cells if any(int(float(cell.get(COUNTS[kind]) or 0)) for kind in kinds)]
    if not cells:
        raise UserError(f"config: cells.query.kind: the site lists no cell with a model that is {' or '.join(kinds)}")
    found = cells
    for key, column in FIELDS.items():
        values = question.get(key)
        if values is None:
            continue
        values = [values] if isinstance(values, str) else values
        for value in values:
            if not any(_matches(key, value, cell.get(column)) for cell in cells):
                known = sorted({str(cell[column]) for cell in cells if cell.get(column)})
                raise UserError(f"config: cells.query.{key}: no cell with a model has {value!r}; known are {', '.join(known)}")
        found = [cell for cell in found if any(_matches(key, value, cell.get(column)) for value in values)]
    if not found:
        raise UserError("config: cells.query: no cell with a model matches all of it")
    return found


def _matches(key, asked, value):
    asked, value = asked.casefold(), str(value or "").casefold()
    if key != "line":
        return asked == value
    words = asked.split("-")
    return any(line.split("-")[: len(words)] == words for line in value.replace(";", "|").split("|"))


def choose_model(models, kind):
    """Return the model of a cell (a row of the site) of a kind, None if there is none.

    "best" takes an all-active one before a perisomatic one, because its dendrites take part in the spike. Among several of
    a kind the best explained variance decides, then the newest.
    """
    wanted = [model for model in models if kind in (_kind(model), "best")]
    if not wanted:
        return None
    return max(wanted, key=lambda model: (_kind(model) == "all active", explained_variance(model) or 0.0, model["id"]))


def find_models(api, rows, kind):
    """Return the rows of a cell table that name only a specimen, each with the model that is meant.

    Parameters
    ----------
    api : allenrec.models.sources.allen_api.AllenApi
    rows : list of dict
        With `specimen_id`, and perhaps a `kind` of their own.
    kind : {"perisomatic", "all active", "best"}
        For rows without one.

    Returns
    -------
    list of dict
        `specimen_id`, the `kind` that was asked for, and `model_id`.

    Raises
    ------
    UserError
        If a cell has no such model; it says which it has.
    """
    models = api.models_of(dict.fromkeys(row["specimen_id"] for row in rows))
    found = []
    for row in rows:
        of_cell = [model for model in models if str(model["specimen_id"]) == row["specimen_id"]]
        listed = ", ".join(f"{model['id']} ({_kind(model)})" for model in of_cell) or "none"
        print(f"specimen {row['specimen_id']}: biophysical models {listed}", file=sys.stderr)
        wanted = row.get("kind") or kind
        chosen = choose_model(of_cell, wanted)
        if chosen is None:
            what = "biophysical" if wanted == "best" else wanted
            raise UserError(f"specimen {row['specimen_id']} has no {what} model on the Allen site; biophysical ones: {listed}")
        found.append({"specimen_id": row["specimen_id"], "kind": wanted, "model_id": str(chosen["id"])})
    return found


def _kind(model):
    return KIND_OF_TEMPLATE[model["neuronal_model_template_id"]]


def _specimen(cell):
    return str(cell["specimen__id"])


def _facts_of_cell(cell):
    depth = cell.get("csl__normalized_depth")
    return {key: str(cell.get(column) or "") for key, column in FIELDS.items()} | {
        "specimen_id": _specimen(cell),
        "specimen_name": str(cell.get("specimen__name") or ""),
        "soma_depth": f"{float(depth):.3f}" if depth not in (None, "") else "",
        "cell_type": "",
    }


def _facts_of_model(model):
    variance = explained_variance(model)
    sweeps = (model.get("specimen") or {}).get("ephys_sweeps") or []
    return {
        "model_id": str(model["id"]),
        "kind": _kind(model),
        "explained_variance": "" if variance is None else f"{variance:.3f}",
        "recorded_spikes": spikes_in_words(recorded_steps(sweeps)),
    }
