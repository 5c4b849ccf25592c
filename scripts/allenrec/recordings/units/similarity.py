"""Similarity of templates: how alike two are, at the shift at which they are most alike."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft


def largest_similarity(template, others):
    """Return the largest of the similarities of a template and others; -1 if there is none.

    The similarity is the cosine of the angle between two templates, all channels together as one vector, at the shift in
    time, the same for all channels, at which it is largest; zeros enter at the ends.

    Parameters
    ----------
    template : numpy.ndarray
        (n_channels, n_t).
    others : numpy.ndarray
        (n, n_channels, n_t).
    """
    if not len(others):
        return -1.0
    lengths = np.linalg.norm(others.reshape(len(others), -1), axis=1) * np.linalg.norm(template)
    n = next_fast_len(2 * template.shape[-1], real=True)
    products = np.einsum("ncf,cf->nf", rfft(others, n), rfft(template, n).conj())
    return float((irfft(products, n).max(axis=1) / np.maximum(lengths, np.finfo(float).tiny)).max())


def greatest_similarities(norms, others):
    """Return what similarities cannot exceed, (n,), by the inequality of Cauchy and Schwarz on each channel.

    Parameters
    ----------
    norms : numpy.ndarray
        (n_channels,), of a template on each channel.
    others : numpy.ndarray
        (n, n_channels), of others.
    """
    lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(norms)
    return others @ norms / np.maximum(lengths, np.finfo(float).tiny)
