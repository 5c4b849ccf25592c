"""Questions about cells: on made cells, on the real ones, and on a server that answers as the Allen site does."""

import csv
import re

import pytest
from allen_server import AllenServer
from made_data import ALL_ACTIVE, COUNTS, PERISOMATIC, mouse_cells, site_model, sweep

from allenrec.cells.query import COLUMNS, ask, choose_model, find_cells, find_models, load_cell_table, matching
from allenrec.cells.table import CellRow, ChosenModel, read_cells
from allenrec.common.errors import UserError
from allenrec.models.sources.allen_api import AllenApi, Refused
from allenrec.settings.models import Allen, Cells, Models, Query


@pytest.fixture(scope="module")
def cells():
    """Made mouse cells, as the site sends them: numbers as numbers."""
    return mouse_cells()


@pytest.fixture(scope="module")
def database(shared_data):
    """The mouse cells of the Allen Cell Types Database, in the same form."""
    with open(shared_data / "allen_cells_mouse.csv", newline="", encoding="utf-8") as file:
        rows = [{column: value.strip('"') for column, value in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        row["specimen__id"] = int(row.pop("Cell_id"))
        row |= {column: int(row[column] or 0) for column in COUNTS.values()}
    return rows


@pytest.fixture
def server(cells):
    """A site with the made cells; each model's id is that of its cell and a digit."""
    server = AllenServer()
    server.cells = cells
    server.models = [
        site_model(10 * specimen + digit, specimen, template, specimen % 1000 / 1000, [sweep(110.000002162547, 2)])
        for cell in cells
        for digit, (template, column) in enumerate(COUNTS.items())
        if cell[column]
        for specimen in [cell["specimen__id"]]
    ]
    yield server
    server.close()


@pytest.fixture
def api(server):
    return AllenApi(Allen(url=server.url, timeout=2, retries=2, backoff=0.01))


@pytest.fixture
def site(server):
    """The settings of a site that is asked once."""
    return Allen(url=server.url, timeout=1, retries=0, backoff=0)


#: A question, how many made cells answer it (counted in `made_data.GROUPS` and the wheel's five), and how many of the database
COUNTED = [
    ({"kind": "perisomatic"}, 39, 195),
    ({"kind": "perisomatic", "dendrite_type": "aspiny"}, 14, 75),
    ({"kind": "perisomatic", "dendrite_type": "sparsely spiny"}, 2, 4),
    ({"kind": "perisomatic", "dendrite_type": "spiny"}, 23, 116),
    ({"kind": "all active"}, 19, 107),
    ({"kind": "all active", "dendrite_type": "aspiny"}, 6, 60),
    ({"kind": "all active", "dendrite_type": "sparsely spiny"}, 1, 3),
    ({"kind": "all active", "dendrite_type": ["spiny"]}, 12, 44),
    ({"kind": "best"}, 43, 207),
    ({"kind": "perisomatic", "layer": "5"}, 14, 74),
    ({"kind": "perisomatic", "layer": "4"}, 14, 70),
    ({"kind": "perisomatic", "layer": "2/3"}, 7, 28),
    ({"kind": "perisomatic", "layer": "6a"}, 3, 22),
    ({"kind": "perisomatic", "layer": "1"}, 1, 1),
    ({"kind": "perisomatic", "layer": ["4", "5"]}, 28, 144),
    ({"kind": "perisomatic", "line": "Rorb"}, 10, 38),
    ({"kind": "perisomatic", "line": "pvalb"}, 10, 29),
    ({"kind": "perisomatic", "line": "Sst-IRES-Cre"}, 4, 25),
    ({"kind": "perisomatic", "line": "Scnn1a-Tg3"}, 3, 15),
    ({"kind": "perisomatic", "line": "Scnn1a-Tg2"}, 3, 13),
    ({"kind": "perisomatic", "line": "Ntsr1"}, 2, 8),
    ({"kind": "perisomatic", "species": "mus musculus"}, 39, 195),
]


@pytest.mark.parametrize(("question", "count"), [case[:2] for case in COUNTED], ids=str)
def test_counts_of_the_made_cells(cells, question, count):
    assert len(matching(cells, Query(**question))) == count


def test_counts_of_the_database(database):
    """The numbers in the facts, which were counted by others."""
    assert len(database) == 1920
    for question, _, count in COUNTED:
        assert len(matching(database, Query(**question))) == count, question


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"layer": "6"}, "cells.query.layer: no cell with a model has '6'; known are 1, 2/3, 4, 5, 6a"),
        ({"line": "Pval"}, "cells.query.line: no cell with a model has 'Pval'; known are .*Pvalb-IRES-Cre"),
        ({"species": "Homo Sapiens"}, "cells.query.species: .* known are Mus musculus"),
        ({"dendrite_type": ["spiny", "smooth"]}, "cells.query.dendrite_type: no cell .* 'smooth'; known are aspiny, sparsely"),
        ({"layer": "1", "line": "Rbp4"}, "cells.query: no cell with a model matches all of its keys together"),
    ],
    ids=str,
)
def test_question_that_nothing_answers_says_what_there_is(cells, question, expected):
    with pytest.raises(UserError, match=expected):
        matching(cells, Query(**question, kind="perisomatic"))


