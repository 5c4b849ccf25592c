"""Recordings: spikes, choice of templates, drift, gains of spikes, noise, filter and what is kept.

One module a subject; `RecordingSignal` joins those whose keys stand in one block, as in MEArec.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from ..base import Block, LibraryName
from .drift import Drift, DriftingUnits
from .filters import Filter
from .formats import FORMATS, GENERATED_FORMAT, FormatName
from .noise import FarNeurons, Noise
from .spike_gains import Bursting, SpikeGains
from .spike_trains import SpikeTrains, Synchrony
from .storage import Sampling, Storage
from .units import CellTypes, UnitSelection

__all__ = [
    "Bursting",
    "CellTypes",
    "Drift",
    "DriftingUnits",
    "FarNeurons",
    "Filter",
    "Noise",
    "Recording",
    "RecordingSignal",
    "Sampling",
    "SpikeGains",
    "SpikeTrains",
    "Storage",
    "Synchrony",
    "UnitSelection",
]

#: Minimum number of grid points per sample (`upsample`) for templates of which spikes are widened
LEAST_UPSAMPLE = 8


# Pydantic takes the fields of the last base first.
class RecordingSignal(Storage, Filter, DriftingUnits, Bursting, SpikeGains, Synchrony, FarNeurons, Noise, Sampling):
    @property
    def own_far_neurons_library(self) -> str | None:
        """The library of far neurons, or None if there are none or they are from the library of the units."""
        return self.far_neurons_library if self.noise_mode == "far-neurons" else None

    @model_validator(mode="after")
    def _check_level(self) -> Self:
        self.require(self.filter or self.noise_level_at == "raw", "noise_level_at", "must be 'raw' where there is no filter")
        return self


class Recording(Block):
    library: LibraryName = Field(description="Library (a key of `libraries`) that supplies the templates.")
    format: list[FormatName] = Field(
        [GENERATED_FORMAT.name],
        min_length=1,
        description=f"Formats to write: {'; '.join(f'`{entry.name}`, {entry.title}' for entry in FORMATS.values())}. All hold "
        "the same samples.",
    )
    compression: Literal["none", "lzf", "gzip"] = Field(
        "none",
        description="Compression of the traces in `mearec` and `nwb`. Noise in float32 hardly shrinks; integers "
        "shrink to a half or less.",
    )
    zarr_compression: Literal["none", "zstd"] = Field(
        "zstd", description="Compression of the traces in `zarr`: SpikeInterface's default, or none."
    )
    spiketrains: SpikeTrains = Field(SpikeTrains(), description="Number of units and their spike trains.")
    cell_types: CellTypes = Field(CellTypes(), description="Excitatory and inhibitory cell types.")
    templates: UnitSelection = Field(UnitSelection(), description="Which templates become units, and the grid of spike times.")
    recordings: RecordingSignal = Field(
        RecordingSignal(), description="Noise, synchrony, spike gains, drift, filter and storage."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        points = self.templates.upsample
        if self.recordings.shape_mod and points < LEAST_UPSAMPLE:
            raise ValueError(
                f"templates.upsample: {points} must be {LEAST_UPSAMPLE} or more with shape_mod, which reads between the points"
            )
        return self
