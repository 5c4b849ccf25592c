"""The kind `allen`: the two kinds of biophysical models of the Allen Institute, in the layout of its archives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..archive import FIT, MODFILES, input_digests, model_files, read_model
from ..mechanisms import ModFile
from ..metadata import CellFacts, cell_facts, read_metadata
from ..parts import OLD_NAMES
from .contract import Kind

#: The name of the folder of a model begins so
PREFIX = "neuronal_model_"


def recognise(folder: Path) -> bool:
    """Return whether a folder has the name or the fit of an Allen archive."""
    named = folder.name.startswith(PREFIX) or folder.name.isdigit()
    return named or (folder / FIT).exists() or any(folder.glob(OLD_NAMES[FIT]))


def mod_files(folder: Path, contents: Mapping[str, bytes]) -> list[ModFile]:
    """Return the mod files among the contents of a model."""
    return [ModFile(folder / name, contents[name]) for name in sorted(contents) if Path(name).parent.name == MODFILES]


def describe(folder: Path) -> CellFacts:
    """Return what the metadata of a model say."""
    return cell_facts(read_metadata(folder))


ALLEN = Kind(
    name="allen",
    looks="fit_parameters.json, reconstruction.swc and modfiles/, as an archive of the Allen site has them",
    recognise=recognise,
    read=read_model,
    files=model_files,
    mod_files=mod_files,
    describe=describe,
    digests=input_digests,
    runs_code=False,
)
