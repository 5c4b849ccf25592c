"""Cells of models that users describe: built as their authors meant them, and one line for each way in which their code fails.

Each test starts processes of its own, because NEURON keeps sections and templates in a global state.
"""

import ast
import json
import shutil
from pathlib import Path

import LFPy
import numpy as np
import pytest
from made_cells import ASC, layer5, swc_of, write_model
from support import ROOT, run_python

LFPY_TEST = Path(LFPy.__file__).parent / "test"
BALL_AND_STICK = LFPY_TEST / "ball_and_stick_template.hoc"

#: Builds the cell of each folder in a child process, in which NEURON is loaded and knows no other cell
BUILD = """
import json, os, sys
import numpy as np
from allenrec.common.errors import UserError
from allenrec.intracellular.cell import load_cell
from allenrec.intracellular.simulation import step_response

def found_in(folder):
    try:
        cell = load_cell(folder, None, tstop=60.0)
        time, vmem = step_response(cell, 0.5, delay=10, duration=40)
    except UserError as error:
        return str(error)
    types = {kind: cell.section_types.count(kind) for kind in sorted(set(cell.section_types))}
    return dict(vmem=vmem.tolist(), types=types, soma=cell.soma.name(), celsius=cell.celsius, v_init=cell.v_init,
                totnsegs=int(cell.totnsegs), top=float(cell.y.max()))

found = []
for folder in sys.argv[1:]:
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, json.dumps(found_in(folder)).encode())
        os._exit(0)
    os.close(write)
    found.append(json.loads(open(read).read()))
    os.wait()
print(json.dumps(found))
"""
#: The same current into soma(0.5) with NEURON alone; the code that makes the cell comes first
BARE = """
import json, os, sys
os.environ["NEURON_MODULE_OPTIONS"] = "-nogui"
os.chdir(sys.argv[1])
from neuron import h
h.load_file("stdrun.hoc")
h.load_file("import3d.hoc")
{code}
stimulus = h.IClamp(soma(0.5))
stimulus.delay, stimulus.dur, stimulus.amp = 10, 40, 0.5
vmem = h.Vector().record(soma(0.5)._ref_v)
h.celsius, h.dt = {celsius}, 2**-5
h.finitialize({v_init})
while h.t < 60 - 1e-9:
    h.fadvance()
print(json.dumps(list(vmem)))
"""


def built(*folders):
    return run_python(BUILD, *folders)


def built_by_functions(*folders):
    """Do so for functions that import LFPy, which takes a second; the children find it imported."""
    return run_python(f"import allenrec.intracellular.nrn, LFPy\n{BUILD}", *folders)


def bare(folder, code, *, celsius=6.3, v_init=-65):
    return np.array(run_python(BARE.format(code=code, celsius=celsius, v_init=v_init), folder))


def test_template_like_that_of_hay_gives_the_voltage_of_neuron_alone(tmp_path):
    """LFPy gives sections without 3-D points some, from which NEURON computes other resistances where they taper."""
    (cell,) = built(layer5(tmp_path / "mine"))
    code = (
        'h.load_file(1, "models/channels.hoc"); h.load_file(1, "models/template.hoc")\n'
        'cell = h.Layer5("morphologies/cell1.asc"); soma = cell.soma[0]'
    )
    expected = bare(tmp_path / "mine", code)
    assert expected.max() > 0
    np.testing.assert_allclose(cell["vmem"], expected, rtol=0, atol=1e-9)
    # The section of myelin is in no list of the template, but it is part of the cell.
    assert cell["types"] == {"apic": 1, "axon": 3, "dend": 1, "soma": 1}
    assert (cell["soma"], cell["celsius"], cell["v_init"]) == ("Layer5[0].soma[0]", 6.3, -65.0)


def test_axis_is_turned_to_y(tmp_path):
    """The apical dendrite reaches y = 400 µm and the basal one -160; nothing reaches far from the plane of x and y."""
    cells = built(*(layer5(tmp_path / str(i), axis=axis) for i, axis in enumerate([[0, 2, 0], [0, -1, 0], [0, 0, 1]])))
    assert [cell["top"] for cell in cells[:2]] == pytest.approx([400, 160])
    assert cells[2]["top"] < 20


