"""A check, before anything runs, that the cell types of recordings are those of some cells."""

from collections.abc import Callable, Mapping
from pathlib import Path

from allenrec.common.errors import UserError
from allenrec.models.archive import read_metadata
from allenrec.settings.recordings import Recording

from .table import cell_facts, describe_cell


def check_cell_types(
    recordings: Mapping[str, Recording],
    cells: Mapping[str, Mapping[str, str]],
    column: str,
    model_folder: Callable[[str], Path],
) -> None:
    """Refuse a recording with units of cell types that no cell has.

    The type of a cell may be known only from the metadata of its model. If a model is not there yet, nothing is refused.

    Parameters
    ----------
    recordings : mapping
        The settings of recordings by their names.
    cells : mapping
        Rows of the cell table by the ids of their models.
    column : str
        The column, of the cell table or of the metadata, that names the cell types.
    model_folder : callable
        Returns the folder of a model.

    Raises
    ------
    UserError
        One line that names the key, the cell types that it has, and those of the cells.
    """
    wanted = {
        f"recordings.{name}.cell_types.{kind}": set(getattr(recording.cell_types, kind))
        for name, recording in recordings.items()
        for kind, number in (("excitatory", recording.spiketrains.n_exc), ("inhibitory", recording.spiketrains.n_inh))
        if number
    }
    known: set[str] = set()
    for model, row in cells.items():
        wanted = {key: types for key, types in wanted.items() if not types & known}
        if not wanted:
            return  # without having read the metadata of thousands of models
        cell_type = _cell_type(row, column, model_folder(model))
        if cell_type is None:
            return
        known.add(cell_type)
    for key, types in wanted.items():
        if cells and not types & known:
            raise UserError(f"config: {key}: {sorted(types)} is the type of no cell; the cells have {', '.join(sorted(known))}")


def _cell_type(row: Mapping[str, str], column: str, folder: Path) -> str | None:
    """Return the type of a cell, or None if it is not known yet."""
    if row.get(column):
        return row[column]
    try:
        return describe_cell(dict(row), cell_facts(read_metadata(folder)), column)["cell_type"]
    except UserError:
        return None  # its own jobs say what is wrong with it
