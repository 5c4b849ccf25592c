"""White noise: normal random numbers. The noise of a sample depends only on the index of the sample.

NumPy's normal numbers take 7.5 ns each, half of the time of a recording. The formula of Box and Muller (1958, Ann Math Stat
29:610) needs no decisions, so that it compiles to vector instructions. Its random bits would take as long again from NumPy,
which draws them one by one; here each channel has its own stream of the same generator. Random bits and formula together take
1.1 ns per number. Functions are computed as polynomials, and no two operations are fused into one, so that every processor
gives the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from allenrec.common.buffers import new_rows
from allenrec.common.random_streams import StreamKey, generator

if TYPE_CHECKING:
    from ..types import Rows

#: Number of samples that are drawn together; each such block has its own random stream
BLOCK = 2**11

_STEP = np.float32(2.0**-32)
_LOG_2 = np.float32(np.log(2))
_SQRT_HALF_BITS = np.float32(np.sqrt(0.5)).view(np.int32)
_EIGHTH_TURN = np.float32(np.pi / 4 / 2**31)


def white_noise(
    stream_key: StreamKey,
    start: int,
    stop: int,
    scale: NDArray[np.float32],
    block: int = BLOCK,
    rows: Rows = new_rows,
) -> NDArray[np.float32]:
    """Return white normal noise of the samples from `start` to `stop`.

    Parameters
    ----------
    stream_key : tuple
        Random stream of the noise.
    start, stop : int
        Samples may be negative: filters need some before the first one.
    scale : numpy.ndarray
        (n_channels,) float32, standard deviations.
    block : int
        Number of samples that are drawn together, even; another number gives other noise.
    rows : callable
        A function that returns memory for the noise, as `allenrec.common.buffers.new_rows` does.

    Returns
    -------
    numpy.ndarray
        (stop - start, n_channels) float32.
    """
    noise = rows(stop - start, len(scale))
    for number in range(start // block, -(-stop // block)):
        begin = number * block
        first, last = max(start, begin), min(stop, begin + block)
        part = noise[first - start : last - start]
        whole = part if len(part) == block else np.empty((block, len(scale)), dtype=np.float32)
        source = generator(*stream_key, number, bit_generator=np.random.SFC64).bit_generator
        _draw(source.random_raw((3, len(scale))), scale, whole[: block // 2], whole[block // 2 :])
        if whole is not part:
            part[:] = whole[first - begin : last - begin]
    return noise


@numba.njit(cache=True, nogil=True)
def _draw(
    states: NDArray[np.uint64], scale: NDArray[np.float32], first: NDArray[np.float32], second: NDArray[np.float32]
) -> None:
    """Fill `first` and `second`, both (n, n_channels), with independent normal numbers, times `scale`.

    Each channel takes 64 random bits for two numbers, from the generator SFC64 (Doty-Humphrey, PractRand; NumPy has it as
    well) that begins at a state of its own, `states` (3, n_channels).

    The two numbers are a radius times the sine and the cosine of an angle. The upper 32 bits make the radius: with u uniform
    on (0, 1] it is sqrt(-2 log u), at most 6.8. Two of the lower bits are signs. The others make an angle from the diagonal,
    within an eighth of a turn to either side: its cosine plus and minus its sine are the sine and cosine from the axes, times
    sqrt(2).
    """
    n, n_channels = first.shape
    # The compiler knows that no other array shares the memory of these copies
    a, b, c = states[0].copy(), states[1].copy(), states[2].copy()
    for i in range(n):
        counter = np.uint64(i + 1)
        for k in range(n_channels):
            bits = a[k] + b[k] + counter
            a[k] = b[k] ^ (b[k] >> np.uint64(11))
            b[k] = c[k] + (c[k] << np.uint64(3))
            c[k] = ((c[k] << np.uint64(24)) | (c[k] >> np.uint64(40))) + bits
            upper, lower = np.uint32(bits >> np.uint64(32)), np.uint32(bits)
            u = _STEP * (np.float32(upper) + np.float32(0.5))
            radius = scale[k] * np.sqrt(max(-_log(u), np.float32(0)))
            sine, cosine = _sine_and_cosine(_EIGHTH_TURN * np.float32(np.int32(lower << np.uint32(2))))
            first[i, k] = _signed(radius * (cosine + sine), lower >> np.uint32(31))
            second[i, k] = _signed(radius * (cosine - sine), lower >> np.uint32(30))


@numba.njit(cache=True, nogil=True)
def _signed(value: np.float32, bit: np.uint32) -> np.float32:
    """Return the value; if the last bit is set, return minus the value."""
    return value * np.float32(np.int32(1) - np.int32(np.uint32(2) * np.uint32(bit & np.uint32(1))))


@numba.njit(cache=True, nogil=True)
def _log(x: np.float32) -> np.float32:
    """Return the natural logarithm of a float32 above 0, 2**exponent (1 + m); the polynomial is Cephes' (Moshier 1992) logf."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - _SQRT_HALF_BITS) >> np.int32(23))
    m = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32) - np.float32(1)
    tail = np.float32(7.0376836292e-2) * m + np.float32(-1.1514610310e-1)
    tail = tail * m + np.float32(1.1676998740e-1)
    tail = tail * m + np.float32(-1.2420140846e-1)
    tail = tail * m + np.float32(1.4249322787e-1)
    tail = tail * m + np.float32(-1.6668057665e-1)
    tail = tail * m + np.float32(2.0000714765e-1)
    tail = tail * m + np.float32(-2.4999993993e-1)
    tail = tail * m + np.float32(3.3333331174e-1)
    return np.float32(exponent) * _LOG_2 + (m - m * m * (np.float32(0.5) - m * tail))


@numba.njit(cache=True, nogil=True)
def _sine_and_cosine(angle: np.float32) -> tuple[np.float32, np.float32]:
    """Return sine and cosine of a float32 from -pi/4 to pi/4; the polynomials are Cephes' (Moshier 1992) sinf and cosf."""
    square = angle * angle
    sine = np.float32(8.3321608736e-3) + square * np.float32(-1.9515295891e-4)
    sine = angle + angle * square * (np.float32(-1.6666654611e-1) + square * sine)
    cosine = np.float32(-1.388731625493765e-3) + square * np.float32(2.443315711809948e-5)
    cosine = np.float32(1) - square * (np.float32(0.5) - square * (np.float32(4.166664568298827e-2) + square * cosine))
    return sine, cosine