def test_template_of_lfpy_gives_the_voltage_of_templatecell(tmp_path):
    """The template has no sections of its own, and a morphology is imported into it. LFPy itself takes one of the two."""
    described = {
        "kind": "hoc",
        "template_file": "template.hoc",
        "template_name": "ball_and_stick_template",
        "v_init": -70,
    }
    names = ("ball_and_sticks_w_lists.hoc", "ball_and_sticks.hoc")
    files = {name: (LFPY_TEST / name).read_text() for name in names} | {"template.hoc": BALL_AND_STICK.read_text()}
    folders = [write_model(tmp_path / name, described | {"morphology": name}, files) for name in names]
    code = f"""
import LFPy
cell = LFPy.TemplateCell(morphology="{names[0]}", templatefile="template.hoc", templatename="ball_and_stick_template",
                         passive=False, nsegs_method=None, v_init=-70)
soma = next(s for s in cell.allseclist if "soma" in s.name())
"""
    expected = bare(folders[0], code, v_init=-70)
    for cell in built(*folders):
        np.testing.assert_allclose(cell["vmem"], expected, rtol=0, atol=1e-9)
        assert cell["types"] == {"dend": 3, "soma": 1}


def test_sections_at_top_level(tmp_path):
    """Without a template: LFPy's own example, a cell whose code sets temperature and potential, and one from a morphology."""
    lfpys = {"kind": "hoc", "template_file": "L23E_p23.hoc"}
    first = write_model(tmp_path / "lfpys", lfpys, {"L23E_p23.hoc": (LFPY_TEST / "L23E_p23.hoc").read_text()})
    own = {"kind": "hoc", "template_file": "main.hoc", "soma": "body", "section_lists": {"axon": "hill", "apic": ["trunk"]}}
    code = (
        'load_file("nrngui.hoc")\nxopen("parts/geometry.hoc")\naccess body\ncelsius = 20\nv_init = -64\n'
        "objref trunk\ntrunk = new SectionList()\nlong trunk.append()\n"
    )
    geometry = (
        "create body, long, hill\nbody { L = 20 diam = 20 insert hh }\nlong { L = 300 diam = 2 nseg = 9 insert pas }\n"
        "hill { L = 30 diam(0:1) = 3:1 nseg = 5 insert hh }\nconnect long(0), body(1)\nconnect hill(0), body(0)\n"
    )
    second = write_model(tmp_path / "own", own, {"main.hoc": code, "parts/geometry.hoc": geometry})
    lfpy_cell, own_cell = built(first, second)
    assert lfpy_cell["types"] == {"apic": 1, "dend": 4, "soma": 1}
    expected = bare(second, 'h.load_file(1, "main.hoc")\nsoma = h.body', celsius=20, v_init=-64)
    np.testing.assert_allclose(own_cell["vmem"], expected, rtol=0, atol=1e-9)
    assert own_cell["types"] == {"apic": 1, "axon": 1, "soma": 1}
    assert (own_cell["celsius"], own_cell["v_init"], own_cell["totnsegs"]) == (20.0, -64.0, 15)


def test_init_of_the_model_balances_the_cell(tmp_path):
    """As in models of CA1, where `init()` replaces that of the run system. The resting potential is given, not computed."""
    code = (
        'load_file("nrngui.hoc")\nobjref g\ng = new Graph()\ncreate soma, dend\nconnect dend(0), soma(1)\naccess soma\n'
        "soma { L = 20 diam = 20 }\ndend { L = 200 diam = 2 nseg = 5 }\nforall { insert hh gl_hh = 0 insert pas g_pas = 1e-4}\n"
        "proc init() {\n  forall { v = Vrest ena = 55 ek = -90 }\n  finitialize(Vrest)\n"
        "  forall for (x) { e_pas(x) = v(x) + (ina(x) + ik(x)) / g_pas(x) }\n  g.begin()\n}\n"
        "Vrest = -62\nv_init = Vrest\ncelsius = 6.3\n"
    )
    described = {"kind": "hoc", "template_file": "cell.hoc"}
    balanced, failing = built(
        write_model(tmp_path / "mine", described, {"cell.hoc": code}),
        write_model(tmp_path / "fails", described, {"cell.hoc": "create soma\nproc init() {\n  soma nothing(3)\n}\n"}),
    )
    np.testing.assert_allclose(balanced["vmem"][:319], -62, rtol=0, atol=1e-9)  # until the step begins, after 10 ms
    assert max(balanced["vmem"]) > 0
    assert failing.startswith("model fails: its hoc code fails: nothing undefined function, in `init` of cell.hoc")


