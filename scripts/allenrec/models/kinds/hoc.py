"""The kind `hoc`: a template in hoc, or sections at top level, as most models of ModelDB are, described by a `model.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from allenrec.common.errors import UserError

from ..mechanisms import ModFile, declared_mechanisms
from .contract import Kind
from .folders import all_files, contents_of, digests_of_folder, mod_files_in
from .hoc_text import Template, names_other_files, outside_templates, templates_in
from .model_yaml import (
    DESCRIPTION,
    DescribedModel,
    Description,
    Number,
    Positive,
    RelativePath,
    SectionType,
    as_number,
    part_in,
    read_description,
    stated_kind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Name = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
#: The name of a section, as `soma`, `dend[3]` or `cell[0].soma`
SectionName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\[[0-9]+\])?(\.[A-Za-z_]\w*(\[[0-9]+\])?)*$")]
OneOrMore = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
Argument = Annotated[Number | str, BeforeValidator(as_number)]


class HocDescription(Description):
    """The `model.yaml` of a model in hoc."""

    kind: Literal["hoc"]
    #: Hoc files, loaded in their order
    template_file: Annotated[list[RelativePath], OneOrMore] = Field([])
    #: The template to make the cell of; None: the sections are at top level
    template_name: Name | None = None
    #: The arguments of the template
    arguments: list[Argument] = Field([])
    #: A file of a morphology: the argument of a template that takes one text; the sections of a template that has none; or,
    #: without a template, loaded before the hoc files
    morphology: RelativePath | None = None
    #: The section in whose middle the current is injected
    soma: SectionName = Field("soma", description="the name of a section, such as soma or dend[3]")
    #: Names of section lists, or of sections, by the type that their sections are
    section_lists: dict[SectionType, Annotated[list[Name], OneOrMore]] = Field({})
    #: Largest length of a segment, µm; None: the model's own segments
    segment_length: Positive | None = None

    @model_validator(mode="after")
    def _names_a_cell(self) -> Self:
        if not self.template_file and not self.morphology:
            raise ValueError("template_file: missing; it names the hoc files of the model")
        if self.arguments and not self.template_name:
            raise ValueError("arguments: they are those of a template; say its name (template_name)")
        return self


@dataclass(frozen=True)
class HocModel(DescribedModel):
    """A checked model in hoc."""

    description: HocDescription
    #: The arguments of the template
    arguments: tuple[float | str, ...]


def recognise(folder: Path) -> bool:
    """Return whether a folder's `model.yaml` says that it holds a model in hoc."""
    return stated_kind(folder) == "hoc"


def read(folder: Path, model_id: str) -> HocModel:
    """Read and check a model folder; hoc is read as text.

    Raises
    ------
    UserError
        The message names the model and the file: a file that is named is missing, the template is not there or there twice, or
        it takes other arguments.
    """
    described = read_description(folder, HocDescription)
    if described.morphology:
        part_in(folder, model_id, "morphology", described.morphology)
    paths = [part_in(folder, model_id, "template_file", name) for name in described.template_file]
    templates = templates_in(paths)
    where = f"model {model_id}: {folder / DESCRIPTION}"
    if described.template_name is None:
        _check_sections(where, described, paths, templates)
        arguments: tuple[float | str, ...] = ()
    else:
        template = _template(where, described.template_name, paths, templates)
        arguments = _arguments(where, described, template)
    declared = declared_mechanisms(mod_files(folder, contents_of(folder)))
    return HocModel(model_id, folder, described, frozenset(declared), arguments)


def _check_sections(where: str, described: HocDescription, paths: list[Path], templates: list[Template]) -> None:
    """Refuse a description without the name of a template if the files just define templates."""
    makes_sections = described.morphology or names_other_files(paths) or not templates
    if makes_sections or any("create" in outside_templates(path) or "new" in outside_templates(path) for path in paths):
        return
    names = " or ".join(f"`template_name: {name}`" for name in dict.fromkeys(template.name for template in templates))
    raise UserError(f"{where}: {described.template_file[-1]} has no sections at top level, just templates; write {names}")


def _template(where: str, name: str, paths: list[Path], templates: list[Template]) -> Template | None:
    """Return the template of a name; None if another file, which these load, may define it."""
    found = [template for template in templates if template.name == name]
    if len(found) > 1:
        first, second = found[:2]
        raise UserError(
            f"{where}: template_name: {name} is defined twice: in {first.file.name}, line {first.line}, and in "
            f"{second.file.name}, line {second.line}; NEURON takes one"
        )
    if not found and not names_other_files(paths):
        names = ", ".join(dict.fromkeys(template.name for template in templates)) or "no template"
        raise UserError(f"{where}: template_name: {name} is not defined; template_file defines {names}")
    return found[0] if found else None


def _arguments(where: str, described: HocDescription, template: Template | None) -> tuple[float | str, ...]:
    """Return the arguments of a template, checked where its text says what it takes."""
    takes = template.parameters() if template else None
    given = tuple(described.arguments)
    if not given and described.morphology and takes == ["text"]:
        return (described.morphology,)
    if takes is None or template is None:
        return given
    file = f"{template.file.name}, line {template.line}"
    if "object" in takes:
        raise UserError(
            f"{where}: template_name: {template.name} ({file}) takes an object; make its cell in a hoc file of your own, as in "
            f"`objref cell` and `cell = new {template.name}(...)`, name it last in template_file, and leave template_name out"
        )
    if len(given) != len(takes):
        raise UserError(
            f"{where}: arguments: {len(given)} given, but `init` of {template.name} ({file}) takes {len(takes)}"
            + (f": {', '.join(takes)}" if takes else "")
        )
    for number, (value, kind) in enumerate(zip(given, takes, strict=True), start=1):
        if kind != ("text" if isinstance(value, str) else "number"):
            raise UserError(
                f"{where}: arguments: {value!r} is argument {number} of {template.name} ({file}), which is a {kind}"
            )
    return given


def mod_files(folder: Path, contents: Mapping[str, bytes]) -> list[ModFile]:
    """Return the mod files of the folder that the description names."""
    return described_mod_files(folder, contents, read_description(folder, HocDescription))


def described_mod_files(folder: Path, contents: Mapping[str, bytes], described: Description) -> list[ModFile]:
    """Return the mod files of the folder that a description names as `mechanisms`, [] if it names none."""
    if described.mechanisms is None:
        return []
    place = part_in(folder, folder.name, "mechanisms", described.mechanisms, is_folder=True)
    found = mod_files_in(folder, contents, place.relative_to(folder).as_posix())
    if not found:
        raise UserError(f"model {folder.name}: {folder / DESCRIPTION}: mechanisms: {place} has no mod file (*.mod)")
    return found


HOC = Kind(
    name="hoc",
    looks=f"a {DESCRIPTION} that says `kind: hoc`",
    recognise=recognise,
    read=read,
    files=all_files,
    mod_files=mod_files,
    describe=lambda folder: read_description(folder, HocDescription).facts(),
    digests=lambda folder: digests_of_folder(folder, mod_files(folder, contents_of(folder))),
)
