"""Recordings and sortings that were not made here, opened by SpikeInterface."""

from __future__ import annotations

import difflib
import inspect
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .acquisition_files import WHOLE, reader_of, require_pairs_spikeglx
from .errors import UserError, shown
from .foreign_code import require_data, require_no_file_is_run
from .permissions import describe_refusal
from .processes import describe_exception
from .time_stamps import require_even_stamps

if TYPE_CHECKING:
    from spikeinterface.core import BaseRecording, BaseSorting

    from .files import AnyPath

#: The extractor for files that `spikeinterface.load` does not open, by their ending
EXTRACTORS = {".nwb": "read_nwb_recording"}
#: What marks a group of zarr, in its second and in its third version
GROUPS = (".zgroup", "zarr.json")
#: Arguments that are text, also if YAML reads a number
TEXTS = ("stream_id", "stream_name")


def open_recording(path: AnyPath, extractor: str | None = None, arguments: Mapping[str, Any] | None = None) -> BaseRecording:
    """Open a recording. No samples are read.

    Parameters
    ----------
    path : path
    extractor : str, optional
        Function of `spikeinterface.extractors` that takes the path, such as "read_spikeglx". Without it, `spikeinterface.load`
        opens folders and files that SpikeInterface saved, and `read_nwb_recording` files of NWB.
    arguments : dict, optional
        Further arguments of the function.

    Raises
    ------
    UserError
        If the path is missing, damaged or of another kind, if the function has no such arguments or streams (the message names
        those that there are), or if its time stamps have gaps.
    """
    from spikeinterface.core import BaseRecording

    name = extractor or EXTRACTORS.get(Path(path).suffix.lower())
    given = {key: str(value) if key in TEXTS and isinstance(value, int) else value for key, value in (arguments or {}).items()}
    found = _opened(path, name, given)
    if not isinstance(found, BaseRecording):
        raise UserError(f"{path}: holds a {type(found).__name__}, not a recording")
    if not found.get_num_channels() or not found.get_total_samples():
        raise UserError(f"{path}: a recording without samples")
    if name in WHOLE:
        WHOLE[name](found)
    _require_all_chunks(Path(path))
    require_even_stamps(path, found)
    return found


def open_sorting(path: AnyPath) -> BaseSorting:
    """Open a sorting that SpikeInterface saved, or a folder of Kilosort or phy.

    Raises
    ------
    UserError
        If the path is missing, damaged or of another kind.
    """
    from spikeinterface.core import BaseSorting

    by_kilosort = (Path(path) / "params.py").is_file()
    found = _opened(path, "read_phy" if by_kilosort else None, {})
    if not isinstance(found, BaseSorting):
        raise UserError(f"{path}: holds a {type(found).__name__}, not a sorting")
    return found


def _require_all_chunks(path: Path) -> None:
    """Refuse a zarr folder without some chunks of its traces, which zarr would read as zeros.

    SpikeInterface writes all of them, as zarr does up to version 2. Later versions leave out those with zeros only.
    """
    if not any((path / name).is_file() for name in GROUPS):
        return
    import zarr

    for name, array in zarr.open_group(str(path), mode="r").arrays():
        absent = array.nchunks - array.nchunks_initialized
        if name.startswith("traces") and absent:
            raise UserError(
                f"{path}: {absent} of the {array.nchunks} chunks of {name} are not there; is it complete? If they are all "
                f"zero, save the recording with SpikeInterface as a binary folder"
            )


def _named(extractor: str) -> Callable[..., Any]:
    """Return a function of `spikeinterface.extractors` by its name."""
    import spikeinterface.extractors as extractors

    function = getattr(extractors, extractor, None) if extractor.startswith("read_") else None
    if function is None:
        names = [name for name in dir(extractors) if name.startswith("read_")]
        close = difflib.get_close_matches(extractor.lower(), names, n=1)
        hint = f"; did you mean {close[0]}?" if close else "; SpikeInterface's documentation lists them"
        raise UserError(f"extractor {shown(extractor)}: spikeinterface.extractors has no such function{hint}")
    require_no_file_is_run(extractor)
    return function


def _opened(path: AnyPath, extractor: str | None, arguments: Mapping[str, Any]) -> Any:
    """Return what an extractor, or `spikeinterface.load`, makes of a path."""
    from spikeinterface.core import load

    if not os.path.exists(path):
        raise UserError(f"{path}: no such file or folder")
    require_data(path)
    function = load if extractor is None else _named(extractor)
    if extractor is not None and "folder_path" in inspect.signature(function).parameters and os.path.isfile(path):
        raise UserError(f"{path}: {extractor} takes a folder, not a file; write a folder, such as {Path(path).parent}")
    if extractor == "read_spikeglx":
        require_pairs_spikeglx(path, arguments)
    if extractor is None and os.path.isfile(path):
        # Relative paths in a JSON file begin where it lies, unless it was told another folder when it was saved.
        arguments = {"base_folder": Path(path).parent}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(path, **arguments)
    except Exception as error:  # readers of many formats, each with errors of its own
        if isinstance(error, OSError) and (refusal := describe_refusal(error)):
            raise UserError(refusal) from None
        reason, hint = _reason(error, function), "" if extractor else _hint(path)
        raise UserError(f"{path}: SpikeInterface's {extractor or 'load'} cannot open it ({reason}){hint}") from None


def _hint(path: AnyPath) -> str:
    """Return what may help if `load` cannot open a path."""
    if str(path).endswith(".json") and os.path.isfile(path):
        return f"; the files that it names must be there, and their paths, if they are relative, begin in {Path(path).parent}"
    return f"; name the function that does, such as `extractor: {reader_of(path)}`"


def _reason(error: Exception, function: Callable[..., Any]) -> str:
    """Return why a reader failed, on one line."""
    from spikeinterface.extractors import extractor_classes

    text = describe_exception(error)
    if isinstance(error, UnboundLocalError):  # what `load` ends with in folders of other programs
        return "SpikeInterface has not saved it"
    if isinstance(error, KeyError):
        return f"it lacks {text}"
    if "not a multiple of the data-type size" in text:
        return "a file of samples ends within a sample; it is cut short, copy it again"
    streams = re.search(r"several streams.*?`stream_names`:\s*(\[.*?\])", text)
    if streams is not None:
        return f"it has several streams; write `arguments: {{stream_name: ...}}` with one of {streams[1]}"
    wrong = re.search(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'", text)
    if wrong is not None:
        _, *taken = inspect.signature(getattr(extractor_classes, wrong[1], function)).parameters
        return f"it has no argument {wrong[2]}; its arguments are {', '.join(taken)}"
    return re.sub(r"np\.str_\((.*?)\)", r"\1", text)
