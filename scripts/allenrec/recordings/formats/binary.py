"""A folder of SpikeInterface with plain samples, sample by sample, with all channels of a sample side by side."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from tqdm import tqdm

from allenrec.common.files import AnyPath, folder_built_beside

from .plain_samples import pieces_of, write_rows
from .spikeinterface_adapter import PIECES, as_known_sorting, as_recording, as_sorting, segments_of, write_ground_truth

if TYPE_CHECKING:
    from .contract import RecordingWithGroundTruth


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
        # SpikeInterface writes all but the traces, which would take it several times as long: it collects garbage after each
        # piece, and leaves what it wrote in the system's cache.
        saved = as_recording(recording, n_samples=1).save(format="binary", folder=temporary, overwrite=True, **PIECES)
        for path_of_traces, (first, last, _) in zip(
            saved.get_binary_description()["file_paths"], segments_of(recording), strict=True
        ):
            with open(path_of_traces, "wb") as file:
                write_rows(file, recording.samples, tqdm(pieces_of(recording.samples, first, last), unit="chunk"))
        sorting = as_sorting(recording)
        sorting.save(format="numpy_folder", folder=temporary / "sorting")
        write_ground_truth(temporary, recording, sorting)
        known = as_known_sorting(recording)
        if known is not None:
            known.save(format="numpy_folder", folder=temporary / "known_units")
