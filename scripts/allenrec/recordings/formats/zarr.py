"""A zarr folder of SpikeInterface: the traces in compressed pieces of one second."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import zarr
from numcodecs import Blosc
from tqdm import tqdm

from allenrec.common.compression import one_compressing_thread
from allenrec.common.errors import UserError
from allenrec.common.files import AnyPath, folder_built_beside
from allenrec.common.hdf5 import read_rows
from allenrec.common.page_cache import drop_written, write_bytes
from allenrec.common.parallel import map_in_order
from allenrec.common.processes import describe_exception

from .plain_samples import pieces_of, write_rows
from .spikeinterface_adapter import PIECES, as_known_sorting, as_recording, as_sorting, segments_of, write_ground_truth

if TYPE_CHECKING:
    from .contract import RecordingWithGroundTruth, Samples

#: The compressor of each compression. SpikeInterface's own, level 5 with blocks of 256 kB, cuts the planes of bits too short:
#: it takes up to a half longer, saves 0.1 % of noise in float32 instead of 12 %, and leaves a tenth to a half more of int16.
COMPRESSORS: dict[str, Blosc | None] = {
    "none": None,
    "zstd": Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE, blocksize=2**21),
}


def write_zarr(path: AnyPath, recording: RecordingWithGroundTruth, *, compression: str = "zstd", threads: int = 1) -> None:
    """Write a recording as a zarr folder that `spikeinterface.load` opens, with the ground truth in its folder `sorting.zarr/`.

    What a sorting cannot hold lies beside that; see `write_ground_truth`.

    Parameters
    ----------
    path : path
        The folder. It must end in `.zarr`, by which SpikeInterface recognises it.
    recording : Recording or GeneratedRecording
    compression : {"none", "zstd"}
        Compression of the traces.
    threads : int
        Threads that compress and write. The bytes do not depend on it.

    Raises
    ------
    UserError
        If the name does not end in `.zarr`. If SpikeInterface cannot write zarr, as version 0.105 with Python 3.14.
    """
    if Path(path).suffix != ".zarr":
        raise UserError(f"{path}: the name of a zarr folder must end in .zarr, as in {path}.zarr")
    with folder_built_beside(path) as temporary, one_compressing_thread():
        try:
            # SpikeInterface writes all but the traces, of which it would make three copies in new memory.
            first_samples = as_recording(recording, n_samples=1)
            options = PIECES | {"compressor": COMPRESSORS[compression]}
            first_samples.save(format="zarr", folder=temporary, overwrite=True, **options)
            folder = zarr.open_group(temporary, mode="r+")
            for number, (first, last, _) in enumerate(segments_of(recording)):
                name = f"traces_seg{number}"
                shape = (last - first, recording.samples.shape[1])
                traces = folder.zeros_like(name, folder[name], shape=shape, overwrite=True)
                _write_traces(temporary / name, traces, recording.samples, first, threads)
            sorting = as_sorting(recording)
            sorting.save(format="zarr", folder=temporary / "sorting.zarr")
            write_ground_truth(temporary, recording, sorting)
            known = as_known_sorting(recording)
            if known is not None:
                known.save(format="zarr", folder=temporary / "known_units.zarr")
        except NotImplementedError as error:
            raise UserError(f"{path}: {describe_exception(error)}") from None


def _write_traces(folder: Path, array: zarr.Array, samples: Samples, first: int, threads: int) -> None:
    """Write samples, from `first`, as the chunks of an empty array into its folder. Each thread writes a chunk at a time.

    zarr itself would copy each chunk, and leave it in the system's cache.
    """
    length, last = array.chunks[0], first + len(array)
    writers = [_PlainChunks(array) if array.compressor is None else _CompressedChunks(array) for _ in range(threads)]

    def write(number: int) -> None:
        start = first + number * length
        with open(folder / f"{number}.0", "wb") as file:
            writers[number % threads].write(file, samples, start, min(start + length, last))
            drop_written(file.fileno())
        if number >= threads:  # the end of the chunk before is on the disk by now
            with open(folder / f"{number - threads}.0", "rb") as file:
                drop_written(file.fileno())

    numbers = range(-(-len(array) // length))
    deque(tqdm(map_in_order(write, numbers, threads, at_once=threads), total=len(numbers), unit="chunk"), maxlen=0)


class _PlainChunks:
    """The writer of chunks that are not compressed: the samples as they are in memory."""

    def __init__(self, array: zarr.Array) -> None:
        self._n_bytes = math.prod(array.chunks) * array.dtype.itemsize

    def write(self, file: BinaryIO, samples: Samples, first: int, last: int) -> None:
        write_rows(file, samples, pieces_of(samples, first, last))
        file.truncate(self._n_bytes)  # what the last chunk lacks is zero


class _CompressedChunks:
    """The writer of compressed chunks."""

    def __init__(self, array: zarr.Array) -> None:
        self._rows, self._compressor = np.empty(array.chunks, array.dtype), array.compressor

    def write(self, file: BinaryIO, samples: Samples, first: int, last: int) -> None:
        read_rows(samples, first, self._rows[: last - first])
        self._rows[last - first :] = 0
        write_bytes(file, self._compressor.encode(self._rows))
