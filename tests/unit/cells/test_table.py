"""Cell tables, and what is known of a cell: held against made metadata, and against those of the Allen Cell Types Database."""

import pytest
from made_data import archive_metadata, mouse_cells
from support import ROOT

from allenrec.cells.table import (
    CellRow,
    ChosenModel,
    check_cell_type_column,
    check_left_out,
    describe_cell,
    read_cells,
    with_models,
    write_cells,
)
from allenrec.common.errors import UserError
from allenrec.models.metadata import cell_facts

HEADER = "model_id\tspecimen_id\tcell_type\n"


@pytest.fixture
def table(tmp_path):
    """Write a cell table; return its path."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "cells.tsv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def test_default_tables_are_good():
    rows = read_cells(ROOT / "config" / "cells.tsv")
    assert [row.model_id for row in rows] == ["473863510", "473863035", "472912177"]
    seed = read_cells(ROOT / "config" / "seed_cells.tsv")
    assert {row.model_id for row in seed} == {"488462965", "489932682", "489932435"}


def test_rows_keep_order_columns_and_text(table):
    """Further columns are kept, also those whose names have other letters; nothing becomes a number."""
    rows = read_cells(table("couche\tmodel_id\tspecimen_id\tcell_type\tnote µ\n2/3\t0012\t7\tL5 PC\t1.50\n\t11\t\t\t\n"))
    assert [row.columns() for row in rows] == [
        {"couche": "2/3", "model_id": "0012", "specimen_id": "7", "cell_type": "L5 PC", "note µ": "1.50"},
        {"couche": "", "model_id": "11", "specimen_id": "", "cell_type": "", "note µ": ""},
    ]
    assert [list(row.others) for row in rows] == [["couche", "note µ"]] * 2
    assert [CellRow.from_columns(row.columns()) for row in rows] == rows


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "1\t2\tspiny\n",
        "\ufeff" + HEADER + "1\t2\tspiny\n",
        (HEADER + "1\t2\tspiny\n").replace("\n", "\r\n"),
        HEADER + "1\t2\tspiny",
        HEADER + "\n1\t2\tspiny\n\n",
        HEADER + '1\t2\t"spiny"\n',
        HEADER + "1\t2\t spiny \n",
    ],
    ids=["plain", "byte order mark", "CRLF", "no line end", "empty lines", "quotes", "spaces"],
)
def test_what_spreadsheets_write_is_read(table, text):
    assert read_cells(table(text)) == [CellRow(model_id="1", specimen_id="2", cell_type="spiny")]


BAD_TABLES = {
    "empty file": ("", "neither a column 'model_id' nor 'specimen_id'; .* are none"),
    "header only": (HEADER, "no cells"),
    "missing columns": ("model\tcell_type\n1\tspiny\n", "neither a column 'model_id' nor .* are model, cell_type"),
    "commas": ("model_id,specimen_id,cell_type\n1,2,spiny\n", r"neither a column .*; the columns \(tab-separated\)"),
    "column twice": ("model_id\tspecimen_id\tcell_type\tcell_type\n1\t2\ta\tb\n", "column 'cell_type' is there twice"),
    "too few values": (HEADER + "1\t2\tspiny\n3\t4\n", "line 3: not 3 tab-separated values"),
    "too many values": (HEADER + "1\t2\tspiny\tL5\n", "line 2: not 3 tab-separated values"),
    "model_id twice": (HEADER + "1\t2\tspiny\n5\t\t\n1\t\t\n", "line 4: model_id 1 is in line 2 already"),
    "no id at all": (HEADER + "\t\tspiny\n", "line 2: neither a model_id nor a specimen_id"),
    "specimen_id twice": (HEADER + "\t2\t\n\t2\t\n", "line 3: specimen_id 2 is in line 2 already"),
    "no kind of model": (
        "specimen_id\tkind\n2\tall-active\n",
        "line 2: kind 'all-active' is not one of perisomatic, all active",
    ),
    "model_id a word": (HEADER + "1\t\t\nneuronal_model_2\t\t\n", "line 3: model_id 'neuronal_model_2' is not an id"),
    "model_id a path": (HEADER + "../1\t\t\n", "line 2: model_id '../1' is not an id"),
    "model_id a decimal": (HEADER + "473863510.0\t\t\n", "line 2: model_id '473863510.0' is not an id"),
    "model_id in other digits": (HEADER + "١٢\t\t\n", "line 2: model_id '١٢' is not an id"),
    "model_id begins with a dot": (HEADER + ".hidden\t\t\n", "line 2: model_id '.hidden' is not an id"),
    "model_id begins with a hyphen": (HEADER + "-x\t\t\n", "line 2: model_id '-x' is not an id"),
    "model_id with a blank": (HEADER + "L5 PC\t\t\n", "line 2: model_id 'L5 PC' is not an id"),
    "model_id like a number": (HEADER + "1e5\t\t\n", "line 2: model_id '1e5' is not an id"),
    "model_id of 101 characters": (HEADER + "x" * 101 + "\t\t\n", "line 2: model_id 'x{101}' is not an id"),
    "name twice": (HEADER + "L5_PC.1\t\t\nL5_PC.1\t\t\n", "line 3: model_id L5_PC.1 is in line 2 already"),
    "specimen_id a name": (HEADER + "1\tRorb\tspiny\n", "line 2: specimen_id 'Rorb' is not an id of digits"),
    "quote left open": (HEADER + '1\t2\t"spiny\n', "not a tab-separated table"),
    "not text": ((HEADER + "1\t2\tspiny\n").encode("utf-16"), "not a tab-separated table"),
    "model_id twice, once with zeros": (HEADER + "0012\t\t\n12\t\t\n", "line 3: model_id 12 is in line 2 already"),
    "specimen_id twice, once with zeros": (HEADER + "\t7\t\n\t007\t\n", "line 3: specimen_id 007 is in line 2 already"),
    "model_id of 4000 digits": (HEADER + "1" * 4000 + "\t\t\n", r"line 2: model_id '1{196}\.\.\. "),
    "column that is a path in HDF5": ("model_id\tlayer/area\n1\tx\n", "column 'layer/area': a column's name must not have /"),
    "column that is a dot": ("model_id\t.\n1\tx\n", r"column '\.': "),
    "column of 5000 characters": (f"model_id\t{'x' * 5000}\n1\tx\n", "column 'x+.*at most 100 characters"),
    "column with NUL": ("model_id\ta\0b\n1\tx\n", "column|not a tab-separated table"),
    "value with NUL": (HEADER + "1\t\ta\0b\n", "line 2: cell_type|not a tab-separated table"),
    "value with a line end": (HEADER + '1\t\t"a\nb"\n', "line 3: cell_type 'a.nb' must have"),
    "value of 5000 characters": (HEADER + "1\t\t" + "x" * 5000 + "\n", "line 2: cell_type 'x+"),
    "column twice, once with a space": ("model_id\tlayer\tlayer \n1\ta\tb\n", "column 'layer' is there twice"),
    "column twice, with accents of two forms": ("model_id\t\u00e9\te\u0301\n1\ta\tb\n", "column 'é' is there twice"),
    "value that turns what follows": (HEADER + "1\t\t\u202espiny\n", "line 2: cell_type"),
    "too many rows": (HEADER + "x\t\t\n" * 100_001, "more than 100000 rows"),
    "Latin-1": ((HEADER + "1\t2\tpyramidenförmig\n").encode("latin-1"), "not a tab-separated table"),
}


@pytest.mark.parametrize(("text", "expected"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_bad_table_is_named_with_line_and_column(table, text, expected):
    path = table(text)
    with pytest.raises(UserError, match=expected) as caught:
        read_cells(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_unnamed_column_is_said_to_be_one(table):
    """A tab at the end of the header: the fault is there, not in the lines below."""
    with pytest.raises(UserError, match="column") as caught:
        read_cells(table("model_id\tspecimen_id\tcell_type\t\n1\t2\tspiny\tx\n"))
    assert "line 2" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["absent.tsv", ".", "cells.tsv/cells.tsv", "x" * 300], ids=["absent", "folder", "inside a file", "too long"]
)
def test_path_that_is_no_file_is_named(table, path):
    folder = table(HEADER).parent
    with pytest.raises(UserError, match=r"no such cell table|not a tab-separated table") as caught:
        read_cells(folder / path)
    assert str(folder / path) in str(caught.value) and "\n" not in str(caught.value)


def test_models_that_are_left_out_must_be_there():
    rows = [CellRow("12"), CellRow("13")]
    check_left_out(rows, ["13"])
    check_left_out([], ["13"])  # while `snakemake query` asks for the table
    with pytest.raises(UserError, match=r"^config: models\.leave_out: '14' is not a model_id of the cell table$"):
        check_left_out(rows, ["13", "14"])


def row(**values):
    return CellRow.from_columns({"model_id": "491766131"} | values)


def describe(row, metadata):
    """Join a row of the table with what the metadata say, as the stages do."""
    return describe_cell(row, cell_facts(metadata))


#: A made cell, the first of line Rbp4, and the id of its model
CELL = next(cell for cell in mouse_cells() if cell["line_name"] == "Rbp4-Cre_KL100")
MODEL, SPECIMEN = "491766131", str(CELL["specimen__id"])


@pytest.fixture(scope="module")
def metadata():
    """The metadata of the archive of a made model."""
    return archive_metadata(CELL, int(MODEL))


def test_description_is_the_row_with_the_facts(metadata):
    facts = cell_facts(metadata).columns()
    assert facts["dendrite_type"] == "spiny" and facts["specimen_id"] == SPECIMEN
    assert describe(row(), metadata) == {"model_id": MODEL, "cell_type": "spiny"} | facts


def test_table_goes_before_the_metadata(metadata):
    cell = describe(row(cell_type="L5 PC", layer="5b", my_column="x", apical=""), metadata)
    assert (cell["cell_type"], cell["layer"], cell["my_column"]) == ("L5 PC", "5b", "x")
    assert cell["apical"] == "intact" and cell["dendrite_type"] == "spiny"
    assert list(cell)[:6] == ["model_id", "specimen_id", "cell_type", "layer", "my_column", "apical"]


def test_specimen_must_be_the_same_on_both_sides(metadata):
    assert describe(row(specimen_id=SPECIMEN), metadata)["specimen_id"] == SPECIMEN
    with pytest.raises(UserError, match=f"model {MODEL}: the cell table says specimen_id 7, its files say {SPECIMEN}"):
        describe(row(specimen_id="7"), metadata)


def test_kind_must_be_the_same_on_both_sides(metadata):
    """A column `kind` with other words in it is the user's own."""
    assert describe(row(kind="all active"), metadata)["model_kind"] == "all active"
    assert describe(row(kind="best"), metadata) and describe(row(kind="pyramidal"), metadata)["kind"] == "pyramidal"
    with pytest.raises(UserError, match="the cell table says kind perisomatic, its files say all active"):
        describe(row(kind="perisomatic"), metadata)


