"""Far neurons: many small spikes that make noise together. They fire as Poisson processes, drawn block by block."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allenrec.common.errors import UserError
from allenrec.common.random_streams import generator

from .injection import PlacedTemplates, add_spikes, waveforms_of

#: Spikes are drawn in blocks of so many samples, each at an address of its own
BLOCK = 2**13


@dataclass(frozen=True)
class FarNeurons:
    """Neurons of which only the noise is wanted.

    `address`; `rates` (n,), spikes a sample; `templates`, `PlacedTemplates` of one phase: one of each neuron, or one of each
    step of its path that it comes to; `at_rest` (n,), which of them is its template without drift; `moved`, which ones its
    spikes have: a function from samples and neurons (n_spikes,), or None without drift.
    """

    address: tuple
    rates: np.ndarray
    templates: PlacedTemplates
    at_rest: np.ndarray
    moved: Callable | None = None

    def scaled(self, factor):
        """The same neurons, louder by a factor (n_channels,)."""
        return replace(self, templates=self.templates._replace(weights=self.templates.weights * np.float32(factor)))

    def waveform(self, neuron):
        """(n_t, n_channels) float32 µV, without drift."""
        return waveforms_of(self.templates.courses[self.at_rest[neuron], 0], self.templates.weights[self.at_rest[neuron]])

    @cached_property
    def mean(self):
        """(n_channels,) float32 µV; Campbell's theorem (1909, Proc Camb Phil Soc 15:117)."""
        total = sum(rate * self.waveform(neuron).sum(axis=0, dtype=float) for neuron, rate in enumerate(self.rates))
        return total.astype(np.float32)

    def deviation(self, bandpass=None):
        """Standard deviation (n_channels,) µV of their sum, or of what a filter leaves of it; Campbell's theorem."""
        variance = np.zeros(self.templates.weights.shape[-1])
        for neuron, rate in enumerate(self.rates):
            waveform = bandpass.response(self.waveform(neuron))[0] if bandpass else self.waveform(neuron)
            variance += rate * np.einsum("tc,tc->c", waveform, waveform, dtype=float)
        return np.sqrt(variance)

    def spikes(self, block):
        """Return samples and neurons of the spikes in a block, in the order of time.

        A number of spikes with a Poisson distribution, each at any sample and of any neuron, are as many Poisson processes.
        """
        rng = generator(*self.address, block)
        n = rng.poisson(self.rates.sum() * BLOCK)
        neurons = np.searchsorted(np.cumsum(self.rates)[:-1], self.rates.sum() * rng.random(n), side="right")
        return block * BLOCK + np.sort(rng.integers(BLOCK, size=n)), neurons

    def add_to(self, traces, start):
        """Add them to traces (n, n_channels) float32 µV whose first row is sample `start`; their mean is left out."""
        n_t = self.templates.courses.shape[2]
        traces -= self.mean
        for block in range((start - n_t) // BLOCK, (start + len(traces) + n_t) // BLOCK + 1):
            samples, neurons = self.spikes(block)
            which = self.moved(samples, neurons) if self.moved else self.at_rest[neurons]
            gains, ones = np.ones((len(samples), 1), dtype=np.float32), np.ones(len(samples))
            add_spikes(traces, start, samples, np.zeros_like(samples), gains, ones, which, self.templates)


def select_far_neurons(rng, amplitudes, celltypes, wanted, *, min_amp, max_amp):
    """Choose templates at random for neurons that are too quiet to be units.

    Parameters
    ----------
    rng : numpy.random.Generator
    amplitudes : numpy.ndarray
        (N,) µV.
    celltypes : numpy.ndarray
        (N,) text.
    wanted : list of (str, list of str, int)
        Groups: name, cell types (matched by equality), and how many.
    min_amp, max_amp : float
        µV; strict limits.

    Returns
    -------
    numpy.ndarray
        int64, rows of the library: all of the first group, then of the second, ...

    Raises
    ------
    UserError
        If a group cannot be filled.
    """
    order = rng.permutation(len(amplitudes))
    order = order[(amplitudes[order] > min_amp) & (amplitudes[order] < max_amp)]
    chosen = []
    for name, types, count in wanted:
        mine = order[np.isin(celltypes[order], types)][:count]
        if len(mine) < count:
            raise UserError(
                f"{count} {name} far neurons were asked for, their library has {len(mine)} of cell_types.{name} {types} "
                f"between {min_amp:g} and {max_amp:g} µV; lower its min_amp, raise its n, or ask for fewer with far_neurons_n"
            )
        chosen.append(mine)
    return np.concatenate(chosen)
