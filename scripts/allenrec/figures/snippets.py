"""What the traces of a recording look like around its spikes and between them; what figures of spikes and noise show."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.signal import spectrogram

#: How much of a spike is cut out, ms before and after its time
BEFORE, AFTER = 1.0, 2.0
#: At most how many spikes of all units together are cut out, and of each unit at least and at most
SPIKES, LEAST, MOST = 6000, 20, 300
#: On how many channels, the loudest of the units, spikes are cut out
CHANNELS = 32
#: Of how many seconds the noise is measured, and in pieces of how many samples
SECONDS, PIECE = 20, 512
#: Where a template is smaller than this share of the noise, it does not count as a spike, and in µV where there is none
UNHEARD = 0.1


@dataclass(frozen=True)
class Snippets:
    """Spikes cut out of the traces.

    `units` (n,), the row of each spike's unit; `times` (n,) s; `waveforms` (n, n_t, n_kept) µV on the channels `channels`
    (n_kept,); `time` (n_t,) ms, 0 at the spike; `loudest` (n_units,), of each unit which of the kept channels is its loudest.
    """

    units: np.ndarray
    times: np.ndarray
    waveforms: np.ndarray
    channels: np.ndarray
    time: np.ndarray
    loudest: np.ndarray

    def of_unit(self, unit):
        """Return the spikes (n, n_t) of a unit on its loudest channel, µV."""
        return self.waveforms[self.units == unit, :, self.loudest[unit]]

    @property
    def amplitudes(self):
        """(n,) µV: how far each spike goes below zero on its unit's loudest channel, within half a millisecond."""
        near = np.abs(self.time) <= 0.5
        own = self.waveforms[np.arange(len(self.units)), :, self.loudest[self.units]]
        return -own[:, near].min(axis=1, initial=np.inf)


@dataclass(frozen=True)
class NoiseMeasure:
    """What is between the spikes: `frequency` (n,) Hz and `density` (n, n_channels) µV²/Hz, NaN on channels without a pause;
    `deviation` (n_channels,) µV, from the median of absolute values, which spikes hardly change."""

    frequency: np.ndarray
    density: np.ndarray
    deviation: np.ndarray


def evenly(train, n):
    """Return up to `n` of the spikes of a train, evenly spread over it, the first and the last among them."""
    train = np.asarray(train)
    return train if len(train) <= n else train[np.linspace(0, len(train) - 1, n).astype(int)]


def loudest_channels(templates):
    """Return for each template (n_units, n_channels, n_t) the channel on which it is largest, peak to peak."""
    return np.ptp(templates, axis=2).argmax(axis=1) if len(templates) else np.zeros(0, dtype=int)


def cut_spikes(recording):
    """Cut spikes of all units out of the traces, on the loudest channels of the units.

    Spikes are spread evenly over the recording; those too near its ends are left out.
    """
    rate, loudest = recording.sampling_frequency, loudest_channels(recording.filtered_templates)
    channels, places = np.unique(loudest, return_inverse=True)
    if len(channels) > CHANNELS:
        channels = evenly(channels, CHANNELS)
        places = np.abs(channels[np.newaxis] - loudest[:, np.newaxis]).argmin(axis=1)
    before, after = round(BEFORE * rate / 1000), round(AFTER * rate / 1000)
    each = int(np.clip(SPIKES // max(len(loudest), 1), LEAST, MOST))
    chosen = [evenly(train, each) for train in recording.spike_trains]
    units = np.repeat(np.arange(len(chosen)), [len(train) for train in chosen])
    samples = np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
    inside = (samples >= before) & (samples + after < len(recording.traces))
    # In the order of time: neighbours share what is read from the file
    order = np.flatnonzero(inside)[np.argsort(samples[inside], kind="stable")]
    waveforms = np.empty((len(order), before + after + 1, len(channels)), dtype=np.float32)
    for row, sample in enumerate(samples[order]):
        waveforms[row] = recording.traces[sample - before : sample + after + 1][:, channels]
    time = np.arange(-before, after + 1) * 1000 / rate
    return Snippets(units[order], samples[order] / rate, waveforms, channels, time, places.reshape(-1))


def principal_components(snippets, n=3):
    """Return the first `n` principal components (n_spikes, n) of spikes on all their channels, in standard deviations of the
    first, and the share of the variance (n,) that each has.

    The components are those of the covariance of all spikes together, as a sorter sees them that does not know the units.
    """
    flat = snippets.waveforms.reshape(len(snippets.waveforms), -1).astype(np.float64)
    scores, share = np.zeros((len(flat), n)), np.zeros(n)
    flat -= flat.mean(axis=0) if len(flat) else 0.0
    # Of spikes and of samples, the smaller covariance: both have the same components
    few = len(flat) < flat.shape[1]
    covariance = flat @ flat.T if few else flat.T @ flat
    found = min(n, len(covariance))
    if not covariance.any():
        return scores, share
    values, vectors = eigh(covariance, subset_by_index=[len(covariance) - found, len(covariance) - 1])
    values, vectors = np.clip(values[::-1], 0, None), vectors[:, ::-1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), range(found)])
    scores[:, :found] = vectors * np.sqrt(values) if few else flat @ vectors
    share[:found] = values / np.trace(covariance)
    return scores / scores[:, 0].std(), share


def measure_noise(recording, seconds=SECONDS):
    """Measure the traces between spikes, in windows of a second that are spread over the recording.

    The spectrum is Welch's: the mean over pieces of 512 samples (Hann window), of those that hold no spike of a unit that can
    be heard on the channel.

    Returns
    -------
    NoiseMeasure
    """
    rate, n = recording.sampling_frequency, len(recording.traces)
    length = min(max(int(rate), PIECE), n)
    starts = np.unique(np.linspace(0, n - length, min(seconds, max(1, n // length))).astype(int))
    piece = min(PIECE, length)
    total, count, deviation, frequency = 0.0, 0, [], None
    for start in starts:
        window = np.asarray(recording.traces[start : start + length], dtype=np.float64)
        deviation.append(1.4826 * np.median(np.abs(window), axis=0))
        settings = {"nperseg": piece, "noverlap": 0, "detrend": False, "axis": 0}
        frequency, _, density = spectrogram(window, rate, window="hann", **settings)
        silent = ~_heard(recording, start, piece, density.shape[2], deviation[-1])
        total = total + np.where(silent, density, 0.0).sum(axis=2)
        count = count + silent.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return NoiseMeasure(frequency, total / np.where(count, count, np.nan), np.median(deviation, axis=0))


def _heard(recording, start, piece, n_pieces, deviation):
    """Return (n_channels, n_pieces): whether a piece of the traces from `start` on holds a part of a spike."""
    templates, peak = recording.filtered_templates, recording.template_peak
    heard = np.zeros((len(deviation), n_pieces), dtype=bool)
    stop = start + piece * n_pieces
    for template, train in zip(templates, recording.spike_trains, strict=True):
        loud = np.abs(template) > np.maximum(UNHEARD * deviation, UNHEARD)[:, np.newaxis]
        channels, loud = np.flatnonzero(loud.any(axis=1)), np.flatnonzero(loud.any(axis=0))
        if not len(loud):
            continue
        first, last = train - peak + loud[0], train - peak + loud[-1]
        near = (last >= start) & (first < stop)
        for a, b in zip(first[near], last[near], strict=True):
            heard[channels, max(a - start, 0) // piece : min(b - start, stop - start - 1) // piece + 1] = True
    return heard