def test_cell_type_comes_from_the_column_that_is_asked_for(metadata):
    facts = cell_facts(metadata)
    assert describe_cell(row(cell_type="mine"), facts, "line")["cell_type"] == "Rbp4-Cre_KL100"
    assert describe_cell(row(my_type="L5 PT"), facts, "my_type")["cell_type"] == "L5 PT"
    with pytest.raises(UserError, match="its metadata name no my_type; fill in `my_type` in the cell table"):
        describe_cell(row(my_type=""), facts, "my_type")
    check_cell_type_column([row(my_type="")], "my_type")
    check_cell_type_column([row()], "line")
    with pytest.raises(UserError, match=r"cell_type_column: 'lines' is not a column .*: model_id, .*, line, "):
        check_cell_type_column([row()], "lines")


def test_specimens_are_enough_and_two_of_their_models_may_stand_side_by_side(table):
    rows = read_cells(table("specimen_id\tkind\n7\tperisomatic\n7\tall active\n8\t\n"))
    assert [(r.model_id, r.specimen_id, r.cell_type) for r in rows] == [("", "7", ""), ("", "7", ""), ("", "8", "")]
    found = [ChosenModel("7", "perisomatic", "70"), ChosenModel("7", "all active", "71"), ChosenModel("9", "best", "90")]
    assert [r.model_id for r in with_models(rows, found, "best")] == ["70", "71", ""]
    found[1] = found[1]._replace(model_id="70")
    with pytest.raises(UserError, match="are the same model, 70"):
        with_models(rows, found, "best")


