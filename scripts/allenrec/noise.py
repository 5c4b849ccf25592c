"""Noise, for any piece of a recording: a sample's noise depends on its place alone, not on the pieces that are asked for."""

import numpy as np

from .seeds import generator

#: Noise is drawn in blocks of so many samples, each at an address of its own
BLOCK = 2**15


def uncorrelated_noise(address, start, stop, n_channels, level):
    """Return white noise of the samples from `start` to `stop`, float32 (stop - start, n_channels), in units of `level`.

    `address` are the seed and what the noise is for. Samples may be negative: filters need some before the first one.
    """
    noise = np.empty((stop - start, n_channels), dtype=np.float32)
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        begin = block * BLOCK
        first, last = max(start, begin), min(stop, begin + BLOCK)
        drawn = generator(*address, block).standard_normal((last - begin, n_channels), dtype=np.float32)
        noise[first - start : last - start] = drawn[first - begin :]
    noise *= np.float32(level)
    return noise
