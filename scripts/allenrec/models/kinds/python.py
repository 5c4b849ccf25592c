"""The kind `python`: a function of the user builds the cell, as `custom_return_cell_function` does in MEArec."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from allenrec.common.errors import UserError, shortened

from ..mechanisms import ModFile, declared_mechanisms
from .contract import Kind
from .folders import all_files, contents_of, digests_of_folder
from .hoc import described_mod_files
from .model_yaml import DESCRIPTION, DescribedModel, Description, as_number, part_in, read_description, stated_kind

if TYPE_CHECKING:
    from collections.abc import Mapping


def _with_numbers(value: Any) -> Any:
    """Return the arguments of a function, with numbers where text such as `1e-4` is one."""
    if isinstance(value, list):
        return [as_number(element) for element in value]
    return as_number(value)


Scalar = bool | int | float | str | None
Argument = Annotated[Scalar | list[Scalar], BeforeValidator(_with_numbers)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]


class PythonDescription(Description):
    """The `model.yaml` of a model that a function builds."""

    kind: Literal["python"]
    #: The file and the name of the function
    function: str = Field(
        pattern=r"^[^:]+\.py:[A-Za-z_]\w*$", description="a Python file and a function in it, such as my_cells.py:load"
    )
    #: Keyword arguments of the function, beside those that it gets anyway
    arguments: dict[Identifier, Argument] = Field({})
    #: The section in whose middle the current is injected; None: the first whose name contains "soma"
    soma: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    @property
    def file(self) -> str:
        return self.function.rpartition(":")[0]

    @property
    def name(self) -> str:
        return self.function.rpartition(":")[2]


@dataclass(frozen=True)
class PythonModel(DescribedModel):
    """A checked model that a function builds."""

    description: PythonDescription


def recognise(folder: Path) -> bool:
    """Return whether a folder's `model.yaml` says that a function builds the model."""
    return stated_kind(folder) == "python"


def read(folder: Path, model_id: str) -> PythonModel:
    """Read and check a model folder; Python is parsed, not run.

    Raises
    ------
    UserError
        The message names the model and the file: it is missing, does not parse, or does not define the function.
    """
    described = read_description(folder, PythonDescription)
    path = part_in(folder, model_id, "function", described.file)
    try:
        parsed = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise UserError(f"model {model_id}: {path}{f', line {line}' if line else ''}: {shortened(error)}") from None
    if described.name not in _names(parsed):
        raise UserError(
            f"model {model_id}: {folder / DESCRIPTION}: function: {described.file} defines no {described.name}; it defines "
            f"{', '.join(_functions(parsed)) or 'no function'}"
        )
    declared = declared_mechanisms(mod_files(folder, contents_of(folder)))
    return PythonModel(model_id, folder, described, frozenset(declared))


def _functions(parsed: ast.Module) -> list[str]:
    return [node.name for node in parsed.body if isinstance(node, ast.FunctionDef)]


def _names(parsed: ast.Module) -> set[str]:
    """Return the names that a module binds anywhere, so that functions which it imports or makes are found, too."""
    names = {node.id for node in ast.walk(parsed) if isinstance(node, ast.Name)}
    imported = {
        alias.asname or alias.name for node in ast.walk(parsed) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return names | imported | set(_functions(parsed))


def mod_files(folder: Path, contents: Mapping[str, bytes]) -> list[ModFile]:
    """Return the mod files of the folder that the description names, [] if the function brings its own."""
    return described_mod_files(folder, contents, read_description(folder, PythonDescription))


PYTHON = Kind(
    name="python",
    looks=f"a {DESCRIPTION} that says `kind: python`",
    recognise=recognise,
    read=read,
    files=all_files,
    mod_files=mod_files,
    describe=lambda folder: read_description(folder, PythonDescription).facts(),
    digests=lambda folder: digests_of_folder(folder, mod_files(folder, contents_of(folder))),
)
