"""Noise, for any piece of a recording: a sample's noise depends on its place alone, not on the pieces that are asked for."""

from dataclasses import dataclass

import numba
import numpy as np
from scipy.spatial import distance_matrix

from allenrec.common.buffers import new_rows

from .far_neurons import FarNeurons
from .filters import Filter, design_colour
from .white_noise import white_noise

#: Share of the variance that is a contact's own in any case, so that contacts at one place have a covariance as well
OWN = 1e-9
#: Rows and columns of the mixing matrix that the compiled product takes at once
ROWS, COLUMNS = 4, 128


@dataclass(frozen=True)
class Noise:
    """Noise of a recording: white numbers, mixed over channels and coloured if asked for, and far neurons.

    `address` of the white numbers; `scale` (n_channels,) float32 µV, by which they are multiplied; `mixing`, the upper
    triangular matrix by which they are multiplied instead, or None; `colour`, a causal filter, or None; `far`, or None;
    `raw` and `filtered` (n_channels,) µV, the standard deviation before and after the filter of the recording.
    """

    address: tuple
    scale: np.ndarray
    mixing: np.ndarray | None
    colour: Filter | None
    far: FarNeurons | None
    raw: np.ndarray
    filtered: np.ndarray

    def draw(self, start, stop, rows=new_rows):
        """Return the noise of the samples from `start` to `stop`, float32 (stop - start, n_channels) µV, in memory of `rows`.

        Coloured noise is the same for another piece up to `filters.RESIDUE`, all other noise to the bit.
        """
        before = self.colour.margins[0] if self.colour else 0
        noise = white_noise(self.address, start - before, stop, self.scale, rows=rows)
        if self.mixing is not None:
            _mix(noise, self.mixing)
        if self.colour:
            noise = self.colour.apply(noise)[before:]
        if self.far:
            self.far.add_to(noise, start)
        return noise


def design_noise(address, signal, fs, positions, bandpass, far=None):
    """Return the noise that the settings ask for, or None if there is none.

    Parameters
    ----------
    address : tuple
    signal : allenrec.settings.RecordingSignal
    fs : float
        Hz.
    positions : numpy.ndarray
        (n_channels, 3) µm.
    bandpass : Filter or None
        Of the recording.
    far : FarNeurons or None
        At any level; they are brought to the one asked for.
    """
    if not signal.noise_level:
        return None
    ones = np.ones(len(positions))
    colour = design_colour(fs, signal.color_peak, signal.color_q, signal.color_noise_floor) if signal.noise_color else None
    gain = bandpass.noise_gain(colour.power() if colour else 1.0) if bandpass else 1.0
    white, raw, filtered, mixing = ones, ones, ones * gain, None
    if far:
        alone = far.deviation()
        white = signal.far_neurons_noise_floor * alone
        raw, filtered = np.hypot(alone, white), np.hypot(far.deviation(bandpass), white * gain)
        # A contact that no far neuron reaches has white noise alone.
        white, raw, filtered = np.where(raw > 0, (white, raw, filtered), (ones, ones, ones * gain))
    factor = signal.noise_level / (filtered if signal.noise_level_at == "filtered" else raw)
    scale = np.float32(white * factor)
    if signal.noise_mode == "distance-correlated":
        mixing = mixing_matrix(exponential_covariance(positions, signal.noise_half_distance)) * scale
        scale = np.float32(ones)
    far = far and far.scaled(factor)
    return Noise(address, scale, mixing, colour, far, raw=raw * factor, filtered=filtered * factor)


def exponential_covariance(positions, half_distance):
    """Return the covariance (n, n) of noise of unit variance at positions (n, 3) µm: 1/2 at `half_distance`, 1/4 at twice that.

    The exponential kernel (Matérn of order 1/2; Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, 4.2.1) is
    positive definite for any set of places. MEArec's, half_distance / (2 distance), is not where contacts lie close together.
    """
    return 0.5 ** (distance_matrix(positions, positions) / half_distance)


def mixing_matrix(covariance):
    """Return the upper triangular float32 matrix M with M.T @ M = covariance, so that white rows times M have it."""
    own = OWN * np.eye(len(covariance))
    return np.linalg.cholesky((1 - OWN) * covariance + own).T.astype(np.float32)


def _mix(noise, mixing):
    """Multiply rows of noise by an upper triangular matrix, in place.

    BLAS gives other bits with other numbers of threads; this product does not, and is as fast on one core.
    """
    n = len(mixing)
    padded = np.zeros((-(-n // ROWS) * ROWS, -(-n // COLUMNS) * COLUMNS), dtype=np.float32)
    padded[:n, :n] = mixing
    _multiply(noise, padded)


@numba.njit(cache=True, nogil=True)
def _multiply(noise, mixing):
    n, n_channels = noise.shape
    rows = np.zeros((ROWS, len(mixing)), dtype=np.float32)
    sums = np.empty(ROWS * COLUMNS, dtype=np.float32)
    for i in range(0, n, ROWS):
        held = min(ROWS, n - i)
        rows[:held, :n_channels] = noise[i : i + held]
        for first in range(0, n_channels, COLUMNS):
            sums[:] = 0
            # Four rows by four rows of the matrix a turn: sixteen products for each twelve numbers loaded or stored.
            for k in range(0, min(len(mixing), first + COLUMNS), ROWS):
                m0, m1 = mixing[k, first : first + COLUMNS], mixing[k + 1, first : first + COLUMNS]
                m2, m3 = mixing[k + 2, first : first + COLUMNS], mixing[k + 3, first : first + COLUMNS]
                a0, a1, a2, a3 = rows[0, k], rows[0, k + 1], rows[0, k + 2], rows[0, k + 3]
                b0, b1, b2, b3 = rows[1, k], rows[1, k + 1], rows[1, k + 2], rows[1, k + 3]
                c0, c1, c2, c3 = rows[2, k], rows[2, k + 1], rows[2, k + 2], rows[2, k + 3]
                d0, d1, d2, d3 = rows[3, k], rows[3, k + 1], rows[3, k + 2], rows[3, k + 3]
                for c in range(COLUMNS):
                    v0, v1, v2, v3 = m0[c], m1[c], m2[c], m3[c]
                    sums[c] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
                    sums[COLUMNS + c] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
                    sums[2 * COLUMNS + c] += (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
                    sums[3 * COLUMNS + c] += (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)
            for row in range(held):
                for c in range(min(COLUMNS, n_channels - first)):
                    noise[i + row, first + c] = sums[row * COLUMNS + c]
