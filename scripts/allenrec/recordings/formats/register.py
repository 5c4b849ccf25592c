"""The functions that write the formats of `allenrec.settings.recordings.formats`, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from allenrec.settings.recordings.formats import FORMATS as FORMATS

if TYPE_CHECKING:
    from allenrec.common.files import AnyPath

    from .contract import RecordingWithGroundTruth


class Writer(Protocol):
    """The signature of the function `write_<name>` of every format."""

    def __call__(self, path: AnyPath, recording: RecordingWithGroundTruth, *, compression: str = "none") -> None: ...


def load_writer(name: str) -> Writer:
    """Return the function that writes a format.

    Parameters
    ----------
    name : str
        One of `FORMATS`.

    Examples
    --------
    >>> with read_recording("results/recordings/demo/recording.h5") as recording:
    ...     load_writer("zarr")("demo.zarr", recording, compression="zstd")
    """
    return getattr(import_module(FORMATS[name].module), f"write_{name}")
