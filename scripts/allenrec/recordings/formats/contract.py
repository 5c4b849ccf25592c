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
    """A recording with its ground truth; `Recording` and `GeneratedRecording` say what each member is."""

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