def test_code_of_a_user_beside_that_of_a_model(tmp_path):
    """A file behind those of the model calls its procedures, or gives a cell its channels from another template."""
    procedures = (
        "create soma\nproc geometry() { soma { L = 20 diam = 20 } }\nproc channels() { soma insert hh }\ncelsius = 6.3\n"
    )
    templates = (
        "begintemplate Tree\npublic soma\ncreate soma\nproc init() { soma { L = 20 diam = 20 } }\nendtemplate Tree\n"
        "begintemplate Channels\npublic biophys\nproc biophys() { $o1.soma { insert hh } }\nendtemplate Channels\n"
    )
    apply = "objref cell, channels\ncell = new Tree()\nchannels = new Channels()\nchannels.biophys(cell)\ncelsius = 6.3\n"
    described = {"kind": "hoc", "template_file": ["model.hoc", "mine.hoc"]}
    models = {"procedures": (procedures, "geometry()\nchannels()\n"), "templates": (templates, apply)}
    cells = built(
        *(
            write_model(tmp_path / name, described, {"model.hoc": model, "mine.hoc": mine})
            for name, (model, mine) in models.items()
        )
    )
    expected = bare(tmp_path / "procedures", 'h("create soma")\nsoma = h.soma\nsoma.L = soma.diam = 20\nsoma.insert("hh")')
    assert expected.max() > 0 and [cell["soma"] for cell in cells] == ["soma", "Tree[0].soma"]
    for cell in cells:
        np.testing.assert_allclose(cell["vmem"], expected, rtol=0, atol=1e-9)


def test_morphology_at_top_level_comes_before_the_hoc_files(tmp_path):
    described = {"kind": "hoc", "template_file": "channels.hoc", "morphology": "cell.asc", "segment_length": 25}
    files = {"channels.hoc": "forall { insert pas e_pas = -65 }\nsoma[0] insert hh\n", "cell.asc": ASC}
    (cell,) = built(write_model(tmp_path / "mine", described, files))
    assert max(cell["vmem"]) > 0 and cell["types"] == {"apic": 1, "axon": 1, "dend": 1, "soma": 1}
    # 391, 151 and 53 µm, and a soma of 18, in odd numbers of segments of 25 µm at most
    assert cell["totnsegs"] == 17 + 7 + 3 + 1


def hoc(text):
    return {"kind": "hoc", "template_file": "cell.hoc"}, {"cell.hoc": text}


def template(text, **others):
    described = {"kind": "hoc", "template_file": "cell.hoc", "template_name": "Mine"} | others
    return described, {"cell.hoc": f"begintemplate Mine\npublic soma\n{text}\nendtemplate Mine\n"}


