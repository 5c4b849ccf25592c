"""A template library of some cells, without a workflow: `allenrec.library`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import probeinterface
from pydantic import ValidationError

from allenrec.cells.table import CellRow, describe_cell
from allenrec.common.errors import UserError
from allenrec.intracellular.intracellular_file import Currents, read_currents
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.concatenate import concatenate_libraries
from allenrec.libraries.library_file import read_library
from allenrec.probes import load_probe
from allenrec.settings.error_messages import explain
from allenrec.settings.libraries import Library as LibrarySettings

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath
    from allenrec.libraries.library_file import Library


def library(
    currents: Sequence[AnyPath | Currents],
    probe: str | probeinterface.Probe = "Neuronexus-32",
    *,
    seed: int = 0,
    name: str = "library",
    threads: int = 1,
    **settings: Any,
) -> Library:
    """Compute a template library in memory.

    Parameters
    ----------
    currents : sequence of path or allenrec.intracellular.Currents
        The intracellular files of the cells, `results/intracellular/<model>.h5`.
    probe : str or probeinterface.Probe
        As in `libraries.<name>.probe`, or a probe.
    seed : int
        The `seed` of the configuration.
    name : str
        The name of the library, from which its random numbers follow.
    threads : int
        Number of threads; no value depends on it.
    **settings
        Further keys of `libraries.<name>`, such as `n=20` or `rot="physrot"`.

    Returns
    -------
    allenrec.libraries.Library
        Its templates are those that the workflow computes for the same cells, settings, seed and name.

    Raises
    ------
    UserError
        If a file cannot be read, a setting is not valid, or no cell gives a template.

    Examples
    --------
    >>> import allenrec
    >>> made = allenrec.library(["results/intracellular/473863510.h5"], n=20)  # doctest: +SKIP
    >>> made.templates.shape  # doctest: +SKIP
    (20, 32, 224)
    """
    with TemporaryDirectory(prefix="allenrec-") as folder:
        named = str(probe)
        if isinstance(probe, probeinterface.Probe):
            named = str(Path(folder) / "probe.json")
            probeinterface.write_probeinterface(named, probe)
        chosen = _validated({"probe": named, **settings})
        loaded, parts = load_probe(str(chosen.probe), chosen.ncontacts), []
        for number, cell in enumerate(currents):
            own = cell if isinstance(cell, Currents) else read_currents(Path(cell))
            parts.append(Path(folder) / f"{number}.h5")
            row = describe_cell(CellRow(own.info.model_id), own.info.facts)
            build_cell_library(parts[-1], own, row, chosen, name=name, seed=seed, probe=loaded, threads=threads)
        concatenate_libraries(parts, Path(folder) / "templates.h5")
        return read_library(Path(folder) / "templates.h5")


def _validated(settings: dict[str, Any]) -> LibrarySettings:
    try:
        return LibrarySettings.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"settings: {explain(error.errors(), LibrarySettings)}") from None
