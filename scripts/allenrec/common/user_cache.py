"""Folders in which the checkouts of a user share what they have compiled: code, so nobody else may be able to write it."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .files import AnyPath

#: The number of entries that a folder keeps
KEPT = 10


def private_folder(name: str) -> Path | None:
    """Return the folder `allenrec/<name>` in the user's cache; None if there is none that only the user can write."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve()
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        folders = [base, base / "allenrec", base / "allenrec" / name]
        for folder in folders[1:]:
            folder.mkdir(mode=0o700, exist_ok=True)
    except (OSError, RuntimeError):  # the latter: no home folder
        return None
    trusted = all(map(is_private, folders)) and os.access(folders[-1], os.W_OK | os.X_OK)
    return folders[-1] if trusted else None


def is_private(path: AnyPath) -> bool:
    """Return whether a file or folder, no link, belongs to this user and cannot be written by others."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return plain and status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def private_files(folder: Path) -> list[Path]:
    """Return the files below a folder; none if it is missing, or if others could have written some of it."""
    found = sorted(folder.rglob("*")) if is_private(folder) else []
    return [path for path in found if path.is_file()] if all(map(is_private, found)) else []


def forget_old(folder: Path) -> None:
    """Delete all but the latest entries of a folder."""
    entries = sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.stat().st_mtime
    )
    for path in entries[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
