"""The base class of all blocks of the configuration, and the types of values that they share."""

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from allenrec.common.errors import shown
from allenrec.common.probe_names import recording_of

# The bounds of numbers lie far beyond what experiments need, and within what the code can compute. Keys of one quantity share
# them.

#: µm
Length = Annotated[float, Field(ge=0, le=1e5)]
PositiveLength = Annotated[float, Field(ge=0.01, le=1e5)]
Coordinate = Annotated[float, Field(ge=-1e5, le=1e5)]
#: µV
Amplitude = Annotated[float, Field(ge=0, le=1e6)]
PositiveAmplitude = Annotated[float, Field(gt=0, le=1e6)]
#: Hz
Rate = Annotated[float, Field(ge=1e-4, le=1000)]
RateDeviation = Annotated[float, Field(ge=0, le=1000)]
#: s, within a recording
Time = Annotated[float, Field(ge=0, le=1e6)]
#: ms, of parts of a template
Window = Annotated[float, Field(gt=0, le=1000)]
#: A ratio of two values
Ratio = Annotated[float, Field(ge=0, le=1000)]
#: A shape of a gamma distribution, or a parameter of a beta distribution
Shape = Annotated[float, Field(ge=0.1, le=1000)]
#: A number of units, cells or templates
Count = Annotated[int, Field(ge=0, le=1_000_000)]
PositiveCount = Annotated[int, Field(gt=0, le=1_000_000)]
#: YAML has lists where these are tuples. The elements are strictly typed.
Pair = Annotated[tuple[Coordinate, Coordinate], Field(strict=False)]
CountPair = Annotated[tuple[Count, Count], Field(strict=False)]
WindowPair = Annotated[tuple[Window, Window], Field(strict=False)]
#: A name that YAML may read as a number, such as the layer 5
Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


@dataclass(frozen=True)
class NamesFile:
    """A mark of keys that name a file. The file is an input of the jobs that use it; see `input_files`.

    With `endings`, only values that end so are files. With `or_folder`, the value may be a folder, whose files are meant. With
    `large`, a folder is one input, and no digest is made of its content. With `of_recording`, the value is the name of the
    probe of a recording, whose path is meant.
    """

    endings: tuple[str, ...] = ("",)
    or_folder: bool = False
    large: bool = False
    of_recording: bool = False

    def path_in(self, value: str) -> str | None:
        """Return the path that a value names; None if it names no file."""
        source = recording_of(value)
        if self.of_recording:
            return source and source[0]
        return value if source is None and value.lower().endswith(self.endings) else None


@dataclass(frozen=True)
class NamesLibrary:
    """A mark of keys that name one of `libraries`. Its file is an input of the jobs that use it."""


InputFile = Annotated[str, NamesFile()]
LibraryName = Annotated[str, NamesLibrary()]


class Block(BaseModel):
    """A block of the configuration: unknown keys are errors, values are not converted, and nothing changes later."""

    # Jobs get blocks that are checked already. Without `defer_build`, each would make validators for all that it imports.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)

    def require(self, condition: bool, key: str, message: str) -> None:
        """Raise a ValueError that names the key, its value and what must hold, unless the condition is true."""
        if not condition:
            value = getattr(self, key)
            value = list(value) if isinstance(value, tuple) else value
            raise ValueError(f"{key}: {shown(value)} {message}")

    def require_ordered(self, *keys: str) -> None:
        """Require that each of these pairs, if there is one, has its lower value first."""
        for key in keys:
            pair = getattr(self, key)
            self.require(pair is None or pair[0] < pair[1], key, "must be [lowest, highest]")


def block_in(annotation: Any) -> Any:
    """Return the class of the block that a field holds, or its dict of blocks, whether it may be None or not; None for a
    plain value."""
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        return annotation if isinstance(inner, type) and issubclass(inner, Block) else None
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return annotation
    inner = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, Block)]
    return inner[0] if inner else None
