"""Measurements of a recording for its figures: spikes cut out of the traces, and the noise between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from .channels import noise_deviations

if TYPE_CHECKING:
    from allenrec.recordings.formats.recording_file import Recording

Scalar = TypeVar("Scalar", bound=np.generic)

#: What is cut out around a spike, ms before and after its time
BEFORE, AFTER = 1.0, 2.0
#: Maximum number of spikes that are cut out for all units together; minimum and maximum number for each unit
SPIKES, LEAST, MOST = 6000, 20, 300
#: Maximum number of channels on which all spikes are cut out
CHANNELS = 32
#: Duration in which the noise is measured, s, and the length of the pieces in which it is measured, samples
SECONDS, PIECE = 20, 512
#: Size of a covariance from which a few of its components are found without the others; below, loading SciPy would take longer
MANY = 1000
#: A part of a template counts as a spike if it exceeds this share of the noise, and in any case this many µV
NEGLIGIBLE = 0.1


@dataclass(frozen=True)
class Snippets:
    """Spikes cut out of the traces.

    The peak channel of a unit is the channel on which its template is largest.

    Parameters
    ----------
    units : numpy.ndarray
        (n,), the row of the unit of each spike.
    times : numpy.ndarray
        (n,) s.
    own : numpy.ndarray
        (n, n_t) µV, each spike on the peak channel of its unit.
    waveforms : numpy.ndarray
        (n, n_t, n_kept) µV, all spikes on the same channels: the peak channels or, if there are many, some of them.
    time : numpy.ndarray
        (n_t,) ms, 0 at the spike.
    peak : numpy.ndarray
        (n_units,), the peak channel of each unit.
    """

    units: NDArray[np.intp]
    times: NDArray[np.float64]
    own: NDArray[np.float32]
    waveforms: NDArray[np.float32]
    time: NDArray[np.float64]
    peak: NDArray[np.intp]

    def of_unit(self, unit: int) -> NDArray[np.float32]:
        """Return the spikes (n, n_t) of a unit on its peak channel, µV."""
        return self.own[self.units == unit]

    @property
    def amplitudes(self) -> NDArray[np.float32]:
        """(n,) µV: the depth of each spike below zero on the peak channel of its unit, within half a millisecond."""
        near = np.abs(self.time) <= 0.5
        return -self.own[:, near].min(axis=1, initial=np.inf)


@dataclass(frozen=True)
class NoiseMeasure:
    """The noise between spikes.

    Parameters
    ----------
    frequency : numpy.ndarray
        (n,) Hz.
    density : numpy.ndarray
        (n, n_channels) µV²/Hz; NaN on channels without a pause between spikes.
    deviation : numpy.ndarray
        (n_channels,) µV, the standard deviation. It is estimated from the median of absolute values, which spikes hardly
        change.
    """

    frequency: NDArray[np.floating]
    density: NDArray[np.float64]
    deviation: NDArray[np.floating]


def evenly(values: NDArray[Scalar], n: int) -> NDArray[Scalar]:
    """Return up to `n` of the values, evenly spread over them; the first and the last are among them."""
    return values if len(values) <= n else values[np.linspace(0, len(values) - 1, n).astype(int)]


def peak_channels(templates: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return for each template (n_units, n_channels, n_t) the channel on which it is largest, peak to peak."""
    return np.ptp(templates, axis=2).argmax(axis=1) if len(templates) else np.zeros(0, dtype=int)


