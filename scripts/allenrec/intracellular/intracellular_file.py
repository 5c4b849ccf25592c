"""The intracellular file: segment geometry and membrane currents of one model. It is written by the one stage that needs NEURON
and read by all stages after it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import require_own
from allenrec.common.finite import is_finite, require_finite
from allenrec.common.hdf5 import (
    COMPRESSION,
    TEXT,
    CheckedHdf5,
    NewFile,
    check_shapes,
    hdf5_written_beside,
    read_values,
    write_chunk,
)
from allenrec.models.metadata import CellFacts
from allenrec.models.recorded_sweeps import DOES_NOT_FIRE
from allenrec.settings.models import Intracellular

from .spikes import failed_events, find_events

#: Flag of a model for which no step current gives the target number of spikes
NO_SPIKES = "no usable spikes"

#: Datasets and the fields of `Currents` that they hold, in the order of the file
DATASETS = {
    "segments/start": "start",
    "segments/end": "end",
    "segments/diameter": "diameter",
    "segments/section": "section",
    "spikes/imem": "imem",
    "spikes/vmem": "spike_vmem",
    "spikes/times": "spike_times",
    "trace/vmem": "vmem",
    "trace/time": "time",
    "search/amplitude": "search_amplitude",
    "search/n_spikes": "search_n_spikes",
    "recorded/amplitude": "recorded_amplitude",
    "recorded/cell_spikes": "recorded_cell_spikes",
    "recorded/model_spikes": "recorded_model_spikes",
    "recorded/rheobase": "rheobase",
}
#: Datasets and their axes
SHAPES = {
    "segments/start": "segments 3",
    "segments/end": "segments 3",
    "segments/diameter": "segments",
    "segments/section": "segments",
    "spikes/imem": "spikes segments samples",
    "spikes/vmem": "spikes samples",
    "spikes/times": "spikes",
    "trace/vmem": "times",
    "trace/time": "times",
    "search/amplitude": "runs",
    "search/n_spikes": "runs",
    "recorded/amplitude": "steps",
    "recorded/cell_spikes": "steps",
    "recorded/model_spikes": "steps",
    "recorded/rheobase": "bounds",
}
#: Datasets without any NaN or infinity
FINITE = tuple(name for name in DATASETS if name.startswith(("segments", "spikes", "trace")))


@dataclass(frozen=True)
class CurrentsInfo:
    """The origin of an intracellular file: the cell, its model, and how it was simulated.

    `axon` is the treatment of the axon, `celsius` the temperature in °C, `v_init` the initial potential in mV. `versions` are
    those of packages, `digests` those of the model's files.
    """

    model_id: str
    specimen_id: str
    cell_type: str
    facts: CellFacts
    model_kind: str
    axon: str
    celsius: float
    v_init: float
    settings: Intracellular
    versions: dict[str, str]
    digests: dict[str, str]


@dataclass(frozen=True)
class SimulatedSpikes:
    """The spikes of a simulated cell. Lengths are in µm, currents in nA, potentials in mV, times in ms.

    `amplitude` is that of the accepted run, `vmem` and `time` (n,) its whole trace. Segments: `start`, `end` (n_seg, 3),
    `diameter` (n_seg,) and `section` (n_seg,), the type of each. Windows around spikes: `imem` (n_spikes, n_seg, n_t),
    `spike_vmem` (n_spikes, n_t) and the times of the peaks, `spike_times` (n_spikes,). Search: `search_amplitude` and
    `search_n_spikes` (n_runs,).
    """

    amplitude: float
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    diameter: NDArray[np.float64]
    section: NDArray[np.object_]
    imem: NDArray[np.float32]
    spike_vmem: NDArray[np.float32]
    spike_times: NDArray[np.float64]
    vmem: NDArray[np.float32]
    time: NDArray[np.float32]
    search_amplitude: NDArray[np.float64]
    search_n_spikes: NDArray[np.int64]

    @property
    def accepted_run(self) -> int:
        """The index of the accepted run among the runs of the search."""
        return int(np.flatnonzero(np.isclose(self.search_amplitude, self.amplitude))[-1])

    def search_flags(self, settings: Intracellular) -> list[str]:
        """Return the flag of a model without spikes; none if the search was successful."""
        if len(self.spike_times):
            return []
        failed = failed_events(self.vmem, settings.dt, settings)
        return [failed or (NO_SPIKES if self.search_n_spikes.any() else DOES_NOT_FIRE)]


@dataclass(frozen=True)
class Currents(SimulatedSpikes):
    """One intracellular file: the spikes of a model, their origin, and how the model compares with its recorded cell.

    `recorded_amplitude` (n_steps,) nA are step currents that the real cell received, `recorded_cell_spikes` its mean number
    of spikes at each and `recorded_model_spikes` that of the model. They are empty if there are no recorded sweeps.
    `rheobase` (3,) nA holds the strongest step at which the cell was silent, the weakest at which it fired, and the
    rheobase of the model; NaN if unknown.
    """

    info: CurrentsInfo
    recorded_amplitude: NDArray[np.float64]
    recorded_cell_spikes: NDArray[np.float64]
    recorded_model_spikes: NDArray[np.int64]
    rheobase: NDArray[np.float64]


def write_currents(path: str | Path, currents: Currents) -> None:
    """Write an intracellular file, whole or not at all.

    Raises
    ------
    UserError
        If a number is NaN or infinite.
    """
    for name in FINITE:
        advice = "the simulation is not stable; a smaller intracellular.dt or another model may be"
        require_finite(f"model {currents.info.model_id}: {name}", getattr(currents, DATASETS[name]), advice)
    with hdf5_written_beside(path) as file:
        for name, value in _attributes(currents).items():
            file.attrs[name] = json.dumps(value) if isinstance(value, dict) else value
        for name, field in DATASETS.items():
            values = getattr(currents, field)
            if field == "imem" and len(values):  # a cell that does not fire has none
                _write_spikes(file, name, values)
            else:
                file.create_dataset(name, data=values, dtype=TEXT if field == "section" else None)


def _write_spikes(file: NewFile, name: str, values: NDArray[np.float32]) -> None:
    """Write the currents of spikes (n_spikes, n_seg, n_t), each in a chunk of its own."""
    dataset = file.create_dataset(name, values.shape, values.dtype, chunks=(1, *values.shape[1:]), **COMPRESSION["gzip"])
    for spike, of_one in enumerate(values):
        write_chunk(dataset, (spike, 0, 0), of_one)


def _attributes(currents: Currents) -> dict[str, Any]:
    """Return the attributes of the file; those that are dicts are stored as JSON."""
    info = currents.info
    return {
        "model_id": info.model_id,
        "specimen_id": info.specimen_id,
        "cell_type": info.cell_type,
        "facts": info.facts.columns(),
        "model_kind": info.model_kind,
        "axon": info.axon,
        "celsius": info.celsius,
        "v_init": info.v_init,
        "amplitude": currents.amplitude,
        "dt": info.settings.dt,
        "stimulus": info.settings.model_dump(exclude={"dt"}),
        "versions": info.versions,
        "digests": info.digests,
    }


def read_currents(path: str | Path, model: str | None = None, settings: Intracellular | None = None) -> Currents:
    """Read an intracellular file.

    Parameters
    ----------
    path : path
        Such as `results/intracellular/<model>.h5`.
    model : str, optional
        The model that the file must be of.
    settings : Intracellular, optional
        The settings with which it must have been simulated.

    Returns
    -------
    Currents

    Raises
    ------
    DamagedFile
        If the file is missing, cut short, another kind of file, or that of another model or of other settings; the message
        says what to delete.

    Examples
    --------
    >>> currents = read_currents("results/intracellular/473863510.h5")  # doctest: +SKIP
    >>> currents.imem.shape, currents.info.settings.dt  # doctest: +SKIP
    ((28, 141, 224), 0.03125)
    """
    with CheckedHdf5(path, "intracellular") as file, file.checked():
        check_shapes(file, SHAPES)
        datasets = {field: read_values(file[name]) for name, field in DATASETS.items()}
        wrong = [name for name in FINITE if not is_finite(datasets[DATASETS[name]])]
        if wrong:
            raise OSError(f"{wrong[0]} has numbers that are not finite")
        info = _info(file.attrs)
        if model is not None:
            require_own(path, "intracellular", f"model {info.model_id}", f"model {model}")
        if settings not in (None, info.settings):
            raise OSError("it was simulated with other values of `intracellular`")
        return Currents(amplitude=float(file.attrs["amplitude"]), info=info, **datasets)


def _info(attributes: Mapping[str, Any]) -> CurrentsInfo:
    stimulus = json.loads(attributes["stimulus"])
    return CurrentsInfo(
        model_id=attributes["model_id"],
        specimen_id=attributes["specimen_id"],
        cell_type=attributes["cell_type"],
        facts=CellFacts(**json.loads(attributes["facts"])),
        model_kind=attributes["model_kind"],
        axon=attributes["axon"],
        celsius=float(attributes["celsius"]),
        v_init=float(attributes["v_init"]),
        settings=Intracellular.model_validate(stimulus | {"dt": float(attributes["dt"])}),
        versions=json.loads(attributes["versions"]),
        digests=json.loads(attributes["digests"]),
    )


def summary(currents: Currents) -> dict[str, str | int | float]:
    """Return how a model responds, as the columns of a table of cells."""
    steps = zip(currents.recorded_amplitude, currents.recorded_model_spikes, currents.recorded_cell_spikes, strict=True)
    return {
        "axon": currents.info.axon,
        "n_segments": len(currents.diameter),
        "rest_mV": resting_potential(currents),
        "amplitude_nA": currents.amplitude,
        "n_spikes": int(currents.search_n_spikes[currents.accepted_run]),
        "n_stored_spikes": len(currents.spike_times),
        **spike_features(currents),
        # For each step, its amplitude in nA, and how often the model and, in brackets, the recorded cell fired
        "model_and_recorded_spikes": ", ".join(f"{step:.3g}: {model:.0f} ({cell:.3g})" for step, model, cell in steps),
        "rheobase_nA": float(currents.rheobase[2]),
        "recorded_rheobase_nA": float(currents.rheobase[1]),
    }


def spike_features(currents: Currents) -> dict[str, float]:
    """Return the medians of peak, upstroke and half width over the stored spikes, at the soma; NaN if there are none."""
    settings = currents.info.settings
    end = round((settings.delay + settings.step_duration) / settings.dt) + 1
    events = find_events(currents.vmem[:end], settings.dt, settings)
    stored = events.where(np.isin(events.peaks, np.round(currents.spike_times / settings.dt)))
    medians = (np.nan if len(stored) == 0 else np.nanmedian(v) for v in (stored.potential, stored.upstroke, stored.half_width))
    return dict(zip(("spike_peak_mV", "spike_upstroke_mV_per_ms", "spike_half_width_ms"), map(float, medians), strict=True))


def resting_potential(currents: Currents) -> float:
    """Return the potential of the soma (mV) just before the step begins."""
    return float(np.interp(currents.info.settings.delay, currents.time, currents.vmem))
