"""Low-rank templates: a few temporal components, each with a spatial component, at all phases between two samples.

About a dozen components describe a template on hundreds of contacts to the rounding of float32. So a spike is a product of two
small matrices, and the templates of all units at all phases stay in the cache of the processor. As waveforms they would fill
gigabytes, and each spike would have to be fetched from memory. The slow end of a spike needs fewer components than its trough;
therefore time is cut into windows, each with its own components.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allenrec.common.parallel import map_in_order
from allenrec.common.random_streams import generator

if TYPE_CHECKING:
    from allenrec.waveforms.filters import Filter

#: Largest error of the components of a template, as a share of its largest singular value
LEFT_OUT = 1e-6
#: Number of random directions in which components are searched for; a template rarely has more components
DIRECTIONS = 32
#: Number of windows of equal length, each with its own components
WINDOWS = 6
#: Number of components that are added to the traces at once; the rank of a window is filled up to a multiple of it with zeros
COMPONENTS_AT_ONCE = 4


@dataclass(frozen=True)
class UpsampledTemplate:
    """A template at all phases; its waveforms are `waveforms_of(temporal, spatial)`.

    Attributes
    ----------
    temporal : numpy.ndarray
        (n_phases, n_t, rank) float32 µV, temporal components. In phase k the spike lies `split_shift(k, n_phases)` samples
        after the sample `peak`.
    spatial : numpy.ndarray
        (n_windows, rank, n_channels) float32, spatial components.
    ranks : numpy.ndarray
        (n_windows,) number of components that each window uses; they are the first ones.
    peak : int
        Sample of the spike.
    silent : int
        Number of samples at the beginning that are zero.
    """

    temporal: NDArray[np.float32]
    spatial: NDArray[np.float32]
    ranks: NDArray[np.int64]
    peak: int
    silent: int


class UpsampledTemplates(NamedTuple):
    """The attributes of several `UpsampledTemplate`, joined in arrays for compiled functions.

    `temporal` (n, n_phases, n_t, rank) float32 µV; `spatial` (n, n_windows, rank, n_channels) float32; `ranks` (n, n_windows);
    `silent` (n,); and the sample `peak` that they share.
    """

    temporal: NDArray[np.float32]
    spatial: NDArray[np.float32]
    ranks: NDArray[np.int64]
    silent: NDArray[np.int64]
    peak: int

    @property
    def n_t(self) -> int:
        """Number of samples of a template."""
        return self.temporal.shape[2]

    def on(self, channels: Sequence[int]) -> UpsampledTemplates:
        """Return the same templates on some channels."""
        return self._replace(spatial=np.ascontiguousarray(self.spatial[..., channels]))

    def scaled(self, factor: NDArray[np.float64]) -> UpsampledTemplates:
        """Return the templates multiplied by a factor per channel, (n_channels,)."""
        return self._replace(spatial=self.spatial * factor.astype(np.float32))

    def at_sample(self, template: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the temporal components (n_t, rank) of a template with the spike exactly at `peak`, and the spatial ones."""
        return self.temporal[template, self.temporal.shape[1] // 2], self.spatial[template]

    def waveforms(self, threads: int = 1, bandpass: Filter | None = None) -> NDArray[np.float32]:
        """Return the waveforms of all templates with the spike exactly at `peak`, filtered if there is a `bandpass`.

        Returns
        -------
        numpy.ndarray
            (n, n_channels, n_t) float32 µV.
        """
        compute = partial(filtered_waveforms, bandpass=bandpass) if bandpass else waveforms_of
        waveforms = np.empty((len(self.temporal), self.spatial.shape[-1], self.n_t), dtype=np.float32)

        def fill(template: int) -> None:
            waveforms[template] = compute(*self.at_sample(template)).T

        deque(map_in_order(fill, range(len(waveforms)), threads), maxlen=0)
        return waveforms


def no_templates(n_channels: int, n_phases: int) -> UpsampledTemplates:
    """Return `UpsampledTemplates` without any template."""
    return UpsampledTemplates(
        np.zeros((0, n_phases, 0, 0), dtype=np.float32),
        np.zeros((0, WINDOWS, 0, n_channels), dtype=np.float32),
        np.zeros((0, WINDOWS), dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        0,
    )


def waveforms_of(temporal: NDArray[Any], spatial: NDArray[Any]) -> NDArray[Any]:
    """Return the waveforms of a template from its components.

    Parameters
    ----------
    temporal : numpy.ndarray
        (..., n_t, rank).
    spatial : numpy.ndarray
        (n_windows, rank, n_channels).

    Returns
    -------
    numpy.ndarray
        (..., n_t, n_channels).
    """
    edges = pairwise(_edges(temporal.shape[-2], len(spatial)))
    parts = [temporal[..., begin:end, :] @ of_window for (begin, end), of_window in zip(edges, spatial, strict=True)]
    return np.concatenate(parts, axis=-2)


def filtered_waveforms(temporal: NDArray[Any], spatial: NDArray[Any], bandpass: Filter) -> NDArray[Any]:
    """Return the filtered waveforms (n_t, n_channels) of a template, without the ringing beyond its ends.

    Because a filter is linear, it is enough to filter the few temporal components (n_t, rank), separately for each window.
    """
    n_windows, rank, n_channels = spatial.shape
    apart = np.zeros((len(temporal), n_windows, rank), dtype=temporal.dtype)
    for window, (begin, end) in enumerate(pairwise(_edges(len(temporal), n_windows))):
        apart[begin:end, window] = temporal[begin:end]
    return bandpass.window(apart.reshape(len(temporal), -1)) @ spatial.reshape(-1, n_channels)


def _edges(n_t: int, n_windows: int) -> list[int]:
    return [window * n_t // n_windows for window in range(n_windows + 1)]


def stacked(templates: Sequence[UpsampledTemplate]) -> UpsampledTemplates:
    """Join one or more `UpsampledTemplate` into `UpsampledTemplates`."""
    ranks = np.array([template.ranks for template in templates])
    (n_phases, n_t, _), (n_windows, _, n_channels) = templates[0].temporal.shape, templates[0].spatial.shape
    temporal = np.zeros((len(templates), n_phases, n_t, ranks.max()), dtype=np.float32)
    spatial = np.zeros((len(templates), n_windows, ranks.max(), n_channels), dtype=np.float32)
    for k, template in enumerate(templates):
        rank = template.ranks.max()
        temporal[k, ..., :rank], spatial[k, :, :rank] = template.temporal, template.spatial
    silent = np.array([template.silent for template in templates])
    return UpsampledTemplates(temporal, spatial, ranks, silent, templates[0].peak)


Components = tuple[NDArray[np.float64], NDArray[np.float64]]


def low_rank(template: NDArray[Any]) -> Components:
    """Write a template as a few temporal components, each with a spatial component.

    The components are singular vectors. The error of their product (its Frobenius norm) is at most `LEFT_OUT` times the largest
    singular value. They are searched for in the space of the template's products with a few random directions (Halko,
    Martinsson and Tropp 2011, SIAM Rev 53:217) and, if the error is larger there, in the space of all channels.

    Parameters
    ----------
    template : numpy.ndarray
        (n_channels, n_t).

    Returns
    -------
    temporal : numpy.ndarray
        (n_t, rank); `temporal @ spatial` is the transposed template.
    spatial : numpy.ndarray
        (rank, n_channels), orthonormal.
    """
    template = np.asarray(template, dtype=float)
    n_channels, n_t = template.shape
    if n_channels > DIRECTIONS:
        basis = np.linalg.qr(template @ _directions(n_t))[0]
        found = _singular_vectors(template, basis)
        if found:
            return found
    found = _singular_vectors(template, np.eye(n_channels))
    assert found  # nothing lies outside the space of all channels
    return found


def _singular_vectors(template: NDArray[np.float64], basis: NDArray[np.float64]) -> Components | None:
    """Return the components within the space of a basis (n_channels, n), or None if their error is too large."""
    temporal = template.T @ basis
    powers, vectors = np.linalg.eigh(temporal.T @ temporal)
    bound = LEFT_OUT**2 * powers[-1]
    outside = max(np.vdot(template, template) - powers.sum(), 0) if basis.shape[0] > basis.shape[1] else 0
    if outside > bound:
        return None
    vectors = vectors[:, outside + np.cumsum(powers.clip(0)) >= bound]
    return temporal @ vectors, (basis @ vectors).T


@lru_cache(maxsize=2)
def _directions(n_t: int) -> NDArray[np.float64]:
    return generator(0, "directions").standard_normal((n_t, DIRECTIONS))


def in_windows(
    temporal: NDArray[np.float64], spatial: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Compute the components of each window: the singular vectors of that part of the template, for all phases together.

    The error of all windows together stays within `LEFT_OUT`.

    Parameters
    ----------
    temporal : numpy.ndarray
        (n_phases, n_t, rank).
    spatial : numpy.ndarray
        (rank, n_channels), orthonormal.

    Returns
    -------
    temporal, spatial, ranks : numpy.ndarray
        As in `UpsampledTemplate`.
    """
    n_phases, n_t, rank = temporal.shape
    windows = list(pairwise(_edges(n_t, WINDOWS)))
    parts = [temporal[:, begin:end].reshape(-1, rank) for begin, end in windows]
    products = np.array([part.T @ part for part in parts])
    bound = LEFT_OUT**2 / WINDOWS * np.linalg.eigvalsh(products.sum(axis=0)).max(initial=0)
    powers, vectors = np.linalg.eigh(products)
    needed = np.cumsum(powers.clip(0), axis=1) > bound
    ranks = needed.sum(axis=1)
    ranks += -ranks % COMPONENTS_AT_ONCE
    # The largest components come first, and zeros take the place of those that are not needed
    vectors = np.where(needed[:, np.newaxis], vectors, 0)[..., ::-1]
    vectors = np.pad(vectors, ((0, 0), (0, 0), (0, COMPONENTS_AT_ONCE)))[..., : ranks.max()]
    found = np.empty((n_phases, n_t, ranks.max()), dtype=np.float32)
    for (begin, end), part, mixture in zip(windows, parts, vectors, strict=True):
        found[:, begin:end] = (part @ mixture).reshape(n_phases, end - begin, -1)
    return found, (vectors.swapaxes(1, 2) @ spatial).astype(np.float32), ranks
