"""The register of the functions that build cells, one for each kind of `allenrec.models.kinds.register`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import allen, hoc, nmc, python, swc

if TYPE_CHECKING:
    from ..model_cell import ModelCell

#: By the name of the kind: takes the checked model, and as keywords `dt` and `tstop` (ms) and `axon` (`models.axon`). Returns
#: the cell, with its soma at the origin.
BUILDERS: dict[str, Callable[..., ModelCell | Any]] = {
    "hoc": hoc.build,
    "python": python.build,
    "swc": swc.build,
    "allen": allen.build,
    "nmc": nmc.build,
}
