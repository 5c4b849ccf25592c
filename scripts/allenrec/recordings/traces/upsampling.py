"""Upsampling: templates are brought to the sampling rate of a recording, at all phases between its samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allenrec.common.parallel import map_in_order
from allenrec.waveforms.as_recorded import padded

from ..tick_grid import TickGrid, split_shift
from .low_rank import UpsampledTemplate, UpsampledTemplates, in_windows, low_rank, no_templates, stacked

if TYPE_CHECKING:
    from ..types import TemplateLibrary

#: Samples before a template, in which the interpolation rings, are set to zero if they hold at most this share of the template
SILENCE = 1e-5
#: Number of templates that are interpolated at once; the matrices of all phases are larger than the cache
TEMPLATES_AT_ONCE = 8


@dataclass(frozen=True)
class Upsampling:
    """The settings by which templates are brought to the grid of a recording.

    Attributes
    ----------
    peak : int
        Sample of the spike in the template.
    fs_in, fs_out : float
        Sampling rates of template and recording, Hz; any two.
    n_phases : int
        Ticks per sample of the recording.
    pad_len : (float, float)
        Time of zeros before and of fading after the template, ms.
    """

    peak: int
    fs_in: float
    fs_out: float
    n_phases: int
    pad_len: tuple[float, float]


def upsampling_for(library: TemplateLibrary, grid: TickGrid, pad_len: tuple[float, float]) -> Upsampling:
    """Return how the templates of a library are brought to a grid."""
    return Upsampling(library.peak_sample, 1000 / library.dt, grid.fs, grid.n_phases, pad_len)


def interpolation_matrix(n: int, peak: int, ratio: float, shift: float, peak_out: int, n_out: int) -> NDArray[np.float64]:
    """Return the matrix that resamples and shifts a waveform.

    The interpolation is trigonometric: it is exact for band-limited waveforms, and the identity at `ratio` 1 and `shift` 0.
    At a lower output rate, frequencies above its Nyquist limit are left out.

    Parameters
    ----------
    n, peak : int
        Samples of the input, and the sample of its spike.
    ratio : float
        Output rate over input rate.
    shift : float
        Time from `peak_out` to the spike, in output samples.
    peak_out, n_out : int
        The sample of the spike in the output at shift 0, and samples of the output.

    Returns
    -------
    numpy.ndarray
        (n_out, n).
    """
    if ratio == 1 and shift == 0:
        return np.eye(n)  # without rounding
    frequencies = np.arange(n // 2 + 1)
    if ratio == 1:  # whole samples apart, rows are one kernel shifted
        kernel = np.fft.irfft(np.exp(-2j * np.pi / n * shift * frequencies), n)
        rows = np.arange(n_out) + peak - peak_out
        matrix = kernel[(rows[:, np.newaxis] - np.arange(n)) % n]
        matrix[(rows < shift) | (rows > n - 1 + shift)] = 0.0
        return matrix
    amplitudes = np.full(len(frequencies), 2.0 / n)
    amplitudes[0] = 1.0 / n
    if n % 2 == 0:
        amplitudes[-1] = 1.0 / n
    if ratio < 1:
        amplitudes[frequencies > ratio * n / 2] = 0.0
    at = peak + (np.arange(n_out) - peak_out - shift) / ratio
    basis = amplitudes * np.exp(2j * np.pi / n * at[:, np.newaxis] * frequencies)
    # A trigonometric sum repeats with its period; outside of one period the waveform is zero.
    basis[(at < 0) | (at > n - 1)] = 0.0
    return (basis @ np.fft.rfft(np.eye(n), axis=0)).real


@lru_cache(maxsize=1)
def _interpolation_matrices(n: int, peak: int, ratio: float, n_phases: int, before: int) -> tuple[int, NDArray[np.float64]]:
    """Return the sample of the spike in the output, and the matrices (n_phases, n_out, n - before) of all phases.

    Columns for which the input is zero are left out.
    """
    peak_out = round(peak * ratio)
    n_out = peak_out + int((n - peak) * ratio)
    shifts = [split_shift(phase, n_phases) for phase in range(n_phases)]
    return peak_out, np.array([interpolation_matrix(n, peak, ratio, shift, peak_out, n_out)[:, before:] for shift in shifts])


def upsample_template(template: NDArray[Any], how: Upsampling) -> UpsampledTemplate:
    """Bring a template (n_channels, n_t) µV to the grid of a recording."""
    return _upsample([template], how)[0]


def upsample_templates(templates: Iterable[NDArray[Any]], how: Upsampling, threads: int = 1) -> UpsampledTemplates:
    """Bring templates (n_channels, n_t) µV, at least one, to the grid of a recording.

    If they come from a generator, only some of them are held at once.
    """
    remaining = iter(templates)
    in_groups: Iterable[list[NDArray[Any]]] = iter(lambda: list(islice(remaining, TEMPLATES_AT_ONCE)), [])
    groups = map_in_order(partial(_upsample, how=how), in_groups, threads)
    return stacked(list(chain.from_iterable(groups)))


def read_and_upsample(
    library: TemplateLibrary, rows: NDArray[np.int64], how: Upsampling, threads: int = 1
) -> tuple[NDArray[np.float32], UpsampledTemplates]:
    """Read templates without drift; they are upsampled while the next ones are read.

    Parameters
    ----------
    library : TemplateLibrary
    rows : numpy.ndarray
        (n,) rows of the library.
    how : Upsampling
    threads : int

    Returns
    -------
    templates : numpy.ndarray
        (n, n_channels, n_t) float32 µV, the templates of the library.
    upsampled : UpsampledTemplates
    """
    templates = np.empty((len(rows), *library.templates.shape[-2:]), dtype=np.float32)
    if not len(rows):
        return templates, no_templates(templates.shape[1], how.n_phases)

    def read() -> Iterator[NDArray[np.float32]]:
        for k, row in enumerate(rows):
            templates[k] = library.at_centre([row])[0]
            yield templates[k]

    return templates, upsample_templates(read(), how, threads)


def _upsample(templates: Sequence[NDArray[Any]], how: Upsampling) -> list[UpsampledTemplate]:
    """Upsample a few templates of one shape together."""
    before, after = (max(round(t * how.fs_in / 1000), 1) for t in how.pad_len)
    ratio, peak = how.fs_out / how.fs_in, how.peak + before
    temporal, spatial = zip(*map(low_rank, templates), strict=True)
    ends = np.cumsum([len(some) for some in spatial])
    together = padded(np.concatenate(temporal, axis=1).T, before, after).T
    peak_out, matrices = _interpolation_matrices(len(together), peak, ratio, how.n_phases, before)
    earliest = int(peak_out - how.peak * how.fs_out / how.fs_in)
    upsampled = np.split(matrices @ together[before:], ends[:-1], axis=2)
    return [_finished(*parts, peak_out, earliest) for parts in zip(upsampled, spatial, strict=True)]


def _finished(temporal: NDArray[np.float64], spatial: NDArray[np.float64], peak: int, earliest: int) -> UpsampledTemplate:
    """Return a template from temporal (n_phases, n_t, rank) and orthonormal spatial components (rank, n_channels).

    Its interpolation rings before the sample `earliest`.
    """
    silent = min(_n_silent(temporal), earliest)
    temporal[:, :silent] = 0
    return UpsampledTemplate(*in_windows(temporal, spatial), peak, silent)


def _n_silent(temporal: NDArray[np.float64]) -> int:
    """Return how many samples at the beginning of a template hold no more than `SILENCE` allows."""
    powers = np.einsum("ptr,ptr->pt", temporal, temporal).max(axis=0)
    until = np.cumsum(powers)
    return int(np.sum(until <= SILENCE**2 * until[-1]))
