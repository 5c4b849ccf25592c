"""A recording with units of a type that no cell has is refused, as soon as the types of all cells are known."""

import json

import pytest

from allenrec.cells.cell_types import check_cell_types
from allenrec.common.errors import UserError
from allenrec.settings import load_settings


def check(cells, settings, folders):
    check_cell_types(list(settings.recordings), cells, settings, folders)


def row(model, cell_type=""):
    return {"model_id": model, "specimen_id": "", "cell_type": cell_type}


def settings(excitatory=("spiny",), inhibitory=("aspiny",), n_inh=2, **more):
    recording = {
        "library": "tetrode",
        "cell_types": {"excitatory": list(excitatory), "inhibitory": list(inhibitory)},
        "spiketrains": {"n_inh": n_inh},
    }
    return load_settings({"libraries": {"tetrode": {"probe": "tetrode"}}, "recordings": {"demo": recording}} | more)


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
    check({"1": row("1"), "2": row("2")}, settings(), folders)
    check({"1": row("1"), "8": row("8", "aspiny")}, settings(), folders)
    check({"1": row("1")}, settings(n_inh=0), folders)


@pytest.mark.parametrize("rows", [("spiny", "odd"), ("", "odd")])
def test_a_type_that_no_cell_has_is_named(rows, folders):
    cells = {"1": row("1", rows[0]), "8": row("8", rows[1])}
    with pytest.raises(UserError) as caught:
        check(cells, settings(inhibitory=["aspiny", "basket"]), folders)
    assert str(caught.value) == (
        "config: recordings.demo.cell_types.inhibitory: no cell has a type of ['aspiny', 'basket']; the cells have odd, spiny"
    )


def test_nothing_is_refused_while_a_type_is_unknown(folders):
    check({"1": row("1"), "9": row("9")}, settings(), folders)
    check({}, settings(), folders)


def test_types_of_another_column(folders):
    cells = {"8": row("8", "odd") | {"layer": "L5"}, "9": row("9") | {"layer": "L4"}}
    check(cells, settings(["L5"], ["L4"], cell_type_column="layer"), folders)
    with pytest.raises(UserError, match="the cells have L4, L5"):
        check(cells, settings(cell_type_column="layer"), folders)


def test_metadata_are_read_only_as_far_as_needed():
    read = []
    cells = {str(k): row(str(k), "spiny" if k < 5 else "aspiny") for k in range(1000)}
    check(cells, settings(), lambda model: read.append(model))
    assert len(read) == 6
