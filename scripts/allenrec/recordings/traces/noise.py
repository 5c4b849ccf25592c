"""The noise of a recording. It can be drawn for any piece: the noise of a sample depends only on the index of the sample.

`NOISE_MODES` is the register of noise modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
import scipy
from numpy.typing import NDArray

from allenrec.common.buffers import new_rows
from allenrec.waveforms.filters import Filter, design_colour

from .far_neurons import design_far_neurons
from .noise_parts import NoiseInputs, NoiseParts, NoiseSource
from .white_noise import white_noise

if TYPE_CHECKING:
    from allenrec.common.random_streams import StreamKey
    from allenrec.settings.recordings import Noise as NoiseSettings

    from ..types import Rows

#: Share of the variance that is independent at each contact. It keeps the covariance of contacts at the same place positive
#: definite.
OWN = 1e-9
#: Rows and columns of the mixing matrix that the compiled product takes at once
ROWS, COLUMNS = 4, 128


def _uncorrelated(inputs: NoiseInputs) -> NoiseParts:
    return NoiseParts()


def _distance_correlated(inputs: NoiseInputs) -> NoiseParts:
    half_distance = inputs.settings.recordings.noise_half_distance
    return NoiseParts(covariance=exponential_covariance(inputs.positions, half_distance))


#: The functions that design the parts of each noise mode, by the values of `noise_mode` in `allenrec.settings.recordings.noise`
NOISE_MODES: dict[str, Callable[[NoiseInputs], NoiseParts]] = {
    "uncorrelated": _uncorrelated,
    "distance-correlated": _distance_correlated,
    "far-neurons": design_far_neurons,
}


@dataclass(frozen=True)
class Noise:
    """The noise of a recording: white noise, which may be mixed across channels or coloured, and perhaps a further source.

    Attributes
    ----------
    stream_key : tuple
        Random stream of the white noise.
    scale : numpy.ndarray
        (n_channels,) float32 µV, the factor of the white noise on each channel.
    mixing : numpy.ndarray or None
        Upper triangular matrix by which the white noise is multiplied as well, to correlate channels.
    colour : Filter or None
        Causal filter that colours the white noise.
    source : NoiseSource or None
        A further source that is added to the white noise, such as far neurons.
    raw, filtered : numpy.ndarray
        (n_channels,) µV, standard deviation before and after the filter of the recording.
    """

    stream_key: StreamKey
    scale: NDArray[np.float32]
    mixing: NDArray[np.float32] | None
    colour: Filter | None
    source: NoiseSource | None
    raw: NDArray[np.float64]
    filtered: NDArray[np.float64]

    def draw(self, start: int, stop: int, rows: Rows = new_rows) -> NDArray[np.float32]:
        """Return the noise of the samples from `start` to `stop`.

        A sample has the same noise in whatever piece it is drawn: to the last bit or, if the noise is coloured, within
        `filters.RESIDUE`.

        Parameters
        ----------
        start, stop : int
        rows : callable
            A function that returns memory for the noise, as `allenrec.common.buffers.new_rows` does.

        Returns
        -------
        numpy.ndarray
            (stop - start, n_channels) float32 µV.
        """
        before = self.colour.margins[0] if self.colour else 0
        noise = white_noise(self.stream_key, start - before, stop, self.scale, rows=rows)
        if self.mixing is not None:
            _mix(noise, self.mixing)
        if self.colour:
            noise = self.colour.apply(noise)[before:]
        if self.source:
            self.source.add_to(noise, start)
        return noise


def design_noise(inputs: NoiseInputs, bandpass: Filter | None) -> Noise | None:
    """Return the noise that the settings describe, or None if `noise_level` is 0.

    Parameters
    ----------
    inputs : NoiseInputs
    bandpass : Filter or None
        Filter of the recording.

    Raises
    ------
    UserError
        If the noise mode lacks something that it needs, such as far neurons of the right size.
    """
    signal = inputs.settings.recordings
    if not signal.noise_level:
        return None
    parts = NOISE_MODES[signal.noise_mode](inputs)
    return noise_at_level((*inputs.stream_key, "noise"), signal, inputs.grid.fs, len(inputs.positions), bandpass, parts)


def noise_at_level(
    stream_key: StreamKey, signal: NoiseSettings, fs: float, n_channels: int, bandpass: Filter | None, parts: NoiseParts
) -> Noise:
    """Combine the parts of a noise mode, coloured if `noise_color` is set, and scaled to `noise_level`.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the white noise.
    signal : allenrec.settings.recordings.Noise
    fs : float
        Sampling rate, Hz.
    n_channels : int
    bandpass : Filter or None
        Filter of the recording.
    parts : NoiseParts
    """
    ones = np.ones(n_channels)
    colour = parts.colour or (design_colour(fs, signal) if signal.noise_color else None)
    gain = bandpass.noise_gain(colour.power() if colour else 1.0) if bandpass else 1.0
    white, raw, filtered, mixing, source = ones, ones, ones * gain, None, parts.source
    if source:
        alone = source.deviation()
        white = parts.floor * alone
        raw, filtered = np.hypot(alone, white), np.hypot(source.deviation(bandpass), white * gain)
        # A contact that the source does not reach has white noise alone.
        white, raw, filtered = np.where(raw > 0, (white, raw, filtered), (ones, ones, ones * gain))
    factor = signal.noise_level / (filtered if signal.noise_level_at == "filtered" else raw)
    scale = (white * factor).astype(np.float32)
    if parts.covariance is not None:
        mixing = mixing_matrix(parts.covariance) * scale
        scale = ones.astype(np.float32)
    source = source and source.scaled(factor)
    return Noise(stream_key, scale, mixing, colour, source, raw=raw * factor, filtered=filtered * factor)


def exponential_covariance(positions: NDArray[np.float64], half_distance: float) -> NDArray[np.float64]:
    """Return the covariance of noise of unit variance at some positions: 1/2 at `half_distance`, 1/4 at twice that.

    The exponential kernel (Matérn of order 1/2; Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, 4.2.1) is
    positive definite for any set of positions. MEArec's kernel, half_distance / (2 distance), is not positive definite if
    contacts lie close together.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 3) µm.
    half_distance : float
        µm.

    Returns
    -------
    numpy.ndarray
        (n, n).
    """
    return 0.5 ** (scipy.spatial.distance.cdist(positions, positions) / half_distance)


def mixing_matrix(covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the upper triangular float32 matrix M with M.T @ M = covariance, which white noise times M has."""
    own = OWN * np.eye(len(covariance))
    return np.linalg.cholesky((1 - OWN) * covariance + own).T.astype(np.float32)


def _mix(noise: NDArray[np.float32], mixing: NDArray[np.float32]) -> None:
    """Multiply rows of noise by an upper triangular matrix, in place.

    The last bits of a BLAS product depend on the number of threads. Those of this product do not, and it is as fast on one
    core.
    """
    n = len(mixing)
    padded = np.zeros((-(-n // ROWS) * ROWS, -(-n // COLUMNS) * COLUMNS), dtype=np.float32)
    padded[:n, :n] = mixing
    _multiply(noise, padded)


@numba.njit(cache=True, nogil=True)
def _multiply(noise: NDArray[np.float32], mixing: NDArray[np.float32]) -> None:
    n, n_channels = noise.shape
    rows = np.zeros((ROWS, len(mixing)), dtype=np.float32)
    sums = np.empty(ROWS * COLUMNS, dtype=np.float32)
    for i in range(0, n, ROWS):
        held = min(ROWS, n - i)
        rows[:held, :n_channels] = noise[i : i + held]
        for first in range(0, n_channels, COLUMNS):
            sums[:] = 0
            # Four rows are multiplied by four rows of the matrix at a time: 16 products for every 12 numbers loaded or stored.
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
