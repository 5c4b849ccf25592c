"""The currents of a cell's spikes as combinations of few temporal components, which makes the sums over segments short.

Segments that are neighbours have nearly the same currents: two dozen components give them all to the rounding of float32. Other
programs compute such components by a singular value decomposition. Here a Gram-Schmidt process with sums in a fixed order finds
them, because the last bits of LAPACK's results differ between processors.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

#: The largest error of a current, as a share of the largest current of all: the rounding of float32
TOLERANCE = 2.0**-24
#: The most attempts, each with more samples than the one before; then currents are kept as they are
ROUNDS = 3
#: The least number of samples, of all spikes together, from which components are found first, and the number added for the next
#: attempt
SAMPLES = 512


class Components(NamedTuple):
    """Currents as `spatial @ temporal[k]`: `spatial` (n_seg, n), `temporal` (n_spikes, n, n_t) float32 nA."""

    spatial: NDArray[np.float64]
    temporal: NDArray[np.float32]


def components_of(currents: NDArray[np.float32]) -> Components:
    """Return the components of currents (n_spikes, n_seg, n_t) nA.

    Currents that few components cannot represent, such as noise, keep one for each segment, and are exact. Sums are fastest
    over multiples of four components, so up to three components of zeros are added.
    """
    n_spikes, n_seg, n_t = currents.shape
    chosen = np.arange(0, n_spikes * n_t, max(1, n_spikes * n_t // SAMPLES))
    largest = float(np.abs(currents).max(initial=0.0))
    if not largest:
        return Components(np.eye(n_seg), currents)
    for _ in range(ROUNDS):
        samples = currents[chosen // n_t, :, chosen % n_t].T.astype(np.float64)
        spatial = _orthonormal(np.ascontiguousarray(samples), 0.25 * TOLERANCE * largest)
        if 2 * spatial.shape[1] > n_seg:
            break
        spatial = np.pad(spatial, ((0, 0), (0, -spatial.shape[1] % 4)))
        temporal, worst = _projected(spatial, currents)
        if worst.max() <= TOLERANCE * largest:
            return Components(spatial, temporal)
        # The samples with the largest errors are added, because components do not represent them yet.
        chosen = np.union1d(chosen, np.argsort(worst.ravel())[-SAMPLES:])
    return Components(np.eye(n_seg), currents)


@numba.njit(cache=True, nogil=True)
def _orthonormal(samples: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Return an orthonormal basis (n_seg, n) that represents columns (n_seg, n_samples) within a tolerance.

    This is the modified Gram-Schmidt process; each step takes the column with the largest residual. `samples` is overwritten.
    """
    n_seg, n_samples = samples.shape
    basis, column, n = np.empty((n_seg, min(n_seg, n_samples))), np.zeros(n_seg), 0
    squares, shares, highest = np.zeros(n_samples), np.zeros(n_samples), np.zeros(n_samples)
    for s in range(n_seg):
        for i in range(n_samples):
            squares[i] += samples[s, i] * samples[s, i]
            highest[i] = max(highest[i], abs(samples[s, i]))
    for k in range(basis.shape[1]):
        chosen, enough = 0, True
        for i in range(n_samples):
            enough = enough and highest[i] <= tolerance
            if squares[i] > squares[chosen]:
                chosen = i
        if enough:
            break
        n = k + 1
        for s in range(n_seg):
            column[s] = samples[s, chosen]
        for _ in range(2):  # twice is enough (Giraud et al. 2005, doi:10.1007/s00211-005-0615-4)
            for m in range(k):
                overlap = 0.0
                for s in range(n_seg):
                    overlap += basis[s, m] * column[s]
                for s in range(n_seg):
                    column[s] -= overlap * basis[s, m]
        square = 0.0
        for s in range(n_seg):
            square += column[s] * column[s]
        for s in range(n_seg):
            basis[s, k] = column[s] / np.sqrt(square)
            for i in range(n_samples):
                shares[i] += basis[s, k] * samples[s, i]
        for i in range(n_samples):
            squares[i] = highest[i] = 0.0
        for s in range(n_seg):
            for i in range(n_samples):
                left = samples[s, i] - basis[s, k] * shares[i]
                samples[s, i] = left
                squares[i] += left * left
                highest[i] = max(highest[i], abs(left))
        for i in range(n_samples):
            shares[i] = 0.0
    return basis[:, :n]


