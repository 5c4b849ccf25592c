"""The libraries of single cells joined into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from allenrec.common.errors import DamagedFile, UserError, not_valid, require_own
from allenrec.common.hdf5 import hdf5_written_beside

from .library_file import LibraryInfo, create_rows, read_info, read_pieces, require_identity, write_info

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath


def concatenate_libraries(
    paths: Sequence[AnyPath],
    path: AnyPath,
    *,
    exclude_flagged: bool = False,
    models: Sequence[str] | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> str:
    """Join the files of single cells, in their order, into one library.

    One file is open at a time, and its templates are copied one by one, compressed as they are. So neither the memory nor the
    time for compression grows with the library.

    Parameters
    ----------
    paths : list of path
    path : path
        The file to write.
    exclude_flagged : bool
        Whether models that are flagged (see `allenrec.models.recorded_sweeps.flags`) are left out.
    models : list of str, optional
        The model that each file must be of.
    columns : mapping, optional
        Further columns of the table of cells, for each model.
    origin : mapping, optional
        Values that the provenance of each file must have, such as `library`, `config` and `seed`.

    Returns
    -------
    str
        A line per model for the log: how many templates it gave, and its flags.

    Raises
    ------
    UserError
        If there is no template at all, or a file is damaged or belongs to another probe or setting.
    """
    parts, shapes, infos, outcome = _parts(paths, path, exclude_flagged, models, origin or {})
    total = sum(shape[0] for shape in shapes)
    if not total:
        raise UserError(f"{path}: no cell gave a template; widen the limits or lower min_amp in `libraries`")
    first_row = 0
    with hdf5_written_beside(path) as file:
        create_rows(file, "templates", (total, *shapes[0][1:]), np.dtype(np.float32))
        for part, shape in zip(parts, shapes, strict=True):
            for name, (row, *offset), piece in read_pieces(part):
                if isinstance(piece, bytes):
                    file[name].id.write_direct_chunk((first_row + row, *offset), piece)
                    continue
                if name not in file:
                    create_rows(file, name, (total, *piece.shape[1:]), piece.dtype)
                file[name][first_row + row : first_row + row + len(piece)] = piece
            file.raise_error()
            first_row += shape[0]
        write_info(file, _joined(infos, columns or {}))
    return outcome


def _parts(
    paths: Sequence[AnyPath],
    path: AnyPath,
    exclude_flagged: bool,
    models: Sequence[str] | None,
    origin: Mapping[str, Any],
) -> tuple[list[Path], list[tuple[int, ...]], list[LibraryInfo], str]:
    """Return the files to join, checked, the shapes of their templates, their infos, and the lines for the log."""
    found = [(part, *read_info(part)) for part in map(Path, paths)]
    for (part, _, info), model in zip(found, models or (), strict=models is not None):
        require_identity(part, info, None, model)
    for part, _, info in found:
        _require_origin(part, info, origin)
    outcome = "\n".join(_outcome(info, exclude_flagged) for _, _, info in found)
    found = [row for row in found if not (exclude_flagged and _flags(row[2]))]
    if not found:
        raise UserError(f"{path}: every model is flagged; set models.exclude_flagged to false to use them nevertheless")
    parts, shapes, infos = (list(column) for column in zip(*found, strict=True))
    for part, shape in zip(parts, shapes, strict=True):
        if shape[1:] != shapes[0][1:]:
            raise DamagedFile(f"{part} has templates of another shape than {parts[0]}; delete it and run again")
    return parts, shapes, infos, outcome


def _require_origin(part: Path, info: LibraryInfo, origin: Mapping[str, Any]) -> None:
    """Raise `DamagedFile` if a file is that of another library, or was made with other settings."""
    for key, expected in origin.items():
        found = info.provenance.get(key)
        if isinstance(expected, dict) and isinstance(found, dict):
            differ = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            if differ:
                raise not_valid(part, "template", f"it was made with another value of {', '.join(differ[:3])}")
        else:
            require_own(part, "template", f"{key} {found}", f"{key} {expected}")


def _joined(infos: Sequence[LibraryInfo], columns: Mapping[str, Mapping[str, str]]) -> LibraryInfo:
    """Return the info of the first file with the cells, with further columns, and the digests of all."""
    cells = pd.concat([pd.DataFrame(info.cells) for info in infos], ignore_index=True).fillna("")
    further = [columns.get(str(model), {}) for model in cells["model_id"]]
    for column in dict.fromkeys(name for row in further for name in row):
        cells[column] = [row.get(column, "") for row in further]
    digests = {info.cells["model_id"][0]: info.provenance["digests"] for info in infos}
    return replace(infos[0], cells=cells, provenance=infos[0].provenance | {"digests": digests})


def _flags(info: LibraryInfo) -> str:
    """Return the flags of the model in the file of one cell, "" if there is none."""
    return str(info.cells["flags"][0]) if "flags" in info.cells else ""


def _outcome(info: LibraryInfo, exclude_flagged: bool) -> str:
    """Return the line of one cell for the log."""
    cell = {column: values[0] for column, values in info.cells.items()}
    wanted, found, flags = int(info.params["n"]), cell["n_templates"], _flags(info)
    shortfall = f", {wanted - found} fewer than requested" if found < wanted else ""
    flagged = f"; flagged: {flags}{', so left out (models.exclude_flagged)' if exclude_flagged else ''}" if flags else ""
    return f"model {cell['model_id']} ({cell['cell_type']}): {found} templates{shortfall}{flagged}"
