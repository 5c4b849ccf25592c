"""The parts of a recording that the writers of formats read, from a file or computed as they are sliced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import probeinterface
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..segments import Segments
    from ..types import KnownUnits


class Samples(Protocol):
    """Samples (n_samples, n_channels), µV or counts, that are read or computed as they are sliced."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def chunks(self) -> tuple[int, int]:
        """The rows and columns that are best read at once."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any) -> NDArray[Any]: ...


class ButterworthFilter(NamedTuple):
    """The filter of a recording: `cutoff` in Hz, one value (high-pass) or two (band-pass)."""

    order: int
    cutoff: float | NDArray[np.float64]
    mode: str


class UnitDrift(NamedTuple):
    """The drift of units: `times` (n_times,) s; `displacements` (n_times, n_units) µm along `direction`, (3,) of any length."""

    times: NDArray[np.float64]
    displacements: NDArray[np.float32]
    direction: NDArray[np.float64]


class RecordingWithGroundTruth(Protocol):
    """A recording with its ground truth: the `Recording` of `recording_file`, or a `GeneratedRecording`.

    Attributes
    ----------
    samples : Samples
        (n_samples, n_channels) µV or counts. They may be more than the memory holds.
    gain_to_uV, offset_to_uV : float or numpy.ndarray
        µV of a count, and of the count 0; (n_channels,) where the channels of a background differ.
    segments : Segments or None
        The segments of a background that was interrupted or does not begin at 0 s.
    known_units : mapping
        The spikes of the known units of a background by their names. They are no part of the ground truth.
    clipped_samples : numpy.ndarray
        (n_channels,) the number of samples that exceeded the range of counts.
    sampling_frequency, duration : float
        Hz and s.
    filter_settings : ButterworthFilter or None
        The filter of the traces.
    channel_positions : numpy.ndarray
        (n_channels, 3) µm.
    plane : str
        The plane of the contacts: "xy", "xz" or "yz".
    probe : probeinterface.Probe
        The exact contacts in their plane.
    units : pandas.DataFrame
        A row for each unit of the ground truth.
    spike_trains, spike_times, amplitudes : sequence of numpy.ndarray
        For each unit (n_spikes,): the samples nearest to its spikes, counted through all segments; their exact times, s; and
        the depth of each spike alone, before the filter, µV.
    filtered_templates : numpy.ndarray
        (n_units, n_channels, n_t) float32 µV as they are in the traces, with the spike at sample `template_peak`.
    drift : UnitDrift or None
    upsample : int
        The number of places within a sample at which spikes are put into the traces.
    provenance : dict
        Configuration, digests, versions, and the terms of use.
    """

    @property
    def samples(self) -> Samples: ...

    @property
    def gain_to_uV(self) -> float | NDArray[np.float64]: ...

    @property
    def offset_to_uV(self) -> float | NDArray[np.float64]: ...

    @property
    def segments(self) -> Segments | None: ...

    @property
    def known_units(self) -> KnownUnits: ...

    @property
    def clipped_samples(self) -> NDArray[np.int64]: ...

    @property
    def sampling_frequency(self) -> float: ...

    @property
    def duration(self) -> float: ...

    @property
    def filter_settings(self) -> ButterworthFilter | None: ...

    @property
    def channel_positions(self) -> NDArray[np.float64]: ...

    @property
    def plane(self) -> str: ...

    @property
    def probe(self) -> probeinterface.Probe: ...

    @property
    def units(self) -> pd.DataFrame: ...

    @property
    def spike_trains(self) -> Sequence[NDArray[np.int64]]: ...

    @property
    def spike_times(self) -> Sequence[NDArray[np.float64]]: ...

    @property
    def amplitudes(self) -> Sequence[NDArray[np.float32]]: ...

    @property
    def filtered_templates(self) -> NDArray[np.float32]: ...

    @property
    def template_peak(self) -> int: ...

    @property
    def drift(self) -> UnitDrift | None: ...

    @property
    def upsample(self) -> int: ...

    @property
    def provenance(self) -> dict[str, Any]: ...