def test_written_table_reads_back(tmp_path):
    rows = [row(specimen_id="7", line="Pvalb-IRES-Cre", note='a "b"\tµ', formula="=1+1", depth="-1.5")]
    write_cells(tmp_path / "cells.tsv", [row.columns() for row in rows])
    assert read_cells(tmp_path / "cells.tsv") == rows
    assert "\t'=1+1\t-1.5\n" in (tmp_path / "cells.tsv").read_text()


@pytest.mark.parametrize("dendrite", ["spiny", "aspiny", "sparsely spiny"])
def test_empty_cell_type_is_the_whole_dendrite_type(dendrite):
    metadata = {"specimen": {"specimen_tags": [{"name": "apical - NA"}, {"name": f"dendrite type - {dendrite}"}]}}
    assert describe(row(), metadata)["cell_type"] == dendrite


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"specimen": None},
        {"specimen": {"specimen_tags": None, "donor": None, "structure": None}},
        {"specimen": {"specimen_tags": [{"name": "apical - intact"}]}},
    ],
    ids=["none", "specimen null", "all null", "other tags"],
)
def test_unknown_cell_type_is_an_error_and_a_given_one_is_taken(metadata):
    """Archives of 2015 have no metadata."""
    with pytest.raises(UserError, match=r"model 491766131: .* fill in `cell_type` in the cell table"):
        describe(row(), metadata)
    cell = describe(row(cell_type="PV"), metadata)
    assert cell["cell_type"] == "PV" and all(isinstance(value, str) for value in cell.values())


def test_models_may_have_names(table):
    names = ["L5_TTPC1_cADpyr232_1", "_x", "0abc", "00abc", "my-cell.v2", "7"]
    assert [row.model_id for row in read_cells(table("model_id\n" + "\n".join(names) + "\n"))] == names
