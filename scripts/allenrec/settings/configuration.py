"""The configuration: every key with its type, range, default, unit and meaning, and what must hold between keys.

`config/schema.json` and the tables of `config/README.md` are made from these modules (`make docs`). Keys keep MEArec's names
where the meaning is the same.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from allenrec.common.errors import UserError

from .base import Block
from .cross_checks import check_evaluation, check_folders, check_library, check_names, check_recording, check_study
from .error_messages import explain, path_of
from .evaluation import Evaluation
from .libraries import Library
from .models import Cells, Intracellular, Models
from .plain_values import check_plain_values, with_numbers
from .recordings import Recording
from .studies import Study, expand_recordings

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]
#: Recordings of a study have names such as study-noise_level=5-03
RecordingName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(-[A-Za-z0-9_.]+=[A-Za-z0-9_.+=-]*)?$", max_length=200)
]
FolderPath = Annotated[str, Field(min_length=1)]


class Pathvars(Block):
    """Folders of results and models. Snakemake puts them in place of `<results>`, `<models>` and `<cell_models>`; no job
    depends on them."""

    results: FolderPath = Field("results", description="Folder of all results.")
    models: FolderPath = Field("allen_models", description="Folder of the models. Several configurations may share it.")
    cell_models: FolderPath = Field("cell_models", description="Folder of models that are not the Allen Institute's.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("results", "models", "cell_models"):
            parts = getattr(self, key).split("/")
            self.require(all(len(part.encode()) <= 200 for part in parts), key, "must have names of 200 bytes at most")
            # Snakemake takes these for wildcards and for other folders, and ~ for nothing.
            self.require(not set("{}<>") & set("".join(parts)), key, "must have none of {, }, < and >")
            self.require(parts[0][:1] != "~", key, "must not begin with ~; write the whole path")
        # The merged configuration is written to `config.yaml` in this folder.
        self.require(os.path.normpath(self.results) != "config", "results", "must not be the folder of the configuration")
        return self


class Settings(Block):
    pathvars: Pathvars = Field(
        Pathvars(), exclude=True, description="Folders of results and models, relative to the working directory."
    )
    cells: Cells = Field(
        Cells(query=None, table="config/cells.tsv"),
        description="Path of the cell table, relative to the working directory; or a block with a `query`. Without it: "
        "`config/cells.tsv`.",
        json_schema_extra=lambda schema: schema.update(anyOf=[{"type": "string"}, {"$ref": schema.pop("$ref")}]),
    )
    cell_type_column: str = Field(
        "cell_type",
        description="Column of the cell table or the metadata that holds the cell types. Where `cell_type` is empty, "
        "the cell type is the dendrite type.",
    )
    models: Models = Field(Models(), description="Where models come from and how they are loaded.")
    intracellular: Intracellular = Field(Intracellular(), description="Simulation of each model's spikes.")
    libraries: dict[Name, Library] = Field(
        min_length=1, description="Template libraries by name. Each has one probe and its sampling."
    )
    recordings: dict[RecordingName, Recording] = Field({}, description="Recordings by name.")
    evaluation: Evaluation = Field(Evaluation(), description="Spike sorters that `snakemake evaluate` runs.")
    stands_alone: bool = Field(
        False,
        exclude=True,
        description="For what is given with `--configfile`: it takes the place of `config/config.yaml`, as with "
        "`--replace-workflow-config`, instead of being merged over it.",
    )
    file: Annotated[str | list[str] | None, Field(min_length=1)] = Field(
        None,
        exclude=True,
        description="For the command line: MEArec's parameter file, or both, that `snakemake convert_mearec` converts.",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**128,
        description="Seed of all random numbers. Each number depends only on it and on the names of cell, unit and recording.",
    )

    @property
    def files_of_mearec(self) -> list[str]:
        """The files that `snakemake convert_mearec` converts."""
        return [self.file] if isinstance(self.file, str) else self.file or []


def load_settings(config: Mapping[str, Any], command_line: Mapping[str, Any] | None = None) -> Settings:
    """Validate a configuration and fill in its defaults; see `load_configuration`."""
    return load_configuration(config, command_line)[0]


def load_configuration(
    config: Mapping[str, Any], command_line: Mapping[str, Any] | None = None
) -> tuple[Settings, dict[str, Study]]:
    """Validate a configuration and fill in its defaults.

    Parameters
    ----------
    config : dict
        As Snakemake merges it from files and command line.
    command_line : dict, optional
        The part of it that was given with `--config`, where numbers may be text.

    Returns
    -------
    settings : Settings
    studies : dict of str to Study
        The studies among the recordings, by name.

    Raises
    ------
    UserError
        One line that names the key, the value and what is allowed.
    """
    check_plain_values(config)
    plain, studies = expand_recordings(config)
    settings = _validated(plain, command_line or {})
    check_folders({f"pathvars.{key}": getattr(settings.pathvars, key) for key in Pathvars.model_fields})
    check_names("libraries", settings.libraries)
    check_names("recordings", settings.recordings)
    for name, library in settings.libraries.items():
        check_library(f"libraries.{name}", library, settings.libraries)
    for name, recording in settings.recordings.items():
        check_recording(f"recordings.{name}", recording, settings)
    for study in studies.values():
        check_study(study, settings.recordings)
    check_evaluation(settings.evaluation)
    return settings, studies


def _validated(config: dict[str, Any], command_line: Mapping[str, Any]) -> Settings:
    """Return the settings; text that reads as a number counts as one where text is not allowed."""
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        errors = error.errors()
    corrected = with_numbers(config, [path_of(error, Settings) for error in errors], command_line)
    if corrected != config:
        return _validated(corrected, command_line)
    raise UserError(f"config: {explain(errors, Settings)}")
