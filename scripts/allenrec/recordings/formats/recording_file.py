"""A recording with its ground truth, read from its file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import probeinterface
from numpy.typing import NDArray

from allenrec.common.errors import DamagedFile, require_own
from allenrec.common.hdf5 import CheckedHdf5, check_shapes, read_dict, read_frame, read_values
from allenrec.probes import layout_from_text

from ..segments import Segments
from . import layout
from .adc import Microvolts
from .contract import ButterworthFilter, UnitDrift

if TYPE_CHECKING:
    from spikeinterface.core import BaseRecording, BaseSorting, Motion, Templates

    from allenrec.common.files import AnyPath

    from ..types import KnownUnits

#: Axes of the datasets that every recording file must have
SHAPES = {layout.TRACES: "samples channels", layout.CHANNEL_POSITIONS: "channels 3", layout.TEMPLATE_IDS: "units"}


@dataclass(frozen=True)
class Recording:
    """An open recording file. Close it, or use it in a `with` block.

    Attributes
    ----------
    file : allenrec.common.hdf5.CheckedHdf5
    samples : h5py.Dataset
        (n_samples, n_channels), as they are stored: float32 µV, or counts of `gain_to_uV` µV.
    gain_to_uV : float or numpy.ndarray
        µV per count; (n_channels,) if it is not the same for all channels.
    clipped_samples : numpy.ndarray
        (n_channels,), the number of samples of each channel that exceeded the range of counts.
    filtered : bool
        Whether the traces are filtered.
    sampling_frequency : float
        Hz.
    units : pandas.DataFrame
        One row per unit.
    spike_trains : list of numpy.ndarray
        For each unit the samples nearest to its spikes, (n_spikes,).
    spike_times : list of numpy.ndarray
        For each unit the exact times of its spikes, (n_spikes,) s.
    filtered_templates : numpy.ndarray
        (n_units, n_channels, n_t) µV as they are in the traces, after the filter, with the spike at sample `template_peak`.
    template_peak : int
    channel_positions : numpy.ndarray
        (n_channels, 3) µm.
    probe : probeinterface.Probe
        The exact contacts in their plane, for SpikeInterface's `set_probe`.
    provenance : dict
        Configuration, digests and versions.
    """

    file: CheckedHdf5
    samples: h5py.Dataset
    gain_to_uV: float | NDArray[np.float64]
    clipped_samples: NDArray[np.int64]
    filtered: bool
    sampling_frequency: float
    units: pd.DataFrame
    spike_trains: list[NDArray[np.int64]]
    spike_times: list[NDArray[np.float64]]
    filtered_templates: NDArray[np.float32]
    template_peak: int
    channel_positions: NDArray[np.float64]
    probe: probeinterface.Probe
    provenance: dict[str, Any]

    @property
    def traces(self) -> h5py.Dataset | Microvolts:
        """(n_samples, n_channels) float32 µV, read as they are sliced."""
        gain, offset = self.gain_to_uV, self.offset_to_uV
        is_uV = self.samples.dtype == np.float32 and np.all(gain == 1) and not np.any(offset)
        return self.samples if is_uV else Microvolts(self.samples, gain, offset)

    @property
    def unfiltered_templates(self) -> NDArray[np.float32]:
        """The templates before the filter, (n_units, n_channels, n_t) µV, which are read from the open file."""
        return read_values(self.file[layout.TEMPLATES])[:, 0]

    @property
    def offset_to_uV(self) -> float | NDArray[np.float64]:
        """µV of the count 0; (n_channels,) if it is not the same for all channels."""
        return _one_or_all(self.file[layout.OFFSETS][()]) if layout.OFFSETS in self.file else 0.0

    @property
    def segments(self) -> Segments | None:
        """The segments of the background; None for a recording without interruption that begins at 0."""
        if layout.SEGMENT_LENGTHS not in self.file:
            return None
        return Segments(self.file[layout.SEGMENT_LENGTHS][()], self.file[layout.SEGMENT_STARTS][()])

    @property
    def noise_levels(self) -> NDArray[np.float64] | None:
        """(n_channels,) µV, standard deviation of the background from its median absolute deviation, or None without one."""
        return self.file[layout.NOISE_LEVELS][()] if layout.NOISE_LEVELS in self.file else None

    @property
    def known_units(self) -> KnownUnits:
        """Known units of the background, which are no part of the ground truth: the samples of their spikes, (n_spikes,), by
        their names."""
        group = self.file.get(layout.KNOWN_UNITS) or {}
        datasets = [group[str(number)] for number in range(len(group))]
        return {str(dataset.attrs["name"]): dataset[()] for dataset in datasets}

    @property
    def duration(self) -> float:
        """Length in s."""
        return len(self.samples) / self.sampling_frequency

    @property
    def filter_settings(self) -> ButterworthFilter | None:
        """The filter of the traces, or None."""
        if not self.filtered:
            return None
        info = read_dict(self.file[layout.INFO_RECORDINGS])
        return ButterworthFilter(info["filter_order"], info["filter_cutoff"], info["filter_mode"])

    @property
    def plane(self) -> str:
        """The plane of the contacts: "xy", "xz" or "yz"."""
        return self.file[layout.PLANE].asstr()[()]

    @property
    def upsample(self) -> int:
        """The number of grid points per sample on which spikes lie."""
        return int(self.file[layout.UPSAMPLE][()])

    @property
    def drift(self) -> UnitDrift | None:
        """The displacement of each unit over time, or None if units do not drift."""
        if layout.DRIFT not in self.file:
            return None
        direction = np.asarray(read_dict(self.file[layout.INFO_RECORDINGS])["preferred_dir"], dtype=float)
        return UnitDrift(self.file[layout.DRIFT_TIMES][()], self.file[layout.DRIFT_DISPLACEMENTS][()], direction)

    @property
    def overlap_labels(self) -> list[NDArray[np.str_]]:
        """For each unit, whether spikes of other units coincide with its own: (n_spikes,) "NO", "TO" or "STO"."""
        return [np.array(read_dict(annotations)["overlap"], dtype=str) for annotations in self._of_trains(layout.ANNOTATIONS)]

    @property
    def bursts(self) -> list[NDArray[np.int64]]:
        """For each unit, the number of the burst that each spike belongs to, (n_spikes,); -1 for single spikes."""
        return [dataset[()] for dataset in self._of_trains(layout.BURSTS)]

    @property
    def amplitudes(self) -> list[NDArray[np.float32]]:
        """For each unit, the depth of each spike alone, before the filter, at the unit's largest channel, (n_spikes,) µV."""
        return [dataset[()] for dataset in self._of_trains(layout.AMPLITUDES)]

    @property
    def spike_traces(self) -> h5py.Dataset | None:
        """The contribution of each unit to its largest channel, (n_samples, n_units) µV, or None if it was not stored."""
        return self.file.get(layout.SPIKE_TRACES)

    @property
    def unit_traces(self) -> list[h5py.Dataset] | None:
        """The contribution of each unit to all channels, (n_samples, n_channels) µV, or None if it was not stored."""
        traces = self.file.get(layout.UNIT_TRACES)
        return traces and [traces[str(unit)] for unit in range(len(self.units))]

    @property
    def waveforms(self) -> list[h5py.Dataset] | None:
        """For each unit, its spikes in the traces, (n_spikes, n_channels, n_t) as stored, or None if they were not stored."""
        paths = [layout.of_train(unit, layout.WAVEFORMS) for unit in range(len(self.units))]
        return self._of_trains(layout.WAVEFORMS) if all(path in self.file for path in paths) else None

    def to_spikeinterface(self) -> tuple[BaseRecording, BaseSorting]:
        """Return the recording, and the ground truth with the properties of units, as SpikeInterface has them. Traces are
        read as they are sliced, so the file must stay open."""
        from .spikeinterface_adapter import as_recording, as_sorting

        return as_recording(self), as_sorting(self)

    def motion(self) -> Motion | None:
        """Return the drift as SpikeInterface's `Motion`, or None if units do not drift; see `as_motion`."""
        from .spikeinterface_adapter import motion_of

        return motion_of(self)

    def templates(self, *, filtered: bool = True) -> Templates:
        """Return the exact templates of the units, without drift, as SpikeInterface's `Templates`, µV.

        Parameters
        ----------
        filtered : bool
            As they are in the traces, after the filter if there is one; or before it.
        """
        from .spikeinterface_adapter import as_templates

        return as_templates(self, None if filtered else self.unfiltered_templates)

    def _of_trains(self, name: str) -> list[Any]:
        return [self.file[layout.of_train(unit, name)] for unit in range(len(self.units))]

    def close(self) -> None:
        """Close the file. After that, samples, traces and properties that are read on access cannot be read."""
        self.file.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def read_recording(path: AnyPath, recording: str | None = None) -> Recording:
    """Open a recording file.

    Parameters
    ----------
    path : path
    recording : str, optional
        The name of the recording that the file must be of.

    Returns
    -------
    Recording
        Traces are read as they are sliced.

    Raises
    ------
    UserError
        If the file is missing, truncated, of another kind or of another recording.

    Examples
    --------
    >>> with read_recording("results/recordings/demo/recording.h5") as recording:
    ...     second = recording.traces[: round(recording.sampling_frequency)]
    """
    file = CheckedHdf5(path, "recording")
    try:
        with file.checked():
            check_shapes(file, SHAPES)
            found = _read(file)
            if recording is not None:
                require_own(path, "recording", f"recording {found.provenance['config']['recording']}", f"recording {recording}")
            return found
    except DamagedFile:
        file.close()
        raise