#: Models whose code fails, and words of the message
FAILING = {
    "syntax": (*hoc("create soma\nsoma {\n  L = = 3\n}\n"), "its hoc code fails: syntax error, in cell.hoc, line 3: L = = 3"),
    "no mechanism": (
        *template("create soma\nproc init() {\n soma insert NaTa\n}"),
        "NaTa is not a MECHANISM, in cell.hoc, line 5",
    ),
    "in a loaded file": (
        {"kind": "hoc", "template_file": "cell.hoc"},
        {"cell.hoc": 'load_file("parts/b.hoc")\n', "parts/b.hoc": "create soma\nsoma insert NaTa\n"},
        "NaTa is not a MECHANISM, in b.hoc, line 2: soma insert NaTa",
    ),
    "missing file": (*hoc('create soma\nxopen("more.hoc")\n'), "Can't open more.hoc, in cell.hoc, line 2"),
    "in a procedure": (
        *template("create soma\nproc init() {\n channels()\n}\nproc channels() {\n nothing(3)\n}"),
        "nothing undefined function, in `channels` of cell.hoc, which begins in line 7",
    ),
    "template twice": (
        {"kind": "hoc", "template_file": "cell.hoc", "template_name": "Mine"},
        {
            "cell.hoc": 'begintemplate Mine\ncreate soma\nendtemplate Mine\nload_file("b.hoc")\n',
            "b.hoc": "begintemplate Mine\ncreate soma\nendtemplate Mine\n",
        },
        "Mine : a template cannot be redefined, in b.hoc, line 1: begintemplate Mine",
    ),
    "template elsewhere": (
        {"kind": "hoc", "template_file": "cell.hoc", "template_name": "Mine"},
        {"cell.hoc": 'load_file("b.hoc")\n', "b.hoc": "create soma\n"},
        "its hoc files do not define the template Mine",
    ),
    "too few arguments": (
        *template("create soma\nproc init() {\n if (numarg() >= 0) { soma.L = $2 }\n}", arguments=[1]),
        "init not enough arguments, in `init` of cell.hoc, which begins in line 4",
    ),
    "no soma": (*template("create dend[3]"), "it has no section soma; write which one is the soma as `soma:`; it has dend"),
    "no sections": (
        *hoc("x = 3\n"),
        "it has no section soma; write which one is the soma as `soma:`; it has no sections at all",
    ),
    "two cells": (
        *hoc("begintemplate C\npublic soma\ncreate soma\nendtemplate C\nobjref a, b\na = new C()\nb = new C()\n"),
        "2 sections are called soma: C[0].soma, C[1].soma; `soma:` must name one",
    ),
    "no list": (
        {"kind": "hoc", "template_file": "cell.hoc", "section_lists": {"apic": "tuft"}},
        {"cell.hoc": "create soma\n"},
        "section_lists: apic: no section list and no section is called tuft",
    ),
    "file that was not found before": (
        *hoc('load_file("more.hoc")\ncreate soma\nchannels()\n'),
        "in cell.hoc, line 3: channels() (before that: Couldn't find: more.hoc, in cell.hoc, line 1",
    ),
    "file that was not found, at which NEURON goes on": (
        *hoc('create soma\nload_file("windows.ses")\nload_file("parts/channels.hoc")\n'),
        'Couldn\'t find: parts/channels.hoc, in cell.hoc, line 3: load_file("parts/channels.hoc"); put the file there',
    ),
    "morphology that ends too early": (
        {"kind": "hoc", "morphology": "cell.asc"},
        {"cell.asc": ASC[: ASC.index("(0 400 0 1.5)")]},
        "NEURON cannot read its morphology: parse error itok=",
    ),
    "loose section": (
        *hoc("create soma, dend\nforall insert pas\n"),
        "section dend is not connected to soma; connect it, or delete it",
    ),
    "loose section of a template": (
        *template("create soma, dend\nproc init() {\n dend insert pas\n}"),
        "section Mine[0].dend is not connected to Mine[0].soma",
    ),
    "own error": (*hoc('create soma\nexecerror("no such cell", "at all")\n'), "no such cell at all, in cell.hoc, line 2"),
}


def test_hoc_that_fails_is_one_line_with_its_place(tmp_path):
    folders = [write_model(tmp_path / str(i), *case[:2]) for i, case in enumerate(FAILING.values())]
    for i, (message, (_, _, words)) in enumerate(zip(built(*folders), FAILING.values(), strict=True)):
        assert isinstance(message, str) and message.startswith(f"model {i}: ") and words in message, message
        assert "\n" not in message


