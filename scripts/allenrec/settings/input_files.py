"""The keys of a configuration that name files and libraries. They are found by their marks, so that none is forgotten."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from allenrec.common.errors import UserError, shown
from allenrec.common.files import sha256

from .base import Block, NamesFile, NamesLibrary


def input_files(block: Block) -> dict[str, str]:
    """Return the files that a block names, by the key that names each of them.

    A key in a block within this one is written with dots and numbers, as in `recordings.drift_dicts.0.drift_file`. A folder is
    given as each of its files, whose key ends in `/` and the name.
    """
    found = {}
    for key, mark, value in _marked_values(block, NamesFile):
        if value.lower().endswith(mark.endings):
            for file in _files_at(Path(value)):
                found[key if str(file) == value else f"{key}/{file.relative_to(value)}"] = str(file)
    return found


def named_libraries(block: Block) -> dict[str, str]:
    """Return the libraries that a block names, by the key that names each of them."""
    return {key: value for key, _, value in _marked_values(block, NamesLibrary)}


def file_digests(block: Block) -> dict[str, str]:
    """Return the SHA-256 of each of the `input_files` of a block, for the provenance of what is made from them."""
    return {key: sha256(path) for key, path in input_files(block).items()}


def check_input_files(key: str, block: Block) -> None:
    """Raise a `UserError` unless every file that a block at a key of the configuration names is there."""
    for name, mark, value in _marked_values(block, NamesFile):
        path = Path(value)
        if value.lower().endswith(mark.endings) and not (os.path.isfile(path) or (mark.or_folder and os.path.isdir(path))):
            raise UserError(f"config: {key}.{name}: no such file {shown(value)}")


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
