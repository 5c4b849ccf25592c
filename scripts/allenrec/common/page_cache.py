"""The share of the system's cache that files take while they are written."""

from __future__ import annotations

import os

#: Bytes of a file being written that may stay in the system's cache
MAX_CACHED = 2**22


class WrittenCache:
    """The written data of an open file, which is soon dropped from the system's cache, if the system allows it.

    Otherwise the cache would keep all of the 180 GB of an hour as long as any memory is free. Filling new memory takes longer
    than writing to the disk, several times as long on virtual machines.

    Parameters
    ----------
    descriptor : int
        The descriptor of the file. Another one than that which the data is written with does as well.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._n_bytes = descriptor, 0

    def add(self, n_bytes: int) -> None:
        """Take note of bytes that were written."""
        self._n_bytes += n_bytes
        if self._n_bytes >= MAX_CACHED and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            self._n_bytes = 0
