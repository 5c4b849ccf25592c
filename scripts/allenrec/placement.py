"""Placement: templates brought to the sampling rate of a recording and added to it at times between its samples."""

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np

#: Samples from which a waveform that moves is interpolated, and the shape of their Kaiser window: up to 0.84 of the Nyquist
#: frequency, the interpolation is wrong by less than 1e-4
TAPS, WINDOW = 32, 8.0


@dataclass(frozen=True)
class PlacedTemplates:
    """Templates of all units at all phases.

    `waveforms` (n_units, n_phases, n_t, n_channels) float32 µV; phase k holds the spike `split_shift(k, n_phases)` samples
    after the sample `peak`.
    """

    waveforms: np.ndarray
    peak: int

    @property
    def at_sample(self):
        """(n_units, n_t, n_channels): the templates whose spike is exactly at `peak`."""
        return self.waveforms[:, self.waveforms.shape[1] // 2]


def split_ticks(ticks, n_phases):
    """Return the nearest sample and the phase index of spike times in ticks (`n_phases` a sample).

    A spike halfway between two samples belongs to the later one.
    """
    samples = (ticks + n_phases // 2) // n_phases
    return samples, ticks - samples * n_phases + n_phases // 2


def split_shift(phase, n_phases):
    """Return by how many samples a spike of a phase comes after its sample: from -1/2 up to, not including, 1/2."""
    return (phase - n_phases // 2) / n_phases


def padded(templates, before, after):
    """Return templates (..., n_t) with `before` zeros in front, and their last value faded to zero over `after` samples.

    The template itself is untouched. Its first sample is zero already, its last is not: the slow end of a spike outlasts
    the window, and a step there would ring in every filter.
    """
    fade = 0.5 * (1 + np.cos(np.pi * np.arange(1, after + 1) / (after + 1)))
    front = np.zeros((*templates.shape[:-1], before), dtype=templates.dtype)
    return np.concatenate((front, templates, templates[..., -1:] * fade), axis=-1)


@lru_cache(maxsize=1)
def interpolation_basis(n, peak, ratio, shift, peak_out, n_out):
    """Return the complex matrix (n_out, n // 2 + 1) that turns the `rfft` of a waveform of `n` samples into the waveform,
    resampled and shifted: `(basis @ spectrum).real`.

    Trigonometric interpolation: exact for band-limited waveforms, and the identity at `ratio` 1 and `shift` 0. At a lower
    output rate, frequencies above its Nyquist limit are left out.

    Parameters
    ----------
    n, peak : int
        Samples of the input, and where its spike is.
    ratio : float
        Output rate over input rate.
    shift : float
        By how many output samples the spike comes after `peak_out`.
    peak_out, n_out : int
        Samples of the output, and where the spike lies at shift 0.
    """
    frequencies = np.arange(n // 2 + 1)
    weights = np.full(len(frequencies), 2.0 / n)
    weights[0] = 1.0 / n
    if n % 2 == 0:
        weights[-1] = 1.0 / n
    if ratio < 1:
        weights[frequencies > ratio * n / 2] = 0.0
    at = peak + (np.arange(n_out) - peak_out - shift) / ratio
    basis = weights * np.exp(2j * np.pi / n * at[:, np.newaxis] * frequencies)
    # A waveform so described repeats with its period; outside of it there is silence.
    basis[(at < 0) | (at > n - 1)] = 0.0
    return basis


def place_templates(templates, peak, fs_in, fs_out, *, n_phases, pad_len):
    """Prepare templates for `add_spikes`.

    Parameters
    ----------
    templates : numpy.ndarray
        (n_units, n_channels, n_t) µV at `fs_in`.
    peak : int
        Sample of the spike.
    fs_in, fs_out : float
        Hz.
    n_phases : int
        Grid points a sample.
    pad_len : (float, float)
        ms of zeros before and of fading after the template.

    Returns
    -------
    PlacedTemplates
    """
    before, after = (max(round(t * fs_in / 1000), 1) for t in pad_len)
    templates = padded(templates.astype(float), before, after)
    n, peak, ratio = templates.shape[-1], peak + before, fs_out / fs_in
    peak_out = round(peak * ratio)
    n_out = peak_out + int((n - peak) * ratio)
    spectra = np.fft.rfft(templates, axis=-1)
    waveforms = np.empty((len(templates), n_phases, n_out, templates.shape[1]), dtype=np.float32)
    for phase in range(n_phases):
        shift = split_shift(phase, n_phases)
        if ratio == 1 and shift == 0:  # the interpolation is the identity
            waveforms[:, phase] = np.swapaxes(templates, 1, 2)
            continue
        basis = interpolation_basis(n, peak, ratio, shift, peak_out, n_out)
        for unit, spectrum in enumerate(spectra):
            waveforms[unit, phase] = (basis @ spectrum.T).real
    return PlacedTemplates(waveforms, peak_out)


def templates_at_steps(read, peak, fs_in, fs_out, *, pad_len, most_held):
    """Return the function that gives a template at a step of its path, (n_t, n_channels) float32 µV, ready to be placed.

    It reads a template when it is asked for, and holds the last ones.

    Parameters
    ----------
    read : callable
        Number of a unit and of a step to the template (n_channels, n_t) µV.
    peak, fs_in, fs_out, pad_len
        See `place_templates`.
    most_held : int
        Templates that are held at most.
    """

    @lru_cache(maxsize=most_held)
    def at_step(unit, step):
        template = read(unit, step)[np.newaxis]
        return place_templates(template, peak, fs_in, fs_out, n_phases=1, pad_len=pad_len).waveforms[0, 0]

    return at_step


def interpolation_kernels(n_phases):
    """Return the weights (n_phases + 1, TAPS) float32 with which samples give the value `k / n_phases` after the middle one.

    A sinc in a Kaiser window (Kaiser 1974, Proc IEEE Int Symp Circuits and Systems, 20). The middle one is TAPS // 2 - 1; the
    weights of the first and of the last row are one sample.
    """
    at = np.arange(TAPS) - (TAPS // 2 - 1) - np.arange(n_phases + 1)[:, np.newaxis] / n_phases
    window = np.i0(WINDOW * np.sqrt(np.maximum(1 - (at / (TAPS / 2)) ** 2, 0)))
    kernels = np.sinc(at) * window
    return (kernels / kernels.sum(axis=1, keepdims=True)).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def add_spikes(traces, start, samples, phases, gains, waveforms, peak):
    """Add the spikes of one unit to a piece of the recording, in place.

    Parameters
    ----------
    traces : numpy.ndarray
        (n, n_channels) float32 µV; its first row is sample `start` of the recording.
    start : int
    samples, phases : numpy.ndarray
        (n_spikes,) as `split_ticks` gives them.
    gains : numpy.ndarray
        (n_spikes, n_channels) or (n_spikes, 1) float32.
    waveforms : numpy.ndarray
        (n_phases, n_t, n_channels) float32 µV.
    peak : int
        Sample of the spike in the waveforms.
    """
    n, n_channels = traces.shape
    n_t = waveforms.shape[1]
    gain = np.empty(n_channels, dtype=np.float32)
    for spike in range(len(samples)):
        first = samples[spike] - peak - start
        low, high = max(0, -first), min(n_t, n - first)
        if low >= high:
            continue
        gain[:] = gains[spike]
        rows, values = traces[first + low : first + high], waveforms[phases[spike], low:high]
        for k in range(high - low):
            for channel in range(n_channels):
                rows[k, channel] += gain[channel] * values[k, channel]


@numba.njit(cache=True, nogil=True)
def add_stretched_spikes(traces, start, samples, phases, gains, stretches, waveforms, peak):
    """As `add_spikes`, with each spike slower than its template by a factor, `stretches` (n_spikes,), about its peak.

    No template is needed for that: the phases together are the template at `n_phases` points a sample, and between these it is
    a straight line.
    """
    n, n_channels = traces.shape
    n_phases, n_t = waveforms.shape[:2]
    gain = np.empty(n_channels, dtype=np.float32)
    for spike in range(len(samples)):
        gain[:] = gains[spike]
        at = samples[spike] - start + (phases[spike] - n_phases // 2) / n_phases
        first = int(np.ceil(at - peak * stretches[spike]))
        last = int(np.floor(at + (n_t - 1 - peak) * stretches[spike]))
        for k in range(max(0, first), min(n, last + 1)):
            point = (k - at) / stretches[spike] * n_phases
            # Sample j of phase p is the point (j - peak) * n_phases - (p - n_phases // 2).
            left = n_phases // 2 - int(np.floor(point))
            j, later = peak - left // n_phases, peak - (left - 1) // n_phases
            if j < 0 or later >= n_t:
                continue
            share = np.float32(point - np.floor(point))
            before, after = waveforms[left % n_phases, j], waveforms[(left - 1) % n_phases, later]
            row = traces[k]
            for channel in range(n_channels):
                row[channel] += gain[channel] * (before[channel] + share * (after[channel] - before[channel]))


@numba.njit(cache=True, nogil=True)
def add_moving_spikes(traces, start, samples, phases, gains, stretches, steps, shares, waveforms, kernels, peak):
    """As `add_stretched_spikes`, with each spike of its own place between two steps of a path.

    Phases of all steps would fill the memory, so that each spike is interpolated as it is placed.

    Parameters
    ----------
    steps, shares : numpy.ndarray
        (n_spikes,) int64 and float32: a spike is `waveforms[step]`, and by its share `waveforms[step + 1]` instead.
    waveforms : numpy.ndarray
        (n_steps, n_t, n_channels) float32 µV, with the spike at the sample `peak`.
    kernels : numpy.ndarray
        See `interpolation_kernels`.
    """
    n, n_channels = traces.shape
    n_t, n_phases = waveforms.shape[1], len(kernels) - 1
    # Silence before and after, so that every sample has all its neighbours
    blend = np.zeros((n_t + 2 * TAPS, n_channels), dtype=np.float32)
    gain, kernel = np.empty(n_channels, dtype=np.float32), np.empty(TAPS, dtype=np.float32)
    for spike in range(len(samples)):
        at = samples[spike] - start + (phases[spike] - n_phases // 2) / n_phases
        first = max(0, int(np.ceil(at - peak * stretches[spike])))
        last = min(n - 1, int(np.floor(at + (n_t - 1 - peak) * stretches[spike])))
        if first > last:
            continue
        gain[:] = gains[spike]
        share, here, there = shares[spike], waveforms[steps[spike]], waveforms[steps[spike] + 1]
        for t in range(n_t):
            for channel in range(n_channels):
                blend[TAPS + t, channel] = gain[channel] * (here[t, channel] + share * (there[t, channel] - here[t, channel]))
        for k in range(first, last + 1):
            point = peak + (k - at) / stretches[spike]
            middle = int(np.floor(point))
            phase = (point - middle) * n_phases
            left = min(int(phase), n_phases - 1)
            for tap in range(TAPS):
                kernel[tap] = kernels[left, tap] + np.float32(phase - left) * (kernels[left + 1, tap] - kernels[left, tap])
            rows = blend[TAPS + middle - TAPS // 2 + 1 :]
            for tap in range(0, TAPS, 4):
                k0, k1, k2, k3 = kernel[tap], kernel[tap + 1], kernel[tap + 2], kernel[tap + 3]
                r0, r1, r2, r3, row = rows[tap], rows[tap + 1], rows[tap + 2], rows[tap + 3], traces[k]
                for channel in range(n_channels):
                    row[channel] += (k0 * r0[channel] + k1 * r1[channel]) + (k2 * r2[channel] + k3 * r3[channel])
