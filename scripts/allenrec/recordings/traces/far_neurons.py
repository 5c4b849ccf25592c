"""Far neurons: many small spikes that together make noise. They fire as Poisson processes, which are drawn block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError
from allenrec.common.random_streams import StreamKey, generator

from ..spikes.draw import rate_of
from ..spikes.processes import draw_rate
from ..units.selection import UnitGroup, unit_groups, unit_keys
from .drift import Drift, DriftingCells, design_drift
from .injection import Spikes, add_spikes
from .low_rank import UpsampledTemplates, waveforms_of
from .noise_parts import NoiseInputs, NoiseParts
from .paths import Paths, paths_of
from .unit_drift import UnitDrift, drift_direction
from .upsampling import upsample_templates, upsampling_for

if TYPE_CHECKING:
    from allenrec.settings.recordings import FarNeurons as FarNeuronSettings
    from allenrec.waveforms.filters import Filter

    from ..types import TemplateLibrary

#: Number of samples in which spikes are drawn together; each such block has its own random stream
BLOCK = 2**13


@dataclass(frozen=True)
class FarNeurons:
    """Neurons that contribute only noise.

    Attributes
    ----------
    stream_key : tuple
        Random stream of their spikes.
    rates : numpy.ndarray
        (n,) spikes per sample.
    templates : UpsampledTemplates
        Templates of one phase: one for each neuron or, with drift, one for each step of its path that a neuron reaches.
    at_rest : numpy.ndarray
        (n,) the template of each neuron without drift.
    moved : callable or None
        A function that returns the templates of spikes from their samples and neurons, (n_spikes,) each; None without drift.
    """

    stream_key: StreamKey
    rates: NDArray[np.float64]
    templates: UpsampledTemplates
    at_rest: NDArray[np.int64]
    moved: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]] | None = None

    def scaled(self, factor: NDArray[np.float64]) -> FarNeurons:
        """Return the same neurons with spikes multiplied by a factor per channel, (n_channels,)."""
        return replace(self, templates=self.templates.scaled(factor))

    def waveform(self, neuron: int) -> NDArray[np.float32]:
        """Return the spike of a neuron without drift, (n_t, n_channels) float32 µV."""
        template = self.at_rest[neuron]
        return waveforms_of(self.templates.temporal[template, 0], self.templates.spatial[template])

    @cached_property
    def mean(self) -> NDArray[np.float32]:
        """Mean of their sum, (n_channels,) float32 µV, by Campbell's theorem (1909, Proc Camb Phil Soc 15:117)."""
        total = np.zeros(self.templates.spatial.shape[-1])
        for neuron, rate in enumerate(self.rates):
            total += rate * self.waveform(neuron).sum(axis=0, dtype=float)
        return total.astype(np.float32)

    def deviation(self, bandpass: Filter | None = None) -> NDArray[np.float64]:
        """Return the standard deviation (n_channels,) µV of their sum, filtered if there is a filter; by Campbell's theorem."""
        variance = np.zeros(self.templates.spatial.shape[-1])
        for neuron, rate in enumerate(self.rates):
            waveform = bandpass.response(self.waveform(neuron))[0] if bandpass else self.waveform(neuron)
            variance += rate * np.einsum("tc,tc->c", waveform, waveform, dtype=float)
        return np.sqrt(variance)

    def spikes(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return samples and neurons of the spikes in a block, in the order of time.

        The number of spikes has a Poisson distribution, and each spike falls on any sample and on any neuron by its rate. This
        is the same as one Poisson process for each neuron.
        """
        rng = generator(*self.stream_key, block)
        n = rng.poisson(self.rates.sum() * BLOCK)
        neurons = np.searchsorted(np.cumsum(self.rates)[:-1], self.rates.sum() * rng.random(n), side="right")
        return block * BLOCK + np.sort(rng.integers(BLOCK, size=n)), neurons

    def add_to(self, traces: NDArray[np.float32], start: int) -> None:
        """Add their sum, without its mean, to traces (n, n_channels) float32 µV whose first row is sample `start`."""
        n_t = self.templates.n_t
        traces -= self.mean
        for block in range((start - n_t) // BLOCK, (start + len(traces) + n_t) // BLOCK + 1):
            samples, neurons = self.spikes(block)
            which = self.moved(samples, neurons) if self.moved else self.at_rest[neurons]
            gains, ones = np.ones((len(samples), 1), dtype=np.float32), np.ones(len(samples))
            spikes = Spikes(samples, np.zeros_like(samples), gains, ones, np.zeros_like(ones), which)
            add_spikes(traces, start, spikes, self.templates)


def design_far_neurons(inputs: NoiseInputs) -> NoiseParts:
    """Return the parts of the noise mode "far-neurons".

    Raises
    ------
    UserError
        If the library has too few cells of the right size.
    """
    signal = inputs.settings.recordings
    return NoiseParts(source=choose_far_neurons(inputs), floor=signal.far_neurons_noise_floor)


def choose_far_neurons(inputs: NoiseInputs) -> FarNeurons:
    """Choose far neurons and their rates at random. They move with the units if these drift and if their library does."""
    library, settings, signal = inputs.library, inputs.settings, inputs.settings.recordings
    n_excitatory = round(signal.far_neurons_n * signal.far_neurons_exc_inh_ratio)
    groups = unit_groups(settings.cell_types, n_excitatory, signal.far_neurons_n - n_excitatory)
    rng = generator(*inputs.stream_key, "far selection")
    rows = select_far_neurons(rng, library.amplitudes, library.celltypes, groups, signal)
    trains = settings.spiketrains
    rates = [
        draw_rate(
            generator(*inputs.stream_key, "far rate", *key), *rate_of(trains, key[0], library.celltypes[row]), trains.min_rate
        )
        for key, row in zip(unit_keys(groups), rows, strict=True)
    ]
    fs, stream_key = inputs.grid.fs, (*inputs.stream_key, "far spikes")
    # Spikes of Poisson processes may as well lie on samples as between them, so that one phase is enough.
    how = replace(upsampling_for(library, inputs.grid, settings.templates.pad_len), n_phases=1)
    if not (inputs.unit_drift and library.drifting):
        templates = upsample_templates(library.at_centre(rows), how, inputs.threads)
        return FarNeurons(stream_key, np.array(rates) / fs, templates, np.arange(len(rows)))
    paths, drift = _drift_with(inputs.unit_drift, inputs, rows)
    steps = _Steps(paths, drift)
    templates = upsample_templates(steps.templates(library, rows), how, inputs.threads)

    def moved(samples: NDArray[np.int64], neurons: NDArray[np.int64]) -> NDArray[np.int64]:
        return steps.nearest(neurons, samples / fs)

    return FarNeurons(stream_key, np.array(rates) / fs, templates, steps.at_rest, moved)


def _drift_with(units: UnitDrift, inputs: NoiseInputs, rows: NDArray[np.int64]) -> tuple[Paths, Drift]:
    """Return the paths of far neurons and their drift, which is that of the units."""
    library, signal = inputs.library, inputs.settings.recordings
    direction = drift_direction(signal)
    depths, everyone = library.positions[rows] @ direction, np.ones(len(rows), dtype=bool)
    cells = DriftingCells(depths, everyone, units.paths.reach, tissue=units.depths)
    drift = design_drift(units.stream_key, signal, inputs.settings.spiketrains.duration, cells)
    return paths_of(library.locations[rows], library.centre, direction), drift


class _Steps:
    """The steps of their paths that far neurons reach, numbered one neuron after the other.

    A neuron that would leave its path stays at its end.
    """

    def __init__(self, paths: Paths, drift: Drift) -> None:
        self._paths, self._drift = paths, drift
        courses = [drift.of_unit(neuron) for neuron in range(len(paths.along))]
        ends = [np.array([0.0, course.min(), course.max()]) for course in courses]
        steps = np.array([paths.nearest(np.full(3, neuron), ends[neuron]) for neuron in range(len(ends))])
        self._lowest, self._n_steps = steps.min(axis=1), np.ptp(steps, axis=1) + 1
        #: Number that step 0 of each neuron's path would have
        self._zero = np.cumsum(self._n_steps) - self._n_steps - self._lowest
        #: Step of each neuron without drift
        self.at_rest = self._zero + steps[:, 0]

    def templates(self, library: TemplateLibrary, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yield the template of each step; `rows` (n,) are those of the neurons in the library."""
        for neuron, row in enumerate(rows):
            for step in range(self._lowest[neuron], self._lowest[neuron] + self._n_steps[neuron]):
                yield library.templates[row, self._paths.order[neuron, step]]

    def nearest(self, neurons: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the step (n,) at which each of some neurons (n,) is at its time (n,) s."""
        return self._zero[neurons] + self._paths.nearest(neurons, self._drift.displacements(neurons, times))


def select_far_neurons(
    rng: np.random.Generator,
    amplitudes: NDArray[np.float64],
    celltypes: NDArray[np.object_],
    groups: Sequence[UnitGroup],
    settings: FarNeuronSettings,
) -> NDArray[np.int64]:
    """Choose templates at random for neurons that are too small to be units.

    Parameters
    ----------
    rng : numpy.random.Generator
    amplitudes : numpy.ndarray
        (N,) µV.
    celltypes : numpy.ndarray
        (N,) text.
    groups : sequence of UnitGroup
    settings : allenrec.settings.recordings.FarNeurons
        `far_neurons_min_amp` and `far_neurons_max_amp` are strict limits.

    Returns
    -------
    numpy.ndarray
        int64, rows of the library: all of the first group, then of the second, ...

    Raises
    ------
    UserError
        If a group cannot be filled.
    """
    least, most = settings.far_neurons_min_amp, settings.far_neurons_max_amp
    order = rng.permutation(len(amplitudes))
    order = order[(amplitudes[order] > least) & (amplitudes[order] < most)]
    chosen = []
    for kind, types, count in groups:
        mine = order[np.isin(celltypes[order], types)][:count]
        if len(mine) < count:
            raise UserError(
                f"{count} {kind} far neurons were requested, but their library has {len(mine)} of cell_types.{kind} {types} "
                f"between {least:g} and {most:g} µV; lower its min_amp, raise its n, or reduce far_neurons_n"
            )
        chosen.append(mine)
    return np.concatenate(chosen)
