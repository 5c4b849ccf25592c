"""Models that users describe in `model.yaml`: what is read, and one line for each mistake, before any code runs."""

import re

import pytest
from made_cells import LAYER5, layer5, swc_of, write_model

from allenrec.common.errors import DamagedFile, UserError
from allenrec.models.kinds.folders import contents_of
from allenrec.models.kinds.hoc_text import templates_in
from allenrec.models.kinds.model_yaml import DESCRIBED_KINDS
from allenrec.models.kinds.register import described_kinds, kind_of, read_model
from allenrec.models.mechanisms import check_mod_files
from allenrec.models.metadata import METADATA
from allenrec.models.sources import fetch_model
from allenrec.models.verified import read_verified
from allenrec.settings.models import Models

TOP = {"kind": "hoc", "template_file": "cell.hoc"}
PYTHON = {"kind": "python", "function": "cells.py:load"}
SWC = {"kind": "swc", "morphology": "cell.swc", "channels": {"all": {"pas": {"g": 1e-4, "e": -65}}}}
FILES = {"cell.hoc": "create soma\n", "cells.py": "def load(folder, dt):\n    pass\n", "cell.swc": swc_of([(3, 200, 2)])}


def test_kinds_that_descriptions_may_state_are_registered():
    assert tuple(kind.name for kind in described_kinds()) == DESCRIBED_KINDS


@pytest.mark.parametrize(
    ("described", "runs_code"), [(TOP, True), (PYTHON, True), (SWC, False)], ids=lambda value: str(value)[:20]
)
def test_description_makes_the_kind(tmp_path, described, runs_code):
    folder = write_model(tmp_path / "mine", described, FILES)
    kind = kind_of(folder)
    assert (kind.name, kind.runs_code) == (described["kind"], runs_code)
    model = read_model(folder)
    assert (model.model_id, model.kind) == ("mine", described["kind"])
    assert list(kind.mod_files(folder, {})) == [] and kind.describe(folder).model_kind == described["kind"]


def test_description_goes_before_files_of_another_kind(tmp_path):
    """A folder of the Allen Institute that a function loads, as MEArec's notebook does, is a model in Python."""
    folder = write_model(tmp_path / "allen", PYTHON, FILES | {"fit_parameters.json": "{}"})
    assert kind_of(folder).name == "python"


def test_metadata(tmp_path):
    said = {"cell_type": "L5 PC", "layer": 5, "species": "Rattus norvegicus", "licence": "CC0", "citation": "Hay et al. 2011"}
    facts = kind_of(folder := layer5(tmp_path, **said, synapse_class="excitatory", axis=[0, 0, 1])).describe(folder)
    assert (facts.cell_type, facts.layer, facts.species, facts.licence) == ("L5 PC", "5", "Rattus norvegicus", "CC0")
    assert (facts.citation, facts.synapse_class, facts.rotation_angle_zaxis) == ("Hay et al. 2011", "excitatory", "0")


def test_morphology_is_the_argument_of_a_template_that_takes_one_text(tmp_path):
    folder = layer5(tmp_path, arguments=[], morphology="morphologies/cell1.asc")
    assert read_model(folder).arguments == ("morphologies/cell1.asc",)


def test_numbers_that_yaml_reads_as_text(tmp_path):
    """PyYAML takes `1e-4` for text."""
    text = "kind: swc\nmorphology: cell.swc\nchannels: {all: {pas: {g: 1e-4, e: -65}}, soma: {hh: , ena: 5e1}}\n"
    settings = read_model(write_model(tmp_path, text, FILES)).settings
    assert [(s.section, s.mechanism, s.parameters) for s in settings] == [
        ("all", "pas", (("g_pas", 1e-4), ("e_pas", -65.0))),
        ("soma", "hh", ()),
        ("soma", "", (("ena", 50.0),)),
    ]


def test_templates_are_found_beside_comments_and_text(tmp_path):
    path = tmp_path / "t.hoc"
    path.write_text(
        "// begintemplate No\n/* begintemplate\nbegintemplate No */\n  begintemplate A\nproc init(/* two */) {\n x = $1\n"
        'print "$s9 // }" if (x) { print $s2 } }\nproc other() { print $4 }\nendtemplate A\nbegintemplate B\n'
        "proc init() { if (numarg() > 0) { x = $1 } }\nendtemplate B\nbegintemplate C\nendtemplate C\n"
    )
    found = templates_in([path])
    assert [(t.name, t.line, t.parameters()) for t in found] == [("A", 4, ["number", "text"]), ("B", 10, None), ("C", 13, [])]


