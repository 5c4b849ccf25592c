"""The table of a library, `templates.csv`: one row per template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .library_file import Library, open_library

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath

#: The folder of SpikeInterface's `Templates` beside a library
DATASET = "templates.zarr"
#: The columns of `cells` that are numbers of a cell, not of its templates
COUNTS = ("n_templates", "n_candidates", "acceptance_rate")


def _database_columns(library: Library, dataset: str) -> pd.DataFrame:
    """Return the columns of SpikeInterface's template database, github.com/SpikeInterface/hybrid_template_library.

    The best channel is the one with the deepest trough. `amplitude_uv` is from peak to peak there, `depth_along_probe` its
    second coordinate on the probe, µm. Templates here have no noise, so that `noise_level_uv` and `signal_to_noise_ratio` are
    empty.
    """
    features, n = library.features, len(library.features)
    best = features["peak_contact"].to_numpy(np.int64)
    peaks = features[["peak_to_trough_ratio", "pre_peak_to_trough_ratio"]].max(axis=1).fillna(0.0)
    cells = library.cells.set_index("model_id")
    area = next((cells[name] for name in ("brain_area", "area") if name in cells), pd.Series("", index=cells.index))
    return pd.DataFrame(
        {
            "probe": library.electrodes.get("electrode_name", ""),
            "probe_manufacturer": library.probe.manufacturer or "",
            "brain_area": area.reindex(library.model_ids).to_numpy(),
            "depth_along_probe": library.probe.contact_positions[best, 1],
            "amplitude_uv": library.amplitudes * (1 + peaks.clip(lower=0.0)),
            "noise_level_uv": np.full(n, np.nan),
            "signal_to_noise_ratio": np.full(n, np.nan),
            "template_index": np.arange(n),
            "best_channel_index": best,
            "spikes_per_unit": np.where(library.spike_indices >= 0, 1.0, np.nan),
            "dataset": dataset,
            "dataset_path": dataset,
        }
    )


def template_table(path: AnyPath, *, dataset: str = DATASET) -> pd.DataFrame:
    """Return the table of a library file, or of the file of one cell; the templates themselves are not read.

    Parameters
    ----------
    path : path
    dataset : str
        The folder with the same templates as SpikeInterface's `Templates`, for the column `dataset`.

    Returns
    -------
    pandas.DataFrame
        One row per template: its cell, pose, distance (µm) from the soma to the nearest contact, features (see
        `features_both_ways`), the columns of SpikeInterface's template database, and the metadata of the cell.

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
        own = own.join(_database_columns(library, dataset))
    known = [column for column in cells if column not in own and column not in COUNTS]
    return own.merge(cells[["model_id", *known]], on="model_id", how="left", validate="many_to_one")
