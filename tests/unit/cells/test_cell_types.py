"""A recording with units of a type that no cell has is refused, as soon as the types of all cells are known."""

import json

import pytest

from allenrec.cells.cell_types import check_cell_types
from allenrec.common.errors import UserError
from allenrec.settings.recordings import Recording


def row(model, cell_type=""):
    return {"model_id": model, "specimen_id": "", "cell_type": cell_type}


def recordings(excitatory=("spiny",), inhibitory=("aspiny",), n_inh=2):
    """Return the settings of one recording by its name."""
    cell_types = {"excitatory": list(excitatory), "inhibitory": list(inhibitory)}
    recording = {"library": "tetrode", "cell_types": cell_types, "spiketrains": {"n_inh": n_inh}}
    return {"demo": Recording.model_validate(recording)}


@pytest.fixture
def folders(tmp_path):
    """Return the folder of a model; those of 1 and 2 are there, with what the Allen Institute says of the cell."""
    for model, dendrite in (("1", "spiny"), ("2", "aspiny")):
        folder = tmp_path / model
        folder.mkdir()
        specimen = {"specimen_tags": [{"name": f"dendrite type - {dendrite}"}]}
        (folder / "model_metadata.json").write_text(json.dumps({"id": int(model), "specimen": specimen}))
    return lambda model: tmp_path / model


def test_types_of_the_table_and_of_the_metadata_pass(folders):
    check_cell_types(recordings(), {"1": row("1"), "2": row("2")}, "cell_type", folders)
    check_cell_types(recordings(), {"1": row("1"), "8": row("8", "aspiny")}, "cell_type", folders)
    check_cell_types(recordings(n_inh=0), {"1": row("1")}, "cell_type", folders)


@pytest.mark.parametrize("rows", [("spiny", "odd"), ("", "odd")])
def test_a_type_that_no_cell_has_is_named(rows, folders):
    cells = {"1": row("1", rows[0]), "8": row("8", rows[1])}
    with pytest.raises(UserError) as caught:
        check_cell_types(recordings(inhibitory=["aspiny", "basket"]), cells, "cell_type", folders)
    assert str(caught.value) == (
        "config: recordings.demo.cell_types.inhibitory: ['aspiny', 'basket'] is the type of no cell; the cells have odd, spiny"
    )


def test_nothing_is_refused_while_a_type_is_unknown(folders):
    check_cell_types(recordings(), {"1": row("1"), "9": row("9")}, "cell_type", folders)
    check_cell_types(recordings(), {}, "cell_type", folders)


def test_types_of_another_column(folders):
    cells = {"8": row("8", "odd") | {"layer": "L5"}, "9": row("9") | {"layer": "L4"}}
    check_cell_types(recordings(["L5"], ["L4"]), cells, "layer", folders)
    with pytest.raises(UserError, match="the cells have L4, L5"):
        check_cell_types(recordings(), cells, "layer", folders)


def test_metadata_are_read_only_as_far_as_needed():
    read = []
    cells = {str(k): row(str(k), "spiny" if k < 5 else "aspiny") for k in range(1000)}
    check_cell_types(recordings(), cells, "cell_type", lambda model: read.append(model))
    assert len(read) == 6
