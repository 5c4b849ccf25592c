"""The made data have the form of the Allen Institute's, where those are beside the repository."""

import csv
import json

from made_data import ALL_ACTIVE, ephys_sweeps, mouse_cells, site_model


def test_made_cells_have_columns_of_the_database(shared_data):
    with open(shared_data / "allen_cells_mouse.csv", newline="", encoding="utf-8") as file:
        real = [row | {"specimen__id": row["Cell_id"]} for row in csv.DictReader(file)]
    for made in mouse_cells():
        assert made.keys() <= real[0].keys()
    # The words that the code compares are those of the database.
    for column in ("tag__dendrite_type", "tag__apical", "donor__species", "structure__layer", "line_name"):
        words = {word for row in real for word in row[column].split("|")}
        assert {word for made in mouse_cells() for word in made[column].split("|")} <= words, column


def test_made_sweeps_and_models_have_columns_of_the_site(shared_data):
    sweeps = json.loads((shared_data / "allen_zip_example" / "ephys_sweeps.json").read_text())
    known = {row["stimulus_name"] for row in sweeps}
    for made in ephys_sweeps():
        assert made.keys() <= sweeps[0].keys() and made["stimulus_name"] in known
    (real,) = json.loads((shared_data / "allen_api" / "neuronal_model_472451419.json").read_text())["msg"]
    made = site_model(1, 2, ALL_ACTIVE, 0.5, ephys_sweeps())
    made.pop("neuronal_model_runs")  # the stored answer was asked without
    assert made.keys() <= real.keys() and made["specimen"].keys() <= real["specimen"].keys()
    assert made["specimen"]["ephys_sweeps"][0].keys() <= real["specimen"]["ephys_sweeps"][0].keys()
