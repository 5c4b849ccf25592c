"""A check, before anything runs, that the cell types of recordings are those of some cells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError
from allenrec.models.kinds.register import kind_of

from .table import CellRow, describe_cell

if TYPE_CHECKING:
    from allenrec.settings import Settings


def check_cell_types(
    recordings: Collection[str],
    cells: Mapping[str, Mapping[str, str]],
    settings: Settings,
    model_folder: Callable[[str], Path],
) -> None:
    """Refuse a recording with units of cell types that no cell has.

    The type of a cell may be known only from the metadata of its model. If a model is not there yet, nothing is refused.

    Parameters
    ----------
    recordings : collection of str
        The names of the recordings.
    cells : mapping
        Rows of the cell table by the ids of their models.
    settings : Settings
    model_folder : callable
        Returns the folder of a model.

    Raises
    ------
    UserError
        One line that names the key, the cell types that it has, and those of the cells.
    """
    wanted = {
        f"recordings.{name}.cell_types.{kind}": set(getattr(recording.cell_types, kind))
        for name in recordings
        for recording in [settings.recordings[name]]
        if settings.libraries[recording.library].templates is None
        for kind, number in (("excitatory", recording.spiketrains.n_exc), ("inhibitory", recording.spiketrains.n_inh))
        if number
    }
    known: set[str] = set()
    for model, row in cells.items():
        wanted = {key: types for key, types in wanted.items() if not types & known}
        if not wanted:
            return  # without having read the metadata of thousands of models
        cell_type = _cell_type(row, settings.cell_type_column, model_folder(model))
        if cell_type is None:
            return
        known.add(cell_type)
    for key, types in wanted.items():
        if cells and not types & known:
            raise UserError(f"config: {key}: no cell has a type of {sorted(types)}; the cells have {', '.join(sorted(known))}")


def _cell_type(row: Mapping[str, str], column: str, folder: Path) -> str | None:
    """Return the type of a cell, or None if it is not known yet."""
    if row.get(column):
        return row[column]
    try:
        return describe_cell(CellRow.from_columns(row), kind_of(folder).describe(folder), column)["cell_type"]
    except UserError:
        return None  # its own jobs report what is wrong with it
