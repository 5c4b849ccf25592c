"""A recording: its units, spikes and signal, whose keys stand in one block, as in MEArec."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from allenrec.common.errors import shown

from ..base import Block, LibraryName
from .background import FIXED, Background, with_defaults
from .drift import DriftingUnits
from .filters import Filter
from .formats import FORMATS, GENERATED_FORMAT, FormatName
from .noise import LIBRARY_KEYS, FarNeurons, Noise
from .nwb import Nwb
from .spike_gains import Bursting, SpikeGains
from .spike_trains import SpikeTrains, Synchrony
from .storage import Sampling, Storage
from .streams import Seeds, Stream
from .units import CellTypes, UnitSelection
from .variants import Variants

#: Minimum number of grid points per sample (`upsample`) for templates of which spikes are widened
LEAST_UPSAMPLE = 8
#: A recording is short up to this number of units times seconds
SHORT = 1500


# Pydantic takes the fields of the last base first.
class RecordingSignal(Storage, Filter, DriftingUnits, Bursting, SpikeGains, Synchrony, FarNeurons, Noise, Sampling):
    @property
    def noise_library(self) -> str | None:
        """The library of the cells of the noise, or None if there are none or they are from the library of the units."""
        key = LIBRARY_KEYS.get(self.noise_mode)
        return getattr(self, key) if key else None

    @model_validator(mode="after")
    def _check_level(self) -> Self:
        self.require(self.filter or self.noise_level_at == "raw", "noise_level_at", "must be 'raw' where there is no filter")
        return self


class PlainRecording(Block):
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
        "zstd",
        description="Compression of the traces in `zarr`: Blosc's `zstd`, or none. Noise in float32 shrinks by a tenth, "
        "integers to a half or less.",
    )
    nwb: Nwb = Field(Nwb(), description="Subject and session in `nwb`.")
    background: Background | None = Field(
        None, description="A real recording to which the units are added. `null`: the recording is made of noise and units."
    )
    spiketrains: SpikeTrains = Field(SpikeTrains(), description="Number of units and their spike trains.")
    cell_types: CellTypes = Field(CellTypes(), description="Excitatory and inhibitory cell types.")
    templates: UnitSelection = Field(UnitSelection(), description="Which templates become units, and the grid of spike times.")
    recordings: RecordingSignal = Field(
        RecordingSignal(), description="Noise, synchrony, spike gains, drift, filter and storage."
    )
    seeds: Seeds = Field(
        Seeds(),
        description="Seeds of single parts. Two recordings with the same seed of a part have the same random numbers there, "
        "whatever their names and the `seed` at the top level are.",
    )
    stream: Stream = Field(
        Stream(),
        description="Random numbers that are shared with other recordings. `like`, `replicates` and `grid` fill it in.",
    )

    @property
    def choosing_library(self) -> str | None:
        """The library in which units are chosen, or None if it is that of the recording."""
        return None if self.stream.library == self.library else self.stream.library

    @property
    def threads(self) -> int:
        """The number of threads of its job. A short one takes a second or two, which more threads would hardly shorten, and
        would wait until no other job has their cores."""
        n_units, duration = self.spiketrains.n_units, self.spiketrains.duration
        return 1 if self.background is None and n_units * duration <= SHORT else 4

    @model_validator(mode="before")
    @classmethod
    def _on_background(cls, value: Any) -> Any:
        return with_defaults(value)

    @model_validator(mode="after")
    def _check_background(self) -> Self:
        background, signal = self.background, self.recordings
        if background is None:
            return self
        for key, (fixed, reason) in FIXED.items():
            if getattr(signal, key) != fixed:
                raise ValueError(f"recordings.{key}: {shown(getattr(signal, key))} cannot stand beside background: {reason}")
        usual = SpikeTrains.model_fields["duration"].default
        if self.spiketrains.duration not in (usual, background.duration):
            raise ValueError(
                f"spiketrains.duration: {self.spiketrains.duration:g} cannot stand beside background, whose length is used; "
                f"for a part of it, write background.duration: {self.spiketrains.duration:g}"
            )
        moved_by = [movement.drift_file for movement in signal.drift_dicts]
        if background.motion is not None and not (signal.drifting and moved_by == [background.motion]):
            raise ValueError("recordings.drifting: background.motion moves the units; leave out drifting and other movements")
        return self

    @model_validator(mode="after")
    def _check(self) -> Self:
        points = self.templates.upsample
        if self.templates.snr is not None and self.background is None:
            self._check_noise_of_snr()
        if self.recordings.shape_mod and points < LEAST_UPSAMPLE:
            raise ValueError(
                f"templates.upsample: {points} must be {LEAST_UPSAMPLE} or more with shape_mod, which reads between the points"
            )
        return self

    def _check_noise_of_snr(self) -> None:
        """Refuse a limit on the signal-to-noise ratio where the noise is not known before the units are chosen."""
        signal, given = self.recordings, shown(list(self.templates.snr or ()))
        if not signal.noise_level:
            raise ValueError(f"templates.snr: {given} needs noise, but recordings.noise_level is 0")
        if signal.noise_mode in LIBRARY_KEYS and signal.noise_level_at == "filtered":
            raise ValueError(f"templates.snr: {given} needs recordings.noise_level_at: raw with {signal.noise_mode}")


def _library_or_like(schema: dict[str, Any]) -> None:
    """Let a recording have `like` instead of `library`, in editors."""
    schema.pop("required", None)
    schema["anyOf"] = [{"required": ["library"]}, {"required": ["like"]}]


class Recording(Variants, PlainRecording):
    """A recording. The keys of `Variants` are gone when `allenrec.settings.studies` has expanded them."""

    model_config = ConfigDict(json_schema_extra=_library_or_like)
