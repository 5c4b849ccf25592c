"""Blosc with memory that is used again: what it returns is what numcodecs returns."""

import numpy as np
import pytest
from numcodecs import Blosc

from allenrec.common import compression
from allenrec.common.compression import ReusingCompressor

RNG = np.random.default_rng(0)
ARRAYS = {
    "noise": RNG.normal(0, 10, (30_000, 32)).astype(np.float32),
    "counts": RNG.normal(0, 10, (30_000, 32)).astype(np.int16),
    "zeros": np.zeros((30_000, 32), np.int16),
    "bytes that do not shrink": RNG.integers(0, 256, 1_000_003, dtype=np.uint8),
    "a single sample": np.ones(1, np.float32),
}
COMPRESSORS = {
    "SpikeInterface's": Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE),
    "large blocks": Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE, blocksize=2**20),
    "another": Blosc(cname="lz4", clevel=9, shuffle=Blosc.NOSHUFFLE),
    "a choice of numcodecs": Blosc(cname="zstd", clevel=3, shuffle=Blosc.AUTOSHUFFLE),
}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("compressor", list(COMPRESSORS))
def test_bytes_are_those_of_numcodecs(compressor, hidden, monkeypatch):
    """One object compresses all arrays, also where numcodecs does not show the function of Blosc."""
    if hidden:
        monkeypatch.setattr(compression, "_function_of_blosc", lambda: None)
    theirs = COMPRESSORS[compressor]
    with compression.one_compressing_thread():
        ours = ReusingCompressor(theirs, max(values.nbytes for values in ARRAYS.values()))
        for name, values in ARRAYS.items():
            found = bytes(ours.encode(values))
            assert found == theirs.encode(values), name
            assert theirs.decode(found) == values.tobytes()


def test_results_lie_in_the_same_memory():
    """Otherwise each would take new memory: numcodecs has the function of Blosc here."""
    ours = ReusingCompressor(COMPRESSORS["large blocks"], ARRAYS["noise"].nbytes)
    first, second = ours.encode(ARRAYS["noise"]), ours.encode(ARRAYS["counts"])
    assert np.shares_memory(np.frombuffer(first, np.uint8), np.frombuffer(second, np.uint8))