#: Functions that return the cell in each way that is allowed
FUNCTIONS = """
import LFPy
from neuron import h
from helper import LENGTH

def sections(folder, dt, g=0.0):
    soma, dend = h.Section(name="soma"), h.Section(name="dend")
    soma.L = soma.diam = LENGTH
    dend.L, dend.diam, dend.nseg = 300, 2, 9
    dend.connect(soma(1))
    for section in (soma, dend):
        section.insert("pas")
        section.g_pas, section.e_pas = g, -65
    soma.insert("hh")
    return [soma, dend]

def section_list(folder, dt, **arguments):
    made = h.SectionList()
    keep.extend(sections(folder, dt, **arguments))
    for section in keep:
        made.append(section)
    return made

def all_sections(folder, dt, g):
    keep.extend(sections(folder, dt, g))
    return h.allsec()

def template(folder, g):
    h("begintemplate T\\npublic soma, dend\\ncreate soma, dend\\nendtemplate T")
    made = h.T()
    made.dend.connect(made.soma(1))
    made.soma.L = made.soma.diam = LENGTH
    made.dend.L, made.dend.diam, made.dend.nseg = 300, 2, 9
    for section in (made.soma, made.dend):
        section.insert("pas")
        section.g_pas, section.e_pas = g, -65
    made.soma.insert("hh")
    return made

def two(folder, dt):
    return sections(folder, dt) + sections(folder, dt)

def loose(folder, dt):
    made = sections(folder, dt)
    h.disconnect(sec=made[1])
    return made

keep = []

def soma(folder, g):
    keep.extend(sections(folder, 0, g))
    return keep[0]

def lfpy(cell_model_folder, dt, start_T, end_T):
    made = section_list(cell_model_folder, dt, g=1e-4)
    assert (dt, start_T, end_T) == (2**-5, 0, 60) and open("model.yaml").read()
    return LFPy.Cell(made, v_init=-65, dt=dt, tstart=start_T, tstop=end_T, nsegs_method=None, delete_sections=False)

class Loader:
    def __call__(self, folder, timestep):
        pass

nothing = lambda folder: None
odd = Loader()
def fails(folder):
    return {}["soma"]
def ends(folder):
    raise SystemExit("bye")
def stops_in_hoc(folder):
    h.load_file(1, "bad.hoc")
"""


FILES_OF_FUNCTIONS = {"my_cells.py": FUNCTIONS, "helper.py": "LENGTH = 20.0\n", "bad.hoc": "create soma\nsoma insert NaTa\n"}


def function(tmp_path, name, **others):
    described = {"kind": "python", "function": f"my_cells.py:{name}", "v_init": -65} | others
    return write_model(tmp_path / name, described, FILES_OF_FUNCTIONS)


def test_function_returns_a_cell_in_any_form(tmp_path):
    g = {"arguments": {"g": 1e-4}}
    forms = {"sections": g, "section_list": g, "soma": g, "all_sections": g, "template": g, "lfpy": {}}
    cells = built_by_functions(*(function(tmp_path, name, **others) for name, others in forms.items()))
    code = "sys.path.insert(0, '.')\nfrom my_cells import sections\nkept = sections('.', 0, 1e-4)\nsoma = kept[0]"
    expected = bare(tmp_path / "sections", code)
    assert expected.max() > 0
    for cell in cells:
        assert isinstance(cell, dict), cell
        np.testing.assert_allclose(cell["vmem"], expected, rtol=0, atol=1e-9)
        assert cell["types"] == {"dend": 1, "soma": 1} and cell["soma"].endswith("soma")


def test_soma_that_is_named_goes_before_the_section_that_a_function_returns(tmp_path):
    (cell,) = built(function(tmp_path, "soma", arguments={"g": 1e-4}, soma="dend"))
    assert cell["soma"] == "dend"


def test_other_cells_and_bare_sections_are_not_in_the_way(tmp_path):
    """A network at top level whose cell is named, beside a section that holds stimuli, gives the cell alone."""
    code = "create soma[2], dummy\nfor i = 0, 1 { soma[i] { L = 20 diam = 20 insert hh } }\n"
    cells = built(
        write_model(tmp_path / "net", {"kind": "hoc", "template_file": "cell.hoc", "soma": "soma[1]"}, {"cell.hoc": code}),
        write_model(
            tmp_path / "one",
            {"kind": "hoc", "template_file": "cell.hoc"},
            {"cell.hoc": code.replace("[2]", "[1]").replace("0, 1", "0, 0")},
        ),
    )
    assert [cell["soma"] for cell in cells] == ["soma[1]", "soma[0]"] and cells[0]["totnsegs"] == 1
    assert cells[0]["vmem"] == cells[1]["vmem"]


