"""The intracellular file: segment geometry and membrane currents of one model. Written by the one stage that needs
NEURON, read by all after it."""

import json
from dataclasses import dataclass

import h5py
import numpy as np

from allenrec.common.errors import DamagedFile
from allenrec.common.hdf5 import check_shapes, hdf5_written_beside

GROUPS = ("segments", "spikes", "trace", "search", "recorded")
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
}


@dataclass(frozen=True)
class Currents:
    """One intracellular file. Lengths µm, currents nA, potentials mV, times ms.

    `start`, `end` (n_seg, 3), `diameter` and `section` (n_seg,); `imem` (n_spikes, n_seg, n_t), `spike_vmem`
    (n_spikes, n_t), `spike_times` (n_spikes,); `vmem` and `time` (n,) of the whole run; the search's `search_amplitude`
    and `search_n_spikes` (n_runs,); `recorded_amplitude` (n_steps,) nA, step currents that the real cell was given, with its
    mean spike count `recorded_cell_spikes` and the model's `recorded_model_spikes`. `attributes` are the file's.
    """

    attributes: dict
    start: np.ndarray
    end: np.ndarray
    diameter: np.ndarray
    section: np.ndarray
    imem: np.ndarray
    spike_vmem: np.ndarray
    spike_times: np.ndarray
    vmem: np.ndarray
    time: np.ndarray
    search_amplitude: np.ndarray
    search_n_spikes: np.ndarray
    recorded_amplitude: np.ndarray
    recorded_cell_spikes: np.ndarray
    recorded_model_spikes: np.ndarray


def write_currents(path, attributes, result):
    """Write an intracellular file, whole or not at all.

    `attributes` are scalars, strings, or dicts (stored as JSON); `result` is what `simulate_spikes` returns.
    """
    with hdf5_written_beside(path) as file:
        for name, value in attributes.items():
            file.attrs[name] = json.dumps(value) if isinstance(value, dict) else value
        for group in GROUPS:
            for name, values in result.get(group, {}).items():
                file.create_dataset(f"{group}/{name}", data=values, **_storage(name, values))


def _storage(name, values):
    if name == "section":
        return {"dtype": h5py.string_dtype()}
    if name == "imem" and len(values):  # a cell that does not fire has none
        return {"chunks": (1, *values.shape[1:]), "compression": "gzip", "compression_opts": 1, "shuffle": True}
    return {}


def read_currents(path):
    """Read an intracellular file.

    Raises
    ------
    UserError
        If the file is missing, cut short or another kind of file; it says what to delete.
    """
    try:
        with h5py.File(path, "r") as file:
            check_shapes(file, SHAPES)
            return Currents(
                attributes={k: _attribute(v) for k, v in file.attrs.items()},
                start=file["segments/start"][()],
                end=file["segments/end"][()],
                diameter=file["segments/diameter"][()],
                section=file["segments/section"].asstr()[()],
                imem=file["spikes/imem"][()],
                spike_vmem=file["spikes/vmem"][()],
                spike_times=file["spikes/times"][()],
                vmem=file["trace/vmem"][()],
                time=file["trace/time"][()],
                search_amplitude=file["search/amplitude"][()],
                search_n_spikes=file["search/n_spikes"][()],
                recorded_amplitude=_or_nothing(file, "recorded/amplitude"),
                recorded_cell_spikes=_or_nothing(file, "recorded/cell_spikes"),
                recorded_model_spikes=_or_nothing(file, "recorded/model_spikes"),
            )
    except (OSError, KeyError) as error:
        raise DamagedFile(f"{path} is not a sound intracellular file ({error}); delete it and run again") from None


def summary(currents):
    """Return what a model does, as the columns of a table of cells: a dict of numbers and text."""
    attributes = currents.attributes
    accepted = np.flatnonzero(np.isclose(currents.search_amplitude, attributes["amplitude"]))[-1]
    steps = zip(currents.recorded_amplitude, currents.recorded_model_spikes, currents.recorded_cell_spikes, strict=True)
    return {
        "axon": attributes["axon"],
        "n_segments": len(currents.diameter),
        "rest_mV": resting_potential(currents),
        "amplitude_nA": float(attributes["amplitude"]),
        "n_spikes": int(currents.search_n_spikes[accepted]),
        "n_stored_spikes": len(currents.spike_times),
        # A step in nA, and how often the model and, in brackets, the recorded cell fired
        "model_and_recorded_spikes": ", ".join(f"{step:.3g}: {model:.0f} ({cell:.3g})" for step, model, cell in steps),
    }


def resting_potential(currents):
    """Return the potential of the soma (mV) just before the step begins."""
    onset = currents.attributes["stimulus"]["delay"]
    return float(np.interp(onset, currents.time, currents.vmem))


def _or_nothing(file, name):
    return file[name][()] if name in file else np.zeros(0)


def _attribute(value):
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
