"""Files that appear under their final name only when they are complete."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .csv_text import table_as_data
from .errors import NO_FILE, UserError, not_valid, shortened
from .temporary import temporary_beside

if TYPE_CHECKING:  # the start of a workflow needs no pandas
    import pandas as pd

AnyPath = str | os.PathLike[str]

#: The key of a JSON object that holds the SHA-256 of all else in it
DIGEST = "sha256"


@contextmanager
def written_beside(path: AnyPath) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends well, else remove it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with _errors_naming(path, temporary):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _errors_naming(path: Path, temporary: Path) -> Iterator[None]:
    """Name the file that is written in an error of the system that names none, as of a full disk, or its temporary name."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        # The text is the system's, because HDF5's own texts have several lines.
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def folder_built_beside(folder: AnyPath) -> Iterator[Path]:
    """Yield an empty temporary folder beside `folder`; rename it into place when the block ends well."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(folder)
    try:
        with _errors_naming(folder, temporary):
            temporary.mkdir(mode=0o700)
            yield temporary
        temporary.chmod(0o755)
        _replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(new: Path, folder: Path) -> None:
    """Rename a folder into the place of another one, which is removed, while another process may do the same."""
    while True:
        try:
            os.replace(new, folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        old = temporary_beside(folder)
        with suppress(FileNotFoundError):
            os.rename(folder, old)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: AnyPath, text: str, *, checked: bool = False) -> None:
    """Write `text` as a complete file or not at all. With `checked`, its SHA-256 is kept beside it, for `read_checked`."""
    content = text.encode()
    if checked:
        write_text(_digest_beside(path), f"{hashlib.sha256(content).hexdigest()}  {Path(path).name}\n")
    with written_beside(path) as temporary:
        temporary.write_bytes(content)


def read_checked(path: AnyPath, kind: str) -> str:
    """Return the text of a file that `write_text` or `write_table` wrote with `checked`.

    Parameters
    ----------
    path : path
    kind : str
        What the file should be, as in "table", for messages.

    Raises
    ------
    DamagedFile
        If the text is not what was written. A file without a digest beside it must be text at least.
    """
    content, beside = content_of(path, kind), _digest_beside(path)
    if beside.exists() and beside.read_bytes().split()[:1] != [hashlib.sha256(content).hexdigest().encode()]:
        raise not_valid(path, kind, "it is not what was written")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise not_valid(path, kind, error) from None


def content_of(path: AnyPath, kind: str) -> bytes:
    """Return the bytes of a file. A folder, a pipe or a device in its place is damage; a pipe would be read for ever."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise not_valid(path, kind, NO_FILE)
    return Path(path).read_bytes()


def _digest_beside(path: AnyPath) -> Path:
    """Return the hidden file with the digest of a file, as `sha256sum --check` reads it."""
    return Path(path).with_name(f".{Path(path).name}.sha256")


def write_json(path: AnyPath, content: Any, *, checked: bool = False) -> None:
    """Write `content` as indented JSON, as a complete file or not at all.

    With `checked`, the content is a dict, and its SHA-256 is put into the file with it, for `read_json`.
    """
    write_text(path, json.dumps(content | {DIGEST: _digest_of(content)} if checked else content, indent=2) + "\n")


def read_json(path: AnyPath, kind: str) -> dict[str, Any]:
    """Return the dict that `write_json` wrote with `checked`.

    Parameters
    ----------
    path : path
    kind : str
        What the file should be, as in "JSON", for messages.

    Raises
    ------
    OSError
        If the file cannot be read.
    DamagedFile
        If it does not hold its SHA-256, or if its content is not what was written.
    """
    content = content_of(path, kind)
    try:
        found = json.loads(content.decode())
        digest = found.pop(DIGEST)
        if digest != _digest_of(found):
            raise ValueError("it is not what was written")
    except (KeyError, TypeError, AttributeError, IndexError):
        raise not_valid(path, kind, "it does not hold its SHA-256: it was changed, or written by another program") from None
    except (ValueError, RecursionError) as error:
        raise not_valid(path, kind, shortened(error)) from None
    return found


def _digest_of(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a dict, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_table(path: AnyPath, table: pd.DataFrame, *, checked: bool = False) -> None:
    """Write a table as CSV with six significant digits and without its index, as a complete file or not at all.

    See `write_text` for `checked`. Text that a spreadsheet would take for a formula has an apostrophe in front; see `csv_text`.
    """
    write_text(path, table_as_data(table).to_csv(index=False, float_format="%.6g"), checked=checked)


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