def loader_of_the_notebook():
    """Return the loader of MEArec's Allen notebook as a file of its own; it stands among other things in a benchmark."""
    text = (ROOT / "benchmarks" / "mearec_notebook.py").read_text()
    functions = [node for node in ast.parse(text).body if getattr(node, "name", None) in ("allen_cell", "set_values")]
    sources = "\n\n".join(ast.get_source_segment(text, node) for node in functions)
    return f"import json\nimport os\nfrom pathlib import Path\n\nimport LFPy\nimport neuron\n\n{sources}\n"


#: The channels with which the cell fires
CHANNELS = ("NaTs", "Kv3_1", "K_T")


def left_out(names):
    """Return the mod files of other channels."""
    return [name for name in names if name.endswith(".mod") and name.removesuffix(".mod") not in CHANNELS]


def test_loader_of_mearecs_notebook_runs_as_it_stands_on_an_allen_model(models_folder, tmp_path):
    """It has MEArec's signature, compiles mod files and changes folders itself; its cell fires as without us.

    The loader compiles the mod files, a second or more each, so that the model keeps a few of its channels only. The copy in
    which it runs without us has them compiled already.
    """
    ours, alone = tmp_path / "ours", tmp_path / "alone"
    shutil.copytree(models_folder / "neuronal_model_473863510", ours, ignore=lambda _, names: left_out(names))
    fit = json.loads((ours / "fit_parameters.json").read_text())
    fit["genome"] = [gene for gene in fit["genome"] if gene["mechanism"] in ("", *CHANNELS)]
    (ours / "fit_parameters.json").write_text(json.dumps(fit))
    (ours / "loader.py").write_text(loader_of_the_notebook())
    (ours / "model.yaml").write_text("kind: python\nfunction: loader.py:allen_cell\n")
    (cell,) = built(ours)
    shutil.copytree(ours, alone)
    assert isinstance(cell, dict), cell
    assert (cell["celsius"], cell["soma"]) == (34.0, "soma[0]") and set(cell["types"]) == {"soma", "axon", "dend", "apic"}
    code = "sys.path.insert(0, '.')\nfrom loader import allen_cell\nmade = allen_cell('.', 2**-5, 0, 60)\nsoma = h.soma[0]"
    expected = bare(alone, code, celsius=34, v_init=cell["v_init"])
    assert ((expected[:-1] < -20) & (expected[1:] >= -20)).sum() >= 2
    assert np.array_equal(cell["vmem"], expected)


#: Names of functions that fail, keys of the description, and words of the message
FAILING_FUNCTIONS = {
    "fails": ({}, "my_cells.py, line 66: KeyError: 'soma'"),
    "ends": ({}, "my_cells.py, line 68: SystemExit: bye"),
    "nothing": ({}, "my_cells.py:nothing returns NoneType; it must return an `LFPy.Cell`"),
    "odd": (
        {},
        "my_cells.py:odd(folder, timestep) cannot be called: missing a required argument: 'timestep'. It gets the folder",
    ),
    "sections": ({"arguments": {"gbar": 3}}, "cannot be called: got an unexpected keyword argument 'gbar'"),
    "stops_in_hoc": ({}, "its hoc code fails: NaTa is not a MECHANISM, in bad.hoc, line 2: soma insert NaTa"),
    "two": ({}, "my_cells.py:two returns several cells, soma and soma; return one, or name its soma as `soma:`"),
    "loose": ({}, "section dend is not connected to soma; connect it"),
    "section_list": ({"soma": "body"}, "it has no section body; write which one is the soma as `soma:`; it has soma, dend"),
}


def test_function_that_fails_is_one_line_with_its_place(tmp_path):
    messages = built_by_functions(*(function(tmp_path, name, **others) for name, (others, _) in FAILING_FUNCTIONS.items()))
    for message, (name, (_, words)) in zip(messages, FAILING_FUNCTIONS.items(), strict=True):
        assert isinstance(message, str) and message.startswith(f"model {name}: ") and words in message, message
        assert "\n" not in message and not list((tmp_path / name).glob(".temporary*"))


