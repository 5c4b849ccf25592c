"""The table of the units of a recording: their requested and their actual properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allenrec.waveforms.features import filtered_name, waveform_features

if TYPE_CHECKING:
    from allenrec.settings.recordings import SpikeTrains

    from ..spikes.processes import Train
    from ..tick_grid import TickGrid
    from ..types import TemplateLibrary, UnitKey

#: Columns of a library's cells that count its templates
COUNTS_OF_LIBRARY = ("n_templates", "n_candidates", "acceptance_rate")


def unit_table(
    library: TemplateLibrary,
    template_ids: NDArray[np.int64],
    keys: Sequence[UnitKey],
    trains: Sequence[Train],
    settings: SpikeTrains,
    grid: TickGrid,
    filtered_templates: NDArray[np.float32],
) -> pd.DataFrame:
    """Return the table of units.

    Parameters
    ----------
    library : TemplateLibrary
    template_ids : numpy.ndarray
        (n_units,) rows of the library.
    keys : sequence of (str, int)
        Kind and number of each unit.
    trains : sequence of Train
        Spikes of each unit.
    settings : allenrec.settings.recordings.SpikeTrains
    grid : TickGrid
    filtered_templates : numpy.ndarray
        (n_units, n_channels, n_t) µV, as they are in the traces.

    Returns
    -------
    pandas.DataFrame
        One row per unit: its cell type, its position (µm), the amplitude of its template (µV), its spike train, the features of
        its template's waveform in the library and, named `..._filtered...`, in the traces, and the metadata of its model.
    """
    locations = library.positions[template_ids]
    features = library.features.iloc[template_ids].reset_index(drop=True)
    in_traces = waveform_features(filtered_templates, library.channel_positions, 1000 / grid.fs).rename(columns=filtered_name)
    features = features.assign(**in_traces)
    table = pd.DataFrame(
        {
            "cell_type": library.celltypes[template_ids],
            "bintype": [kind[0].upper() for kind, _ in keys],
            "model_id": library.model_ids[template_ids],
            "template_id": template_ids,
            "x": locations[:, 0],
            "y": locations[:, 1],
            "z": locations[:, 2],
            "amplitude": features.pop("amplitude_uV"),
            "amplitude_filtered": features.pop("amplitude_filtered_uV"),
            "peak_channel": features.pop("peak_contact"),
            "peak_channel_filtered": features.pop("peak_contact_filtered"),
        }
    ).join(_train_table(trains, settings, grid))
    table = table.join(features)
    known = [column for column in library.cells if column not in table and column not in COUNTS_OF_LIBRARY]
    return table.merge(library.cells[["model_id", *known]], on="model_id", how="left", validate="many_to_one")


def _train_table(trains: Sequence[Train], settings: SpikeTrains, grid: TickGrid) -> pd.DataFrame:
    """Return the requested and the actual properties of each spike train, one row per unit."""
    dead = settings.ref_per / 1000 * grid.ticks_per_second
    n_spikes = np.array([len(train.ticks) for train in trains], dtype=np.int64)
    return pd.DataFrame(
        {
            "process": np.array([train.process for train in trains], dtype=object),
            "rate": np.array([train.rate for train in trains], dtype=float),
            "rate_found": n_spikes / (settings.duration - settings.t_start),
            "n_spikes": n_spikes,
            "n_refractory_violations": np.array([np.sum(np.diff(train.ticks) < dead) for train in trains], dtype=np.int64),
            "n_bursts": np.array([train.bursts.max(initial=-1) + 1 for train in trains], dtype=np.int64),
        }
    )
