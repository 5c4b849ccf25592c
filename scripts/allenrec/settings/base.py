"""What all blocks of the configuration have in common, and types of values."""

from dataclasses import dataclass
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat

Nonnegative = Annotated[float, Field(ge=0)]
#: Lists in YAML, tuples here; the elements stay strictly typed
Pair = Annotated[tuple[float, float], Field(strict=False)]
CountPair = Annotated[tuple[int, int], Field(strict=False)]
PositivePair = Annotated[tuple[PositiveFloat, PositiveFloat], Field(strict=False)]
#: A layer such as 5 is a number in YAML and a name here
Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


@dataclass(frozen=True)
class NamesFile:
    """A mark of keys that name a file. The file is an input of the jobs that use it; see `input_files`.

    With `endings`, only values that end so are files. With `or_folder`, the value may be a folder, whose files are meant.
    """

    endings: tuple[str, ...] = ("",)
    or_folder: bool = False


@dataclass(frozen=True)
class NamesLibrary:
    """A mark of keys that name one of `libraries`. Its file is an input of the jobs that use it."""


InputFile = Annotated[str, NamesFile()]
LibraryName = Annotated[str, NamesLibrary()]


class Block(BaseModel):
    """A block of the configuration: unknown keys are errors, values are not converted, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def require(self, condition, key, message):
        if not condition:
            value = getattr(self, key)
            value = list(value) if isinstance(value, tuple) else value
            raise ValueError(f"{key}: {value!r} {message}")

    def require_ordered(self, *keys):
        for key in keys:
            pair = getattr(self, key)
            self.require(pair is None or pair[0] < pair[1], key, "must be [lowest, highest]")


def block_in(annotation):
    """The block, or dict of blocks, that a field holds, also where it may be None; None for a value."""
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        return annotation if isinstance(inner, type) and issubclass(inner, Block) else None
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return annotation
    inner = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, Block)]
    return inner[0] if inner else None
