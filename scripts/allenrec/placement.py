"""Placement: templates brought to the sampling rate of a recording and added to it at times between its samples.

A template on hundreds of contacts is the sum of a dozen courses in time, each with a weight a contact, to the rounding of
float32. So a spike is a product of two small matrices: all phases of all units stay in the cache of the processor, where as
waveforms they would fill gigabytes and have to be fetched from there for every spike.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numba
import numpy as np

#: What courses leave of a template, as a share of its largest singular value
LEFT_OUT = 1e-6
#: Samples before a template, in which interpolation rings, are silent if all together hold no more than this share of it
SILENCE = 1e-5
#: Courses that are added at once; templates of fewer have silent ones
COURSES_AT_ONCE = 4
#: Templates that are placed at once
TEMPLATES_AT_ONCE = 64


@dataclass(frozen=True)
class PlacedTemplate:
    """A template at all phases: at phase k, `courses[k] @ weights`.

    `courses` (n_phases, n_t, rank) float32 µV; `weights` (rank, n_channels) float32; phase k holds the spike `split_shift(k,
    n_phases)` samples after the sample `peak`. The first `silent` samples are zero.
    """

    courses: np.ndarray
    weights: np.ndarray
    peak: int
    silent: int


class PlacedTemplates(NamedTuple):
    """Several of them in one array each: `courses` (n, n_phases, n_t, rank), `weights` (n, rank, n_channels), of which each has
    the first `ranks` (n,); `silent` (n,), and the `peak` that they share."""

    courses: np.ndarray
    weights: np.ndarray
    ranks: np.ndarray
    silent: np.ndarray
    peak: int

    def on(self, channels):
        """The same templates on some channels."""
        return self._replace(weights=np.ascontiguousarray(self.weights[..., channels]))

    @property
    def at_sample(self):
        """(n, n_t, n_channels) float32 µV: with the spike exactly at `peak`."""
        return self.courses[:, self.courses.shape[1] // 2] @ self.weights


def stacked(templates):
    """Return the `PlacedTemplates` of at least one `PlacedTemplate`."""
    ranks = np.array([len(template.weights) for template in templates])
    missing = ranks.max() - ranks
    courses = [np.pad(one.courses, ((0, 0), (0, 0), (0, n))) for one, n in zip(templates, missing, strict=True)]
    weights = [np.pad(one.weights, ((0, n), (0, 0))) for one, n in zip(templates, missing, strict=True)]
    silent = np.array([template.silent for template in templates])
    return PlacedTemplates(np.array(courses), np.array(weights), ranks, silent, templates[0].peak)


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


def interpolation_matrix(n, peak, ratio, shift, peak_out, n_out):
    """Return the matrix (n_out, n) that turns a waveform of `n` samples into the waveform resampled and shifted.

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
    if ratio == 1 and shift == 0:
        return np.eye(n)  # without rounding
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
    return (basis @ np.fft.rfft(np.eye(n), axis=0)).real


@lru_cache(maxsize=1)
def _interpolation_matrices(n, peak, ratio, n_phases):
    """The sample of the spike in the output, and the matrices (n_phases, n_out, n) of all phases."""
    peak_out = round(peak * ratio)
    n_out = peak_out + int((n - peak) * ratio)
    shifts = [split_shift(phase, n_phases) for phase in range(n_phases)]
    return peak_out, np.array([interpolation_matrix(n, peak, ratio, shift, peak_out, n_out) for shift in shifts])


def few_courses(template):
    """Write a template (n_channels, n_t) as courses (n_t, rank) in time, each with weights (rank, n_channels).

    By its singular vectors, from the eigenvectors of the smaller of its two products with itself; `courses @ weights` differs
    from it by at most `LEFT_OUT` times its largest singular value, all values together (root of the sum of squares).
    """
    template = np.asarray(template, dtype=float)
    transposed = template if len(template) < template.shape[1] else template.T
    powers, vectors = np.linalg.eigh(transposed @ transposed.T)
    left = np.cumsum(np.maximum(powers, 0))
    vectors = vectors[:, left > LEFT_OUT**2 * left[-1]]
    silent = -vectors.shape[1] % COURSES_AT_ONCE
    vectors = np.pad(vectors, ((0, 0), (0, silent)))
    if transposed is template:
        return template.T @ vectors, vectors.T
    return vectors, vectors.T @ template.T


def place_template(template, peak, fs_in, fs_out, *, n_phases, pad_len):
    """Prepare a template for `add_spikes`.

    Parameters
    ----------
    template : numpy.ndarray
        (n_channels, n_t) µV at `fs_in`.
    peak : int
        Sample of the spike.
    fs_in, fs_out : float
        Hz; any two.
    n_phases : int
        Grid points a sample.
    pad_len : (float, float)
        ms of zeros before and of fading after the template.

    Returns
    -------
    PlacedTemplate
    """
    before, after = (max(round(t * fs_in / 1000), 1) for t in pad_len)
    courses, weights = few_courses(template)
    courses = padded(courses.T, before, after).T
    peak_out, matrices = _interpolation_matrices(len(courses), peak + before, fs_out / fs_in, n_phases)
    courses = np.float32(matrices @ courses)
    silent = min(_quiet_samples(courses, weights), int(peak_out - peak * fs_out / fs_in))
    courses[:, :silent] = 0
    return PlacedTemplate(courses, np.float32(weights), peak_out, silent)


def _quiet_samples(courses, weights):
    """How many samples at the beginning of courses (n_phases, n_t, rank) times weights (rank, n_channels) hold no more than
    `SILENCE` allows."""
    powers = np.einsum("ptr,rs,pts->pt", courses, weights @ weights.T, courses, optimize=True).clip(0).max(axis=0)
    until = np.cumsum(powers)
    return int(np.sum(until <= SILENCE**2 * until[-1]))


