"""How real the spikes of a cell are, as columns of a table of cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from allenrec.libraries.eap import spike_currents
from allenrec.libraries.poses import Geometry, upright_axis

from .columns import COLUMNS, DISTANCES, PEAK_TO_PEAK, VERDICTS
from .in_vivo import read_in_vivo
from .measure import Measured, measure
from .verdict import judge

if TYPE_CHECKING:
    from allenrec.intracellular.intracellular_file import Currents

#: The direction to the pia in reconstructions without an apical dendrite
UPRIGHT = np.array([0.0, 1.0, 0.0])
#: How the tables write whether a cell lies within the ranges
WITHIN = {True: "yes", False: "no", None: "unknown"}
#: What is measured of a cell without spikes
NOTHING = Measured(np.nan, np.nan, np.nan, np.nan, np.nan, (np.nan,) * len(DISTANCES), np.nan, np.nan, np.nan)


def describe_realism(currents: Currents, cell: Mapping[str, str]) -> dict[str, str | float]:
    """Return how real the spikes of a cell are, as columns of a table of cells.

    Parameters
    ----------
    currents : Currents
        Its intracellular file. The mean of the stored spikes is measured.
    cell : mapping
        What is known of the cell, see `judge`.

    Returns
    -------
    dict
        `realism`, the verdict in words; `realism_in_range`, "yes", "no" or "unknown"; `realism_by_label` and
        `realism_by_waveform`; and what was measured, rounded to four digits, see `Measured`.
    """
    measured, in_vivo = NOTHING, read_in_vivo()
    if len(currents.imem):
        geometry = Geometry(currents.start, currents.end, currents.diameter)
        upright = upright_axis(geometry, currents.section)
        spike = spike_currents(currents.imem).mean(axis=0, dtype=np.float64)
        upright = UPRIGHT if upright is None else upright
        measured = measure(geometry, spike, currents.info.settings.dt, upright, in_vivo.filter)
    verdict = judge(cell, measured, in_vivo)
    words = dict(zip(VERDICTS, (verdict.words, WITHIN[verdict.within], verdict.label, verdict.waveform), strict=True))
    values = {column: getattr(measured, field) for field, column in COLUMNS.items()}
    values |= dict(zip(PEAK_TO_PEAK.values(), measured.peak_to_peak_uV, strict=True))
    return words | {column: float(f"{value:.4g}") for column, value in values.items()}
