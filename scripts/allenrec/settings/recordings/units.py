"""Units of a recording: cell types, and which templates of the library are taken."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from allenrec.common.errors import shown

from ..base import Amplitude, Block, Length, Pair, PositiveAmplitude, Ratio, WindowPair

#: µV, more than any template has
LARGEST_AMPLITUDE = 1e6


class CellTypes(Block):
    excitatory: list[str] = Field(["spiny"], description="Cell types of excitatory units, matched by equality.")
    inhibitory: list[str] = Field(["aspiny", "sparsely spiny"], description="Cell types of inhibitory units.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        both = set(self.excitatory) & set(self.inhibitory)
        self.require(not both, "excitatory", f"must not share {shown(min(both, default=''))} with the inhibitory types")
        return self


class UnitSelection(Block):
    min_dist: Length = Field(25.0, description="µm. Least distance between the somata of two units.")
    min_amp: Amplitude = Field(30.0, description="µV. Smallest amplitude of a unit's template.")
    max_amp: PositiveAmplitude = Field(300.0, description="µV. Largest amplitude of a unit's template.")
    snr: Annotated[tuple[Ratio, Ratio], Field(strict=False)] | None = Field(
        None,
        description="Smallest and largest signal-to-noise ratio of a unit, as in the column `snr`: the largest deflection of "
        "its template divided by the standard deviation of the noise there, before the filter. With it, `min_amp` and "
        "`max_amp` limit nothing unless they are given. `null`: no limit.",
    )
    xlim: Pair | None = Field(None, description="µm. Range of the soma positions of units, x. `null`: no limit.")
    ylim: Pair | None = Field(None, description="µm. The same for y.")
    zlim: Pair | None = Field(None, description="µm. The same for z.")
    max_similarity: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Largest cosine similarity between the templates of two units, over all contacts together, at the "
        "shift in time at which it is largest.",
    )
    n_overlap_pairs: Annotated[int, Field(ge=0, le=10**12)] | None = Field(
        None, description="Number of pairs of units that overlap in space. `null`: left to chance."
    )
    overlap_threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9,
        description="Two units overlap in space if the trough of either, at the peak contact of the other, has more "
        "than this share of its largest depth.",
    )
    template_ids: list[Annotated[int, Field(ge=0, lt=2**63)]] | None = Field(
        None,
        description="Rows of the library, from 0, to use as units, regardless of the limits. They must have as many "
        "excitatory and inhibitory cells as `n_exc` and `n_inh` say.",
    )
    upsample: PositiveInt = Field(
        16, le=256, description="points. Grid points for each sample. Spike times lie exactly on this grid."
    )
    pad_len: WindowPair = Field(
        (3.0, 3.0), description="ms. Length of the zeros before a template, and of the fade to zero at its end."
    )

    @model_validator(mode="before")
    @classmethod
    def _limit_by_snr(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("snr") is None:
            return value
        return {"min_amp": 0.0, "max_amp": LARGEST_AMPLITUDE, **value}

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.require_ordered("xlim", "ylim", "zlim", "snr")
        self.require(self.min_amp < self.max_amp, "min_amp", f"must be below max_amp, {self.max_amp:g}")
        chosen = self.template_ids
        if chosen is not None:
            self.require(len(set(chosen)) == len(chosen), "template_ids", "must not name a template twice")
            self.require(self.n_overlap_pairs is None, "n_overlap_pairs", "must not stand beside template_ids")
        return self
