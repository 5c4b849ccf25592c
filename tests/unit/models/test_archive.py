"""Model folders: the five of the wheel compared with what is known of the models; broken ones are named by model and file."""

import json
import os
import shutil

import pytest
from made_data import legacy_all_active_model
from support import WHEEL_MODELS

from allenrec.common.errors import UserError
from allenrec.models.archive import FIT, MODFILES, MORPHOLOGY, input_digests, read_model
from allenrec.models.metadata import METADATA, cell_facts, read_metadata
from allenrec.models.sources import fetch_model
from allenrec.settings.models import Models

MODEL = "473863510"
SPINY = set("Im Ih NaTs Nap K_P K_T SK Kv3_1 Ca_HVA Ca_LVA CaDynamics".split())
ASPINY = set("Ih NaV Kd Kv2like Kv3_1 K_T Im_v2 SK Ca_HVA Ca_LVA CaDynamics".split())

#: Ra, cm of soma and of dendrites, e_pas, genome entries, mechanisms
FACTS = {
    "472363762": (138.28, 1.0, 2.12, -92.499, 16, SPINY),
    "473863510": (35.64, 1.0, 2.19, -85.078, 16, SPINY),
    "473863035": (122.88, 1.0, 2.28, -89.461, 16, SPINY),
    "472912177": (143.65, 2.16, 2.16, -95.537, 15, ASPINY),
    "473862421": (138.99, 1.94, 1.94, -88.234, 15, ASPINY),
}


@pytest.fixture
def folder(models_folder, tmp_path):
    """A copy of a valid model, to be broken."""
    return shutil.copytree(models_folder / f"neuronal_model_{MODEL}", tmp_path / f"neuronal_model_{MODEL}")


@pytest.fixture
def change_fit(folder):
    """Write a changed fit: the function gets its content."""

    def change(function):
        content = json.loads((folder / FIT).read_text())
        replaced = function(content)
        (folder / FIT).write_text(json.dumps(content if replaced is None else replaced))

    return change


def refused(folder, file, match):
    """Check that a broken model ends in one line with the model and the file."""
    with pytest.raises(UserError, match=match) as caught:
        read_model(folder)
    text = str(caught.value)
    assert text.startswith(f"model {MODEL}: ") and file in text and "\n" not in text


def test_fit_of_one_kind_under_the_name_of_the_other_is_refused(folder, models_folder, tmp_path):
    """The wrong recipe would build another cell; what the metadata call the model and what the fit is must agree."""
    metadata = json.loads((folder / METADATA).read_text())
    (folder / METADATA).write_text(json.dumps(metadata | {"neuronal_model_template_id": 491455321}))
    refused(folder, FIT, "calls it all active, but fit_parameters.json is the fit of a model that is perisomatic")
    shutil.copy(legacy_all_active_model(models_folder, tmp_path / "all_active") / FIT, folder)
    assert read_model(folder).kind == "all active"
    (folder / METADATA).write_text(json.dumps(metadata))
    refused(folder, FIT, "calls it perisomatic, but fit_parameters.json is the fit of a model that is all active")


@pytest.mark.parametrize("model_id", WHEEL_MODELS)
def test_models_of_the_wheel(models_folder, model_id):
    """Numbers are those that others found, and those of the fit itself."""
    model = read_model(models_folder / f"neuronal_model_{model_id}")
    resistivity, soma, dendrite, e_pas, n_parameters, mechanisms = FACTS[model_id]
    assert (model.model_id, model.kind, model.temperature) == (model_id, "perisomatic", 34.0)
    assert model.axial_resistivity == resistivity
    assert model.capacitance["soma"] == model.capacitance["axon"] == soma and model.capacitance["dend"] == dendrite
    assert model.e_pas == model.v_init == pytest.approx(e_pas, abs=1e-3)
    assert model.reversal == {"soma": {"ena": 53.0, "ek": -107.0}}
    assert model.mechanisms == mechanisms and len(model.parameters) == n_parameters
    fit = json.loads((models_folder / f"neuronal_model_{model_id}" / FIT).read_text())
    assert [(p.section, p.name, p.mechanism, p.value) for p in model.parameters] == [
        (entry["section"], entry["name"], entry["mechanism"], entry["value"]) for entry in fit["genome"]
    ]
    assert {p.section for p in model.parameters if p.mechanism} == {"soma"}
    assert model.morphology.is_file() and model.morphology.is_absolute()


