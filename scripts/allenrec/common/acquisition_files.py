"""Files of acquisition systems. Their readers pass over files that are missing or cut short; these functions do not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .files import AnyPath

#: Files that only one acquisition system writes, and the function of `spikeinterface.extractors` that reads them
MARKS = {"structure.oebin": "read_openephys", "*.imec*.meta": "read_spikeglx"}


def reader_of(path: AnyPath) -> str:
    """Return the function of `spikeinterface.extractors` that reads a folder, as its files tell; `read_spikeglx` as an example
    if they do not."""
    return next((reader for pattern, reader in MARKS.items() if any(Path(path).rglob(pattern))), "read_spikeglx")


def require_pairs_spikeglx(path: AnyPath, arguments: Mapping[str, Any]) -> None:
    """Raise an error unless each `.bin` of a stream of SpikeGLX has its `.meta`, and the other way round.

    Parameters
    ----------
    path : path
        The folder.
    arguments : dict
        Those of `read_spikeglx`, which may name the stream; without it, all files of probes must have their `.meta`.

    Raises
    ------
    UserError
        The message names the file.
    """
    stream = next((arguments[key] for key in ("stream_id", "stream_name") if arguments.get(key)), None)
    kinds = [f"*.{kind}" for kind in ("imec*.ap", "imec*.lf")] if stream is None else [f"*.{str(stream).removesuffix('-SYNC')}"]
    stems = {
        end: {file.with_suffix("") for kind in kinds for file in Path(path).rglob(kind + end)} for end in (".bin", ".meta")
    }
    for here, there in ((".bin", ".meta"), (".meta", ".bin")):
        # The .meta of a stream that is not used may be there alone
        lone = sorted(stems[here] - stems[there]) if here == ".bin" or stream is not None else []
        if lone:
            raise UserError(f"{lone[0]}{here}: no {lone[0].name}{there} beside it; copy it there, or take this file away")


def require_whole_spikeglx(recording: Any) -> None:
    """Raise an error unless each file of a stream of SpikeGLX has the length that its `.meta` says.

    A file of a run that ended in a crash has a size of 0 in its `.meta`, or none; it is taken as it is.

    Parameters
    ----------
    recording : spikeinterface.extractors.SpikeGLXRecordingExtractor

    Raises
    ------
    UserError
        The message names the file.
    """
    stream = recording.stream_id.removesuffix("-SYNC")
    for info in recording.neo_reader.signals_info_list:
        size, said = Path(info["bin_file"]).stat().st_size, int(info["meta"].get("fileSizeBytes") or 0)
        if info["stream_name"] == stream and size < said:
            raise UserError(
                f"{info['bin_file']}: cut short; has {size} of the {said} bytes of its .meta (fileSizeBytes); copy it again"
            )


def require_whole_open_ephys(recording: Any) -> None:
    """Raise an error unless each file of a stream of Open Ephys' binary format has all samples that are numbered beside it, and
    these numbers have no gaps.

    Parameters
    ----------
    recording : spikeinterface.extractors.OpenEphysBinaryRecordingExtractor
        Recordings of its older format are taken as they are.

    Raises
    ------
    UserError
        The message names the file.
    """
    for segment, folder in enumerate(getattr(recording, "_stream_folders", ())):
        numbers = next((file for name in ("sample_numbers", "timestamps") if (file := folder / f"{name}.npy").is_file()), None)
        if numbers is None:
            continue
        found, n_samples = np.load(numbers, mmap_mode="r"), recording.get_num_samples(segment)
        if n_samples < len(found):
            raise UserError(
                f"{folder / 'continuous.dat'}: cut short; has {n_samples} of the {len(found)} samples that are numbered beside "
                "it; copy it again"
            )
        # Files of version 0.5 name the numbers of samples timestamps, too.
        if found.dtype.kind in "iu" and len(found) and int(found[-1]) - int(found[0]) != len(found) - 1:
            jump = int(np.argmax(found - np.arange(len(found)) != found[0]))
            raise UserError(
                f"{numbers}: number {found[jump]} follows on {found[jump - 1]}; a segment has no gaps, so cut the recording at "
                f"sample {jump} (frame_slice and append_recordings of SpikeInterface), save it, and name that"
            )


#: What compares the files of a recording that is open, for the extractors that do not
WHOLE: dict[str, Callable[[Any], None]] = {
    "read_spikeglx": require_whole_spikeglx,
    "read_openephys": require_whole_open_ephys,
}
