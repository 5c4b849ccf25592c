"""Models of cells that are not the Allen Institute's, written for the tests."""

import yaml

#: A template with one argument of text, which reads a morphology as the template of Hay et al. 2011 does. The reconstructed
#: axon gives way to a tapering one without 3-D points, and a section of myelin is in no list. Biophysics are a template, too.
LAYER5 = """
begintemplate Layer5
public init, soma, dend, apic, axon, myelin, all, somatic, basal, apical, axonal
objref this, all, somatic, basal, apical, axonal
create soma[1], dend[1], apic[1], axon[1], myelin[1]
// $s1 - morphology file name
proc init() { localobj reader, importer, channels
  all = new SectionList()
  somatic = new SectionList()
  basal = new SectionList()
  apical = new SectionList()
  axonal = new SectionList()
  forall delete_section()
  reader = new Import3d_Neurolucida3()
  reader.quiet = 1
  reader.input($s1)
  importer = new Import3d_GUI(reader, 0)
  importer.instantiate(this)
  soma area(0.5)
  forsec all nseg = 1 + 2*int(L/40)
  replace_axon()
  channels = new Layer5Channels()
  channels.insert_into(this)
}
proc replace_axon() {
  forsec axonal delete_section()
  create axon[2], myelin[1]
  axon[0] { L = 20 nseg = 5 diam(0:1) = 3:1.75 all.append() axonal.append() }
  axon[1] { L = 30 nseg = 7 diam(0:1) = 1.75:1 all.append() axonal.append() }
  myelin { L = 300 nseg = 7 diam = 1 }
  connect axon[0](0), soma(0.5)
  connect axon[1](0), axon[0](1)
  connect myelin(0), axon[1](1)
}
endtemplate Layer5
"""
CHANNELS = """
begintemplate Layer5Channels
public insert_into
proc insert_into() {
  forsec $o1.all { insert pas cm = 1 Ra = 100 e_pas = -65 g_pas = 1e-4 }
  $o1.myelin { insert pas cm = 0.02 Ra = 100 e_pas = -65 }
  forsec $o1.somatic insert hh
  forsec $o1.axonal insert hh
}
endtemplate Layer5Channels
"""
#: A reconstruction in Neurolucida's format: a soma, a basal and an apical dendrite and an axon
ASC = """
("CellBody" (Color Red) (CellBody)
  (-8 -8 0 0.5) (8 -8 0 0.5) (8 8 0 0.5) (-8 8 0 0.5)
)
( (Color Green) (Dendrite)
  (0 -9 0 2.0) (0 -60 0 2.0) (10 -160 0 1.0)
)
( (Color Blue) (Apical)
  (0 9 0 3.0) (0 150 0 2.5) (0 400 0 1.5)
)
( (Color Cyan) (Axon)
  (8 0 0 1.0) (60 -10 0 0.8)
)
"""


def layer5(folder, **changes):
    """Write a model like the layer-5 cell of Hay et al. 2011; `changes` are keys of its model.yaml."""
    described = {
        "kind": "hoc",
        "template_file": ["models/channels.hoc", "models/template.hoc"],
        "template_name": "Layer5",
        "arguments": ["morphologies/cell1.asc"],
        "celsius": 6.3,
        "v_init": -65,
    }
    files = {"models/channels.hoc": CHANNELS, "models/template.hoc": LAYER5, "morphologies/cell1.asc": ASC}
    return write_model(folder, described | changes, files)


def write_model(folder, described, files):
    """Write a model folder: its `model.yaml` and its files by their names; return the folder."""
    text = described if isinstance(described, str) else yaml.safe_dump(described, sort_keys=False)
    for name, content in {"model.yaml": text, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def swc_of(cylinders):
    """Return the text of an SWC file with a spherical soma of 20 µm and unbranched cylinders.

    Parameters
    ----------
    cylinders : sequence of tuple
        Type (3 dendrite, 4 apical), length and diameter (µm) of each; they leave along -y, +y and +x.
    """
    rows = ["1 1 0 0 0 10 -1", "2 1 0 -10 0 10 1", "3 1 0 10 0 10 1"]
    for (kind, length, diameter), (x, y) in zip(cylinders, ((0, -1), (0, 1), (1, 0)), strict=False):
        parent = 1
        for step in range(11):
            at = 10 + length * step / 10
            rows.append(f"{len(rows) + 1} {kind} {x * at:g} {y * at:g} 0 {diameter / 2:g} {parent}")
            parent = len(rows)
    return "\n".join(rows) + "\n"
