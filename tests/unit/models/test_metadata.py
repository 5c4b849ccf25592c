"""Facts about cells: the metadata of models are compared with the table of all cells of the Allen Cell Types Database."""

import csv

import pytest
from made_data import archive_metadata, mouse_cells

from allenrec.common.errors import UserError
from allenrec.models.metadata import FACTS, CellFacts, cell_facts, read_metadata


@pytest.fixture(scope="module")
def database(shared_data):
    """The mouse cells of the Allen Cell Types Database by specimen id."""
    with open(shared_data / "allen_cells_mouse.csv", newline="", encoding="utf-8") as file:
        rows = [{column: value.strip('"') for column, value in row.items()} for row in csv.DictReader(file)]
    return {row["Cell_id"]: row for row in rows}


def as_in_the_database(found):
    """Return the facts that a row of the database states."""
    return {
        "specimen_name": found["specimen__name"],
        "dendrite_type": found["tag__dendrite_type"],
        "apical": found["tag__apical"],
        "area": found["structure_parent__acronym"],
        "layer": found["structure__layer"],
        "line": found["line_name"],
        "species": found["donor__species"],
    }


def test_facts_of_an_archive_are_those_of_the_cell():
    """The made archive is compared with the row of the cell table that it was made from."""
    cell = next(cell for cell in mouse_cells() if cell["line_name"] == "Rbp4-Cre_KL100")
    expected = {"specimen_id": str(cell["specimen__id"]), "model_kind": "all active", "explained_variance": "0.784"}
    assert cell_facts(archive_metadata(cell, 491766131)).columns() == expected | as_in_the_database(cell)


def check_structure(found):
    structure = {"acronym": found["structure__acronym"], "name": found["structure__name"]}
    facts = cell_facts({"specimen": {"structure": structure}})
    assert (facts.area, facts.layer) == (found["structure_parent__acronym"], found["structure__layer"])


def test_layer_and_area_of_structures():
    """Acronyms have a hyphen, names have a comma or no capitals, and layers have one to three characters."""
    for found in mouse_cells():
        check_structure(found)


def test_facts_of_a_real_archive_are_those_of_the_database(shared_data, database):
    """The archive of a model and the table of all cells are two publications of the same institute."""
    facts = cell_facts(read_metadata(shared_data / "allen_zip_example"))
    expected = {"specimen_id": "488683425", "model_kind": "all active", "explained_variance": "0.784"}
    assert facts.columns() == expected | as_in_the_database(database["488683425"])


def test_facts_of_the_wheel_models_are_those_of_the_database(models_folder, database):
    for folder in models_folder.glob("neuronal_model_*"):
        facts = cell_facts(read_metadata(folder))
        expected = as_in_the_database(database[facts.specimen_id])
        assert {column: getattr(facts, column) for column in expected} == expected, folder.name


def test_layer_and_area_of_every_structure(database):
    for found in database.values():
        check_structure(found)


def test_flags_are_a_column_only_when_they_are_known():
    assert list(CellFacts().columns()) == list(FACTS)
    assert list(CellFacts(flags="").columns()) == [*FACTS, "flags"]


@pytest.mark.parametrize(
    "specimen",
    ["a name", 5, {"specimen_tags": [{"id": 1}]}, {"specimen_tags": ["spiny"]}, {"donor": [1]}],
    ids=["text", "number", "tag without name", "tag a text", "donor a list"],
)
def test_metadata_of_another_shape_are_one_message(specimen):
    with pytest.raises(UserError, match="metadata") as caught:
        cell_facts({"id": 491766131, "specimen": specimen})
    assert "491766131" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_metadata_that_are_no_object_are_named(tmp_path, content):
    (tmp_path / "model_metadata.json").write_text(content)
    with pytest.raises(UserError, match=r"model_metadata\.json does not"):
        read_metadata(tmp_path)
