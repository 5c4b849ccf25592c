"""Filter of a recording."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..base import Block

CutOff = Annotated[float, Field(ge=0.1, le=1e6)]


class Filter(Block):
    filter: bool = Field(True, description="Whether the recording is filtered.")
    filter_cutoff: CutOff | Annotated[tuple[CutOff, CutOff], Field(strict=False)] = Field(
        (300.0, 6000.0), description="Hz. One value: high-pass; two: band-pass."
    )
    filter_order: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Order of the Butterworth filter.")
    filter_mode: Literal["filtfilt", "lfilter"] = Field(
        "filtfilt", description="Forward and backward (no delay), or forward only (causal)."
    )

    @model_validator(mode="after")
    def _check_filter(self) -> Self:
        if isinstance(self.filter_cutoff, tuple):
            self.require_ordered("filter_cutoff")
            low, high = self.filter_cutoff
            # A narrower band rings for so long that a piece needs millions of samples around it.
            self.require(high >= 1.1 * low, "filter_cutoff", "must be 10 % apart or more")
        return self
