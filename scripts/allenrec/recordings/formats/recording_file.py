"""A recording with its ground truth, as it lies in its file."""

import json
from dataclasses import dataclass
from importlib.metadata import version

import h5py
import numpy as np
import pandas as pd
import probeinterface

from allenrec.common.errors import DamagedFile
from allenrec.common.hdf5 import check_shapes, read_dict, read_frame, read_values
from allenrec.probes import layout_from_text

from .adc import Microvolts

#: Axes of what every recording file must have
SHAPES = {"recordings": "samples channels", "channel_positions": "channels 3", "template_ids": "units"}


def provenance(settings, *, seed, name, digests):
    """What a recording was made from, for its file; `digests` of the files that went into it, by what they are."""
    return {
        "config": {"recording": name, "seed": seed, **settings},
        "digests": digests,
        "versions": {package: version(package) for package in ("numpy", "scipy", "numba", "h5py")},
    }


@dataclass(frozen=True)
class Recording:
    """A recording file, open. Close it, or use it in a `with` block.

    `traces` (n_samples, n_channels) float32 µV, read as it is sliced; `samples`, the same as they are stored, µV or whole
    counts of `gain_to_uV` µV; `clipped_samples` (n_channels,), how many exceeded the range of counts; `filtered`, whether there
    is a filter; `sampling_frequency` Hz; `units`, a DataFrame with a row a unit; `spike_trains`, for each unit the nearest
    samples of its spikes; `spike_times`, for each unit the exact times, s; `templates` (n_units, n_channels, n_t) µV with the
    spike at `template_peak`; `filtered_templates`, the same as the filter leaves them in the traces; `channel_positions`
    (n_channels, 3) µm; `probe`, the exact contacts in their plane, for SpikeInterface's `set_probe`; `provenance`, a dict.
    """

    file: h5py.File
    traces: h5py.Dataset | Microvolts
    samples: h5py.Dataset
    gain_to_uV: float
    clipped_samples: np.ndarray
    filtered: bool
    sampling_frequency: float
    units: pd.DataFrame
    spike_trains: list
    spike_times: list
    templates: np.ndarray
    filtered_templates: np.ndarray
    template_peak: int
    channel_positions: np.ndarray
    probe: probeinterface.Probe
    provenance: dict

    @property
    def overlap_labels(self):
        """For each unit whether spikes of others coincide with its own: (n_spikes,) "NO", "TO" or "STO"."""
        groups = [self.file[f"spiketrains/{unit}/annotations"] for unit in range(len(self.units))]
        return [np.array(read_dict(group)["overlap"], dtype=str) for group in groups]

    @property
    def bursts(self):
        """For each unit the number of the burst that each spike was drawn in, (n_spikes,), or -1."""
        return [self.file[f"spiketrains/{unit}/bursts"][()] for unit in range(len(self.units))]

    @property
    def amplitudes(self):
        """For each unit how deep its spikes are, each alone, (n_spikes,) µV, before the filter at its loudest channel."""
        return [self.file[f"spiketrains/{unit}/amplitudes"][()] for unit in range(len(self.units))]

    @property
    def spike_traces(self):
        """What each unit adds to its loudest channel, (n_samples, n_units) µV, read as it is sliced, or None."""
        return self.file.get("spike_traces")

    @property
    def unit_traces(self):
        """For each unit what it adds to all channels, (n_samples, n_channels) µV, read as it is sliced, or None."""
        traces = self.file.get("unit_traces")
        return traces and [traces[str(unit)] for unit in range(len(self.units))]

    @property
    def waveforms(self):
        """For each unit its spikes in the recording, (n_spikes, n_channels, n_t) as they are stored, or None."""
        trains = [self.file[f"spiketrains/{unit}"] for unit in range(len(self.units))]
        return [train["waveforms"] for train in trains] if all("waveforms" in train for train in trains) else None

    @property
    def duration(self):
        """s."""
        return len(self.traces) / self.sampling_frequency

    def close(self):
        """Close the file; `traces` can no longer be read."""
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def read_recording(path):
    """Open a recording file.

    Returns
    -------
    Recording

    Raises
    ------
    UserError
        If the file is missing, cut short or of another kind.
    """
    file = None
    try:
        file = h5py.File(path, "r")
        check_shapes(file, SHAPES)
        trains = [file["spiketrains"][str(i)] for i in range(len(file["spiketrains"]))]
        samples = file["recordings"]
        gain = float(samples.attrs["gain_to_uV"])
        return Recording(
            file=file,
            traces=samples if samples.dtype.kind == "f" else Microvolts(samples, gain),
            samples=samples,
            gain_to_uV=gain,
            clipped_samples=file["clipped_samples"][()],
            filtered=bool(file["info/recordings/filter"][()]),
            sampling_frequency=float(file["info/recordings/fs"][()]),
            units=read_frame(file["units"]),
            spike_trains=[train["samples"][()] for train in trains],
            spike_times=[train["times"][()] for train in trains],
            templates=read_values(file["templates"])[:, 0],
            filtered_templates=read_values(file["filtered_templates"]),
            template_peak=int(file["templates"].attrs["peak"]),
            channel_positions=file["channel_positions"][()],
            probe=layout_from_text(file["probe"].asstr()[()]),
            provenance={name: json.loads(value) for name, value in file["provenance"].attrs.items()},
        )
    except (OSError, KeyError) as error:
        if file is not None:
            file.close()
        raise DamagedFile(f"{path} is not a sound recording file ({error}); delete it and run again") from None
