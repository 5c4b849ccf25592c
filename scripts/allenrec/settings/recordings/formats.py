"""The register of formats: what settings, rules and exports know of each format that recordings are written in.

A new format is an entry here, and a module `allenrec.recordings.formats.<name>` with a function `write_<name>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from . import Recording


@dataclass(frozen=True)
class Format:
    """One format of recordings.

    Attributes
    ----------
    name : str
        The word in the configuration. It also names the module and the function that write the format.
    path : str
        The file or folder inside the folder of a recording.
    title : str
        What the format is, for the description of `recordings.<name>.format`.
    directory : bool
        Whether `path` is a folder.
    options : dict
        Keyword arguments of the writer, and the keys of a recording's settings that give their values.
    threads : int
        Number of threads that writing gains from. If it is more than one, the writer has the keyword argument `threads`.
    """

    name: str
    path: str
    title: str
    directory: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1

    @property
    def module(self) -> str:
        """The module that writes the format."""
        return f"allenrec.recordings.formats.{self.name}"

    def options_of(self, settings: Recording) -> dict[str, Any]:
        """Return the keyword arguments of the writer for a recording with these settings."""
        return {argument: getattr(settings, key) for argument, key in self.options.items()}

    def compression_of(self, settings: Recording) -> str:
        """Return the compression of the samples of a recording with these settings, "none" if the format knows none."""
        compression: str = self.options_of(settings).get("compression", "none")
        return compression


_ENTRIES = (
    Format("mearec", "recording.h5", "an HDF5 file in MEArec's layout", options={"compression": "compression"}),
    Format("binary", "binary", "a folder of SpikeInterface with plain samples", directory=True),
    Format(
        "zarr",
        "recording.zarr",
        "a zarr folder of SpikeInterface",
        directory=True,
        options={"compression": "zarr_compression"},
        threads=2,
    ),
    Format(
        "nwb",
        "recording.nwb",
        "a file of Neurodata Without Borders",
        options={"compression": "compression", "metadata": "nwb"},
    ),
)
#: All formats by name
FORMATS = {entry.name: entry for entry in _ENTRIES}
#: The format that recordings are generated in; the others are written from its file
GENERATED_FORMAT = FORMATS["mearec"]
#: The formats that are written from the file of the generated one
EXPORTED_FORMATS = [entry for entry in _ENTRIES if entry is not GENERATED_FORMAT]
#: Keys of a recording's settings that change no generated file
EXPORT_KEYS = {"format"} | {key for entry in EXPORTED_FORMATS for key in entry.options.values()} - set(
    GENERATED_FORMAT.options.values()
)

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]
