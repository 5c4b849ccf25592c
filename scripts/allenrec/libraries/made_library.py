"""A library of three templates, so small that compiling the kernels is nearly all of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allenrec.settings.libraries import Library

from .build import build_cell_library

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath
    from allenrec.intracellular.intracellular_file import Currents


def write_made_library(path: AnyPath, currents: Currents) -> None:
    """Write three templates of a cell, with default settings."""
    cell = {"model_id": "0", "specimen_id": "0", "cell_type": "spiny"}
    settings = Library(probe="Neuronexus-32", n=3, max_iterations=1000)
    build_cell_library(path, currents, cell, settings, name="made", seed=0, threads=2)
