"""Similarity of templates: the cosine of the angle between them, all channels together as one vector."""

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray


def cosine_similarities(template: NDArray[Any], others: NDArray[Any], *, shifted: bool) -> NDArray[np.float64]:
    """Return the similarity of a template to each of some others.

    Parameters
    ----------
    template : numpy.ndarray
        (n_channels, n_t).
    others : numpy.ndarray
        (n, n_channels, n_t).
    shifted : bool
        Whether a template is compared at all shifts in time, the same for all channels and with zeros at the ends; the
        similarity is then that at the best shift.

    Returns
    -------
    numpy.ndarray
        (n,), at most 1.
    """
    flat = others.reshape(len(others), template.size)
    lengths = np.linalg.norm(flat, axis=1) * np.linalg.norm(template)
    if shifted:
        n = scipy.fft.next_fast_len(2 * template.shape[-1], real=True)
        spectra = scipy.fft.rfft(others, n), scipy.fft.rfft(template, n).conj()
        products = scipy.fft.irfft(np.einsum("ncf,cf->nf", *spectra), n).max(axis=1)
    else:
        products = flat @ template.ravel()
    return products / np.maximum(lengths, np.finfo(float).tiny)


def largest_similarity(template: NDArray[Any], others: NDArray[Any]) -> float:
    """Return the largest similarity of a template (n_channels, n_t) to others (n, n_channels, n_t), each at its best shift.

    The result is -1 if there are no others.
    """
    return float(cosine_similarities(template, others, shifted=True).max()) if len(others) else -1.0


def similarity_bounds(norms: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Return upper bounds of the similarities at any shift, by the inequality of Cauchy and Schwarz on each channel.

    Parameters
    ----------
    norms : numpy.ndarray
        (n_channels,), the norm of a template on each channel.
    others : numpy.ndarray
        (n, n_channels), the norms of others.

    Returns
    -------
    numpy.ndarray
        (n,).
    """
    lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(norms)
    return others @ norms / np.maximum(lengths, np.finfo(float).tiny)


def nearest_similarities(templates: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much each template (n, n_channels, n_t) resembles the most similar other one, without shifts.

    The result is (n,); NaN if there is no other template.
    """
    templates, nearest = templates.astype(float), np.full(len(templates), np.nan)
    for unit in range(len(templates) if len(templates) > 1 else 0):
        similarities = cosine_similarities(templates[unit], templates, shifted=False)
        similarities[unit] = -np.inf
        nearest[unit] = similarities.max()
    return nearest
