"""Folders of the Neocortical Microcircuit portal: read, described and refused. The 13 of MEArec's wheel are the examples."""

import json
import shutil
import zipfile

import pytest
from support import BBP_MODELS

from allenrec.common.errors import UserError
from allenrec.models.kinds.nmc import EXCITATORY, INHIBITORY, SYNAPSES
from allenrec.models.kinds.register import kind_of, read_model
from allenrec.models.mechanisms import check_mod_files, mechanisms_digest
from allenrec.models.pinned import PINNED_MODELS
from allenrec.models.sources import mearec
from allenrec.models.verified import read_verified, verified_mod_files

INTERNEURON, PYRAMIDAL = BBP_MODELS


@pytest.fixture
def model(cell_models_folder, tmp_path):
    return shutil.copytree(cell_models_folder / PYRAMIDAL, tmp_path / PYRAMIDAL)


def test_model_is_read_from_the_text_of_its_files(cell_models_folder):
    folder = cell_models_folder / PYRAMIDAL
    model = read_model(folder)
    assert kind_of(folder).name == model.kind == "nmc" and model.model_id == PYRAMIDAL
    assert f"begintemplate {model.template}\n" in (folder / "template.hoc").read_text()
    assert [model.morphology] == list((folder / "morphology").iterdir())
    assert (model.temperature, model.v_init) == (34.0, -70.0)
    assert model.mechanisms == {path.stem for path in (folder / "mechanisms").iterdir()} - set(SYNAPSES)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (INTERNEURON, ("L5_BP", "bAC", "5", "inhibitory", "", "NA")),
        (PYRAMIDAL, ("L5_STPC", "cADpyr", "5", "excitatory", "spiny", "intact")),
    ],
)
def test_facts_are_those_of_the_cell(name, facts, cell_models_folder):
    found = kind_of(cell_models_folder / name).describe(cell_models_folder / name)
    assert (found.m_type, found.e_type, found.layer, found.synapse_class, found.dendrite_type, found.apical) == facts
    assert found.cell_type == found.m_type and found.licence == "CC BY-NC-SA 4.0" and "Markram et al. 2015" in found.citation
    assert found.species == "Rattus norvegicus" and name.split("_")[1] == found.m_type.split("_")[1]


def test_m_types_that_excite_are_those_whose_synapses_do(cell_models_folder):
    """The models say it themselves: each synapse of a cell has the m-type that makes it, and its type (excitatory from 100)."""
    known = {}
    for name in BBP_MODELS:
        folder = cell_models_folder / name / "synapses"
        names = dict(line.split() for line in (folder / "mtype_map.tsv").read_text().splitlines())
        assert set(names.values()) == EXCITATORY | INHIBITORY and len(names) == 55
        for line in (folder / "synapses.tsv").read_text().splitlines()[1:]:
            columns = line.split()
            known.setdefault(names[columns[2]], set()).add(int(float(columns[6])) >= 100)
    assert len(known) > 40 and all(len(kinds) == 1 for kinds in known.values())
    assert {m_type for m_type, kinds in known.items() if True in kinds} == EXCITATORY & known.keys()


def test_all_mod_files_are_known_and_those_of_synapses_are_empty(cell_models_folder):
    for name in BBP_MODELS:
        files = verified_mod_files(cell_models_folder / name, read_verified(cell_models_folder / name))
        assert check_mod_files(files) == []
        empty = {file.path.stem for file in files if b"BREAKPOINT" not in file.content and b"DERIVATIVE" not in file.content}
        assert empty == set(SYNAPSES) and not any(b"VERBATIM" in file.content for file in files)


def test_the_13_models_have_two_sets_of_mechanisms(cell_models_folder, tmp_path):
    """Compared in the wheel itself."""
    with zipfile.ZipFile(cell_models_folder / ".wheel" / mearec.WHEEL.file_name) as wheel:
        sets = {
            name: {
                (member.rpartition("/")[2], wheel.read(member))
                for member in wheel.namelist()
                if member.startswith(f"{mearec.INSIDE}/{name}/mechanisms/")
            }
            for name in PINNED_MODELS
        }
    assert len(sets) == 13 and len({frozenset(files) for files in sets.values()}) == 2
    one, other = (verified_mod_files(f := cell_models_folder / name, read_verified(f)) for name in BBP_MODELS)
    assert mechanisms_digest(one) != mechanisms_digest(other)


def without(name):
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def replaced(name, old, new):
    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def wrong_layer(folder):
    info = json.loads((folder / "cellinfo.json").read_text())
    (folder / "cellinfo.json").write_text(json.dumps(info | {"layer": 5}))


BROKEN = {
    "no mechanisms": (without("mechanisms"), "mechanisms is missing"),
    "no biophysics": (without("biophysics.hoc"), "biophysics.hoc is missing"),
    "no template": (replaced("template.hoc", "begintemplate", "// begintemplate"), "template.hoc names 0 template"),
    "two templates": (
        replaced("template.hoc", "\nbegintemplate", "\nbegintemplate Other\nbegintemplate"),
        "names 2 template.*: Other",
    ),
    "morphology elsewhere": (replaced("morphology.hoc", '"morphology/', '"../morphology/'), "not a file of the folder"),
    "morphology not there": (replaced("morphology.hoc", '.asc"', '.swc"'), "not a file of the folder"),
    "mechanism of no mod file": (replaced("biophysics.hoc", "insert Ih", "insert Ihh"), "inserts Ihh, which no mod file"),
    "cellinfo no JSON": (lambda folder: (folder / "cellinfo.json").write_text("{"), "cellinfo.json does not say"),
    "cellinfo without m-type": (replaced("cellinfo.json", "m-type", "mtype"), "cellinfo.json does not say .*m-type"),
    "layer a number": (wrong_layer, "cellinfo.json does not say"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_folder_is_refused_in_one_line(name, model):
    change, words = BROKEN[name]
    change(model)
    with pytest.raises(UserError, match=words) as caught:
        read_model(model)
    assert "\n" not in str(caught.value) and str(model) in str(caught.value)


def test_folder_of_no_kind_names_the_kinds(tmp_path):
    (tmp_path / "thing").mkdir()
    with pytest.raises(
        UserError, match=r"model thing: .*thing is of no known kind of model: .*`nmc` has cellinfo.json"
    ) as caught:
        read_model(tmp_path / "thing")
    assert "\n" not in str(caught.value)
