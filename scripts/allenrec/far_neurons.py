"""Far neurons: many small spikes that make noise together. They fire as Poisson processes, drawn block by block."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .errors import UserError
from .placement import add_waveforms
from .seeds import generator

#: Spikes are drawn in blocks of so many samples, each at an address of its own
BLOCK = 2**13


@dataclass(frozen=True)
class FarNeurons:
    """Neurons of which only the noise is wanted.

    `address`; `rates` (n,), spikes a sample; `waveforms` (n, n_steps, n_t, n_channels) float32 µV with the spike at `peak`, at
    each step of a drift, of which the middle one is the place without drift; `steps_at`, which step at given samples, or None
    without drift.
    """

    address: tuple
    rates: np.ndarray
    waveforms: np.ndarray
    peak: int
    steps_at: Callable | None = None

    @property
    def at_rest(self):
        """(n, n_t, n_channels)"""
        return self.waveforms[:, self.waveforms.shape[1] // 2]

    def scaled(self, factor):
        """The same neurons, louder by a factor (n_channels,)."""
        return replace(self, waveforms=self.waveforms * np.float32(factor))

    @cached_property
    def mean(self):
        """(n_channels,) float32 µV; Campbell's theorem (1909, Proc Camb Phil Soc 15:117)."""
        return np.einsum("u,utc->c", self.rates, self.at_rest).astype(np.float32)

    def deviation(self, bandpass=None):
        """Standard deviation (n_channels,) µV of their sum, or of what a filter leaves of it; Campbell's theorem."""
        variance = np.zeros(self.waveforms.shape[-1])
        for rate, waveform in zip(self.rates, self.at_rest, strict=True):
            waveform = bandpass.response(waveform)[0] if bandpass else waveform
            variance += rate * np.einsum("tc,tc->c", waveform, waveform, dtype=float)
        return np.sqrt(variance)

    def spikes(self, block):
        """Return samples and neurons of the spikes in a block.

        A number of spikes with a Poisson distribution, each at any sample and of any neuron, are as many Poisson processes.
        """
        rng = generator(*self.address, block)
        n = rng.poisson(self.rates.sum() * BLOCK)
        neurons = np.searchsorted(np.cumsum(self.rates)[:-1], self.rates.sum() * rng.random(n), side="right")
        return block * BLOCK + rng.integers(BLOCK, size=n), neurons

    def add_to(self, traces, start):
        """Add them to traces (n, n_channels) float32 µV whose first row is sample `start`; their mean is left out."""
        _, n_steps, n_t, n_channels = self.waveforms.shape
        waveforms = self.waveforms.reshape(-1, n_t, n_channels)
        traces -= self.mean
        for block in range((start - n_t) // BLOCK, (start + len(traces) + n_t) // BLOCK + 1):
            samples, neurons = self.spikes(block)
            steps = self.steps_at(samples) if self.steps_at else n_steps // 2
            add_waveforms(traces, start, samples, neurons * n_steps + steps, waveforms, self.peak)


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
