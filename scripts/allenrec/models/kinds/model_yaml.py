"""The file `model.yaml`, in which users describe a model of their own, and what its kinds have in common."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from allenrec.common.errors import UserError, has_control_characters, shortened, shown
from allenrec.common.plain_files import load_yaml

from ..metadata import CellFacts
from .folders import DESCRIPTION as DESCRIPTION

#: The values of its key `kind`; each is the name of a kind in `register`
DESCRIBED_KINDS = ("hoc", "python", "swc")
#: Largest size of a description, bytes
MOST_BYTES = 1_000_000

#: Text that is a number for people and for YAML 1.2, but not for PyYAML, which wants a point and a sign
EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,4}")


def as_number(value: Any) -> Any:
    """Return the number that a text such as `1e-4` is, other values as they are."""
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


#: A key, as against what pydantic calls an alternative: `float`, or `list[str]`
NAME = re.compile(r"(?!(?:str|float|int|bool)$)[A-Za-z_][\w.]*")

Number = Annotated[float, BeforeValidator(as_number)]
Positive = Annotated[float, BeforeValidator(as_number), Field(gt=0)]
#: A name that YAML may read as a number, such as the layer 5
Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value), Field(max_length=500)]
#: A path relative to the model folder
RelativePath = Annotated[str, Field(min_length=1, max_length=500)]
#: Names of the types of sections
SectionType = Literal["soma", "dend", "apic", "axon"]


class Description(BaseModel):
    """The description of a model of any kind in `model.yaml`. Unknown keys are errors, and values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    kind: str
    #: Temperature of all simulations, °C; None: what the model's own code sets
    celsius: Annotated[Number, Field(ge=0, le=60)] | None = None
    #: Potential at which simulations start, mV; None: what the model's own code sets
    v_init: Annotated[Number, Field(ge=-200, le=100)] | None = None
    #: The folder of mod files
    mechanisms: RelativePath | None = None

    cell_type: Text | None = None
    synapse_class: Literal["excitatory", "inhibitory"] | None = None
    dendrite_type: Text = ""
    layer: Text = ""
    area: Text = ""
    species: Text = ""
    licence: Text | None = None
    citation: Text | None = None
    #: Direction from the soma to the pia, in the coordinates of the morphology
    axis: Annotated[tuple[Number, Number, Number], Field(strict=False)] | None = None

    @field_validator("axis")
    @classmethod
    def _has_length(cls, axis: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        if axis is not None and not math.hypot(*axis) > 0:
            raise ValueError("has no direction")
        return axis

    @model_validator(mode="after")
    def _prints(self) -> Self:
        for name, value in self:
            if isinstance(value, str) and has_control_characters(value):
                raise ValueError(f"{name}: {shown(value)} must not have control characters")
        return self

    def facts(self) -> CellFacts:
        """Return the metadata of the cell."""
        return CellFacts(
            dendrite_type=self.dendrite_type,
            area=self.area,
            layer=self.layer,
            species=self.species,
            model_kind=self.kind,
            cell_type=self.cell_type,
            synapse_class=self.synapse_class,
            rotation_angle_zaxis=None if self.axis is None else "0",  # the cell is turned so that its axis lies along y
            licence=self.licence,
            citation=self.citation,
        )


@dataclass(frozen=True)
class DescribedModel:
    """A checked model that `model.yaml` describes; what its kind needs besides, a subclass has.

    `temperature` (°C) and `v_init` (mV) are None where the model's own code sets them.
    """

    model_id: str
    folder: Path
    description: Description
    mechanisms: frozenset[str]

    @property
    def kind(self) -> str:
        return self.description.kind

    @property
    def temperature(self) -> float | None:
        return self.description.celsius

    @property
    def v_init(self) -> float | None:
        return self.description.v_init


AnyDescription = TypeVar("AnyDescription", bound=Description)


def stated_kind(folder: Path) -> str:
    """Return the kind that a folder's `model.yaml` states, "" if it has no such file.

    Raises
    ------
    UserError
        If the file cannot be read, or does not state one of `DESCRIBED_KINDS`.
    """
    if not (folder / DESCRIPTION).is_file():
        return ""
    kind = _read(folder).get("kind")
    if kind not in DESCRIBED_KINDS:
        what = "says no `kind`" if kind is None else f"kind: {shown(kind)}"
        raise UserError(f"{folder / DESCRIPTION}: {what}; it must be one of {', '.join(DESCRIBED_KINDS)}")
    return str(kind)


def read_description(folder: Path, form: type[AnyDescription]) -> AnyDescription:
    """Read and check the `model.yaml` of a model folder.

    Parameters
    ----------
    folder : path
    form : type
        The class of the description of its kind.

    Raises
    ------
    UserError
        One line with the file, the key, its value and what would be right.
    """
    try:
        return form.model_validate(_read(folder))
    except ValidationError as error:
        raise UserError(f"{folder / DESCRIPTION}: {_first_error(error, form)}") from None


def _read(folder: Path) -> dict[str, Any]:
    """Return the content of a description."""
    path = folder / DESCRIPTION
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path}: more than {MOST_BYTES >> 10} KB; that is no description of a model")
    content = load_yaml(path, "not a block of keys, such as `kind: hoc`")
    if not all(isinstance(key, str) for key in content):
        raise UserError(f"{path}: not a block of keys, such as `kind: hoc`")
    return content


def _first_error(errors: ValidationError, form: type[Description]) -> str:
    """Return the first error of a description in words."""
    # A key with alternatives, as a text or a list of texts, has an error for each. The deepest says most.
    first = max(errors.errors(), key=lambda error: len(error["loc"]))
    named = [str(part) for part in first["loc"] if isinstance(part, int) or NAME.fullmatch(part)]
    key, value, message = shortened(".".join(named)), shown(first["input"]), first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        close = difflib.get_close_matches(key, form.model_fields, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key}: unknown key; {hint}known are {', '.join(form.model_fields)}"
    if first["type"] == "missing":
        return f"{key}: missing"
    if first["type"] == "string_pattern_mismatch":
        field = form.model_fields.get(named[0])
        return f"{key}: {value} must be {(field and field.description) or 'a name of letters, digits and _'}"
    if not key:
        return message
    return f"{key}: {value}: {message[0].lower()}{message[1:]}"


def part_in(folder: Path, model_id: str, key: str, name: str, *, is_folder: bool = False) -> Path:
    """Return the path of a file or a folder that a description names.

    Raises
    ------
    UserError
        If there is none, or if it lies outside of the model folder.
    """
    where = f"model {model_id}: {folder / DESCRIPTION}: {key}: {shown(name)}"
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise UserError(f"{where} must be a path below the model folder, because only files there are part of the model")
    path = folder / name
    if not (path.is_dir() if is_folder else path.is_file()):
        raise UserError(f"{where} is not a {'folder' if is_folder else 'file'} of the model folder")
    return path
