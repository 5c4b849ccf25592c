"""A folder of SpikeInterface with plain samples, sample by sample, with all channels of a sample side by side."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from allenrec.common.files import AnyPath, folder_built_beside
from allenrec.common.hdf5 import read_rows
from allenrec.common.page_cache import WrittenCache

from .spikeinterface_adapter import PIECES, as_known_sorting, as_recording, as_sorting, segments_of, write_ground_truth

if TYPE_CHECKING:
    from .contract import RecordingWithGroundTruth, Samples


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
        for file, (first, last, _) in zip(saved.get_binary_description()["file_paths"], segments_of(recording), strict=True):
            _write_traces(file, recording.samples, first, last)
        sorting = as_sorting(recording)
        sorting.save(format="numpy_folder", folder=temporary / "sorting")
        write_ground_truth(temporary, recording, sorting)
        known = as_known_sorting(recording)
        if known is not None:
            known.save(format="numpy_folder", folder=temporary / "known_units")


def _write_traces(path: AnyPath, samples: Samples, first: int, last: int) -> None:
    """Write the samples from `first` to `last` as they are in memory. The pieces end where chunks of the recording end."""
    length = samples.chunks[0]
    memory, bounds = np.empty((length, samples.shape[1]), samples.dtype), [*range(first - first % length, last, length), last]
    bounds[0] = first
    with open(path, "wb") as file:
        cache = WrittenCache(file.fileno())
        for start, stop in tqdm(list(pairwise(bounds)), unit="chunk"):
            rows = memory[: stop - start]
            read_rows(samples, start, rows)
            file.write(rows.data)
            cache.add(rows.nbytes)
