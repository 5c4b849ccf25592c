"""A run of a made cell through all stages but the simulation, so small that compiling the kernels is nearly all of its work."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from allenrec.intracellular.intracellular_file import Currents, CurrentsInfo
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.library_file import open_library
from allenrec.models.metadata import CellFacts
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.generated_recording import GeneratedRecording, provenance
from allenrec.recordings.plan import plan_recording
from allenrec.settings.libraries import Library
from allenrec.settings.models import Intracellular
from allenrec.settings.recordings import Recording

PROBE = "Neuronexus-32"
CELL = {"model_id": "0", "specimen_id": "0", "cell_type": "spiny"}


def make_run() -> None:
    """Compute templates and a recording of a made cell, with default settings, in a temporary folder."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "templates.h5")
        library_settings = Library(probe=PROBE, n=3, max_iterations=1000)
        build_cell_library(path, made_currents(), CELL, library_settings, name="made", seed=0, threads=2)
        settings = Recording.model_validate(
            {"library": "made", "spiketrains": {"duration": 1.0, "n_exc": 1, "n_inh": 0}, "templates": {"min_amp": 0.0}}
        )
        origin = provenance(settings.model_dump(mode="json"), seed=0, name="made", digests={})
        with open_library(path) as library:
            plan = plan_recording(library, settings, seed=0, name="made", threads=2)
            write_mearec(Path(folder, "recording.h5"), GeneratedRecording(plan, library, settings, origin, 2))


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
        rheobase=np.full(2, np.nan),
    )