def test_all_active_fit_has_its_numbers_as_strings(models_folder, tmp_path):
    """The legacy all-active model of the wheel."""
    check_legacy_all_active(legacy_all_active_model(models_folder, tmp_path / "neuronal_model_1"))


def test_another_all_active_fit_has_its_numbers_as_strings(shared_data, models_folder, tmp_path):
    """The legacy all-active model 468193142 of the Allen site, with the mod files of the wheel."""
    real = shared_data / "models" / "468193142_all_active"
    folder = tmp_path / "neuronal_model_1"
    shutil.copytree(models_folder / f"neuronal_model_{MODEL}" / MODFILES, folder / MODFILES)
    for name in (FIT, MORPHOLOGY):
        (folder / name).write_bytes((real / name).read_bytes())
    check_legacy_all_active(folder)


def check_legacy_all_active(folder):
    fit = json.loads((folder / FIT).read_text())
    assert {type(entry["value"]) for entry in fit["genome"]} == {str}
    model = read_model(folder)
    assert model.kind == "all active" and model.e_pas is None and model.capacitance == {}
    assert [p.value for p in model.parameters] == [float(entry["value"]) for entry in fit["genome"]]
    assert (model.axial_resistivity, model.v_init, model.temperature) == (100.0, -90.0, 34.0)
    assert model.reversal == {section: {"ena": 53.0, "ek": -107.0} for section in ("soma", "axon", "apic", "dend")}
    passive = {p.name for p in model.parameters if not p.mechanism}
    assert passive == {"g_pas", "e_pas", "cm", "Ra"} and "NaV" in model.mechanisms


def test_linked_folder_keeps_its_model_id(folder, tmp_path):
    """Users who keep archives elsewhere link them; the id is in the name of the link."""
    elsewhere = folder.rename(tmp_path / "my archive")
    folder.symlink_to(elsewhere, target_is_directory=True)
    assert read_model(folder).model_id == MODEL


