"""Placement: templates brought to the sampling rate of a recording and added to it at times between its samples.

A template on hundreds of contacts is the sum of a dozen courses in time, each with a weight a contact, to the rounding of
float32. So a spike is a product of two small matrices: all phases of all units stay in the cache of the processor, where as
waveforms they would fill gigabytes and have to be fetched from there for every spike. The slow end of a spike needs fewer
courses than its trough, so that time is cut into windows, each with courses of its own.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, pairwise
from typing import NamedTuple

import numba
import numpy as np

from allenrec.common.parallel import in_order
from allenrec.common.random_streams import generator

#: What courses leave of a template, as a share of its largest singular value
LEFT_OUT = 1e-6
#: Random directions in which courses are looked for: more than a template has of them, as a rule
DIRECTIONS = 32
#: Samples before a template, in which interpolation rings, are silent if all together hold no more than this share of it
SILENCE = 1e-5
#: Windows of equal length, each with courses of its own
WINDOWS = 6
#: Courses that are added at once; templates of fewer have silent ones
COURSES_AT_ONCE = 4
#: Templates that are interpolated at once: the matrices of all phases are larger than the cache
PLACED_AT_ONCE = 8


@dataclass(frozen=True)
class PlacedTemplate:
    """A template at all phases: `waveforms_of(courses, weights)`.

    `courses` (n_phases, n_t, rank) float32 µV; `weights` (n_windows, rank, n_channels) float32, of which each window has the
    first `ranks` (n_windows,); phase k holds the spike `split_shift(k, n_phases)` samples after the sample `peak`. The first
    `silent` samples are zero.
    """

    courses: np.ndarray
    weights: np.ndarray
    ranks: np.ndarray
    peak: int
    silent: int


class PlacedTemplates(NamedTuple):
    """Several of them in one array each: `courses` (n, n_phases, n_t, rank), `weights` (n, n_windows, rank, n_channels),
    `ranks` (n, n_windows), `silent` (n,), and the `peak` that they share."""

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
        """For each template the courses (n_t, rank) with the spike exactly at `peak`, and the weights."""
        return list(zip(self.courses[:, self.courses.shape[1] // 2], self.weights, strict=True))


def waveforms_of(courses, weights):
    """Return the waveforms (..., n_t, n_channels) that courses (..., n_t, rank) and weights (n_windows, rank, n_channels) of a
    template stand for."""
    edges = pairwise(_edges(courses.shape[-2], len(weights)))
    parts = [courses[..., begin:end, :] @ of_window for (begin, end), of_window in zip(edges, weights, strict=True)]
    return np.concatenate(parts, axis=-2)


def filtered_waveforms(courses, weights, bandpass):
    """Return the waveforms of a template as a filter leaves them, in the same window: its few courses are filtered."""
    edges = _edges(len(courses), len(weights))
    apart = np.zeros((len(courses), weights.shape[0], weights.shape[1]), dtype=courses.dtype)
    for window, (begin, end) in enumerate(pairwise(edges)):
        apart[begin:end, window] = courses[begin:end]
    return bandpass.window(apart.reshape(len(courses), -1)) @ weights.reshape(-1, weights.shape[2])


def _edges(n_t, n_windows):
    return [window * n_t // n_windows for window in range(n_windows + 1)]


def stacked(templates):
    """Return the `PlacedTemplates` of at least one `PlacedTemplate`."""
    ranks = np.array([template.ranks for template in templates])
    (n_phases, n_t, _), (n_windows, _, n_channels) = templates[0].courses.shape, templates[0].weights.shape
    courses = np.zeros((len(templates), n_phases, n_t, ranks.max()), dtype=np.float32)
    weights = np.zeros((len(templates), n_windows, ranks.max(), n_channels), dtype=np.float32)
    for k, template in enumerate(templates):
        rank = template.ranks.max()
        courses[k, ..., :rank], weights[k, :, :rank] = template.courses, template.weights
    silent = np.array([template.silent for template in templates])
    return PlacedTemplates(courses, weights, ranks, silent, templates[0].peak)


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
def _interpolation_matrices(n, peak, ratio, n_phases, before):
    """The sample of the spike in the output, and the matrices (n_phases, n_out, n - before) of all phases, without the columns
    for which the input is zero."""
    peak_out = round(peak * ratio)
    n_out = peak_out + int((n - peak) * ratio)
    shifts = [split_shift(phase, n_phases) for phase in range(n_phases)]
    return peak_out, np.array([interpolation_matrix(n, peak, ratio, shift, peak_out, n_out)[:, before:] for shift in shifts])


def few_courses(template):
    """Write a template (n_channels, n_t) as courses (n_t, rank) in time, each with weights (rank, n_channels).

    By its singular vectors, of which `courses @ weights` leaves out at most `LEFT_OUT` times the largest singular value, all
    values together (root of the sum of squares). They are looked for in the space of its products with a few random
    directions (Halko, Martinsson and Tropp 2011, SIAM Rev 53:217), and where that leaves more, in the space of all channels.
    The weights are orthonormal.
    """
    template = np.asarray(template, dtype=float)
    n_channels, n_t = template.shape
    if n_channels > DIRECTIONS:
        basis = np.linalg.qr(template @ _directions(n_t))[0]
        found = _singular_vectors(template, basis)
        if found:
            return found
    return _singular_vectors(template, np.eye(n_channels))


def _singular_vectors(template, basis):
    """Courses and weights within the space of a basis (n_channels, n), or None where that is not enough."""
    courses = template.T @ basis
    powers, vectors = np.linalg.eigh(courses.T @ courses)
    bound = LEFT_OUT**2 * powers[-1]
    outside = max(np.vdot(template, template) - powers.sum(), 0) if basis.shape[0] > basis.shape[1] else 0
    if outside > bound:
        return None
    vectors = vectors[:, outside + np.cumsum(powers.clip(0)) >= bound]
    return courses @ vectors, (basis @ vectors).T


@lru_cache(maxsize=2)
def _directions(n_t):
    return generator(0, "directions").standard_normal((n_t, DIRECTIONS))


def _in_windows(courses, weights):
    """Courses (n_phases, n_t, rank) with orthonormal weights (rank, n_channels) as a template's: courses (n_phases, n_t, rank)
    and weights (n_windows, rank, n_channels), float32, and ranks (n_windows,).

    In each window they are the singular vectors of that part of the template, of all phases; the windows together leave out no
    more than `LEFT_OUT` allows.
    """
    n_phases, n_t, rank = courses.shape
    windows = list(pairwise(_edges(n_t, WINDOWS)))
    parts = [courses[:, begin:end].reshape(-1, rank) for begin, end in windows]
    products = np.array([part.T @ part for part in parts])
    bound = LEFT_OUT**2 / WINDOWS * np.linalg.eigvalsh(products.sum(axis=0)).max(initial=0)
    powers, vectors = np.linalg.eigh(products)
    needed = np.cumsum(powers.clip(0), axis=1) > bound
    ranks = needed.sum(axis=1)
    ranks += -ranks % COURSES_AT_ONCE
    # Largest first, and silent ones for what is not needed
    vectors = np.where(needed[:, np.newaxis], vectors, 0)[..., ::-1]
    vectors = np.pad(vectors, ((0, 0), (0, 0), (0, COURSES_AT_ONCE)))[..., : ranks.max()]
    found = np.empty((n_phases, n_t, ranks.max()), dtype=np.float32)
    for (begin, end), part, mixture in zip(windows, parts, vectors, strict=True):
        found[:, begin:end] = (part @ mixture).reshape(n_phases, end - begin, -1)
    return found, np.float32(vectors.swapaxes(1, 2) @ weights), ranks


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
    return _place([template], peak, fs_in, fs_out, n_phases, pad_len)[0]


def _place(templates, peak, fs_in, fs_out, n_phases, pad_len):
    """A few templates, each as `place_template` does it."""
    before, after = (max(round(t * fs_in / 1000), 1) for t in pad_len)
    courses, weights = zip(*map(few_courses, templates), strict=True)
    ends = np.cumsum([len(some) for some in weights])
    together = padded(np.concatenate(courses, axis=1).T, before, after).T
    peak_out, matrices = _interpolation_matrices(len(together), peak + before, fs_out / fs_in, n_phases, before)
    earliest = int(peak_out - peak * fs_out / fs_in)
    placed = np.split(matrices @ together[before:], ends[:-1], axis=2)
    return [_placed(*parts, peak_out, earliest) for parts in zip(placed, weights, strict=True)]


def _placed(courses, weights, peak, earliest):
    """The template of courses (n_phases, n_t, rank) and orthonormal weights (rank, n_channels), which rings before the sample
    `earliest`."""
    silent = min(_quiet_samples(courses), earliest)
    courses[:, :silent] = 0
    courses, weights, ranks = _in_windows(courses, weights)
    return PlacedTemplate(courses, weights, ranks, peak, silent)


def _quiet_samples(courses):
    """How many samples at the beginning of courses (n_phases, n_t, rank), whose weights are orthonormal, hold no more than
    `SILENCE` allows."""
    powers = np.einsum("ptr,ptr->pt", courses, courses).max(axis=0)
    until = np.cumsum(powers)
    return int(np.sum(until <= SILENCE**2 * until[-1]))


def place_templates(templates, peak, fs_in, fs_out, *, n_phases, pad_len, threads=1):
    """As `place_template`, for an iterable of at least one template (n_channels, n_t) µV; returns `PlacedTemplates`.

    Of a generator only some templates are held at once.
    """

    def place(some):
        return _place(some, peak, fs_in, fs_out, n_phases, pad_len)

    templates = iter(templates)
    in_groups = iter(lambda: list(islice(templates, PLACED_AT_ONCE)), [])
    return stacked(list(chain.from_iterable(in_order(place, in_groups, threads))))


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
    peak, n_windows = templates.peak, templates.weights.shape[1]
    scaled = np.empty((n_windows, largest, n_channels), dtype=np.float32)
    gain = np.empty(n_channels, dtype=np.float32)
    for spike in range(len(samples)):
        stretch, template = stretches[spike], which[spike]
        at = samples[spike] - start + (phases[spike] - n_phases // 2) / n_phases
        first, last = samples[spike] - start - peak, samples[spike] - start - peak + n_t - 1
        if stretch != 1:
            first, last = int(np.ceil(at - peak * stretch)), int(np.floor(at + (n_t - 1 - peak) * stretch))
        if last < 0 or first >= n:
            continue
        gain[:] = gains[spike]
        courses, weights, ranks = templates.courses[template], templates.weights[template], templates.ranks[template]
        for window in range(n_windows):
            for r in range(ranks[window]):
                for channel in range(n_channels):
                    scaled[window, r, channel] = gain[channel] * weights[window, r, channel]
        if stretch == 1:
            _add_placed(traces, first, courses[phases[spike]], scaled, ranks, templates.silent[template])
        else:
            _add_stretched(traces[max(0, first) : last + 1], at - max(0, first), stretch, courses, scaled, ranks, peak)


@numba.njit(cache=True, nogil=True)
def _add_placed(traces, first, course, scaled, ranks, silent):
    """Add a spike whose courses (n_t, rank) begin at row `first`."""
    n_windows, n_t = len(ranks), len(course)
    for window in range(n_windows):
        begin, end = window * n_t // n_windows, (window + 1) * n_t // n_windows
        low, high = max(0, first + max(begin, silent)), min(len(traces), first + end)
        rank = ranks[window]
        for k in range(low, high - 1, 2):
            _add_rows(traces[k : k + 2], course[k - first : k - first + 2, :rank], scaled[window])
        if low < high and (high - low) % 2:
            _add_row(traces[high - 1], course[high - 1 - first, :rank], scaled[window])


@numba.njit(cache=True, nogil=True)
def _add_stretched(traces, at, stretch, courses, scaled, ranks, peak):
    """Add a spike that is slower than its courses (n_phases, n_t, rank), whose peak is at `at` rows.

    The phases together are the courses at `n_phases` points a sample, and between these waveforms are straight lines.
    """
    n_phases, n_t, rank = courses.shape
    n_windows = len(ranks)
    before, after = np.empty(rank, dtype=np.float32), np.empty(rank, dtype=np.float32)
    for k in range(len(traces)):
        point = (k - at) / stretch * n_phases
        # Sample j of phase p is the point (j - peak) * n_phases - (p - n_phases // 2).
        left = n_phases // 2 - int(np.floor(point))
        j, next_j = peak - left // n_phases, peak - (left - 1) // n_phases
        if j < 0 or next_j >= n_t:
            continue
        share = np.float32(point - np.floor(point))
        before[:] = (np.float32(1) - share) * courses[left % n_phases, j]
        after[:] = share * courses[(left - 1) % n_phases, next_j]
        window, next_window = ((j + 1) * n_windows - 1) // n_t, ((next_j + 1) * n_windows - 1) // n_t
        if window == next_window:
            before += after
        else:
            _add_row(traces[k], after[: ranks[next_window]], scaled[next_window])
        _add_row(traces[k], before[: ranks[window]], scaled[window])


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