#: A name, changes of the template's description, and words of the message
MISTAKES_OF_TEMPLATES = [
    ({"template_name": "Layer6"}, "template_name: Layer6 is not defined; template_file defines Layer5Channels, Layer5"),
    ({"template_file": "models/none.hoc"}, "template_file: 'models/none.hoc' is not a file of the model folder"),
    ({"template_file": ["models/template.hoc", "../x.hoc"]}, "template_file: '../x.hoc' must be a path below the model folder"),
    (
        {"template_file": ["models/template.hoc", "models/copy.hoc"]},
        "template_name: Layer5 is defined twice: in template.hoc, line 2, and in copy.hoc, line 2; NEURON takes one",
    ),
    (
        {"template_name": None, "arguments": []},
        "just templates; write `template_name: Layer5Channels` or `template_name: Layer5`",
    ),
    ({"arguments": []}, "arguments: 0 given, but `init` of Layer5 (template.hoc, line 2) takes 1: text"),
    ({"arguments": ["morphologies/cell1.asc", 3]}, "arguments: 2 given, but `init` of Layer5 (template.hoc, line 2) takes 1"),
    ({"arguments": [3]}, "arguments: 3.0 is argument 1 of Layer5 (template.hoc, line 2), which is a text"),
    ({"template_name": None}, "arguments: they are those of a template; say its name (template_name)"),
    ({"morphology": "cell2.asc"}, "morphology: 'cell2.asc' is not a file of the model folder"),
    ({"mechanisms": "mod"}, "mechanisms: 'mod' is not a folder of the model folder"),
    ({"mechanisms": "models"}, "has no mod file (*.mod)"),
    ({"celsius": 300}, "celsius: 300: input should be less than or equal to 60"),
    ({"soma": "the soma"}, "soma: 'the soma' must be the name of a section, such as soma or dend[3]"),
    ({"template_name": "Layer-5"}, "template_name: 'Layer-5' must be a name of letters, digits and _"),
    ({"axis": [0, 0, 0]}, "axis: [0, 0, 0]: has no direction"),
    ({"template_nam": "x"}, "template_nam: unknown key; did you mean template_name? known are kind, celsius"),
    ({"licence": "a\nb"}, "licence: 'a\\nb' must not have control characters"),
    ({"kind": "hock"}, "kind: 'hock'; it must be one of hoc, python, swc"),
    ({"template_file": None, "template_name": None, "arguments": []}, "template_file: None: input should be a valid list"),
]


@pytest.mark.parametrize(("changes", "words"), MISTAKES_OF_TEMPLATES, ids=lambda value: str(value)[:40])
def test_mistake_in_the_description_of_a_template(tmp_path, changes, words):
    folder = layer5(tmp_path / "mine", **changes)
    (folder / "models" / "copy.hoc").write_text(LAYER5)
    refused(folder, words)


#: References that multiply to a hundred million values
BOMB = "kind: hoc\na0: &a0 [x]\n" + "".join(f"a{k + 1}: &a{k + 1} [{', '.join([f'*a{k}'] * 9)}]\n" for k in range(8))

OTHER_MISTAKES = [
    (
        PYTHON | {"function": "cells.py"},
        {},
        "function: 'cells.py' must be a Python file and a function in it, such as my_cells.py:load",
    ),
    (PYTHON | {"function": "cells.py:build"}, {}, "function: cells.py defines no build; it defines load"),
    (PYTHON | {"function": "more.py:load"}, {}, "function: 'more.py' is not a file of the model folder"),
    (PYTHON, {"cells.py": "def load(:\n"}, "cells.py, line 1: invalid syntax"),
    (PYTHON | {"arguments": {"a": {"b": 1}}}, {}, "arguments.a"),
    (SWC | {"morphology": "cells.py"}, {}, "is not an SWC file"),
    (SWC | {"channels": {}}, {}, "channels: {}: dictionary should have at least 1 item"),
    (SWC | {"channels": {"apic": {"pas": {}}}}, {}, "channels.apic: cell.swc has no sections of this type; it has dend, soma"),
    (SWC | {"channels": {"all": {"pas": {"gbar": 1}}}}, {}, "channels.all.pas: gbar is no parameter of it; it has e, g"),
    (SWC | {"channels": {"all": {"NaTa": {"gbar": 1}}}}, {}, "channels.all.NaTa: neither a property of sections (Ra, cm"),
    (SWC | {"channels": {"all": {"cm": 0}}}, {}, "channels.all.cm: 0 must be greater than 0"),
    (SWC | {"channels": {"all": {"pas": {"g": "much"}}}}, {}, "channels.all.pas"),
    (SWC | {"channels": {"all": {"cm": 1e9}}}, {}, "channels.all.cm: 1e+09 must be between 1e-06 and 1e+06"),
    (SWC | {"channels": {"soma": {"hh": {"gnabar": 120}}}}, {}, "channels.soma.hh.gnabar: 120 S/cm² is more than 10"),
    (
        SWC,
        {"cell.swc": "1 1 0 0 0 0.01 -1\n2 3 0 1 0 0.002 1\n"},
        "has a soma of radius 0.01 µm; are its numbers in other units",
    ),
    (SWC | {"channels": {"all": {"ena": 1e5}}}, {}, "channels.all.ena: 100000 must be between -1000 and 1000"),
    (SWC | {"channels": {"all": {"pas": {"g": -1e-4}}}}, {}, "channels.all.pas.g: -0.0001 must be between 0 and 1e+06"),
    (SWC | {"channels": {"soma": {"hh": {"gnabar": -0.1}}}}, {}, "channels.soma.hh.gnabar: -0.1 must be between 0 and"),
    (SWC | {"channels": {"soma": {"hh": {"gl": float("inf")}}}}, {}, "channels.soma.hh.gl: inf"),
    (SWC, {"cell.swc": "-5 1 0 0 0 5 -1\n"}, "cell.swc has the id -5"),
    ("kind: swc\nmorphology: cell.swc\nkind: hoc\n", {}, "model.yaml, line 3: the key 'kind' is in line 1 already"),
    ("kind: hoc\ntemplate_file: cell.hoc\narguments: [010]\n", {}, "model.yaml, line 3: YAML reads 010 in eights"),
    ("kind: hoc\ntemplate_file: cell.hoc\narguments: [1:30]\n", {}, "model.yaml, line 3: YAML reads 1:30 in sixties"),
    ("kind: !!python/name:os.system x\n", {}, "model.yaml, line 1: the tag"),
    ("kind: hoc\n---\nkind: swc\n", {}, "model.yaml, line 2: a second document"),
    ("kind: hoc\nx: " + "[" * 700 + "]" * 700, {}, "model.yaml, line 2: nested more than 20 levels deep"),
    (BOMB, {}, "or more than 100000 values"),
    ("", {}, "model.yaml: is empty"),
    ("1: hoc\n", {}, "not a block of keys"),
    ("kind: [", {}, "model.yaml: not YAML: line 1"),
    ("- hoc", {}, "not a block of keys, such as `kind: hoc`"),
    ("template_file: cell.hoc", {}, "says no `kind`; it must be one of hoc, python, swc"),
    ("kind: hoc", {}, "template_file: missing; it names the hoc files of the model"),
    (
        "kind: hoc\ntemplate_file: cell.hoc\ntemplate_name: Mine\narguments: [a]\n",
        {"cell.hoc": "begintemplate Mine\nproc init() { x = $o1 }\nendtemplate Mine\n"},
        "template_name: Mine (cell.hoc, line 1) takes an object; make its cell in a hoc file of your own",
    ),
]


