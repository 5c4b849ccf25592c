"""A zarr folder of SpikeInterface: the traces in compressed pieces of one second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from numcodecs import blosc

from allenrec.common.errors import UserError
from allenrec.common.files import AnyPath, folder_built_beside
from allenrec.common.processes import describe_exception

from .spikeinterface_adapter import PIECES, as_known_sorting, as_recording, as_sorting

if TYPE_CHECKING:
    from .contract import RecordingWithGroundTruth


def write_zarr(path: AnyPath, recording: RecordingWithGroundTruth, *, compression: str = "zstd") -> None:
    """Write a recording as a zarr folder that `spikeinterface.load` opens, with the ground truth in its folder `sorting.zarr/`.

    Parameters
    ----------
    path : path
        The folder. It must end in `.zarr`, by which SpikeInterface recognises it.
    recording : Recording or GeneratedRecording
    compression : {"none", "zstd"}
        Compression of the traces. `zstd` is SpikeInterface's own.

    Raises
    ------
    UserError
        If SpikeInterface cannot write zarr. Up to version 0.105 it cannot with Python 3.14.
    """
    compressor = {"compressor": None} if compression == "none" else {}
    with folder_built_beside(path) as temporary, _one_thread():
        try:
            as_recording(recording).save(format="zarr", folder=temporary, overwrite=True, **compressor, **PIECES)
            as_sorting(recording).save(format="zarr", folder=temporary / "sorting.zarr")
            known = as_known_sorting(recording)
            if known is not None:
                known.save(format="zarr", folder=temporary / "known_units.zarr")
        except NotImplementedError as error:
            raise UserError(f"{path}: {describe_exception(error)}") from None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let one thread compress. The parts that several threads compress are stored in the order in which they are done, which
    would give other bytes each time."""
    threads = blosc.set_nthreads(1)
    try:
        yield
    finally:
        blosc.set_nthreads(threads)
