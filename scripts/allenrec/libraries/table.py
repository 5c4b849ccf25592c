"""The table of a library, `templates.csv`: one row per template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .library_file import open_library

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath

#: The columns of `cells` that are numbers of a cell, not of its templates
COUNTS = ("n_templates", "n_candidates", "acceptance_rate")


def template_table(path: AnyPath) -> pd.DataFrame:
    """Return the table of a library file, or of the file of one cell; the templates themselves are not read.

    Returns
    -------
    pandas.DataFrame
        One row per template: its cell, pose, distance (µm) from the soma to the nearest contact, features (see
        `features_both_ways`), and the metadata of the cell.

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.
    """
    with open_library(path) as library:
        positions, rotations, cells = library.positions, library.rotations, library.cells
        own = pd.DataFrame(
            {
                "template": np.arange(len(positions)),
                "model_id": library.model_ids,
                "x_um": positions[:, 0],
                "y_um": positions[:, 1],
                "z_um": positions[:, 2],
                "rotation_x_rad": rotations[:, 0],
                "rotation_y_rad": rotations[:, 1],
                "rotation_z_rad": rotations[:, 2],
                "spike_index": library.spike_indices,
                "candidates": library.candidates,
                # One by one, because all pairs of somata and contacts need much memory
                "distance_um": [np.linalg.norm(row - library.channel_positions, axis=1).min() for row in positions],
            }
        ).join(library.features)
    known = [column for column in cells if column not in own and column not in COUNTS]
    return own.merge(cells[["model_id", *known]], on="model_id", how="left", validate="many_to_one")
