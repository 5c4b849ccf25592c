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


def refusal_to_read(path: AnyPath, *, whole: bool = True) -> str | None:
    """Return in one line what is closed to this user on the way to a file or folder, or of it; None if nothing is.

    With `whole`, this is also asked of all that is in the folder, but for folders that are links.
    """
    closed = closed_part(path)
    if closed != Path(path):
        return _refusal(closed)
    unreadable = _unreadable(closed, whole)
    return None if unreadable is None else _refusal(unreadable)


def _refusal(path: AnyPath) -> str:
    return f"{path}: no permission to read this {'folder' if os.path.isdir(path) else 'file'}; {CURE}"


def _unreadable(path: Path, whole: bool) -> Path | None:
    """Return the first of a file, or of a folder and of what is in it, that this user may not read; None if there is none."""
    is_folder = os.path.isdir(path)  # unlike `Path.is_dir`, it takes any text, also that of no path
    if os.path.exists(path) and not os.access(path, os.R_OK | os.X_OK if is_folder else os.R_OK):
        return path
    below = sorted(path.iterdir()) if is_folder and whole else []
    inner = (_unreadable(part, whole) for part in below if not (part.is_dir() and part.is_symlink()))
    return next(filter(None, inner), None)


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
                raise UserError(_refusal(folder))


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
    for path in dict.fromkeys(to_change):
        if os.path.exists(path) and not os.access(path, os.W_OK):
            raise UserError(f"{path}: no permission to write this file; {CURE}")
    for path in dict.fromkeys(to_read):
        if os.path.exists(path) and not os.access(path, os.R_OK):
            raise UserError(_refusal(path))
