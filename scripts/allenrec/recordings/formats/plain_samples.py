"""Samples in files as they are in memory, sample by sample, with all channels of a sample side by side."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from allenrec.common.hdf5 import read_rows
from allenrec.common.page_cache import WrittenCache

if TYPE_CHECKING:
    from .contract import Samples


def pieces_of(samples: Samples, first: int, last: int) -> list[tuple[int, int]]:
    """Return the first sample, and the one after the last, of the pieces in which the samples from `first` to `last` are best
    read. They end where chunks of the recording end."""
    length = samples.chunks[0]
    return list(pairwise([first, *range(first - first % length + length, last, length), last]))


def write_rows(file: BinaryIO, samples: Samples, pieces: Iterable[tuple[int, int]]) -> None:
    """Write pieces of samples into a file, each from its first sample to the one before its last."""
    memory = np.empty((samples.chunks[0], samples.shape[1]), samples.dtype)
    cache = WrittenCache(file.fileno())
    for first, last in pieces:
        rows = memory[: last - first]
        read_rows(samples, first, rows)
        file.write(rows.data)
        cache.add(rows.nbytes)
