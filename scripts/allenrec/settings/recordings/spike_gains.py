"""Gains of single spikes: random ones, and those of bursts."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ..base import Block, Nonnegative


class SpikeGains(Block):
    modulation: Literal["none", "template", "electrode"] = Field(
        "template", description="Random gain of each spike: none, one a spike, one a spike and channel."
    )
    mrand: PositiveFloat = Field(1.0, description="Mean of the gain.")
    sdrand: Nonnegative = Field(0.05, description="Standard deviation of the gain.")


class Bursting(Block):
    bursting: bool = Field(
        False, description="Whether spikes of bursting units become smaller along a burst, the more, the shorter the intervals."
    )
    bursting_units: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, description="Which units burst, from 0, excitatory ones first; `null`: all, or `n_bursting`."
    )
    n_bursting: Annotated[int, Field(ge=0)] | None = Field(
        None, description="units. So many burst, chosen at random; `null`: all."
    )
    exp_decay: Nonnegative | list[Nonnegative] = Field(
        0.2, description="Exponent of the decay in a burst. A list here and in the next two: of each bursting unit, in order."
    )
    n_burst_spikes: PositiveInt | list[PositiveInt] = Field(
        10, description="spikes. Longest burst; the next spike begins another one."
    )
    max_burst_duration: PositiveFloat | list[PositiveFloat] = Field(
        100.0, description="ms. From the first to the last spike of a burst, at most."
    )
    shape_mod: bool = Field(False, description="Whether spikes that are smaller for bursting are wider as well.")
    shape_widening: Nonnegative = Field(
        1.0, description="A spike with the gain g is 1 + shape_widening (1 - g) times as wide as its template."
    )

    @model_validator(mode="after")
    def _check_bursting(self):
        self.require(self.bursting or not self.shape_mod, "shape_mod", "must be false without bursting")
        self.require(
            self.bursting_units is None or self.n_bursting is None, "n_bursting", "must not stand beside bursting_units"
        )
        return self
