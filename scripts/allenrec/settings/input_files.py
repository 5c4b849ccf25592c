"""The keys of a configuration that name files and libraries. They are found by their marks, so that none is forgotten."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from allenrec.common.errors import UserError, shown
from allenrec.common.files import sha256
from allenrec.common.permissions import refusal_to_read

from .base import Block, NamesFile, NamesLibrary


def input_files(block: Block) -> dict[str, str]:
    """Return the files that a block names, by the key that names each of them.

    A key in a block within this one is written with dots and numbers, as in `recordings.drift_dicts.0.drift_file`. A folder is
    given as each of its files, whose key ends in `/` and the name, or as itself if it may be large.
    """
    return {key: path for key, path, _ in _named_paths(block)}


def named_libraries(block: Block) -> dict[str, str]:
    """Return the libraries that a block names, by the key that names each of them."""
    return {key: value for key, _, value in _marked_values(block, NamesLibrary)}


def file_digests(block: Block) -> dict[str, str]:
    """Return the SHA-256 of each of the `input_files` of a block, for the provenance of what is made from them.

    Large ones are left out; what reads them makes a digest of its own.
    """
    return {key: sha256(path) for key, path, is_large in _named_paths(block) if not is_large}


def stamps(block: Block) -> dict[str, str]:
    """Return a text for each large folder that a block names, by its key, which changes with the names, sizes or times of the
    files in it. The time of the folder itself, which Snakemake looks at, stays when a file in it is changed."""
    return {key: _stamp(Path(path)) for key, path, is_large in _named_paths(block) if is_large and os.path.isdir(path)}


def check_input_files(key: str, block: Block) -> None:
    """Raise a `UserError` unless every file that a block at a key of the configuration names is there and may be read."""
    for name, mark, value in _marked_values(block, NamesFile):
        path = mark.path_in(value)
        if path is None:
            continue
        # A large folder may hold more than what is read of it.
        if (refusal := refusal_to_read(path, whole=not mark.large)) is not None:
            raise UserError(f"config: {key}.{name}: {refusal}")
        if not (os.path.isfile(path) or (mark.or_folder and os.path.isdir(path))):
            raise UserError(f"config: {key}.{name}: no such file {shown(path)}")


def _named_paths(block: Block) -> Iterator[tuple[str, str, bool]]:
    """Yield the key and the path of each input file of a block, and whether it may be large."""
    for key, mark, value in _marked_values(block, NamesFile):
        path = mark.path_in(value)
        if path is not None:
            for file in [Path(path)] if mark.large else _files_at(Path(path)):
                yield (key if mark.large or str(file) == path else f"{key}/{file.relative_to(path)}"), str(file), mark.large


def _stamp(folder: Path) -> str:
    stats = [(str(file.relative_to(folder)), file.stat()) for file in _files_at(folder)]
    facts = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _files_at(path: Path) -> list[Path]:
    """Return the file at a path, or the files in the folder at that path, in the order of their names."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _marked_values(block: Block, kind: type) -> Iterator[tuple[str, Any, str]]:
    """Yield the key, the mark and the value of each key that has a mark of this kind and a value."""
    for name, field in type(block).model_fields.items():
        value = getattr(block, name)
        for mark in _marks(field):
            if isinstance(mark, kind) and value is not None:
                yield name, mark, value
        for key, inner in _blocks_at(name, value):
            for rest, mark, found in _marked_values(inner, kind):
                yield f"{key}.{rest}", mark, found


def _marks(field: FieldInfo) -> list[Any]:
    """Return the marks of a field, also where its value may be None."""
    return [*field.metadata, *(mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ()))]


def _blocks_at(key: str, value: Any) -> Iterator[tuple[str, Block]]:
    """Yield the blocks that a value is or holds, each with its key."""
    if isinstance(value, Block):
        yield key, value
    elif isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _blocks_at(f"{key}.{name}", inner)