def test_current_folder_is_a_model_too(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert read_model(".").model_id == MODEL


ODD_PARAMETERS = [
    {"name": "__class__", "mechanism": ""},
    {"name": "nseg", "mechanism": ""},
    {"name": "L", "mechanism": ""},
    {"name": "", "mechanism": ""},
    {"name": None, "mechanism": ""},
    {"name": ["gbar_Ih"], "mechanism": "Ih"},
    {"name": "gbar_NaV=1; import os", "mechanism": "NaV"},
    {"name": "gbar_NaV", "mechanism": "Ih"},
    {"name": "gbar", "mechanism": "Ih"},
    {"name": "gbar_Ih ", "mechanism": "Ih"},
    {"name": "m_Ih", "mechanism": "Ih"},
    {"name": "gbar_Ih", "mechanism": "Ih; quit()"},
    {"name": "gbar_hh", "mechanism": "hh"},
    {"name": "gbar_Ih", "mechanism": ["Ih"]},
    {"name": "celsius", "mechanism": "", "section": "glob"},
    {"name": "gbar_Ih", "mechanism": "", "section": "glob"},
    {"name": "gbar_Ih", "mechanism": "Ih", "section": "all"},
    {"name": "gbar_Ih", "mechanism": "Ih", "section": ["soma"]},
]


@pytest.mark.parametrize("odd", ODD_PARAMETERS, ids=lambda odd: ",".join(str(value) for value in odd.values()))
def test_genome_sets_only_what_mod_files_declare(folder, change_fit, odd):
    """The seed notebook executes these strings as code."""
    change_fit(lambda fit: fit["genome"].insert(3, {"section": "soma", "value": 1.0} | odd))
    refused(folder, FIT, r"genome\[3\]")


def test_global_parameters_are_those_that_mod_files_declare(folder, change_fit):
    change_fit(lambda fit: fit["genome"].append({"section": "glob", "name": "vshift_K_T", "value": "1.5", "mechanism": ""}))
    last = read_model(folder).parameters[-1]
    assert (last.section, last.name, last.mechanism, last.value) == ("glob", "vshift_K_T", "", 1.5)


def in_first(block, **values):
    """A change of the first (only) entry of a block of the fit."""
    return lambda fit: fit[block][0].update(values)


def without(block, key):
    def change(fit):
        del fit[block][0][key]

    return change


def of_parameter(name, value):
    """A change of the value of a parameter in the genome."""
    return lambda fit: next(entry for entry in fit["genome"] if entry["name"] == name).update(value=value)


def twice(key):
    """A change: the first entry of a list is there once more."""
    return lambda fit: fit[key].append(dict(fit[key][0]))


BROKEN_FITS = {
    "list": (lambda fit: [1], "JSON object"),
    "no genome": (lambda fit: fit.update(genome=[]), "`genome`"),
    "genome of numbers": (lambda fit: fit.update(genome=[1]), r"genome\[0\]"),
    "passive not a list": (lambda fit: fit.update(passive={"ra": 1}), "`passive`"),
    "passive of numbers": (lambda fit: fit.update(passive=[1]), "`passive`"),
    "no conditions": (lambda fit: fit.pop("conditions") and None, "`conditions`"),
    "value a word": (in_first("genome", value="much"), r"genome\[0\].*'much', not a number"),
    "value null": (in_first("genome", value=None), r"genome\[0\].*None, not a number"),
    "value a truth value": (in_first("genome", value=True), r"genome\[0\].*True, not a number"),
    "value not finite": (in_first("genome", value=float("nan")), r"genome\[0\].*not a finite number"),
    "value infinite": (in_first("genome", value="inf"), r"genome\[0\].*not a finite number"),
    "no value": (without("genome", "value"), r"no `value` in genome\[0\]"),
    "no celsius": (without("conditions", "celsius"), "no `celsius` in conditions"),
    "v_init a word": (in_first("conditions", v_init="rest"), "`v_init` is 'rest'"),
    "ra a list": (in_first("passive", ra=[1]), r"`ra` is \[1\]"),
    "e_pas without cm": (without("passive", "cm"), "only one of"),
    "cm one number": (in_first("passive", cm=1.0), r"passive\.cm"),
    "cm of numbers": (in_first("passive", cm=[1.0]), r"passive\.cm"),
    "cm of no known section": (in_first("passive", cm=[{"section": "spine", "cm": 1}]), "'spine'"),
    "no cm for a section of the morphology": (
        in_first("passive", cm=[{"section": "soma", "cm": 1}]),
        "passive.cm for (apic|dend)",
    ),
    "erev one number": (in_first("conditions", erev=5), r"conditions\.erev"),
    "no erev": (without("conditions", "erev"), r"no `(ena|ek)` for soma in conditions\.erev"),
    "erev of another section": (in_first("conditions", erev=[{"section": "dend", "ena": 53, "ek": -107}]), "for soma in"),
    "no ena": (
        in_first("conditions", erev=[{"section": "soma", "ek": -107}]),
        "no `ena` for soma in conditions",
    ),
    "ra zero": (in_first("passive", ra=0), r"passive: `ra` is 0; it must be between 1e-06"),
    "ra negative": (in_first("passive", ra="-35.6"), r"passive: `ra` is -35.6"),
    "cm zero": (in_first("passive", cm=[{"section": "soma", "cm": 0}]), r"passive\.cm: `cm` is 0"),
    "celsius of a star": (in_first("conditions", celsius=1e4), r"conditions: `celsius` is 10000; .* between -50 and 100"),
    "v_init in V": (in_first("conditions", v_init=1e5), "`v_init` is 100000"),
    "value of 4000 digits": (
        in_first("genome", value=10**4000),
        r"genome\[0\]: `value` is 10+\.\.\., not",
    ),
    "value beyond all": (in_first("genome", value=1e300), r"genome\[0\]: `value` is 1e\+300"),
    "text of 5000 characters": (in_first("genome", section="x" * 5000), r"section 'x{150,199}\.\.\. is not one of"),
    "conductance below zero": (in_first("genome", value=-1e-3), r"genome\[0\]: `value` is -0.001; it must be between 0 and"),
    "decay of nothing": (of_parameter("decay_CaDynamics", 0), r"genome\[11\]: `value` is 0; it must be between 1e-06"),
    "more calcium than flows in": (of_parameter("gamma_CaDynamics", 1e9), r"`value` is 1e\+09; it must be between 0 and 1$"),
    "value with an underscore": (in_first("genome", value="1_0"), r"genome\[0\]: `value` is '1_0', not a number"),
    "value in other digits": (in_first("genome", value="١٢"), r"genome\[0\]: `value` is '١٢', not a number"),
    "value with a comma": (in_first("passive", ra="35,6"), "passive: `ra` is '35,6', not a number"),
    "parameter twice": (twice("genome"), "genome has 'gbar_Im of soma' 2 times; keep one of them"),
    "section of cm twice": (lambda fit: twice("cm")(fit["passive"][0]), r"passive\.cm has 'soma' 2 times"),
    "section of erev twice": (lambda fit: twice("erev")(fit["conditions"][0]), r"conditions\.erev has 'soma' 2 times"),
    "two blocks": (twice("passive"), "`passive` holds 2 blocks; keep one of them"),
    "ek a word": (in_first("conditions", erev=[{"section": "soma", "ek": "low"}]), "'low', not a number"),
}


@pytest.mark.parametrize(("change", "match"), BROKEN_FITS.values(), ids=BROKEN_FITS)
def test_broken_fit_is_named(folder, change_fit, change, match):
    change_fit(change)
    refused(folder, FIT, match)


DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HUGE = b'{"a": ' + b"1" * 5000 + b"}"


@pytest.mark.parametrize("content", [DEEP, HUGE, b"", b"{", b"<html>not found</html>", b"\xff\xfe\x00", b"PK\x03\x04"])
def test_fit_that_is_no_json_is_named(folder, content):
    (folder / FIT).write_bytes(content)
    refused(folder, FIT, "does not parse as JSON")


def test_key_that_is_there_twice_is_named(folder):
    """The last would count, silently."""
    text = (folder / FIT).read_text()
    (folder / FIT).write_text(text.replace('"ra":', '"ra": 1, "ra":'))
    refused(folder, FIT, "the key 'ra' is there twice in one block")


SOUND = "1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n"
BROKEN_MORPHOLOGIES = {
    "empty": ("", "not an SWC file"),
    "comments only": ("# nothing\n", "not an SWC file"),
    "words": ("<html>not found</html>\n", "not an SWC file"),
    "six columns": ("1 1 0 0 0 5\n", "not an SWC file"),
    "ragged": (SOUND + "3 3 1\n", "not an SWC file"),
    "not finite": (SOUND.replace("10", "nan"), "not an SWC file"),
    "no soma": (SOUND.replace("1 1 0 0 0", "1 3 0 0 0"), "no soma"),
    "unknown type": (SOUND + "3 7 20 0 0 1 2\n", "type 7"),
    "no radius": (SOUND.replace("0 0 1 1", "0 0 0 1"), "radius"),
    "unknown parent": (SOUND + "3 3 20 0 0 1 99\n", "parent 99"),
    "its own parent": (SOUND + "3 3 20 0 0 1 3\n", "parent"),
    "a circle": (SOUND + "3 3 20 0 0 1 4\n4 3 30 0 0 1 3\n", "parent"),
    "a child before its parent": ("1 1 0 0 0 5 -1\n2 3 20 0 0 1 3\n3 3 10 0 0 1 1\n", "parent 3"),
    "an id twice": (SOUND + "2 3 20 0 0 1 1\n", "2"),
    "bytes": ("\x00\x01\x02", "not an SWC file"),
    "a long word": ("x" * 5000, "not an SWC file: .{10,200}$"),
    "two cells": (SOUND + "3 1 500 0 0 5 -1\n4 3 510 0 0 1 3\n", "has 2 parts .* row 3 begins the second"),
    "two connected cells": (SOUND + "3 1 500 0 0 5 2\n4 3 510 0 0 1 3\n", "second soma: row 3"),
    "loose dendrite": (SOUND + "3 3 500 0 0 1 -1\n4 3 600 0 0 1 3\n", "has 2 parts"),
    "root on a dendrite": ("1 3 0 0 0 5 -1\n2 1 10 0 0 1 1\n", "begins with row 1 of type 3"),
    "no root": ("1 1 0 0 0 5 0\n2 3 10 0 0 1 1\n", "parent 0"),
    "radius of a kilometre": (SOUND + "3 3 20 0 0 1e9 2\n", r"radius of 1e\+09 µm"),
    "coordinate beyond all": (SOUND + "3 3 1e300 0 0 1 2\n", r"coordinate of 1e\+300 µm"),
    "fractional id": (SOUND + "2.5 3 20 0 0 1 2\n", "id 2.5, which is not a whole number"),
    "fractional type": (SOUND + "3 3.5 20 0 0 1 2\n", "type 3.5"),
    "fractional parent": (SOUND + "3 3 20 0 0 1 1.5\n", "parent 1.5"),
    "id below zero": ("-5 1 0 0 0 5 -1\n", "id -5; ids are between 0 and 10000000"),
    "id of more digits than NEURON has": (SOUND + "16777217 3 20 0 0 1 2\n", "id 16777217; ids are between"),
    "radius of an atom": (SOUND + "3 3 20 0 0 1e-5 2\n", "radius of 1e-05 µm"),
    "soma without length": ("1 1 0 0 0 5 -1\n2 1 0 0 0 5 1\n3 3 10 0 0 1 1\n", "2 points at one place, from row 1 on"),
    "dendrite without length": (SOUND + "3 3 10 0 0 2 2\n4 3 10 0 0 1 3\n", "3 points at one place, from row 2 on"),
    "branch without length": (
        SOUND + "3 3 20 0 0 1 2\n4 4 10 0 0 1 2\n5 4 10.0000001 0 0 1 4\n6 4 10 0 0 1 5\n",
        "4 points at one place, from row 4 on",
    ),
    "branches of kilometres": (SOUND + "".join(f"{i} 3 {(-1) ** i * 9e4} 0 0 1 {i - 1}\n" for i in range(3, 9)), "branches of"),
    "blanks of another kind": (SOUND.replace(" ", "\u00a0"), r"line 1 has other characters than ASCII: '1\\xa01"),
    "other digits": (SOUND.replace("10", "١٠"), "line 2 has other characters than ASCII"),
    "byte order mark": ("\ufeff" + SOUND, r"line 1 has other characters than ASCII: '\\ufeff1 1"),
    "decimal comma": (SOUND.replace("10", "10,5"), "could not convert string '10,5'"),
    "commas": (SOUND.replace(" ", ","), "not an SWC file"),
    "NUL": (SOUND + "\0", "not an SWC file"),
    "eight columns": (SOUND.replace("\n", " 0\n"), "rows of 7 finite numbers"),
    "id beyond all": (SOUND + "1e30 3 20 0 0 1 2\n", r"id 1e\+30"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("content", "match"), BROKEN_MORPHOLOGIES.values(), ids=BROKEN_MORPHOLOGIES)
def test_broken_morphology_is_named(folder, content, match):
    """NEURON's own reader ends each of them with an error in hoc, or reads nonsense."""
    (folder / MORPHOLOGY).write_text(content)
    refused(folder, MORPHOLOGY, match)


def test_smallest_sound_morphology_is_taken(folder):
    """The broken morphologies are made from this one."""
    (folder / MORPHOLOGY).write_text("# comment\n\n" + SOUND)
    assert read_model(folder).kind == "perisomatic"


#: Sound ones, as programs write them, and how many points they have; NEURON makes the same sections of them
SOUND_MORPHOLOGIES = [
    SOUND.replace(" ", "\t"),
    SOUND.replace("\n", "\r\n"),
    SOUND.replace("-1\n", "-1 # soma\n"),
    f"# \xe9\n\n{SOUND}   \n#",
    f"#\ufeff µ\n{SOUND}".encode(),
    SOUND.replace("1 1 0", "1.0 1e0 0.").replace("10", "+1.E1"),
    "0 1 0 0 0 5 -1\n20 3 10 0 0 1 0\n",
    "1 1 0 0 0 5 -1\n2 1 0 -5 0 5 1\n3 1 0 5 0 5 1\n4 3 10 0 0 1 1\n",
    "1 1 0 0 0 5 -1\n",
    SOUND + "3 3 20 0 0 1 2\n4 3 10 0 0 1 2\n5 3 30 0 0 1 4\n6 3 30 0 0 1 5\n7 3 40 0 0 1 6\n",
]


@pytest.mark.parametrize("content", SOUND_MORPHOLOGIES)
def test_sound_morphology_is_taken(folder, content):
    (folder / MORPHOLOGY).write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))
    assert read_model(folder).kind == "perisomatic"


