"""A library of templates that others have computed or recorded, and of the table that goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allenrec.common.csv_text import read_users_table
from allenrec.common.errors import UserError, shortened, shown
from allenrec.settings.libraries import EXPORT_KEYS, IMPORT_KEYS

from .from_arrays import library_from_arrays, template_rows
from .template_files import FoundTemplates, at_centre, estimate_positions, read_templates

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath
    from allenrec.settings.libraries import Library as LibrarySettings

#: Columns of a table of templates that say where the somata are, µm, and how the cells are turned, rad
POSITIONS = ("x_um", "y_um", "z_um")
ROTATIONS = ("rotation_x_rad", "rotation_y_rad", "rotation_z_rad")
#: The cell type of templates of which nothing is known
UNKNOWN = "unknown"


def import_library(
    path: AnyPath, settings: LibrarySettings, *, name: str = "library", digests: Mapping[str, str] | None = None
) -> str:
    """Write a library of the templates that `settings.templates` names.

    Parameters
    ----------
    path : path
        The file to write.
    settings : allenrec.settings.libraries.Library
    name : str
        The name of the library.
    digests : mapping, optional
        The digest of each file that it is made from, for the provenance.

    Returns
    -------
    str
        A line for the log: what was found, and where positions are from.

    Raises
    ------
    UserError
        If the templates or their table cannot be read or do not fit together.
    """
    source = str(settings.templates)
    found = read_templates(source, settings.probe)
    drifts = found.values.ndim == 4
    if settings.drifting and not drifts:
        raise UserError(f"libraries.{name}.drifting: the templates of {source} have no steps along a path; leave it out")
    found = found if settings.drifting else at_centre(found)
    n = len(found.values)
    table = found.columns
    if settings.templates_table:
        own = _read_table(settings.templates_table, source, n)
        table = own.join(table.drop(columns=own.columns, errors="ignore"))
    locations, origin = _locations(found, table, settings.templates_table)
    cell_types = _cell_types(found, table, settings.cell_type_column, f"libraries.{name}.cell_type_column")
    model_ids = table["model_id"].astype(str) if "model_id" in table else pd.Series(found.names)
    rotations = _numbers(table, ROTATIONS, settings.templates_table) if set(ROTATIONS) <= set(table) else found.rotations
    rows = template_rows(locations, list(cell_types), rotations=rotations, model_ids=list(model_ids))
    n_samples = found.values.shape[-1]
    library_from_arrays(
        path,
        found.values,
        rows,
        found.probe,
        dt=found.dt,
        cut_out=(found.before * found.dt, (n_samples - found.before) * found.dt),
        # Files made from them say that these are not the Allen Institute's.
        cells=_metadata(table if "licence" in table else table.assign(licence=f"the terms of {Path(source).name}"), model_ids),
        centre=found.values.shape[1] // 2 if settings.drifting else 0,
        provenance={
            "config": settings.model_dump(mode="json", include=IMPORT_KEYS | {"probe", "drifting"}, exclude=EXPORT_KEYS),
            "digests": dict(digests or {}),
            "versions": {package: version(package) for package in ("numpy", "spikeinterface", "h5py")},
        },
    )
    types = ", ".join(f"{count} {kind}" for kind, count in pd.Series(cell_types).value_counts(sort=False).items())
    return f"{n} templates from {source}: {types}; positions {origin}"


def _read_table(path: str, source: str, n: int) -> pd.DataFrame:
    """Return the table of templates with a row for each, in their order."""
    try:
        table = read_users_table(path, dtype={"model_id": str})
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not a comma-separated table of templates: {shortened(error)}") from None
    own, folder = table, Path(source).resolve().name
    if "dataset" in table and table["dataset"].nunique() > 1:  # a table of many folders, such as that of the public database
        own = table[table["dataset"].astype(str).map(lambda dataset: Path(dataset).name) == folder]
        if own.empty:
            raise UserError(f"{path}: no row has the dataset {shown(folder)}")
    if "template_index" in own:
        numbers = pd.to_numeric(own["template_index"], errors="coerce")
        if sorted(numbers) != list(range(n)):
            raise UserError(f"{path}: template_index must have each of 0 to {n - 1} once, as {source} has {n} templates")
        own = own.iloc[np.argsort(numbers.to_numpy(), kind="stable")]
    if len(own) != n:
        raise UserError(f"{path}: {len(own)} rows, but {source} has {n} templates")
    return own.reset_index(drop=True)


def _locations(found: FoundTemplates, table: pd.DataFrame, path: str | None) -> tuple[NDArray[np.float64], str]:
    """Return the positions of the somata, and in words where they are from."""
    if found.locations is not None:
        return found.locations, "from its file"
    if not set(POSITIONS) <= set(table):
        return estimate_positions(found), "estimated by SpikeInterface (monopolar triangulation)"
    return _numbers(table, POSITIONS, path), "from its table"


def _numbers(table: pd.DataFrame, columns: tuple[str, ...], path: str | None) -> NDArray[np.float64]:
    """Return columns (n, n_columns) of the table of templates, in which every value must be a finite number."""
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    wrong = ~np.isfinite(numbers).all(axis=1)
    if wrong.any():
        raise UserError(f"{path}: row {int(np.argmax(wrong))} must have finite numbers in {', '.join(columns)}")
    return numbers


def _cell_types(found: FoundTemplates, table: pd.DataFrame, column: str | None, key: str) -> NDArray[np.object_]:
    """Return the cell type of each template."""
    if column is not None and column not in table:
        known = ", ".join(map(str, table)) or "no column; name one in templates_table"
        raise UserError(f"config: {key}: {shown(column)} is not in the table of the templates, which has {known}")
    chosen = column or "cell_type"
    if chosen in table:
        return np.array([str(value) if pd.notna(value) else UNKNOWN for value in table[chosen]], dtype=object)
    return found.cell_types if found.cell_types is not None else np.full(len(found.values), UNKNOWN, dtype=object)


def _metadata(table: pd.DataFrame, model_ids: pd.Series[str]) -> pd.DataFrame:
    """Return a row for each model with the columns that are the same for all of its templates."""
    others = table.drop(columns=["model_id", *POSITIONS, *ROTATIONS], errors="ignore").dropna(axis=1, how="all")
    groups = others.groupby(model_ids.to_numpy(), sort=False)
    rows = groups.first()
    same = rows.columns[(groups.nunique(dropna=False) <= 1).all()] if len(rows.columns) else rows.columns
    plain = rows[same].rename(columns=lambda column: str(column).replace("/", "_"))
    return plain.rename_axis("model_id").reset_index()
