"""A zarr folder of SpikeInterface: the traces in parts of a second, compressed."""

from contextlib import contextmanager

from numcodecs import blosc

from ..errors import UserError
from ..files import folder_built_beside
from ..processes import in_words
from .extractors import PIECES, as_recording, as_sorting


def write_zarr(folder, recording, *, compression="zstd"):
    """Write a recording as a zarr folder that `spikeinterface.load` opens, and in it, in `sorting.zarr/`, the ground truth.

    Parameters
    ----------
    folder : path
        Must end in `.zarr`, by which SpikeInterface knows it.
    recording : allenrec.recording.Recording
    compression : {"none", "zstd"}
        Of the traces; SpikeInterface's own is zstd.

    Raises
    ------
    UserError
        Where SpikeInterface cannot write zarr, which up to 0.105 is so with Python 3.14.
    """
    compressor = {"compressor": None} if compression == "none" else {}
    with folder_built_beside(folder) as temporary, _one_thread():
        try:
            as_recording(recording).save(format="zarr", folder=temporary, overwrite=True, **compressor, **PIECES)
            as_sorting(recording).save(format="zarr", folder=temporary / "sorting.zarr")
        except NotImplementedError as error:
            raise UserError(f"{folder}: {in_words(error)}") from None


@contextmanager
def _one_thread():
    """Let one thread compress: the parts that several of them make stand in the order in which they are done."""
    threads = blosc.set_nthreads(1)
    try:
        yield
    finally:
        blosc.set_nthreads(threads)
