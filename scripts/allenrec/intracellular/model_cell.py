"""What a simulation asks of the cell of any kind of model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allenrec.models.kinds.contract import CellModel

#: Types of sections; those with other names count as dendrites
SECTION_TYPES = ("soma", "axon", "dend", "apic")
#: Largest distance of the soma's centre from the origin that is taken for rounding, µm
ROUNDING = 1e-9


class ModelCell(Protocol):
    """An `LFPy.Cell` that can be simulated; `as_model_cell` makes one of any `LFPy.Cell`.

    The centre of the soma is the origin, and the cell is in the orientation of its reconstruction.
    """

    #: The checked model that it was built from
    model: CellModel
    #: What its axon is, for tables: "stub", "truncated" or "keep" for models of the Allen Institute
    axon: str
    #: The NEURON section of the soma, in whose middle the current is injected and the potential recorded
    soma: Any
    #: The type of each section of `allseclist`, one of `SECTION_TYPES`
    section_types: Sequence[str]
    #: Temperature of all simulations, °C
    celsius: float

    # What `LFPy.Cell` has: ms, mV; the sections, and the ends (n_segments, 2) and diameters (n_segments,) of segments, µm
    dt: float
    tstop: float
    v_init: float
    totnsegs: int
    allseclist: Any
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    d: NDArray[np.float64]


def as_model_cell(
    cell: Any,
    model: CellModel,
    *,
    soma: Any,
    axon: str,
    celsius: float | None = None,
    section_type: Callable[[str], str] | None = None,
) -> Any:
    """Give an `LFPy.Cell` what a `ModelCell` has, and move its soma to the origin; return it.

    Parameters
    ----------
    cell : LFPy.Cell
    model : CellModel
    soma : nrn.Section
    axon : str
        See `ModelCell`.
    celsius : float, optional
        The temperature if it is not that of the model.
    section_type : callable, optional
        Takes the name of a section, returns its type. By default the name itself says it, see `type_by_name`.
    """
    cell.model, cell.soma, cell.axon = model, soma, axon
    cell.celsius = model.temperature if celsius is None else celsius
    cell.section_types = [(section_type or type_by_name)(section.name()) for section in cell.allseclist]
    centre = _centre_of(cell, soma.name())
    if np.abs(centre).max() > ROUNDING:
        for axis, offset in zip((cell.x, cell.y, cell.z), centre, strict=True):
            axis -= offset
    return cell


def type_by_name(name: str) -> str:
    """Return the type of a section by its name in NEURON, such as `cADpyr[0].apic[12]`."""
    own = re.sub(r"\[[0-9]+\]$", "", name.rpartition(".")[2])
    return own if own in SECTION_TYPES else "dend"


def _centre_of(cell: Any, section: str) -> NDArray[np.float64]:
    """Return the mean position (3,) of the segments of a section, µm."""
    mine = np.array([owner.name() == section for owner in cell.allseclist for _ in owner])
    return np.array([axis[mine].mean() for axis in (cell.x, cell.y, cell.z)])
