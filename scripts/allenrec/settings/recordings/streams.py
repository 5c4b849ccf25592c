"""The random numbers of a recording: seeds of its parts, and streams that it shares with other recordings."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from ..base import Block, LibraryName, PositiveCount

#: A part of a recording that is drawn at random
Part = Literal["units", "spikes", "gains", "noise", "drift"]
#: All parts
PARTS: tuple[Part, ...] = get_args(Part)
#: MEArec's names of parts, where they are not ours
MEAREC_PARTS = {"templates": "units", "spiketrains": "spikes", "convolution": "gains"}

Seed = Annotated[int, Field(ge=0, lt=2**128)]


def in_our_words(seeds: Any) -> Any:
    """Return a block of seeds with our names of parts instead of MEArec's. A part that is named twice is refused."""
    if not isinstance(seeds, Mapping):
        return seeds
    for theirs, ours in MEAREC_PARTS.items():
        if theirs in seeds and ours in seeds:
            raise ValueError(f"{theirs}: is MEArec's name of {ours}, which has a value as well; leave out one of them")
    return {MEAREC_PARTS.get(part, part): seed for part, seed in seeds.items()}


class Seeds(Block):
    units: Seed | None = Field(
        None, description="Seed of the choice of templates; MEArec's `templates`. `null`: the recording's own random numbers."
    )
    spikes: Seed | None = Field(None, description="Seed of rates, spike times and synchrony; MEArec's `spiketrains`.")
    gains: Seed | None = Field(
        None, description="Seed of spike gains and of the choice of bursting units; MEArec's `convolution`."
    )
    noise: Seed | None = Field(None, description="Seed of the noise, with its far neurons.")
    drift: Seed | None = Field(None, description="Seed of movements and of the choice of drifting units.")

    @model_validator(mode="before")
    @classmethod
    def _understand_mearec(cls, value: Any) -> Any:
        return in_our_words(value)


class Stream(Block):
    recording: str | None = Field(None, description="Name of the recording whose random numbers are used. `null`: this one.")
    library: LibraryName | None = Field(
        None,
        description="Library (a key of `libraries`, with the same poses) in which units are chosen, so that they are the same "
        "neurons on another probe. `null`: that of the recording.",
    )
    replicate: PositiveCount | None = Field(None, description="Number of the replicate, for the parts in `vary`.")
    vary: list[Part] = Field(list(PARTS), description="Parts that have other random numbers in each replicate.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.require(len(set(self.vary)) == len(self.vary), "vary", "must not name a part twice")
        return self
