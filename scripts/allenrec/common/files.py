"""Files appear under their final name only when they are whole."""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError


@contextmanager
def written_beside(path):
    """Yield a temporary path beside `path`; rename it into place when the block ends well, else remove it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each target: what a killed run left behind is overwritten by the next one.
    temporary = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        with _faults_named(path):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _faults_named(path):
    """Let a fault of the system that does not say where it happened, such as a full disk, name what was being written."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # In the system's words: those of HDF5 have several lines.
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def folder_built_beside(folder):
    """Yield an empty temporary folder beside `folder`; rename it into place when the block ends well."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.part-"
    for abandoned in folder.parent.glob(prefix + "*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, suffix=folder.suffix, dir=folder.parent))
    try:
        with _faults_named(folder):
            yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path, text):
    """Write `text`, whole or not at all."""
    with written_beside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def require_space(path, n_bytes, *, at_most=False):
    """Print how much a result will take, and refuse to begin where the disk cannot hold it.

    Parameters
    ----------
    path : path
        Of the result; its folder need not exist.
    n_bytes : int
        What it takes, about; with `at_most`, what it takes if compression gains nothing, which is only printed.

    Raises
    ------
    UserError
        If less is free.
    """
    existing = next(folder for folder in Path(path).absolute().parents if folder.exists())
    needed, free = _in_words(n_bytes), shutil.disk_usage(existing).free
    print(f"{path}: {'at most' if at_most else 'about'} {needed}; {_in_words(free)} are free")
    if n_bytes > free and not at_most:
        raise UserError(
            f"{path} takes {needed}, but only {_in_words(free)} are free in {existing}; make room, or ask for less: a shorter "
            "recording, int16, fewer formats"
        )


def _in_words(n_bytes):
    power = min((len(str(int(n_bytes))) - 1) // 3, 4)
    return f"{n_bytes / 1000**power:.1f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def write_json(path, content):
    """Write `content` as indented JSON, whole or not at all."""
    with written_beside(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def sha256(path):
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
