"""A folder of SpikeInterface with plain samples, sample by sample, with all channels of a sample side by side."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from allenrec.common.files import AnyPath, folder_built_beside

from .spikeinterface_adapter import PIECES, as_known_sorting, as_recording, as_sorting, write_ground_truth

if TYPE_CHECKING:
    from .contract import RecordingWithGroundTruth

#: Chunks of the recording's file, each about a megabyte, that are read and written at once. The memory for many of them would
#: be new each time, and filling new memory takes longer than copying.
CHUNKS_AT_ONCE = 4


def write_binary(path: AnyPath, recording: RecordingWithGroundTruth, *, compression: str = "none") -> None:
    """Write a recording as a folder that `spikeinterface.load` opens, with the ground truth in its folder `sorting/`.

    What a sorting cannot hold lies beside that; see `write_ground_truth`.

    Parameters
    ----------
    path : path
        The folder.
    recording : Recording or GeneratedRecording
    compression : {"none"}

    Raises
    ------
    ValueError
        If another compression is requested.
    """
    if compression != "none":
        raise ValueError(f"{path}: a binary folder is not compressed, but {compression!r} was requested")
    with folder_built_beside(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The extractor is not serializable")
        pieces = PIECES | {"chunk_duration": None, "chunk_size": CHUNKS_AT_ONCE * recording.samples.chunks[0]}
        as_recording(recording).save(format="binary", folder=temporary, overwrite=True, **pieces)
        sorting = as_sorting(recording)
        sorting.save(format="numpy_folder", folder=temporary / "sorting")
        write_ground_truth(temporary, recording, sorting)
        known = as_known_sorting(recording)
        if known is not None:
            known.save(format="numpy_folder", folder=temporary / "known_units")
