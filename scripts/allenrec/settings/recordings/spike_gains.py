"""Gains of single spikes: random ones, and those of bursts."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..base import Block, Count, PositiveCount


class SpikeGains(Block):
    modulation: Literal["none", "template", "electrode"] = Field(
        "template",
        description="Random gain of spikes: none, one for each spike (`template`), or one for each spike and "
        "channel (`electrode`).",
    )
    mrand: float = Field(1.0, ge=0.01, le=100, description="Mean of the gain.")
    sdrand: float = Field(0.05, ge=0, le=100, description="Standard deviation of the gain.")


Exponent = Annotated[float, Field(ge=0, le=10)]
#: ms
BurstDuration = Annotated[float, Field(gt=0, le=1e6)]


class Bursting(Block):
    bursting: bool = Field(
        False,
        description="Whether spikes of bursting units become smaller along a burst. The shorter the intervals, the "
        "smaller they become.",
    )
    bursting_units: list[Count] | None = Field(
        None,
        description="Numbers of the bursting units, from 0, excitatory units first. `null`: all units, or "
        "`n_bursting` of them.",
    )
    n_bursting: Count | None = Field(None, description="units. Number of bursting units, chosen at random. `null`: all.")
    exp_decay: Exponent | list[Exponent] = Field(
        0.2,
        description="Exponent of the decay in a burst. This key and the next two may be lists with one value for "
        "each bursting unit.",
    )
    n_burst_spikes: PositiveCount | list[PositiveCount] = Field(
        10, description="spikes. Largest number of spikes of a burst. The next spike begins another burst."
    )
    max_burst_duration: BurstDuration | list[BurstDuration] = Field(
        100.0, description="ms. Longest time from the first to the last spike of a burst."
    )
    shape_mod: bool = Field(False, description="Whether spikes that become smaller along a burst also become wider.")
    shape_widening: float = Field(
        1.0, ge=0, le=10, description="A spike with the gain g is 1 + shape_widening (1 - g) times as wide as its template."
    )
    shape_stretch: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None,
        description="Instead of `shape_widening`, widen spikes as MEArec does, whose default is 30: most at the peak and less "
        "towards both ends, by a sigmoid that has this range over the length of a template. The mean gain of the spike counts.",
    )

    @model_validator(mode="after")
    def _check_bursting(self) -> Self:
        self.require(self.bursting or not self.shape_mod, "shape_mod", "must be false without bursting")
        ours = type(self).model_fields["shape_widening"].default
        self.require(
            self.shape_stretch is None or self.shape_widening == ours, "shape_widening", "must not stand beside shape_stretch"
        )
        self.require(
            self.bursting_units is None or self.n_bursting is None, "n_bursting", "must not stand beside bursting_units"
        )
        return self
