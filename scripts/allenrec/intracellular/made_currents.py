"""The currents of a cell that is made up, to use all that comes after a simulation without one."""

import numpy as np

from allenrec.models.metadata import CellFacts
from allenrec.settings.models import Intracellular

from .intracellular_file import Currents, CurrentsInfo


def made_currents() -> Currents:
    """Return the currents of a soma and a dendrite, which are equal and opposite: two spikes of 10 nA."""
    settings = Intracellular()
    before, after = settings.window_samples
    time = np.arange(-before, after) * settings.dt
    current = (-10 * np.exp(-0.5 * (time / 0.2) ** 2)).astype(np.float32)
    info = CurrentsInfo("0", "0", "spiny", CellFacts(), "perisomatic", "stub", 34.0, -80.0, settings, {}, {})
    nothing = np.empty(0)
    return Currents(
        amplitude=0.2,
        start=np.array([[0.0, 0.0, -10.0], [0.0, 0.0, 10.0]]),
        end=np.array([[0.0, 0.0, 10.0], [0.0, 0.0, 200.0]]),
        diameter=np.array([20.0, 2.0]),
        section=np.array(["soma", "apic"], dtype=object),
        imem=np.tile(np.stack([current, -current]), (2, 1, 1)),
        spike_vmem=np.zeros((2, len(time)), dtype=np.float32),
        spike_times=np.array([100.0, 200.0]),
        vmem=np.zeros(2, dtype=np.float32),
        time=np.array([0.0, 1000.0], dtype=np.float32),
        search_amplitude=np.array([0.2]),
        search_n_spikes=np.array([3]),
        info=info,
        recorded_amplitude=nothing,
        recorded_cell_spikes=nothing,
        recorded_model_spikes=nothing.astype(np.int64),
        rheobase=np.full(3, np.nan),
    )
