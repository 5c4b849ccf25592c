"""The compression of zarr folders."""

from collections.abc import Iterator
from contextlib import contextmanager


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
