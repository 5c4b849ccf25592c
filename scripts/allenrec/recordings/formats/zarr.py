"""A zarr folder of SpikeInterface: the traces in compressed pieces of one second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allenrec.common.compression import one_compressing_thread
from allenrec.common.errors import UserError
from allenrec.common.files import AnyPath, folder_built_beside
from allenrec.common.processes import describe_exception

from .spikeinterface_adapter import PIECES, as_known_sorting, as_recording, as_sorting, write_ground_truth

if TYPE_CHECKING:
    from .contract import RecordingWithGroundTruth


def write_zarr(path: AnyPath, recording: RecordingWithGroundTruth, *, compression: str = "zstd") -> None:
    """Write a recording as a zarr folder that `spikeinterface.load` opens, with the ground truth in its folder `sorting.zarr/`.

    What a sorting cannot hold lies beside that; see `write_ground_truth`.

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
    with folder_built_beside(path) as temporary, one_compressing_thread():
        try:
            as_recording(recording).save(format="zarr", folder=temporary, overwrite=True, **compressor, **PIECES)
            sorting = as_sorting(recording)
            sorting.save(format="zarr", folder=temporary / "sorting.zarr")
            write_ground_truth(temporary, recording, sorting)
            known = as_known_sorting(recording)
            if known is not None:
                known.save(format="zarr", folder=temporary / "known_units.zarr")
        except NotImplementedError as error:
            raise UserError(f"{path}: {describe_exception(error)}") from None
