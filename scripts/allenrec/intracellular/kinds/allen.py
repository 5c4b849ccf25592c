"""The faithful cell of the kind `allen`: AllenSDK's two recipes, carried out inside `LFPy.Cell`.

The recipes are those of `allensdk.model.biophysical.utils` (`Utils` and `AllActiveUtils`), step by step. If a step is left out,
the cell behaves differently: its resting potential is off by 10 to 20 mV, and it fires up to 2.6 times as many spikes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import chdir
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError
from allenrec.models.archive import STUB_MECHANISMS

from ..lfpy_cell import Cell
from ..model_cell import as_model_cell
from ..nrn import neuron, path_for_neuron

if TYPE_CHECKING:
    from allenrec.models.fit import Model

AXON_TREATMENTS = ("auto", "stub", "truncated", "keep")
#: Length of each of the two sections that replace an axon, µm
STUB_LENGTH = 30.0
#: Diameter of both sections of a stub, µm
STUB_DIAMETER = 1.0
#: Largest length of a segment, µm
SEGMENT_LENGTH = 40.0
#: Distance from the soma beyond which AllenSDK takes the diameter of the second section of a truncated axon, µm
TRUNCATION_DISTANCE = 60.0


class AllenCell(Cell):
    """An `LFPy.Cell` of a model of the Allen Institute."""

    #: Diameters of the sections of a truncated axon, µm
    axon_diameters: Sequence[float] = ()


def build(model: Model, *, dt: float, tstop: float, axon: str) -> AllenCell:
    """Build the cell that the Allen Institute fitted; see `allenrec.intracellular.load_cell`."""
    treatment = axon_treatment(model, axon)
    # NEURON takes a file `import3d.hoc` of the working directory for its own
    with path_for_neuron(model.morphology.resolve()) as morphology, chdir("/"):
        cell = AllenCell(
            morphology=morphology,
            v_init=model.v_init,
            celsius=model.temperature,
            passive=False,
            nsegs_method=None,
            custom_fun=[_build],
            custom_fun_args=[{"model": model, "axon": treatment}],
            dt=dt,
            tstart=0.0,
            tstop=tstop,
            pt3d=False,
        )
    _set_exact_diameters(cell.axon_diameters)
    return as_model_cell(cell, model, soma=neuron.h.soma[0], axon=treatment)


def axon_treatment(model: Model, axon: str = "auto") -> str:
    """Return "stub", "truncated" or "keep" for a model. "auto" is decided by the kind of the model and its mechanisms."""
    if axon not in AXON_TREATMENTS:
        raise UserError(f"axon: {axon!r} is not one of {', '.join(AXON_TREATMENTS)}")
    if axon != "auto":
        return axon
    return "stub" if model.kind == "perisomatic" or model.mechanisms & STUB_MECHANISMS else "truncated"


def _build(cell: AllenCell, model: Model, axon: str) -> None:
    """Turn the imported morphology into the model. The order is AllenSDK's."""
    h = neuron.h
    for section in h.soma:
        for segment in section:
            segment.area()  # makes NEURON derive the diameters from the 3-D points
    for section in h.allsec():
        section.nseg = 1 + 2 * int(section.L / SEGMENT_LENGTH)
    if axon == "stub":
        _replace_axon(h.soma[0](0.5), [STUB_DIAMETER, STUB_DIAMETER])
    elif axon == "truncated":
        cell.axon_diameters = _truncated_diameters(model)
        _replace_axon(h.soma[0](1.0), cell.axon_diameters)
    _set_cable(model)
    _set_parameters(model)
    _set_reversal_potentials(model)


def _sections(kind: str | None = None) -> list[Any]:
    """Return the sections of a type, or all sections.

    They are found by their names, because NEURON keeps the hoc variable of a type whose sections are deleted.
    """
    return [s for s in neuron.h.allsec() if kind is None or re.match(rf"{kind}\b", s.name())]


def _replace_axon(connection: Any, diameters: Sequence[float]) -> None:
    """Delete the reconstructed axon, and put two sections of 30 µm in its place, along its direction.

    The 3-D points change no voltage; without them NEURON would lay the stub in one fixed direction for every cell,
    wherever its dendrites are.
    """
    h = neuron.h
    start = _location(connection)
    direction = _axon_direction()
    for section in _sections("axon"):
        h.delete_section(sec=section)
    h("create axon[2]")
    for i, (section, diameter) in enumerate(zip(h.axon, diameters, strict=True)):
        for distance in (i * STUB_LENGTH, (i + 1) * STUB_LENGTH):
            section.pt3dadd(*(start + distance * direction), diameter)
        # The points are kept in single precision; the length itself is exact.
        section.L = STUB_LENGTH
        section.diam = diameter
        section.nseg = 1
    h.axon[0].connect(connection, 0)
    h.axon[1].connect(h.axon[0](1), 0)


