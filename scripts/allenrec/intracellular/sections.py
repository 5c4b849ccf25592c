"""NEURON's sections that some code has made: which is the soma, of what type they are, and the `LFPy.Cell` around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir
from typing import TYPE_CHECKING, Any

import numpy as np

from allenrec.common.errors import UserError, shortened

from .lfpy_cell import Cell
from .model_cell import as_model_cell
from .nrn import neuron

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allenrec.models.kinds.model_yaml import DescribedModel

    from .model_cell import ModelCell

#: What the axon of a cell is, whose model decides it
AXON = "of the model"
#: How names of sections begin, by the type of the section; others are dendrites
BEGINNINGS = {
    "soma": ("soma",),
    "apic": ("apic",),
    "axon": ("axon", "ais", "iseg", "hill", "node", "myelin"),
}
#: Point processes that would stimulate the cell
STIMULI = ("IClamp", "SEClamp", "VClamp", "AlphaSynapse", "NetStim")


def load_libraries() -> None:
    """Load NEURON's own hoc files that models expect."""
    with chdir("/"):  # NEURON takes files of the working directory for its own
        neuron.h.load_file("stdrun.hoc")
        neuron.h.load_file("import3d.hoc")


def own_name(name: str) -> str:
    """Return the name of a section within its template and without its index: `dend` of `cell[0].dend[3]`."""
    return re.sub(r"\[[0-9]+\]$", "", name.rpartition(".")[2])


def find_soma(model_id: str, sections: Iterable[Any], wanted: str) -> Any:
    """Return the soma among sections.

    Parameters
    ----------
    model_id : str
    sections : iterable of nrn.Section
    wanted : str
        The name of the section, or the part of it behind the name of a template; the index of the first may be left out.

    Raises
    ------
    UserError
        If no section has the name, or several have.
    """
    names = {section.name(): section for section in sections}
    found = [name for name in names if wanted in (name, name.rpartition(".")[2], name.rpartition(".")[2].removesuffix("[0]"))]
    if len(found) == 1:
        return names[found[0]]
    if found:
        raise UserError(f"model {model_id}: {len(found)} sections are called {wanted}: {_some(found)}; `soma:` must name one")
    known = _some(dict.fromkeys(own_name(name) for name in names)) or "no sections at all"
    raise UserError(f"model {model_id}: it has no section {wanted}; write which one is the soma as `soma:`; it has {known}")


def require_one_tree(model_id: str, soma: Any, sections: Iterable[Any]) -> None:
    """Refuse a cell of which some sections are not connected to its soma: they would be left out without a word.

    Trees with a soma of their own are other cells, and sections without mechanisms are places for things such as stimuli.

    Parameters
    ----------
    model_id : str
    soma : nrn.Section
    sections : iterable of nrn.Section
        All sections of the cell, and perhaps others.

    Raises
    ------
    UserError
        The message names the first section that is loose.
    """
    connected = set(soma.wholetree())
    for section in sections:
        if section in connected or section.cell() != soma.cell():
            continue
        tree = section.wholetree()
        is_cell = any(own_name(other.name()) == own_name(soma.name()) for other in tree)
        if not is_cell and any(True for other in tree for _ in other(0.5)):
            raise UserError(
                f"model {model_id}: section {section.name()} is not connected to {soma.name()}; connect it, or delete it "
                f"(`delete_section()` in a hoc file of your own)"
            )


def _some(names: Iterable[str]) -> str:
    return shortened(", ".join(names))


def is_section_list(value: Any) -> bool:
    """Return whether a value is a `SectionList` of NEURON."""
    return isinstance(value, neuron.hoc.HocObject) and value.hname().startswith("SectionList[")


def type_by_beginning(name: str) -> str:
    """Return the type of a section by how its name begins, such as "axon" for `cell[0].hillock`."""
    own = own_name(name).lower()
    return next((kind for kind, beginnings in BEGINNINGS.items() if own.startswith(beginnings)), "dend")


def wrap(soma: Any, *, v_init: float, celsius: float, dt: float, tstop: float) -> Any:
    """Return the `LFPy.Cell` of all sections that are connected to a soma, with the segments that they have.

    Sections without 3-D points get points from NEURON, which LFPy needs. NEURON would then compute resistances from the points,
    and those of tapering sections would change by some percent; so these sections get their own lengths and diameters back.
    """
    h = neuron.h
    tree = h.SectionList()
    tree.wholetree(sec=soma)
    without_points = [(s, s.L, [segment.diam for segment in s]) for s in tree if s.n3d() == 0]
    cell = Cell(
        morphology=tree,
        v_init=v_init,
        celsius=celsius,
        passive=False,
        nsegs_method=None,
        dt=dt,
        tstart=0.0,
        tstop=tstop,
        pt3d=False,
        delete_sections=False,
    )
    for section, length, diameters in without_points:
        h.pt3dclear(sec=section)
        section.L = length
        for segment, diameter in zip(section, diameters, strict=True):
            segment.diam = diameter
    return cell


def as_described(cell: Any, model: DescribedModel, *, soma: Any, celsius: float, types: Mapping[str, str]) -> ModelCell:
    """Return the cell that a model's code has made as a `ModelCell`, turned as its description says.

    Parameters
    ----------
    cell : LFPy.Cell
    model : DescribedModel
    soma : nrn.Section
    celsius : float
        The temperature of all simulations, °C.
    types : mapping
        The types of sections by their names, where they are known. The names themselves say those of others.
    """
    note_stimuli(model.model_id)
    known = {**types, soma.name(): "soma"}
    built: ModelCell = as_model_cell(
        cell,
        model,
        soma=soma,
        axon=AXON,
        celsius=celsius,
        section_type=lambda name: known.get(name) or type_by_beginning(name),
    )
    turn_upright(built, model.description.axis)
    return built


def divide(sections: Iterable[Any], longest: float) -> None:
    """Divide sections into segments of a largest length (µm), an odd number of them."""
    for section in sections:
        section.nseg = 1 + 2 * int(np.ceil(section.L / longest - 1e-9) // 2)


def turn_upright(cell: Any, axis: Sequence[float] | None) -> None:
    """Turn a cell about the origin, the shortest way, so that a direction in its coordinates lies along y."""
    if axis is None:
        return
    rotation = _to_y(np.array(axis) / np.linalg.norm(axis))
    for end in range(2):
        turned = rotation @ np.stack([cell.x[:, end], cell.y[:, end], cell.z[:, end]])
        cell.x[:, end], cell.y[:, end], cell.z[:, end] = turned


def _to_y(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation (3, 3) that takes a unit vector to y, by Rodrigues' formula."""
    y = np.array([0.0, 1.0, 0.0])
    cosine = float(unit @ y)
    if cosine < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    a, b, c = np.cross(unit, y)
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def note_stimuli(model_id: str) -> None:
    """Print which stimuli the code of a model has placed: they act in every simulation."""
    for kind in STIMULI:
        n = int(neuron.h.List(kind).count())
        if n:
            print(f"note: model {model_id}: its code places {n} {kind}, which act in every simulation")
