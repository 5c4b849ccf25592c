"""The share of the system's cache that files take while they are written."""

from __future__ import annotations

import os
from typing import BinaryIO

#: Bytes that are written between two requests to drop a file from the system's cache
MAX_CACHED = 2**22
#: Bytes that are written at once
WRITTEN_AT_ONCE = 2**20


def drop_written(descriptor: int) -> None:
    """Drop from the system's cache what is on the disk of an open file, and let the system write the rest, without waiting."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


class WrittenCache:
    """Drop the written data of an open file from the system's cache now and then, where the system allows it.

    Otherwise the cache would keep all 180 GB of an hour of 384 channels while any memory is free. Filling new memory takes
    longer than writing to the disk, several times as long on virtual machines.

    Parameters
    ----------
    descriptor : int
        The descriptor of the file. It need not be the one through which the data is written.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._n_bytes = descriptor, 0

    def add(self, n_bytes: int) -> None:
        """Take note of bytes that were written."""
        self._n_bytes += n_bytes
        if self._n_bytes >= MAX_CACHED:
            drop_written(self._descriptor)
            self._n_bytes = 0


def write_bytes(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write data to an open file, piece by piece, so that the system's cache never holds much of it."""
    view, cache = memoryview(data), WrittenCache(file.fileno())
    for start in range(0, len(view), WRITTEN_AT_ONCE):
        cache.add(file.write(view[start : start + WRITTEN_AT_ONCE]))