def cut_spikes(recording: Recording) -> Snippets:
    """Cut spikes of all units out of the traces, on the peak channels of the units.

    The spikes are spread evenly over the recording. Those too near its ends are left out.
    """
    rate, peak = recording.sampling_frequency, peak_channels(recording.filtered_templates)
    kept = evenly(np.unique(peak), CHANNELS)
    before, after = round(BEFORE * rate / 1000), round(AFTER * rate / 1000)
    each = int(np.clip(SPIKES // max(len(peak), 1), LEAST, MOST))
    chosen = [evenly(train, each) for train in recording.spike_trains]
    units = np.repeat(np.arange(len(chosen)), [len(train) for train in chosen])
    samples = np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
    inside = (samples >= before) & (samples + after < len(recording.traces))
    # Spikes are read in the order of time, because neighbours share chunks of the file.
    order = np.flatnonzero(inside)[np.argsort(samples[inside], kind="stable")]
    own = np.empty((len(order), before + after + 1), dtype=np.float32)
    waveforms = np.empty((*own.shape, len(kept)), dtype=np.float32)
    for row, (unit, sample) in enumerate(zip(units[order], samples[order], strict=True)):
        piece = recording.traces[sample - before : sample + after + 1]
        own[row], waveforms[row] = piece[:, peak[unit]], piece[:, kept]
    time = np.arange(-before, after + 1) * 1000 / rate
    return Snippets(units[order], samples[order] / rate, own, waveforms, time, peak)


def principal_components(snippets: Snippets, n: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the principal components of spikes on all their channels.

    They are those of the covariance of all spikes together, because a sorter does not know the units.

    Returns
    -------
    scores : numpy.ndarray
        (n_spikes, n), in standard deviations of the first component.
    share : numpy.ndarray
        (n,), the share of the variance that each component has.
    """
    n_spikes, *shape = snippets.waveforms.shape
    flat = snippets.waveforms.reshape(n_spikes, math.prod(shape)).astype(np.float64)
    scores, share = np.zeros((len(flat), n)), np.zeros(n)
    flat -= flat.mean(axis=0) if len(flat) else 0.0
    # The covariances of spikes and of samples have the same components; the smaller one is quicker.
    few = len(flat) < flat.shape[1]
    covariance = flat @ flat.T if few else flat.T @ flat
    found = min(n, len(covariance))
    if not covariance.any():
        return scores, share
    values, vectors = _largest_eigenvectors(covariance, found)
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), range(found)])
    scores[:, :found] = vectors * np.sqrt(values) if few else flat @ vectors
    share[:found] = values / np.trace(covariance)
    return scores / scores[:, 0].std(), share


def _largest_eigenvectors(matrix: NDArray[np.float64], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the `n` largest eigenvalues (n,) of a covariance, and their vectors as columns, the largest first."""
    if len(matrix) <= MANY:
        values, vectors = np.linalg.eigh(matrix)
    else:  # a few of many are found a hundred times faster alone, from a start that is the same every time
        import scipy

        values, vectors = scipy.sparse.linalg.eigsh(matrix, k=n, v0=np.diag(matrix))
    order = np.argsort(values)[::-1][:n]
    return np.clip(values[order], 0, None), vectors[:, order]


def measure_noise(recording: Recording, seconds: int = SECONDS) -> NoiseMeasure:
    """Measure the traces between spikes, in windows of one second that are spread over the recording.

    The spectrum follows Welch's method: it is the mean over pieces of 512 samples (Hann window). On each channel only pieces
    without a spike that is visible there are used.
    """
    rate, n = recording.sampling_frequency, len(recording.traces)
    length = min(max(int(rate), PIECE), n)
    starts = np.unique(np.linspace(0, n - length, min(seconds, max(1, n // length))).astype(int))
    piece = min(PIECE, length)
    n_channels = recording.traces.shape[1]
    frequency = np.fft.rfftfreq(piece, 1 / rate)
    total, count, deviation = np.zeros((len(frequency), n_channels)), np.zeros(n_channels, dtype=int), []
    for start in starts:
        window = np.asarray(recording.traces[start : start + length], dtype=np.float64)
        deviation.append(noise_deviations(window))
        density = _power_densities(window, piece, rate)
        free = ~_spikes_in_pieces(recording, start, piece, density.shape[2], deviation[-1])
        total += np.where(free, density, 0.0).sum(axis=2)
        count += free.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return NoiseMeasure(frequency, total / np.where(count, count, np.nan), np.median(deviation, axis=0))


def _power_densities(window: NDArray[np.float64], piece: int, rate: float) -> NDArray[np.float64]:
    """Return the power density (n_frequencies, n_channels, n_pieces) µV²/Hz of each piece of traces (n, n_channels) µV.

    It is that of `scipy.signal.spectrogram` without overlap, whose import takes longer than all else that is measured here.
    """
    n_pieces, hann = len(window) // piece, np.hanning(piece + 1)[:-1]
    pieces = window[: n_pieces * piece].reshape(n_pieces, piece, -1)
    density = np.abs(np.fft.rfft(pieces * hann[:, np.newaxis], axis=1)) ** 2 / (rate * (hann**2).sum())
    # All frequencies but zero and the highest of an even number of samples stand for the negative ones as well.
    density[:, 1 : (piece + 1) // 2] *= 2
    return density.transpose(1, 2, 0)


def _spikes_in_pieces(
    recording: Recording, start: int, piece: int, n_pieces: int, deviation: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Return (n_channels, n_pieces): whether a piece of the traces from `start` on holds a part of a spike."""
    templates, peak = recording.filtered_templates, recording.template_peak
    found = np.zeros((len(deviation), n_pieces), dtype=bool)
    stop = start + piece * n_pieces
    for template, train in zip(templates, recording.spike_trains, strict=True):
        visible = np.abs(template) > np.maximum(NEGLIGIBLE * deviation, NEGLIGIBLE)[:, np.newaxis]
        channels, samples = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
        if not len(samples):
            continue
        first, last = train - peak + samples[0], train - peak + samples[-1]
        near = (last >= start) & (first < stop)
        for a, b in zip(first[near], last[near], strict=True):
            found[channels, max(a - start, 0) // piece : min(b - start, stop - start - 1) // piece + 1] = True
    return found
