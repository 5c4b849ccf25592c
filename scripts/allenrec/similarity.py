"""Similarity of templates: how alike two are, at the shift at which they are most alike."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft


def largest_similarity(template, others, worth_knowing=-1.0):
    """Return the largest of the similarities of a template and others.

    The similarity is the cosine of the angle between two templates, all channels together as one vector, at the shift in
    time, the same for all channels, at which it is largest; zeros enter at the ends.

    Parameters
    ----------
    template : numpy.ndarray
        (n_channels, n_t).
    others : numpy.ndarray
        (n, n_channels, n_t).
    worth_knowing : float
        Others that cannot exceed it, by the inequality of Cauchy and Schwarz on each channel, are passed over.

    Returns
    -------
    float
        -1 if there is no other, or none that can exceed `worth_knowing`.
    """
    norms, norm = np.sqrt(np.einsum("nct,nct->nc", others, others)), np.sqrt(np.einsum("ct,ct->c", template, template))
    lengths = np.sqrt((norms**2).sum(axis=1) * (norm**2).sum())
    near = np.flatnonzero((norms @ norm > worth_knowing * lengths) & (lengths > 0))
    if not len(near):
        return -1.0
    n = next_fast_len(2 * template.shape[-1], real=True)
    products = np.einsum("ncf,cf->nf", rfft(others[near], n), rfft(template, n).conj())
    return float((irfft(products, n).max(axis=1) / lengths[near]).max())