def _set_exact_diameters(diameters: Sequence[float]) -> None:
    """Set the diameters (µm) of the sections of a truncated axon in double precision.

    NEURON derives diameters from 3-D points, which have single precision. Without points it takes the numbers as they are, as
    in AllenSDK. The points have served once LFPy has read the geometry.
    """
    for section, diameter in zip(_sections("axon"), diameters, strict=False):
        neuron.h.pt3dclear(sec=section)
        section.L = STUB_LENGTH
        section.diam = diameter


def _truncated_diameters(model: Model) -> list[float]:
    """Return the diameters (µm) of the two sections of a truncated axon, taken from the reconstructed axon."""
    axon = _sections("axon")
    if not axon:
        raise UserError(f"model {model.model_id}: {model.morphology} has no axon to truncate; set models.axon to stub or keep")
    h = neuron.h
    h.distance(0, h.soma[0](0))
    beyond = [section for section in axon if h.distance(section(0.5)) > TRUNCATION_DISTANCE]
    return [axon[0].diam, (beyond or axon)[0].diam]


def _points(section: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 3-D points (n, 3) of a section and the length (n,) that each stands for, µm."""
    n = section.n3d()
    points = np.array([[section.x3d(i), section.y3d(i), section.z3d(i)] for i in range(n)])
    weights = np.gradient([section.arc3d(i) for i in range(n)]) if n > 1 else np.ones(n)
    return points, weights


def _location(segment: Any) -> NDArray[np.float64]:
    """Return the position (3,) of a segment's centre on the 3-D points of its section, µm."""
    section = segment.sec
    points, _ = _points(section)
    arc = [section.arc3d(i) for i in range(section.n3d())]
    return np.array([np.interp(segment.x * section.L, arc, axis) for axis in points.T])


def _axon_direction() -> NDArray[np.float64]:
    """Return the unit vector (3,) from the soma centre along which the axon leaves.

    It points to the centroid of the first 60 µm of the reconstructed axon. If there is none, it points away from the apical
    dendrite, as axons of pyramidal cells do; if there is no apical dendrite either, away from all dendrites.
    """
    h = neuron.h
    centre = _location(h.soma[0](0.5))
    axon, apical, dendrites = (_sections(kind) for kind in ("axon", "apic", "dend"))
    if axon:
        h.distance(0, axon[0](0))
        initial = [s for s in axon if h.distance(s(0)) < 2 * STUB_LENGTH] or axon[:1]
        vector = _centroid(initial, 2 * STUB_LENGTH) - centre
    else:
        vector = centre - _centroid(apical or dendrites, np.inf) if apical or dendrites else np.zeros(3)
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-6 else np.array([0.0, -1.0, 0.0])


def _centroid(sections: Sequence[Any], reach: float) -> NDArray[np.float64]:
    """Return the length-weighted centroid (3,) of the first `reach` µm of each section, µm."""
    points, lengths = zip(*(_points(s) for s in sections), strict=True)
    within = [np.array([s.arc3d(i) <= reach for i in range(s.n3d())]) for s in sections]
    weights = [length * near for length, near in zip(lengths, within, strict=True)]
    return np.average(np.concatenate(points), axis=0, weights=np.concatenate(weights))


def _set_cable(model: Model) -> None:
    """Set axial resistivity, leak and, in perisomatic models, leak reversal and capacitance."""
    for section in _sections():
        section.Ra = model.axial_resistivity
        section.insert("pas")
        if model.e_pas is not None:
            section.e_pas = model.e_pas
    for kind, capacitance in model.capacitance.items():
        for section in _sections(kind):
            section.cm = _as_fitted(model, capacitance)


def _set_parameters(model: Model) -> None:
    """Insert the mechanisms of the fit and set their parameters."""
    for parameter in model.parameters:
        value = _as_fitted(model, parameter.value)
        if parameter.section == "glob":
            setattr(neuron.h, parameter.name, value)
            continue
        for section in _sections(parameter.section):
            if parameter.mechanism:
                section.insert(parameter.mechanism)
            setattr(section, parameter.name, value)


def _as_fitted(model: Model, value: float) -> float:
    """Return a value as AllenSDK uses it.

    AllenSDK passes the values of perisomatic fits through "%g"; the published numbers hold with that rounding.
    """
    return float(f"{value:g}") if model.kind == "perisomatic" else value


def _set_reversal_potentials(model: Model) -> None:
    """Set the reversal potentials in sections that have a channel of the ion."""
    for kind, potentials in model.reversal.items():
        for section in _sections(kind):
            for name, value in potentials.items():
                if neuron.h.ismembrane(f"{name[1:]}_ion", sec=section):
                    setattr(section, name, value)
