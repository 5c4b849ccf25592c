"""The register of model sources.

A new source is a fetch function, an entry in `SOURCES`, and its name in `allenrec.settings.models.Models.sources`. If its
archives have the layout of the Allen archives, `archives.fetch_archive` does most of the work; `wheels.Wheel` for packages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..pinned import PINNED_MODELS
from . import allen, bmtk, local, mearec

if TYPE_CHECKING:
    from allenrec.settings.models import Models

#: Where a model was found, as text under names of the source's choice; `source` is always there
Record = dict[str, str]


@dataclass(frozen=True)
class Source:
    """A source of models.

    Attributes
    ----------
    name : str
        The name in `models.sources` of the configuration.
    fetch : callable
        Takes a model id, the model folder and the settings of `models`. Fills the folder in the layout of a kind of models
        and returns a record of where the model was found; returns None if the source does not have the model.
    may_have : callable
        Takes a model id; returns whether the source is asked for it.
    options : tuple of str
        The keys of `models` that the source reads, with dots. The rule that fetches declares them.
    inputs : callable
        Takes the model folder; returns the files in it that the rule declares as inputs.
    """

    name: str
    fetch: Callable[[str, Path, Models], Record | None]
    may_have: Callable[[str], bool] = lambda model_id: True
    options: tuple[str, ...] = ()
    inputs: Callable[[Path], list[Path]] = lambda folder: []


SOURCES = {
    source.name: source
    for source in (
        Source("local", local.fetch, inputs=local.user_files),
        Source("bmtk", bmtk.fetch, may_have=bmtk.CELLS.__contains__),
        Source("mearec", mearec.fetch, may_have=PINNED_MODELS.__contains__),
        Source(
            "allen", allen.fetch, may_have=str.isdigit, options=("allen.url", "allen.timeout", "allen.retries", "allen.backoff")
        ),
    )
}


def source_keys(settings: Models) -> list[str]:
    """Return the keys of `models` that a fetch depends on, for the `params` of its rule."""
    return ["sources", *(key for name in settings.sources for key in SOURCES[name].options)]


def rule_inputs(folder: str | Path) -> list[Path]:
    """Return the files of a model folder that the rule that fetches the model declares as inputs."""
    return [path for source in SOURCES.values() for path in source.inputs(Path(folder))]