def test_passive_morphology_has_the_analytic_input_resistance(tmp_path):
    """A soma with a dendrite, a sealed cable of many segments: 1/R = g_m A + G_infinity tanh(L / lambda) (Rall 1959)."""
    length, diameter, soma_area, g, axial = 400.0, 2.0, np.pi * 20.0 * 20.0, 2e-4, 150.0
    channels = {"all": {"Ra": axial, "cm": 0.01, "pas": {"g": g, "e": -65.0}}}
    described = {"kind": "swc", "morphology": "cell.swc", "channels": channels, "segment_length": 5}
    (cell,) = built(write_model(tmp_path / "mine", described, {"cell.swc": swc_of([(3, length, diameter)])}))
    d, s = diameter * 1e-4, g  # cm, S/cm²
    constant = np.sqrt(d / (4 * s * axial))
    infinite = np.pi / 2 * np.sqrt(s / axial) * d**1.5
    conductance = s * soma_area * 1e-8 + infinite * np.tanh(length * 1e-4 / constant)
    at_end = cell["vmem"][(49 * 32)]
    assert at_end + 65.0 == pytest.approx(0.5e-9 / conductance * 1e3, rel=0.01)


def test_morphology_with_channels_of_the_squid(tmp_path):
    """Channels of one type go over those of all, and reversal potentials are set where the ion is, as in NEURON alone."""
    channels = {"soma": {"hh": None, "cm": 1, "ena": 45}, "all": {"pas": {"g": 1e-4, "e": -65}, "ena": 40, "cm": 2}}
    described = {"kind": "swc", "morphology": "cell.swc", "channels": channels, "segment_length": 1000}
    (cell,) = built(write_model(tmp_path / "mine", described, {"cell.swc": swc_of([(3, 300, 2), (4, 400, 3)])}))
    code = """
reader = h.Import3d_SWC_read()
reader.input("cell.swc")
h.Import3d_GUI(reader, 0).instantiate(None)
for section in h.allsec():
    section.insert("pas")
    section.g_pas, section.e_pas, section.cm = 1e-4, -65, 2
soma = h.soma[0]
soma.insert("hh")
soma.cm, soma.ena = 1, 45
"""
    np.testing.assert_allclose(cell["vmem"], bare(tmp_path / "mine", code), rtol=0, atol=1e-9)
    assert max(cell["vmem"]) > 0 and cell["types"] == {"apic": 1, "dend": 1, "soma": 1}
    assert (cell["celsius"], cell["v_init"]) == (6.3, -65.0)


def test_reversal_potential_without_a_channel_of_its_ion_is_refused(tmp_path):
    """It would be left out without a word."""
    channels = {"all": {"pas": {}}, "dend": {"hh": None}, "soma": {"ena": 45}}
    described = {"kind": "swc", "morphology": "cell.swc", "channels": channels}
    (message,) = built(write_model(tmp_path / "mine", described, {"cell.swc": swc_of([(3, 300, 2)])}))
    assert message.endswith("model.yaml: channels.soma.ena: no mechanism there has a current of the ion na")


def test_what_hoc_asks_is_answered_with_the_value_that_it_offers():
    """Without an answer NEURON asks again and again, and fills the log. `os._exit` leaves out the question itself."""
    code = """
import json, os
from allenrec.common.isolation import answer_with_return
answer_with_return()
from allenrec.intracellular.nrn import neuron
print(json.dumps([neuron.h.xred("How long?", 3, 0, 10), neuron.h.boolean_dialog("Go on?")]), flush=True)
os._exit(0)
"""
    assert run_python(code) == [3.0, 0.0]


def test_code_that_takes_all_memory_fails_in_its_line(tmp_path):
    described, files = hoc("create soma\nobjref all\nall = new List()\nwhile (1) {\n  all.append(new Vector(1e6))\n}\n")
    folder = write_model(tmp_path / "mine", described, files)
    code = f"""
import json, os
from allenrec.common.crashes import limit_memory
from allenrec.common.errors import UserError
from allenrec.intracellular.cell import load_cell
limit_memory(700 * 2**20)
try:
    load_cell({str(folder)!r}, None)
except UserError as error:
    print(json.dumps(str(error)), flush=True)
os._exit(0)
"""
    message = run_python(code)
    assert message.startswith("model mine: its hoc code fails: ") and "bad_alloc, in cell.hoc, line" in message
