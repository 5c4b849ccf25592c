"""Names of files and folders that are not complete yet: each process has its own, and removes those of the dead."""

import glob
import os
import re
import secrets
import shutil
import socket
import time
import zlib
from pathlib import Path

#: Seconds after which what another machine left behind, whose processes cannot be seen, is taken as abandoned
A_DAY = 86400.0


def temporary_beside(path: Path) -> Path:
    """Return a hidden path beside `path` that no other process uses, after what killed processes left there is removed.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder that is going to be written.

    Returns
    -------
    pathlib.Path
        It ends as `path` does, and does not exist.
    """
    remove_abandoned(path)
    return path.with_name(f".{path.name}.part-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")


def remove_abandoned(path: Path) -> None:
    """Remove what processes that have ended left of the file or folder `path`."""
    for found in path.parent.glob(f".{glob.escape(path.name)}.part*"):
        if _is_abandoned(found, found.name.removeprefix(f".{path.name}.part")):
            if found.is_dir():
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink(missing_ok=True)


def _is_abandoned(path: Path, rest: str) -> bool:
    """Return whether the process that began to write a path has ended; `rest` is its name from machine and process on."""
    owner = re.match(r"-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}", rest)
    if owner is None:
        return True  # An earlier version wrote it.
    if owner[1] == _machine():
        return not _is_alive(int(owner[2]))
    try:
        return time.time() - path.stat().st_mtime > A_DAY
    except OSError:
        return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _machine() -> str:
    """Return the name of this machine as eight hexadecimal digits."""
    return f"{zlib.crc32(socket.gethostname().encode(errors='surrogateescape')):08x}"
