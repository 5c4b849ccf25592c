"""Recordings that are made from others: the keys that `allenrec.settings.studies` expands before all else is checked."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from allenrec.common.errors import shown

from ..base import Block, PositiveCount
from .streams import Part


class Replicates(Block):
    n: PositiveCount = Field(description="Number of replicates.")
    vary: Annotated[list[Part], Field(min_length=1)] | None = Field(
        None, description="Parts whose random numbers differ between replicates. `null`: all."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.require(self.vary is None or len(set(self.vary)) == len(self.vary), "vary", "must not name a part twice")
        return self


class Variants(Block):
    like: str | None = Field(
        None,
        exclude=True,
        description="Another recording: its keys hold for this one where it has none of its own, and every random number that "
        "the changes do not concern is the same.",
    )
    replicates: Replicates | None = Field(
        None, exclude=True, description="Make several recordings that differ in their random numbers only."
    )
    grid: dict[str, list[Any]] | None = Field(
        None,
        exclude=True,
        description="Make a recording for each combination of values, such as `{recordings.noise_level: [5, 10, 20]}`. "
        "Keys are those of a recording, with dots.",
    )

    @model_validator(mode="before")
    @classmethod
    def _check_levels(cls, value: Any) -> Any:
        grid = value.get("grid") if isinstance(value, Mapping) else None
        for key, levels in grid.items() if isinstance(grid, Mapping) else ():
            if not (isinstance(levels, list) and levels):
                raise ValueError(f"grid.{key}: {shown(levels)} must be a list of one value or more")
        return value
