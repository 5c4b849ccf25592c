"""Far neurons, noise and filters that several tests of traces use."""

import numpy as np
from scipy import signal

from allenrec.recordings.traces.far_neurons import FarNeurons
from allenrec.recordings.traces.low_rank import COMPONENTS_AT_ONCE, UpsampledTemplates
from allenrec.settings.recordings import Filter
from allenrec.waveforms.filters import design_filter

FS = 32000.0
#: Six contacts in two columns, µm
POSITIONS = np.stack([np.zeros(6), np.tile([0.0, 20.0], 3), np.repeat([0.0, 15.0, 30.0], 2)], axis=1)
#: Forward and backward, from 300 to 6000 Hz
BANDPASS = design_filter(FS, Filter())


def far_neurons(n_steps=1):
    """Return forty neurons with spikes of 2 ms at six contacts, 2000 spikes a second in all; the steps differ in their size."""
    rng = np.random.default_rng(0)
    time = np.arange(64) / 32.0
    shape = (time**2 * np.exp(-4 * time) * np.cos(4 * time))[:, np.newaxis]
    waveforms = rng.normal(size=(40, 1, 1, 6)) * shape * np.linspace(1, 2, n_steps)[:, np.newaxis, np.newaxis]
    return FarNeurons(
        (0, "far"), rng.uniform(20, 80, 40) / FS, as_templates(waveforms, 10), n_steps * np.arange(40) + n_steps // 2
    )


def as_templates(waveforms, peak):
    """Return waveforms (..., n_t, n_channels) as templates that have one temporal component for each channel."""
    temporal = waveforms.reshape(-1, 1, *waveforms.shape[-2:]).astype(np.float32)
    n, n_channels = len(temporal), temporal.shape[-1]
    temporal = np.pad(temporal, ((0, 0), (0, 0), (0, 0), (0, -n_channels % COMPONENTS_AT_ONCE)))
    spatial = np.tile(np.eye(temporal.shape[-1], n_channels, dtype=np.float32), (n, 1, 1, 1))
    return UpsampledTemplates(temporal, spatial, np.full((n, 1), temporal.shape[-1]), np.zeros(n, dtype=int), peak)


def scipy_filtered(design, traces):
    """Filter traces by SciPy, in double precision; the signal is zero beyond its ends."""
    expected = signal.sosfilt(design.sections, traces.astype(float), axis=0)
    return signal.sosfilt(design.sections, expected[::-1], axis=0)[::-1] if design.both_ways else expected


def spike(time):
    """Return a band-limited spike (time in ms): two Gaussians whose spectrum ends far below 10 kHz."""
    return -80 * np.exp(-((time / 0.15) ** 2)) + 25 * np.exp(-(((time - 0.5) / 0.3) ** 2))


def template(n=224, peak=64, channels=3):
    """Return the spike on some channels, (channels, n) µV; it grows and comes later from each to the next."""
    time = (np.arange(n) - peak) / FS * 1000
    return np.stack([(c + 1) * spike(time - 0.01 * c) for c in range(channels)]).astype(np.float32)


def mearec_spectrum(frequencies, peak, q, floor):
    """Return the spectrum of MEArec's coloured noise, with a mean of 1: `iirpeak` forward and backward, and a white floor."""
    b, a = signal.iirpeak(peak, q, fs=FS)

    def power(at):
        return np.abs(signal.freqz(b, a, worN=at, fs=FS)[1]) ** 4

    mean = power(np.linspace(0, FS / 2, 2**18)).mean()
    return (power(frequencies) / mean + floor**2) / (1 + floor**2)
