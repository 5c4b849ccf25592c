"""Files that appear under their final name only when they are complete."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .csv_text import table_as_data
from .errors import UserError

if TYPE_CHECKING:  # the start of a workflow needs no pandas
    import pandas as pd

AnyPath = str | os.PathLike[str]


@contextmanager
def written_beside(path: AnyPath) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends well, else remove it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each target has a temporary name of its own, so that the next run overwrites what a killed run left behind.
    temporary = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        with _errors_naming(path):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Name the file that was being written in an error of the system that names none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # The text is the system's, because HDF5's own texts have several lines.
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def folder_built_beside(folder: AnyPath) -> Iterator[Path]:
    """Yield an empty temporary folder beside `folder`; rename it into place when the block ends well."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.part-"
    for abandoned in folder.parent.glob(prefix + "*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, suffix=folder.suffix, dir=folder.parent))
    try:
        with _errors_naming(folder):
            yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: AnyPath, text: str) -> None:
    """Write `text` as a complete file or not at all."""
    with written_beside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: AnyPath, content: Any) -> None:
    """Write `content` as indented JSON, as a complete file or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_table(path: AnyPath, table: "pd.DataFrame") -> None:
    """Write a table as CSV with six significant digits and without its index, as a complete file or not at all.

    Text that a spreadsheet would take for a formula has an apostrophe in front; see `csv_text`.
    """
    with written_beside(path) as temporary:
        table_as_data(table).to_csv(temporary, index=False, float_format="%.6g")


def require_space(path: AnyPath, n_bytes: int, *, at_most: bool = False) -> None:
    """Print how much space a result will take, and raise an error if the disk cannot hold it.

    Parameters
    ----------
    path : path
        The result; its folder need not exist.
    n_bytes : int
        Its approximate size in bytes. With `at_most`, its size if compression gains nothing; this is only printed.
    at_most : bool

    Raises
    ------
    UserError
        If less space is free.
    """
    existing = next(folder for folder in Path(path).absolute().parents if folder.exists())
    needed, free = readable_size(n_bytes), shutil.disk_usage(existing).free
    print(f"{path}: {'at most' if at_most else 'about'} {needed}; {readable_size(free)} are free")
    if n_bytes > free and not at_most:
        raise UserError(
            f"{path} takes {needed}, but only {readable_size(free)} are free in {existing}; make room, or choose "
            "a shorter recording, int16 or fewer formats"
        )


def readable_size(n_bytes: float) -> str:
    """Return a size with its unit, such as "1.5 GB"."""
    power = min((len(str(int(n_bytes))) - 1) // 3, 4)
    return f"{n_bytes / 1000**power:.1f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def sha256(path: AnyPath) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
