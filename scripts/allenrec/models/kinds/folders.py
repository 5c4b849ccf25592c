"""What kinds have in common whose models are whole folders: all files are part of the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from allenrec.common.errors import UserError

from ..mechanisms import ModFile, check_mod_file_name, mechanisms_digest
from ..metadata import METADATA
from ..trust import model_digest

#: The file in which users describe a model of their own
DESCRIPTION = "model.yaml"
#: The record of the check
VERIFIED = "verified.json"
#: Files in a model folder that are ours, and what Python leaves there; no job sees them
NOT_OF_THE_MODEL = frozenset({METADATA, VERIFIED, "__pycache__"})
#: Most files of a model, and most bytes of all; a model has a megabyte
MOST_FILES, MOST_BYTES = 10_000, 500 * 2**20


def all_files(folder: Path) -> list[Path]:
    """Return the paths of all files of a model folder, sorted; those that are ours and `__pycache__` are left out.

    Raises
    ------
    UserError
        If the folder has a link to a folder, too many files or too large ones.
    """
    files, size = [], 0
    for path in sorted(folder.rglob("*")):
        if NOT_OF_THE_MODEL & set(path.relative_to(folder).parts):
            continue
        if path.is_dir():
            if path.is_symlink():
                raise UserError(f"{path} is a link to a folder; put the files of the model there themselves")
            continue
        if not path.is_file():
            raise UserError(f"{path} is no file; a model folder has files and folders only")
        files.append(path)
        size += path.stat().st_size
        if len(files) > MOST_FILES or size > MOST_BYTES:
            raise UserError(f"{folder}: more than {MOST_FILES} files or {MOST_BYTES >> 20} MB; that is not a model")
    return files


def contents_of(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files of a model folder by their names in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in all_files(folder)}


def mod_files_in(folder: Path, contents: Mapping[str, bytes], place: str) -> list[ModFile]:
    """Return the mod files of one folder within a model, sorted by name; [] if there are none.

    Parameters
    ----------
    folder : path
        The model folder.
    contents : mapping
        The contents of its files by their names in it.
    place : str
        The folder of the mod files, relative to it; "." is the model folder itself.
    """
    found = []
    for name in sorted(contents):
        path = Path(name)
        if path.suffix == ".mod" and path.parent == Path(place):
            check_mod_file_name(path.name, f"{folder}")
            found.append(ModFile(folder / name, contents[name]))
    return found


def digests_of_folder(folder: Path, mod_files: Iterable[ModFile]) -> dict[str, str]:
    """Return the digest of the mechanisms that are compiled, and the one of all files, which `models.trusted` holds."""
    return {"mechanisms": mechanisms_digest(list(mod_files)), "model": model_digest(contents_of(folder))}