@pytest.mark.parametrize("name", [FIT, MORPHOLOGY, MODFILES])
@pytest.mark.parametrize("other", ["pipe", "other kind"])
def test_part_that_is_no_file_or_folder_is_named(folder, name, other):
    """A pipe would be read for ever."""
    (folder / name).rename(folder / "elsewhere")
    if other == "pipe":
        os.mkfifo(folder / name)
    elif name == MODFILES:
        (folder / name).touch()
    else:
        (folder / name).mkdir()
    refused(folder, name, f"{name} must be a {'folder' if name == MODFILES else 'file'}$")


@pytest.mark.parametrize("name", [FIT, MORPHOLOGY, MODFILES])
def test_missing_part_is_named(folder, name):
    (folder / name).rename(folder / "elsewhere")
    refused(folder, name, "is missing")


def test_mechanism_without_mod_file_is_named(folder):
    (folder / MODFILES / "Nap.mod").unlink()
    refused(folder, FIT, r"no mod file in modfiles/ defines the mechanism 'Nap'")


def test_metadata_are_not_needed(folder):
    (folder / METADATA).unlink()
    assert read_model(folder).model_id == MODEL


def test_archive_of_2015_needs_no_renaming(folder, tmp_path):
    """Its files have other names, as the Allen site's archives had; the model is the same."""
    model = read_model(folder)
    old = shutil.copytree(folder, tmp_path / "old" / folder.name)
    (old / FIT).rename(old / "318331342_fit.json")
    (old / MORPHOLOGY).rename(old / "Rorb-IRES2-Cre_Ai14-168053.05.01.01_325404214_m.swc")
    (old / METADATA).rename(old / "neuronal_model.json")
    shutil.copy(old / "318331342_fit.json", old / "note.json")
    (old / "Rorb_marker_m.swc").write_text("no morphology")
    assert read_model(old) == model.__class__(**vars(model) | {"folder": old})
    assert read_model(old).morphology.read_bytes() == model.morphology.read_bytes()
    assert input_digests(old) == input_digests(folder) and read_metadata(old) == read_metadata(folder)
    assert fetch_model(MODEL, old.parent, Models(sources=["local"])) == old
    shutil.copy(old / "318331342_fit.json", old / "1_fit.json")
    with pytest.raises(UserError, match=r"both 1_fit\.json and 318331342_fit\.json may be its fit_parameters\.json"):
        read_model(old)


@pytest.mark.parametrize(
    "change",
    [
        {"neuronal_model_template_id": [329230710]},
        {"specimen": {"name": ["x"]}},
        {"specimen": {"name": "a\0b"}},
        {"specimen": {"donor": {"organism_id": [2]}}},
        {"neuronal_model_runs": [{"explained_variance_ratio": float("inf")}]},
        {"neuronal_model_runs": [{"explained_variance_ratio": 10**4000}]},
        {"specimen_id": {"a": "x" * 5000}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_metadata_of_another_form_are_one_short_line(change):
    with pytest.raises(UserError) as caught:
        cell_facts({"id": 1} | change)
    assert len(str(caught.value)) < 400 and len(str(caught.value).splitlines()) == 1


def test_metadata_nested_deep_are_one_line(folder):
    (folder / METADATA).write_bytes(DEEP)
    with pytest.raises(UserError, match="does not parse as JSON"):
        read_model(folder)
