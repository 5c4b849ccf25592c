"""Recordings and sortings that were not made here, opened by SpikeInterface."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError, shown
from .processes import describe_exception

if TYPE_CHECKING:
    from spikeinterface.core import BaseRecording, BaseSorting

    from .files import AnyPath

#: The extractor for files that `spikeinterface.load` does not open, by their ending
EXTRACTORS = {".nwb": "read_nwb_recording"}


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
        If the path is missing, damaged or of another kind.
    """
    from spikeinterface.core import BaseRecording, load

    function = EXTRACTORS.get(Path(path).suffix.lower()) if extractor is None else extractor
    found = _opened(path, _named(function) if function else load, arguments or {})
    if not isinstance(found, BaseRecording):
        raise UserError(f"{path}: holds a {type(found).__name__}, not a recording")
    if not found.get_num_channels() or not found.get_total_samples():
        raise UserError(f"{path}: a recording without samples")
    return found


def open_sorting(path: AnyPath) -> BaseSorting:
    """Open a sorting that SpikeInterface saved, or a folder of Kilosort or phy.

    Raises
    ------
    UserError
        If the path is missing, damaged or of another kind.
    """
    from spikeinterface.core import BaseSorting, load

    by_kilosort = (Path(path) / "params.py").is_file()
    found = _opened(path, _named("read_phy") if by_kilosort else load, {})
    if not isinstance(found, BaseSorting):
        raise UserError(f"{path}: holds a {type(found).__name__}, not a sorting")
    return found


def _named(extractor: str) -> Callable[..., Any]:
    import spikeinterface.extractors as extractors

    function = getattr(extractors, extractor, None) if extractor.startswith("read_") else None
    if function is None:
        raise UserError(f"extractor {shown(extractor)}: spikeinterface.extractors has no such function")
    return function


def _opened(path: AnyPath, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file or folder")
    name = getattr(function, "__name__", "load")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(path, **arguments)
    except Exception as error:  # readers of many formats, each with errors of its own
        hint = "; name the function that does, such as `extractor: read_spikeglx`" if name == "load" else ""
        raise UserError(f"{path}: SpikeInterface's {name} cannot open it ({describe_exception(error)}){hint}") from None