def place_templates(templates, peak, fs_in, fs_out, *, n_phases, pad_len, threads=1):
    """As `place_template`, for an iterable of at least one template (n_channels, n_t) µV; returns `PlacedTemplates`.

    Of a generator only some templates are held at once.
    """

    def place(template):
        return place_template(template, peak, fs_in, fs_out, n_phases=n_phases, pad_len=pad_len)

    placed, waiting = [], iter(templates)
    with ThreadPoolExecutor(threads) as pool:
        while some := list(islice(waiting, TEMPLATES_AT_ONCE)):
            placed += pool.map(place, some)
    return stacked(placed)


@numba.njit(cache=True, nogil=True)
def add_spikes(traces, start, samples, phases, gains, stretches, which, templates):
    """Add spikes to a piece of the recording, in place; fastest in the order of time, for what is near stays in the cache.

    Parameters
    ----------
    traces : numpy.ndarray
        (n, n_channels) float32 µV; its first row is sample `start` of the recording.
    start : int
    samples, phases : numpy.ndarray
        (n_spikes,) as `split_ticks` gives them.
    gains : numpy.ndarray
        (n_spikes, n_channels) or (n_spikes, 1) float32.
    stretches : numpy.ndarray
        (n_spikes,): by what factor a spike is slower than its template, about its peak.
    which : numpy.ndarray
        (n_spikes,) of which template each is.
    templates : PlacedTemplates
    """
    n, n_channels = traces.shape
    _, n_phases, n_t, largest = templates.courses.shape
    peak = templates.peak
    scaled, between = np.empty((largest, n_channels), dtype=np.float32), np.zeros(largest, dtype=np.float32)
    gain = np.empty(n_channels, dtype=np.float32)
    for spike in range(len(samples)):
        stretch = stretches[spike]
        at = samples[spike] - start + (phases[spike] - n_phases // 2) / n_phases
        first, last = samples[spike] - start - peak, samples[spike] - start - peak + n_t - 1
        if stretch != 1:
            first, last = int(np.ceil(at - peak * stretch)), int(np.floor(at + (n_t - 1 - peak) * stretch))
        if last < 0 or first >= n:
            continue
        gain[:] = gains[spike]
        courses, weights, rank = templates.courses[which[spike]], templates.weights[which[spike]], templates.ranks[which[spike]]
        for r in range(rank):
            for channel in range(n_channels):
                scaled[r, channel] = gain[channel] * weights[r, channel]
        low, high = max(0, first), min(n, last + 1)
        if stretch != 1:
            for k in range(low, high):
                _read_between(courses, peak, (k - at) / stretch, between)
                _add_row(traces[k], between[:rank], scaled)
            continue
        course = courses[phases[spike]]
        low = max(low, first + templates.silent[which[spike]])
        for k in range(low, high - 1, 2):
            _add_rows(traces[k : k + 2], course[k - first : k - first + 2, :rank], scaled)
        if low < high and (high - low) % 2:
            _add_row(traces[high - 1], course[high - 1 - first, :rank], scaled)


@numba.njit(cache=True, nogil=True)
def _add_rows(rows, courses, scaled):
    """Add the courses at two times (2, rank), times weights (rank, n_channels), to two rows (2, n_channels).

    Two, so that a weight that is loaded is used twice; sums of a row are the same as if it were alone.
    """
    one, two = rows[0], rows[1]
    for r in range(0, courses.shape[1], COURSES_AT_ONCE):
        a0, a1, a2, a3 = courses[0, r], courses[0, r + 1], courses[0, r + 2], courses[0, r + 3]
        b0, b1, b2, b3 = courses[1, r], courses[1, r + 1], courses[1, r + 2], courses[1, r + 3]
        w0, w1, w2, w3 = scaled[r], scaled[r + 1], scaled[r + 2], scaled[r + 3]
        for channel in range(rows.shape[1]):
            v0, v1, v2, v3 = w0[channel], w1[channel], w2[channel], w3[channel]
            one[channel] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
            two[channel] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)


@numba.njit(cache=True, nogil=True)
def _add_row(row, course, scaled):
    """Add the courses at one time (rank,), times weights (rank, n_channels), to a row (n_channels,)."""
    for r in range(0, len(course), COURSES_AT_ONCE):
        c0, c1, c2, c3 = course[r], course[r + 1], course[r + 2], course[r + 3]
        w0, w1, w2, w3 = scaled[r], scaled[r + 1], scaled[r + 2], scaled[r + 3]
        for channel in range(len(row)):
            row[channel] += (c0 * w0[channel] + c1 * w1[channel]) + (c2 * w2[channel] + c3 * w3[channel])


@numba.njit(cache=True, nogil=True)
def _read_between(courses, peak, time, out):
    """Courses (rank,) at a time in samples from the peak, into `out`; zero outside.

    The phases together are the courses at `n_phases` points a sample, and between these they are a straight line.
    """
    n_phases, n_t, rank = courses.shape
    point = time * n_phases
    # Sample j of phase p is the point (j - peak) * n_phases - (p - n_phases // 2).
    left = n_phases // 2 - int(np.floor(point))
    j, later = peak - left // n_phases, peak - (left - 1) // n_phases
    out[:] = 0
    if j < 0 or later >= n_t:
        return
    share = np.float32(point - np.floor(point))
    for r in range(rank):
        before, after = courses[left % n_phases, j, r], courses[(left - 1) % n_phases, later, r]
        out[r] = before + share * (after - before)
