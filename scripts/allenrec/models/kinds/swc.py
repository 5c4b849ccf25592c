"""The kind `swc`: a morphology and a table of channel densities, which need no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from allenrec.common.errors import UserError

from ..fit import bounds_of
from ..mechanisms import Mechanism, ModFile, declared_mechanisms
from ..morphology import check_morphology
from .contract import Kind
from .folders import contents_of, digests_of_folder
from .hoc import described_mod_files
from .model_yaml import (
    DESCRIPTION,
    DescribedModel,
    Description,
    Number,
    Positive,
    RelativePath,
    SectionType,
    part_in,
    read_description,
    stated_kind,
)

#: The parameters of mechanisms that NEURON has itself
BUILT_IN = {
    "pas": Mechanism(frozenset({"g", "e"}), frozenset()),
    "hh": Mechanism(frozenset({"gnabar", "gkbar", "gl", "el"}), frozenset(), frozenset({"ena", "ek"})),
}
#: Largest density of a built-in mechanism, S/cm²; that of a squid's sodium channels is 0.12, or 120 mS/cm²
MOST_DENSE = 10.0
#: Properties of a section: axial resistivity (Ω cm), capacitance (µF/cm²) and reversal potentials (mV)
PROPERTIES = ("Ra", "cm", "ena", "ek", "eca")

Name = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
Parameters = Annotated[dict[Name, Number], BeforeValidator(lambda value: {} if value is None else value)]


class SwcDescription(Description):
    """The `model.yaml` of a morphology with channels."""

    kind: Literal["swc"]
    #: The SWC file
    morphology: RelativePath
    #: For each type of sections, `all` first, the properties of sections and the parameters of mechanisms, in NEURON's units
    channels: dict[SectionType | Literal["all"], dict[Name, Number | Parameters]] = Field(min_length=1)
    #: Largest length of a segment, µm; None: a tenth of the length constant at 100 Hz
    segment_length: Positive | None = None
    v_init: Annotated[Number, Field(ge=-200, le=100)] = -65.0
    celsius: Annotated[Number, Field(ge=0, le=60)] = 6.3

    @model_validator(mode="before")
    @classmethod
    def _mechanisms_without_parameters(cls, value: object) -> object:
        """Take `hh:` for `hh: {}`."""
        channels = value.get("channels") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(channels, dict):
            return value
        filled = {
            kind: {name: {} if content is None else content for name, content in inserted.items()}
            if isinstance(inserted, dict)
            else inserted
            for kind, inserted in channels.items()
        }
        return {**value, "channels": filled}


@dataclass(frozen=True)
class Setting:
    """One line of the table of channels: a mechanism that is inserted with its parameters, or a property of sections.

    `section` is a type of sections, or "all". `parameters` are named as NEURON names them in a section, such as `g_pas`.
    """

    section: str
    mechanism: str
    parameters: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class SwcModel(DescribedModel):
    """A checked morphology with channels."""

    description: SwcDescription
    morphology: Path
    settings: tuple[Setting, ...]


def recognise(folder: Path) -> bool:
    """Return whether a folder's `model.yaml` says that it holds a morphology with channels."""
    return stated_kind(folder) == "swc"


def read(folder: Path, model_id: str) -> SwcModel:
    """Read and check a model folder.

    Raises
    ------
    UserError
        The message names the model and the file: the morphology is missing or no SWC file, it has no sections of a type, or a
        mechanism or a parameter is not known.
    """
    described = read_description(folder, SwcDescription)
    morphology = part_in(folder, model_id, "morphology", described.morphology)
    sections = check_morphology(model_id, morphology)
    declared = declared_mechanisms(mod_files(folder, contents_of(folder)))
    where = f"model {model_id}: {folder / DESCRIPTION}: channels"
    settings = []
    # What is set for a type replaces what is set for all
    for kind in sorted(described.channels, key=lambda kind: kind != "all"):
        if kind != "all" and kind not in sections:
            raise UserError(
                f"{where}.{kind}: {described.morphology} has no sections of this type; it has {', '.join(sorted(sections))}"
            )
        for name, value in described.channels[kind].items():
            settings.append(_setting(f"{where}.{kind}", kind, name, value, BUILT_IN | declared))
    return SwcModel(model_id, folder, described, frozenset(declared), morphology, tuple(settings))


def _setting(
    where: str, section: str, name: str, value: float | Mapping[str, float], known: Mapping[str, Mechanism]
) -> Setting:
    """Return the setting of a mechanism or of a property of sections."""
    if isinstance(value, Mapping) and name in known:
        parameters = known[name].range_parameters
        unknown = sorted(set(value) - parameters)
        if unknown:
            raise UserError(f"{where}.{name}: {unknown[0]} is no parameter of it; it has {', '.join(sorted(parameters))}")
        for key, number in value.items():
            _check_bounds(f"{where}.{name}.{key}", f"{key}_{name}", number)
            if name in BUILT_IN and key.startswith("g") and number > MOST_DENSE:
                raise UserError(f"{where}.{name}.{key}: {number:g} S/cm² is more than {MOST_DENSE:g}; is it in other units?")
        return Setting(section, name, tuple((f"{key}_{name}", number) for key, number in value.items()))
    if not isinstance(value, Mapping) and name in PROPERTIES:
        if name in ("Ra", "cm") and not value > 0:
            raise UserError(f"{where}.{name}: {value:g} must be greater than 0")
        _check_bounds(f"{where}.{name}", name, value)
        return Setting(section, "", ((name, value),))
    raise UserError(
        f"{where}.{name}: neither a property of sections ({', '.join(PROPERTIES)}) with a number nor a mechanism "
        f"({', '.join(known)}) with a block of parameters"
    )


def _check_bounds(where: str, name: str, value: float) -> None:
    """Raise a `UserError` if a parameter, named as NEURON names it in a section, cannot have a value."""
    lowest, highest = bounds_of(name)
    if not lowest <= value <= highest:
        raise UserError(f"{where}: {value:g} must be between {lowest:g} and {highest:g}")


def files(folder: Path) -> list[Path]:
    """Return the paths of the files that make up the model: the description, the morphology and the mod files."""
    described = read_description(folder, SwcDescription)
    paths = [folder / DESCRIPTION, folder / described.morphology]
    if described.mechanisms is not None:
        paths += sorted((folder / described.mechanisms).glob("*.mod"))
    return paths


def mod_files(folder: Path, contents: Mapping[str, bytes]) -> list[ModFile]:
    """Return the mod files of the folder that the description names."""
    return described_mod_files(folder, contents, read_description(folder, SwcDescription))


SWC = Kind(
    name="swc",
    looks=f"a {DESCRIPTION} that says `kind: swc`",
    recognise=recognise,
    read=read,
    files=files,
    mod_files=mod_files,
    describe=lambda folder: read_description(folder, SwcDescription).facts(),
    digests=lambda folder: digests_of_folder(folder, mod_files(folder, contents_of(folder))),
    runs_code=False,
)
