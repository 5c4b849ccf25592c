"""The configuration: every key with its type, range, default, unit and meaning, and what must hold between keys.

`config/schema.json` and the tables of `config/README.md` are made from these modules (`make docs`). Keys keep MEArec's names
where the meaning is the same.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from allenrec.common.errors import UserError

from .base import Block
from .cross_checks import check_evaluation, check_library, check_recording
from .error_messages import explain
from .evaluation import Evaluation
from .libraries import Library
from .models import Cells, Intracellular, Models
from .recordings import Recording

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class Pathvars(Block):
    """Folders of results and models. Snakemake puts them in place of `<results>` and `<models>`; no job depends on them."""

    results: str = Field("results", description="Folder of all results.")
    models: str = Field("allen_models", description="Folder of the models. Several configurations may share it.")


class Settings(Block):
    pathvars: Pathvars = Field(
        Pathvars(), exclude=True, description="Folders of results and models, relative to the working directory."
    )
    cells: Cells = Field(
        Cells(query=None, table="config/cells.tsv"),
        description="Path of the cell table, relative to the working directory; or a block with a `query`.",
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
    recordings: dict[Name, Recording] = Field({}, description="Recordings by name.")
    evaluation: Evaluation = Field(Evaluation(), description="Spike sorters that `snakemake evaluate` runs.")
    seed: int = Field(
        0,
        ge=0,
        description="Seed of all random numbers. Each number depends only on it and on the names of cell, unit and recording.",
    )


def load_settings(config: Mapping[str, Any]) -> Settings:
    """Validate a configuration and fill in its defaults.

    Parameters
    ----------
    config : dict
        As Snakemake merges it from files and command line.

    Returns
    -------
    Settings

    Raises
    ------
    UserError
        One line that names the key, the value and what is allowed.
    """
    try:
        settings = Settings.model_validate(dict(config))
    except ValidationError as error:
        raise UserError(f"config: {explain(error.errors(), Settings)}") from None
    for name, library in settings.libraries.items():
        check_library(f"libraries.{name}", library, settings.libraries)
    for name, recording in settings.recordings.items():
        check_recording(f"recordings.{name}", recording, settings)
    check_evaluation(settings.evaluation)
    return settings
