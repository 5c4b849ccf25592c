"""A recording that is computed from its plan, whole or any part of it, and the provenance of recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import probeinterface
from numpy.typing import NDArray
from tqdm import tqdm

from allenrec.common.parallel import map_in_order

from .formats.contract import ButterworthFilter, UnitDrift
from .tick_grid import split_ticks
from .traces.blocks import BLOCK, block_length, blocks, n_blocks, samples, spike_amplitudes, spike_traces, unit_traces

if TYPE_CHECKING:
    from spikeinterface.core import BaseRecording, BaseSorting

    from allenrec.settings.recordings import Recording as RecordingSettings

    from .plan import Plan
    from .segments import Segments
    from .types import KnownUnits, TemplateLibrary

#: Spikes whose gains and amplitudes are computed at once
SPIKES_AT_ONCE = 1024
#: Approximate number of values in a chunk of traces, 1 MB of float32: who reads a second of traces reads little more
CHUNK_VALUES = 2**18
#: Number of blocks that `ComputedSamples` keeps in memory
BLOCKS_KEPT = 2


def provenance(settings: dict[str, Any], *, seed: int, name: str, digests: dict[str, str]) -> dict[str, Any]:
    """Return what a recording is made from, to be stored in its file.

    Parameters
    ----------
    settings : dict
        The recording's block of the configuration.
    seed : int
    name : str
        Name of the recording.
    digests : dict
        Digest of each file that the recording is made from, by a word such as "library".

    Returns
    -------
    dict
        `config`, `digests` and `versions` of packages.
    """
    return {
        "config": {"recording": name, "seed": seed, **settings},
        "digests": digests,
        "versions": {package: version(package) for package in ("numpy", "scipy", "numba", "h5py")},
    }


def chunk_rows(n_samples: int, n_columns: int) -> int:
    """Return the rows in a chunk of a dataset (n_samples, n_columns). Blocks are whole numbers of chunks, so that each chunk is
    compressed once."""
    return min(2 ** ((CHUNK_VALUES // max(n_columns, 1)).bit_length() - 1), BLOCK, n_samples)


def _single(values: NDArray[np.float64]) -> float | NDArray[np.float64]:
    """Return the one value of all channels, or the values if they differ."""
    return float(values[0]) if (values == values[0]).all() else values


class ComputedSamples:
    """The samples of a recording, (n_samples, n_channels), equal to those of its file, computed as they are sliced."""

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        # Units that drift use BLAS, and several of our threads cannot each limit its number of threads
        self._plan, self._threads = plan, threads if plan.unit_drift is None else 1
        # Rounding depends on where a block begins, so whole blocks are computed, at the same places as in the file.
        self._block = lru_cache(BLOCKS_KEPT)(self._compute_block)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape, (n_samples, n_channels)."""
        return self._plan.n_samples, self._plan.n_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type: float32 for µV, integers for counts."""
        return self._plan.dtype

    @property
    def chunks(self) -> tuple[int, int]:
        """The rows and columns that a file stores together."""
        return chunk_rows(*self.shape), max(self._plan.n_channels, 1)

    def __len__(self) -> int:
        return self._plan.n_samples

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, *columns = key if isinstance(key, tuple) else (key,)
        start, stop, step = rows.indices(len(self)) if isinstance(rows, slice) else (0, 0, 0)
        if step < 1:
            raise TypeError(f"samples that are computed are taken in forward slices, not by {rows}")
        length = block_length(self._plan)
        numbers = range(start // length, -(-stop // length))
        found = map_in_order(self._block, numbers, min(self._threads, max(len(numbers), 1)))
        parts = [
            block[max(start - number * length, 0) : stop - number * length]
            for number, block in zip(numbers, found, strict=True)
        ]
        taken = np.concatenate([np.empty((0, self._plan.n_channels), self.dtype), *parts])
        return taken[(slice(None, None, step), *columns)]

    def _compute_block(self, number: int) -> NDArray[Any]:
        start = number * block_length(self._plan)
        stop = min(start + block_length(self._plan), self._plan.n_samples)
        found: NDArray[Any] = samples(self._plan, start, stop)[0]
        return found


@dataclass(frozen=True)
class GeneratedRecording:
    """A recording with its ground truth, whose parts are computed on access.

    It has what the writers of formats need (see `formats.contract`), and what the file of the recording holds beside that.

    Attributes
    ----------
    plan : Plan
    library : TemplateLibrary
        The library that the units are from.
    settings : allenrec.settings.recordings.Recording
    provenance : dict
        See `provenance`.
    threads : int
        Threads that compute traces; no value depends on it.

    Examples
    --------
    >>> with open_library("results/libraries/neuronexus/templates.h5") as library:
    ...     plan = plan_recording(library, settings, seed=0, name="demo")
    ...     write_mearec("demo.h5", GeneratedRecording(plan, library, settings, {}))
    """

    plan: Plan
    library: TemplateLibrary
    settings: RecordingSettings
    provenance: dict[str, Any]
    threads: int = 1

    @cached_property
    def samples(self) -> ComputedSamples:
        """The samples, (n_samples, n_channels), float32 µV or counts of `gain_to_uV` µV."""
        return ComputedSamples(self.plan, self.threads)

    @property
    def gain_to_uV(self) -> float | NDArray[np.float64]:
        """µV per count; (n_channels,) if it is not the same for all channels of a background."""
        background = self.plan.background
        return self.plan.adc.gain if background is None else _single(background.gains)

    @property
    def offset_to_uV(self) -> float | NDArray[np.float64]:
        """µV of the count 0; (n_channels,) if it is not the same for all channels of a background."""
        background = self.plan.background
        return 0.0 if background is None else _single(background.offsets)

    @property
    def segments(self) -> Segments | None:
        """The segments of the background; None for a recording without interruption that begins at 0."""
        return self.plan.segments

    @property
    def known_units(self) -> KnownUnits:
        """Known units of the background: the samples of their spikes, (n_spikes,), by their names."""
        background = self.plan.background
        return {} if background is None or background.known is None else background.known

    @cached_property
    def clipped_samples(self) -> NDArray[np.int64]:
        """(n_channels,), the number of samples that exceed the range of counts. For counts, the whole recording is computed."""
        clipped = np.zeros(self.plan.n_channels, dtype=np.int64)
        if self.samples.dtype.kind != "f":
            for _, beyond in self.blocks():
                clipped += beyond
        return clipped

    @property
    def sampling_frequency(self) -> float:
        """Hz."""
        return self.plan.fs

    @property
    def duration(self) -> float:
        """Length in s."""
        return self.plan.n_samples / self.plan.fs

    @property
    def filter_settings(self) -> ButterworthFilter | None:
        """The filter of the traces, or None."""
        signal = self.settings.recordings
        if not signal.filter:
            return None
        cutoff = np.array(signal.filter_cutoff) if isinstance(signal.filter_cutoff, tuple) else signal.filter_cutoff
        return ButterworthFilter(signal.filter_order, cutoff, signal.filter_mode)

    @property
    def channel_positions(self) -> NDArray[np.float64]:
        """(n_channels, 3) µm."""
        return self.library.channel_positions

    @property
    def plane(self) -> str:
        """The plane of the contacts: "xy", "xz" or "yz"."""
        return self.library.electrodes["plane"]

    @property
    def probe(self) -> probeinterface.Probe:
        """The exact contacts in their plane."""
        return self.library.probe

    @property
    def units(self) -> pd.DataFrame:
        """One row per unit."""
        return self.plan.units

    @property
    def spike_trains(self) -> list[NDArray[np.int64]]:
        """For each unit, the samples nearest to its spikes, (n_spikes,)."""
        return [split_ticks(ticks, self.plan.n_phases)[0] for ticks in self.plan.ticks]

    @property
    def spike_times(self) -> list[NDArray[np.float64]]:
        """For each unit, the exact times of its spikes, (n_spikes,) s."""
        return [ticks / self.plan.ticks_per_second for ticks in self.plan.ticks]

    @property
    def amplitudes(self) -> list[NDArray[np.float32]]:
        """For each unit, the depth of each spike alone, before the filter, at the unit's largest channel, (n_spikes,) µV."""
        units = range(len(self.units))
        empty = np.zeros(0, dtype=np.float32)
        return [np.concatenate([empty, *(part[2] for part in self.gains_and_amplitudes(unit))]) for unit in units]

    @property
    def filtered_templates(self) -> NDArray[np.float32]:
        """The templates of units, (n_units, n_channels, n_t) µV, filtered as the traces are."""
        return self.plan.filtered_templates

    @property
    def template_peak(self) -> int:
        """The sample of a template at which the spike lies."""
        return self.plan.peak

    @property
    def drift(self) -> UnitDrift | None:
        """The displacement of each unit over time, or None if units do not drift."""
        unit_drift = self.plan.unit_drift
        if unit_drift is None:
            return None
        displacements = np.empty((len(unit_drift.drift.times), len(self.units)), dtype=np.float32)
        for unit in range(displacements.shape[1]):
            displacements[:, unit] = unit_drift.drift.of_unit(unit)
        return UnitDrift(unit_drift.drift.times, displacements, np.asarray(self.settings.recordings.preferred_dir, dtype=float))

    @property
    def upsample(self) -> int:
        """The number of grid points per sample on which spikes lie."""
        return self.plan.n_phases

    def to_spikeinterface(self) -> tuple[BaseRecording, BaseSorting]:
        """Return the recording, and the ground truth with the properties of units, as objects of SpikeInterface. Traces are
        computed as they are sliced."""
        from .formats.spikeinterface_adapter import as_recording, as_sorting

        return as_recording(self, count_clipped=False), as_sorting(self)

    def blocks(self) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Yield the samples block by block, (n, n_channels), and the number of those on each channel that were clipped,
        (n_channels,), and show progress. A block is overwritten when the next one is taken."""
        yield from tqdm(blocks(self.plan, self.threads, samples), total=n_blocks(self.plan), unit="block")

    def spike_traces(self) -> Iterator[NDArray[np.float32]]:
        """Yield, block by block, the contribution of each unit to its peak channel, (n, n_units) float32 µV.

        A block is overwritten when the next one is taken.
        """
        found = blocks(self.plan, self.threads, spike_traces)
        yield from tqdm(found, total=n_blocks(self.plan), desc="spike traces", unit="block")

    def unit_traces(self, unit: int) -> Iterator[NDArray[np.float32]]:
        """Yield, block by block, the contribution of a unit to all channels, (n, n_channels) float32 µV.

        A block is overwritten when the next one is taken.
        """
        yield from blocks(self.plan, self.threads, partial(unit_traces, unit=unit))

    def gains_and_amplitudes(self, unit: int) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
        """Yield groups of a unit's spikes: a slice, their gains (n, 1 or n_channels), and their amplitudes (n,) µV."""
        for begin in range(0, len(self.plan.ticks[unit]), SPIKES_AT_ONCE):
            spikes = slice(begin, begin + SPIKES_AT_ONCE)
            gains = self.plan.gains[unit][spikes]
            yield spikes, gains, spike_amplitudes(self.plan, unit, spikes, gains)