def test_answer_is_a_table_with_what_is_known_of_each_cell(api, site, cells, tmp_path):
    question = {"dendrite_type": "aspiny", "layer": "5", "line": "Pvalb", "kind": "all active", "species": "Mus musculus"}
    table = tmp_path / "cells.tsv"
    assert ask(table, Query(**question, max=4), site).startswith(f"{table}: 4 cells")
    rows = [row.columns() for row in read_cells(table)]
    assert tuple(rows[0]) == COLUMNS and len(rows) == 4
    by_specimen = {str(cell["specimen__id"]): cell for cell in cells}
    for row in rows:
        cell = by_specimen[row["specimen_id"]]
        assert row["model_id"] == row["specimen_id"] + "1" and row["kind"] == "all active"
        assert (row["layer"], row["line"], row["dendrite_type"], row["area"]) == ("5", "Pvalb-IRES-Cre", "aspiny", "VISp")
        assert float(row["soma_depth"]) == pytest.approx(float(cell["csl__normalized_depth"]), abs=5e-4)
        assert float(row["explained_variance"]) == int(row["specimen_id"]) % 1000 / 1000
        assert row["recorded_spikes"] == "110: 2"
    variances = [float(row["explained_variance"]) for row in rows]
    everything = find_cells(api, Query(**question))
    assert variances == sorted(variances, reverse=True)
    assert variances == [float(row.others["explained_variance"]) for row in everything[:4]]
    assert len(everything) == len(matching(cells, Query(**question)))
    at_least = find_cells(api, Query(**question, min_explained_variance=variances[1]))
    assert [row.model_id for row in at_least] == [row["model_id"] for row in rows[:2]]


@pytest.mark.parametrize("page", [50, 1000])
def test_answers_come_whole_from_a_server_that_sends_pages(api, server, page):
    server.page = page
    assert len(api.cells()) == 123
    assert len(find_cells(api, Query(kind="best"))) == 43


@pytest.mark.parametrize("faults", [[500, 503, None], ["refuse include"]], ids=str)
def test_query_tries_again_after_errors_that_pass_and_does_without_what_is_refused(api, server, faults):
    server.faults["query"] = faults
    found = find_models(api, [CellRow("", "330080937")], "perisomatic")
    assert found == [ChosenModel(specimen_id="330080937", kind="perisomatic", model_id="3300809370")]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("refuse", "refuses a query: Data could not be parsed"),
        (500, "the server answers 500 .*, in each of 3 attempts"),
        (403, "the server answers 403"),
        (404, "the server answers 404"),
        ("html", "something else than JSON"),
    ],
)
def test_query_that_fails_is_one_message_and_leaves_nothing(server, tmp_path, fault, expected):
    server.faults["query"] = [fault]
    site = Allen(url=server.url, timeout=1, retries=2, backoff=0.01)
    with pytest.raises(UserError, match=expected) as caught:
        ask(tmp_path / "cells.tsv", Query(kind="best"), site)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


def test_spaces_and_brackets_reach_the_server_as_they_are(api, server):
    with pytest.raises(Refused):
        server.faults["query"] = ["refuse"]
        api.query("model::X,rma::criteria,[donor__species$eq'Mus musculus']")
    assert server.queries[0].startswith(
        "model::X,rma::criteria,[donor__species$eq'Mus musculus'],rma::options[num_rows$eq'all']"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("perisomatic", 12), ("all active", 21), ("best", 12)],
)
def test_chosen_model(kind, expected):
    """Among models of a kind the one that explains most is chosen; `best` prefers a perisomatic model, see docs/realism.md."""
    runs = {11: 0.5, 12: 0.9, 20: None, 21: 0.6}
    models = [
        {"id": model, "specimen_id": 1, "neuronal_model_template_id": PERISOMATIC if model < 20 else ALL_ACTIVE}
        | {"neuronal_model_runs": [{"explained_variance_ratio": variance}]}
        for model, variance in runs.items()
    ]
    assert choose_model(models, kind)["id"] == expected
    assert choose_model(models[:2], "best")["id"] == 12 and choose_model(models[:2], "all active") is None


