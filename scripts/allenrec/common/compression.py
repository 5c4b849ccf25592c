"""The compression of zarr folders."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numcodecs import Blosc

#: Bytes by which the result of Blosc is at most longer than what it compresses (`BLOSC_MAX_OVERHEAD`)
OVERHEAD = 16


@contextmanager
def one_compressing_thread() -> Iterator[None]:
    """Let one thread compress. The parts that several threads compress are stored in the order in which they are done, which
    would give other bytes each time."""
    from numcodecs import blosc

    threads = blosc.set_nthreads(1)
    try:
        yield
    finally:
        blosc.set_nthreads(threads)


class ReusingCompressor:
    """A compressor of numcodecs whose results all lie in the same memory.

    numcodecs takes new memory for each result, and again for a copy of it. Filling it takes longer than to compress noise, so
    the function of Blosc that numcodecs calls is called here, if it can be found.

    Parameters
    ----------
    compressor : numcodecs.Blosc
    size : int
        The number of bytes of the largest array to compress.
    """

    def __init__(self, compressor: Blosc, size: int) -> None:
        self._compressor, self._compress = compressor, _function_of_blosc()
        self._memory = np.empty(size + OVERHEAD if self._compress else 0, np.uint8)

    def encode(self, values: NDArray[Any]) -> memoryview | bytes:
        """Return the bytes that `numcodecs.Blosc.encode` returns for a contiguous array. They are valid until the next call."""
        kind, n_bytes = self._compressor, 0
        if self._compress and kind.shuffle >= 0:  # a negative one leaves the choice to numcodecs
            how, sizes, cname = (kind.clevel, kind.shuffle), (values.itemsize, values.nbytes), kind.cname.encode()
            # Blosc stores what does not shrink as it is, if the memory is no longer than this.
            places = (values.ctypes.data, self._memory.ctypes.data, values.nbytes + OVERHEAD)
            n_bytes = self._compress(*how, *sizes, *places, cname, kind.blocksize, 1)
        return self._memory[:n_bytes].data if n_bytes > 0 else kind.encode(values)


def _function_of_blosc() -> Callable[..., int] | None:
    """Return the function of Blosc that compresses from memory to memory, or None if numcodecs hides it."""
    from numcodecs import blosc

    try:
        function = ctypes.CDLL(blosc.__file__).blosc_compress_ctx
    except (OSError, AttributeError):
        return None
    number, size, place = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
    function.argtypes = [number, number, size, size, place, place, size, ctypes.c_char_p, size, number]
    function.restype = number
    return function
