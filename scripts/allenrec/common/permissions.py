"""Files and folders that this user may not read or write."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UserError

if TYPE_CHECKING:
    from .files import AnyPath

#: What a user can do about it
CURE = "change its permissions (chmod) or its owner (chown)"
#: The folder in which Snakemake keeps its records, and those of its subfolders without which it runs no job
RECORDS = Path(".snakemake")
NEEDED_RECORDS = ("auxiliary", "incomplete", "locks", "metadata", "scripts")


def closed_part(path: AnyPath) -> Path:
    """Return the folder on the way to a path that this user may not enter, or else the path itself."""
    path = Path(path)
    return next((folder for folder in reversed(path.parents) if os.path.isdir(folder) and not os.access(folder, os.X_OK)), path)


def describe_refusal(error: OSError) -> str | None:
    """Return what is wrong and what to do in one line, if an error of the system is that a permission is missing."""
    if error.errno not in (errno.EACCES, errno.EPERM) or error.filename is None:
        return None
    return f"{closed_part(os.fsdecode(error.filename))}: permission denied; {CURE}"


def require_readable_folders(tops: Iterable[AnyPath], levels: int) -> None:
    """Refuse folders in which this user cannot look for files: those that exist of `tops`, and so many levels below.

    Raises
    ------
    UserError
        One line that names the first of them.
    """
    for top in tops:
        for folder in _folders(top, levels):
            if not os.access(folder, os.R_OK | os.X_OK):
                raise UserError(f"{folder}: no permission to read this folder; {CURE}")


def _folders(top: AnyPath, levels: int) -> Iterator[str]:
    """Yield a folder, if it exists, and the folders below it, without those of the file system and hidden ones."""
    if not os.path.isdir(top):
        if not os.path.exists(top):
            yield from [str(part) for part in [closed_part(top)] if part != Path(top)]
        return
    yield os.fspath(top)
    if levels and os.access(top, os.R_OK | os.X_OK):
        with os.scandir(top) as entries:
            below = [entry.path for entry in entries if entry.is_dir() and not entry.name.startswith((".", "lost+found"))]
        for folder in sorted(below):
            yield from _folders(folder, levels - 1)


def require_writable_records() -> None:
    """Refuse a working directory in which Snakemake cannot keep its records.

    Raises
    ------
    UserError
        One line that names the folder.
    """
    for folder in (RECORDS, *(RECORDS / name for name in NEEDED_RECORDS)):
        require_writable_place(folder)


def require_writable_place(path: AnyPath) -> None:
    """Refuse a file or folder to be made where this user cannot write.

    Parameters
    ----------
    path : path
        If it is a folder that exists, files are to be made in it; otherwise in the nearest folder above it that exists.

    Raises
    ------
    UserError
        One line that names the folder.
    """
    absolute = Path(os.path.abspath(path))
    folder = next(part for part in (absolute, *absolute.parents) if os.path.isdir(part))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{folder}: no permission to write here, or the file system is read-only; {CURE}")


def require_files(to_read: Iterable[AnyPath], to_make: Iterable[AnyPath], to_change: Iterable[AnyPath]) -> None:
    """Refuse files of a run that this user may not read, make or change.

    Parameters
    ----------
    to_read : iterable of paths
        Those that do not exist are left out: they are made meanwhile.
    to_make : iterable of paths
        The folders of these files are asked, as a file is made anew and takes the place of an older one.
    to_change : iterable of paths
        Files that are written where they are, if they exist.

    Raises
    ------
    UserError
        One line that names the file or folder.
    """
    for folder in dict.fromkeys(os.path.dirname(os.path.abspath(path)) for path in (*to_make, *to_change)):
        require_writable_place(folder)
    for paths, right, verb in ((to_change, os.W_OK, "write"), (to_read, os.R_OK, "read")):
        for path in dict.fromkeys(paths):
            if os.path.exists(path) and not os.access(path, right):
                raise UserError(f"{path}: no permission to {verb} this file; {CURE}")