def only_perisomatic(cells):
    peri, active = COUNTS.values()
    return next(str(cell["specimen__id"]) for cell in cells if cell[peri] and not cell[active])


def test_specimens_of_a_table_get_their_models_once(server, site, cells, tmp_path):
    """Two models of one cell side by side, a cell by default, and a model that is named; a second time nobody is asked."""
    both = next(str(cell["specimen__id"]) for cell in cells if all(cell[column] for column in COUNTS.values()))
    other = next(str(cell["specimen__id"]) for cell in cells if cell[COUNTS[PERISOMATIC]] and not cell[COUNTS[ALL_ACTIVE]])
    path = tmp_path / "cells.tsv"
    rows = [("", both, "perisomatic"), ("", both, "all active"), ("", other, ""), ("7", "", "")]
    path.write_text("model_id\tspecimen_id\tkind\n" + "".join("\t".join(row) + "\n" for row in rows))
    cells = Cells(table=str(path), query=None)

    def models(kind):
        return [row.model_id for row in load_cell_table(cells, Models(kind=kind, allen=site))]

    assert models("best") == [both + "0", both + "1", other + "0", "7"]
    asked = len(server.requests)
    assert models("best") == [both + "0", both + "1", other + "0", "7"]
    assert len(server.requests) == asked
    for _ in range(2):  # the row without a kind means another kind now, which is asked for once as well
        assert models("perisomatic") == [both + "0", both + "1", other + "0", "7"]
    assert len(server.requests) == asked + 2


def test_cell_without_such_a_model_says_which_it_has(server, api, cells):
    only = only_perisomatic(cells)
    expected = re.escape(f"specimen {only} has no all active model on the Allen site; biophysical ones: {only}0 (perisomatic)")
    with pytest.raises(UserError, match=expected):
        find_models(api, [CellRow("", only)], "all active")
    with pytest.raises(UserError, match="specimen 1 has no biophysical model on the Allen site; biophysical ones: none"):
        find_models(api, [CellRow("", "1")], "best")


def test_table_that_answers_is_never_written_again(site, tmp_path):
    table, models = tmp_path / "cells.tsv", Models(allen=site)
    question = Query(line="Rorb", layer=None, kind="best", max=3)
    cells = Cells(table=str(table), query=question)
    with pytest.raises(UserError, match="does not exist yet; `snakemake query` asks"):
        load_cell_table(cells, models)
    assert load_cell_table(cells, models, query_pending=True) == []
    ask(table, question, site)
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[:3]))  # a user takes one out
    assert len(load_cell_table(cells, models)) == 2
    assert "exists already" in ask(table, question, site) and table.read_text() == "".join(rows[:3])
    other = Query(line="Rorb", layer="4", kind="best", max=3)
    with pytest.raises(UserError, match=r"answers another question than cells\.query"):
        load_cell_table(Cells(table=str(table), query=other), models)
    with pytest.raises(UserError, match="answers another question"):
        ask(table, other, site)


@pytest.mark.parametrize(
    "content",
    [
        "specimen_id\tkind\n7\tbest\n",
        "specimen_id\tkind\tmodel_id\n7\tbest\n",
        "specimen_id\tkind\tmodel_id\n7\tbest\t../1\n",
        "\0",
    ],
    ids=["column gone", "row cut", "path", "no table"],
)
def test_damaged_answer_beside_a_table_is_one_line(tmp_path, site, content):
    (tmp_path / "cells.tsv").write_text("specimen_id\n7\n")
    (tmp_path / "cells.models.tsv").write_text(content)
    with pytest.raises(
        UserError, match=r"cells\.models\.tsv(: not specimen_id, kind, model_id in each line| is not|: column)"
    ) as told:
        load_cell_table(Cells(table=str(tmp_path / "cells.tsv"), query=None), Models(allen=site))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../x"},
        {"id": ["7"]},
        {"neuronal_model_template_id": [329230710]},
        {"neuronal_model_runs": [{"explained_variance_ratio": "much"}]},
        {"neuronal_model_runs": [{"explained_variance_ratio": 10**400}]},
        {"neuronal_model_runs": 5},
    ],
    ids=str,
)
def test_site_with_models_of_another_form_is_one_line(api, server, change):
    """An id of the site becomes the name of a folder."""
    server.models = [{"id": 70, "specimen_id": 7, "neuronal_model_template_id": 329230710} | change]
    with pytest.raises(UserError, match=r"tables of the site have changed their form|has no biophysical model") as told:
        find_models(api, [CellRow("", "7")], "best")
    assert len(str(told.value).splitlines()) == 1 and len(str(told.value)) < 400
