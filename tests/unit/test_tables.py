"""The cell table and the metadata of models."""

import json

import pytest
from support import ROOT

from allenrec.errors import UserError
from allenrec.tables import describe_cell, read_cells

HEADER = "model_id\tspecimen_id\tcell_type"


def write(folder, *lines, encoding="utf-8"):
    path = folder / "cells.tsv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def test_further_columns_travel(tmp_path):
    rows = read_cells(write(tmp_path, HEADER + "\tlayer", "11\t22\tspiny\t5", "12\t\t\t2/3"))
    assert rows == [
        {"model_id": "11", "specimen_id": "22", "cell_type": "spiny", "layer": "5"},
        {"model_id": "12", "specimen_id": "", "cell_type": "", "layer": "2/3"},
    ]


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "cells.tsv"
    path.write_bytes(("\ufeff" + HEADER + "\r\n11\t22\tspiny\r\n").encode())
    assert read_cells(path)[0]["cell_type"] == "spiny"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER, "11\t\t", "11\t\t"], r"line 3: model_id 11 is in line 2 already"),
        ([HEADER, "11a\t\t"], r"line 2: model_id '11a' is not an id of digits"),
        ([HEADER, "\t22\t"], r"line 2: model_id '' is not an id of digits"),
        ([HEADER, "11\tx\t"], r"line 2: specimen_id 'x' is not an id of digits"),
        ([HEADER, "11\t22"], r"line 2: not 3 tab-separated values"),
        ([HEADER, "11\t22\tspiny\tmore"], r"line 2: not 3 tab-separated values"),
        ([HEADER], r"no cells"),
        ([""], r"no column 'model_id'"),
        (["model_id,specimen_id,cell_type", "1,2,3"], r"no column 'model_id'.*tab-separated"),
        (["model_id\tcell_type", "1\tspiny"], r"no column 'specimen_id'"),
        ([HEADER + "\tlayer\tlayer", "1\t2\t3\t4\t5"], r"column 'layer' is there twice"),
    ],
)
def test_bad_table_is_named_with_its_line(lines, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        read_cells(write(tmp_path, *lines))
    assert str(tmp_path / "cells.tsv") in str(caught.value) and "\n" not in str(caught.value)


def test_missing_table_and_binary_file_are_named(tmp_path):
    with pytest.raises(UserError, match="no such cell table"):
        read_cells(tmp_path / "none.tsv")
    (tmp_path / "cells.tsv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="not a tab-separated table"):
        read_cells(tmp_path / "cells.tsv")


def test_tables_that_come_with_the_workflow_are_good():
    for name in ("cells.tsv", "seed_cells.tsv"):
        assert len(read_cells(ROOT / "config" / name)) == 3


ROW = {"model_id": "491766131", "specimen_id": "", "cell_type": ""}


def test_metadata_of_a_real_archive(shared_data):
    """The `model_metadata.json` of model 491766131: an Rbp4 cell of layer 5."""
    metadata = json.loads((shared_data / "allen_zip_example" / "model_metadata.json").read_text())
    cell = describe_cell(ROW, metadata)
    expected = {
        "specimen_id": "488683425", "cell_type": "spiny", "dendrite_type": "spiny", "apical": "intact", "area": "VISp",
        "layer": "5", "line": "Rbp4-Cre_KL100", "species": "Mus musculus",
        "specimen_name": "Rbp4-Cre_KL100;Ai14-203503.04.01.01",
    }  # fmt: skip
    assert {key: cell[key] for key in expected} == expected
    labelled = describe_cell(ROW | {"cell_type": "pyramidal", "layer": "5b"}, metadata)
    assert (labelled["cell_type"], labelled["layer"], labelled["dendrite_type"]) == ("pyramidal", "5b", "spiny")
    with pytest.raises(UserError, match="model 491766131: the cell table says specimen 7, its metadata 488683425"):
        describe_cell(ROW | {"specimen_id": "7"}, metadata)


def test_cell_without_any_type_is_an_error():
    with pytest.raises(UserError, match=r"model 491766131: .*fill in `cell_type`"):
        describe_cell(ROW, {})
    assert describe_cell(ROW | {"cell_type": "mine"}, {})["cell_type"] == "mine"