def _projected(spatial: NDArray[np.float64], currents: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the temporal components (n_spikes, n, n_t) of a basis (n_seg, n), and the largest error of a current at each
    sample (n_spikes, n_t)."""
    n_seg, n = spatial.shape
    n_spikes, _, n_t = currents.shape
    temporal, worst = np.empty((n_spikes, n, n_t), dtype=np.float32), np.empty((n_spikes, n_t))
    rows, every, each = np.ascontiguousarray(spatial.T), np.arange(n_seg), np.arange(n)
    spike, sums, again = np.empty((n_seg, n_t)), np.empty((n, n_t)), np.empty((n_seg, n_t))
    for k in range(n_spikes):
        spike[:] = currents[k]
        weighted_sums(rows, spike, each, sums)
        temporal[k] = sums
        sums[:] = temporal[k]  # rounded to float32, as it is kept
        weighted_sums(spatial, sums, every, again)
        again -= spike
        np.abs(again, out=again).max(axis=0, out=worst[k])
    return temporal, worst


@numba.njit(cache=True, nogil=True)
def weighted_sums(
    weights: NDArray[np.floating[Any]],
    summands: NDArray[np.floating[Any]],
    rows: NDArray[np.int64],
    out: NDArray[np.floating[Any]],
) -> None:
    """Write the sums of `weights` (n, m) times `summands` (m, n_t), all float32 or all float64, into `rows` (n,) of `out`.

    A sum is the same to the last bit, whatever other sums are computed with it. BLAS does not guarantee this, and its sums also
    depend on the number of threads. Four sums over four summands are computed at a time, which saves most of the loads and
    stores.
    """
    n, n_summands, n_t = len(rows), *summands.shape
    fours = n_summands - n_summands % 4
    for row in rows:
        for t in range(n_t):
            out[row, t] = 0
    for c in range(0, n - n % 4, 4):
        a, b, d, e = weights[c], weights[c + 1], weights[c + 2], weights[c + 3]
        sum_a, sum_b, sum_d, sum_e = out[rows[c]], out[rows[c + 1]], out[rows[c + 2]], out[rows[c + 3]]
        for s in range(0, fours, 4):
            a0, a1, a2, a3 = a[s], a[s + 1], a[s + 2], a[s + 3]
            b0, b1, b2, b3 = b[s], b[s + 1], b[s + 2], b[s + 3]
            d0, d1, d2, d3 = d[s], d[s + 1], d[s + 2], d[s + 3]
            e0, e1, e2, e3 = e[s], e[s + 1], e[s + 2], e[s + 3]
            i0, i1, i2, i3 = summands[s], summands[s + 1], summands[s + 2], summands[s + 3]
            for t in range(n_t):
                x0, x1, x2, x3 = i0[t], i1[t], i2[t], i3[t]
                sum_a[t] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
                sum_b[t] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
                sum_d[t] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3)
                sum_e[t] += (e0 * x0 + e1 * x1) + (e2 * x2 + e3 * x3)
    for c in range(n - n % 4, n):
        one = out[rows[c]]
        for s in range(0, fours, 4):
            w0, w1, w2, w3 = weights[c, s], weights[c, s + 1], weights[c, s + 2], weights[c, s + 3]
            i0, i1, i2, i3 = summands[s], summands[s + 1], summands[s + 2], summands[s + 3]
            for t in range(n_t):
                one[t] += (w0 * i0[t] + w1 * i1[t]) + (w2 * i2[t] + w3 * i3[t])
    for c in range(n):
        one = out[rows[c]]
        for s in range(fours, n_summands):
            for t in range(n_t):
                one[t] += weights[c, s] * summands[s, t]
