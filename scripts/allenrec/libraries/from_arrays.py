"""A library of templates that were computed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from allenrec.common.errors import UserError

from .library_file import LibraryInfo, TemplateRows, write_library

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath
    from allenrec.probes import Probe

#: The spike index of a template that was not made from one stored spike
NO_SPIKE = -1


def template_rows(
    locations: ArrayLike,
    cell_types: Sequence[str],
    *,
    rotations: ArrayLike | None = None,
    model_ids: Sequence[str] | None = None,
) -> TemplateRows:
    """Return the rows of a library from arrays, for `library_from_arrays`.

    Parameters
    ----------
    locations : array_like
        (N, 3) The positions of the somata, µm; (N, n_steps, 3) of cells that drift.
    cell_types : sequence of str
        (N,)
    rotations : array_like, optional
        (N, 3) rad; zero by default.
    model_ids : sequence of str, optional
        (N,) The neuron that each template is of; by default each template has its own.
    """
    positions = np.asarray(locations, dtype=float)
    n = len(positions)
    ids = [str(k) for k in range(n)] if model_ids is None else [str(model_id) for model_id in model_ids]
    return TemplateRows(
        locations=positions,
        rotations=np.zeros((n, 3)) if rotations is None else np.asarray(rotations, dtype=float),
        celltypes=np.array(list(cell_types), dtype=object),
        model_ids=np.array(ids, dtype=object),
        spike_indices=np.full(n, NO_SPIKE),
        candidates=np.ones(n, dtype=np.int64),
    )


def library_from_arrays(
    path: AnyPath,
    templates: ArrayLike,
    rows: TemplateRows,
    probe: Probe,
    *,
    dt: float,
    cut_out: tuple[float, float],
    cells: pd.DataFrame | None = None,
    centre: int = 0,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write a library of templates that were computed elsewhere.

    Parameters
    ----------
    path : path
    templates : array_like
        (N, n_contacts, n_t) µV, or (N, n_steps, n_contacts, n_t) of cells that drift. The lowest value of each lies
        `cut_out[0]` after its start.
    rows : TemplateRows
        See `template_rows`.
    probe : Probe
        See `allenrec.probes.load_probe`.
    dt : float
        The time between samples, ms.
    cut_out : (float, float)
        The time before and after the lowest value, ms.
    cells : pandas.DataFrame, optional
        Further metadata of each `model_id`.
    centre : int
        The step that is the pose itself, of cells that drift.
    provenance : dict, optional
        Where the templates are from, text and dicts.

    Raises
    ------
    UserError
        If the arrays do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from allenrec.libraries import library_from_arrays, template_rows
    >>> from allenrec.probes import load_probe
    >>> templates = np.zeros((2, 4, 224))
    >>> templates[:, 0, 64] = -50.0
    >>> rows = template_rows([[20, 0, 0], [30, 0, 0]], ["spiny", "aspiny"])
    >>> library_from_arrays("mine.h5", templates, rows, load_probe("tetrode", 1), dt=2**-5, cut_out=(2, 5))  # doctest: +SKIP
    """
    values = np.asarray(templates, dtype=np.float32)
    n_samples = round(cut_out[0] / dt) + round(cut_out[1] / dt)
    _check(path, values, rows, probe.n_contacts, n_samples)
    table = _cell_table(rows, cells)
    largest = int(table["n_templates"].max()) if len(table) else 0
    params = {"dt": dt, "cut_out": list(cut_out), "n": largest, "probe": probe.name}
    info = LibraryInfo.on_probe(probe, table, params, {"digests": {}, "versions": {}} | (provenance or {}))
    write_library(path, values, rows, info, n_samples=n_samples, centre=centre)


def _check(path: AnyPath, templates: NDArray[np.float32], rows: TemplateRows, n_contacts: int, n_samples: int) -> None:
    """Refuse arrays that do not fit together."""
    n = len(templates)
    steps = templates.shape[1:2] if templates.ndim == 4 else ()
    expected = {"templates": (n, *steps, n_contacts, n_samples), "locations": (n, *steps, 3), "rotations": (n, 3)}
    for name, values in (vars(rows) | {"templates": templates}).items():
        if values.shape != expected.get(name, (n,)):
            raise UserError(f"{path}: {name} have the shape {values.shape}, not {expected.get(name, (n,))}")


def _cell_table(rows: TemplateRows, cells: pd.DataFrame | None) -> pd.DataFrame:
    """Return the table of cells, in the order in which they first have a template."""
    known, first = np.unique(rows.model_ids, return_index=True)
    table = pd.DataFrame({"model_id": known, "cell_type": rows.celltypes[first]}).iloc[np.argsort(first)]
    if cells is not None:
        table = table.merge(cells.drop(columns="cell_type", errors="ignore"), on="model_id", how="left")
        table = table.fillna(dict.fromkeys(table.select_dtypes(exclude="number"), ""))
    counts = table["model_id"].map(pd.Series(rows.model_ids).value_counts()).to_numpy()
    return table.assign(n_templates=counts, n_candidates=counts, acceptance_rate=1.0)