def _one_or_all(values: Any) -> float | NDArray[np.float64]:
    return np.asarray(values, dtype=float) if np.ndim(values) else float(values)


def _read(file: CheckedHdf5) -> Recording:
    trains = [file[layout.SPIKE_TRAINS][str(unit)] for unit in range(len(file[layout.SPIKE_TRAINS]))]
    samples = file[layout.TRACES]
    return Recording(
        file=file,
        samples=samples,
        gain_to_uV=_one_or_all(samples.attrs[layout.GAIN]),
        clipped_samples=file[layout.CLIPPED_SAMPLES][()],
        filtered=bool(file[layout.FILTERED][()]),
        sampling_frequency=float(file[layout.SAMPLING_FREQUENCY][()]),
        units=read_frame(file[layout.UNITS]),
        spike_trains=[train[layout.SAMPLES][()] for train in trains],
        spike_times=[train[layout.TIMES][()] for train in trains],
        filtered_templates=read_values(file[layout.FILTERED_TEMPLATES]),
        template_peak=int(file[layout.TEMPLATES].attrs[layout.PEAK]),
        channel_positions=file[layout.CHANNEL_POSITIONS][()],
        probe=layout_from_text(file[layout.PROBE].asstr()[()]),
        provenance={name: json.loads(value) for name, value in file[layout.PROVENANCE].attrs.items()},
    )