@pytest.mark.parametrize(("described", "files", "words"), OTHER_MISTAKES, ids=lambda value: str(value)[:60])
def test_mistake_in_another_description(tmp_path, described, files, words):
    refused(write_model(tmp_path / "mine", described, FILES | files), words)


def refused(folder, words):
    with pytest.raises(UserError) as error:
        read_model(folder)
    message = str(error.value)
    assert words in message and str(folder) in message and "\n" not in message


MOD = "NEURON {\n  SUFFIX leaky\n  NONSPECIFIC_CURRENT i\n  RANGE g, e\n}\nPARAMETER { g = 1e-4 e = -65 }\n"


@pytest.mark.parametrize("place", ["mod", "."])
@pytest.mark.parametrize("described", [TOP, PYTHON, SWC], ids=["hoc", "python", "swc"])
def test_mod_files_of_a_model_are_those_of_its_folder_and_have_to_be_known(tmp_path, described, place):
    files = FILES | {f"{place}/leaky.mod": MOD, "old/other.mod": MOD}
    folder = write_model(tmp_path / "mine", described | {"mechanisms": place}, files)
    found = kind_of(folder).mod_files(folder, contents_of(folder))
    assert [file.path for file in found] == [folder / place / "leaky.mod"] and read_model(folder).mechanisms == {"leaky"}
    assert folder / place / "leaky.mod" in kind_of(folder).files(folder)
    with pytest.raises(UserError, match=r"leaky\.mod is not one of the .* add the digest to models\.known_mechanisms"):
        check_mod_files(found)


def test_channels_of_mod_files_go_into_the_table(tmp_path):
    described = SWC | {"mechanisms": "mod", "channels": {"soma": {"leaky": {"g": 2e-4}}}}
    folder = write_model(tmp_path / "mine", described, FILES | {"mod/leaky.mod": MOD})
    assert read_model(folder).settings[0].parameters == (("g_leaky", 2e-4),)


@pytest.mark.parametrize("described", [TOP, PYTHON], ids=["hoc", "python"])
def test_code_needs_consent_which_a_change_withdraws(tmp_path, described):
    folder = write_model(tmp_path / "mine", described, FILES)

    def fetch(trusted):
        return fetch_model("mine", tmp_path, Models(sources=["local"], trusted=trusted))

    def refusal(trusted):
        with pytest.raises(UserError, match="would run with your rights") as error:
            fetch(trusted)
        return re.search(r"\{mine: ([0-9a-f]{64})\}", str(error.value))[1]

    digest = refusal({})
    assert fetch({"mine": digest}) == folder and read_verified(folder)
    (folder / "notes.txt").write_text("a file that no code names")
    with pytest.raises(DamagedFile, match=r"notes\.txt was changed after it was checked"):
        read_verified(folder)
    assert refusal({"mine": digest}) != digest


def test_morphology_with_channels_needs_no_consent(tmp_path):
    folder = write_model(tmp_path / "mine", SWC, {"cell.swc": FILES["cell.swc"]})
    assert fetch_model("mine", tmp_path, Models(sources=["local"])) == folder
    assert set(read_verified(folder)) - {METADATA} == {"model.yaml", "cell.swc"}
