"""Noise of a recording."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ..base import Block, LibraryName, Nonnegative


class Noise(Block):
    noise_mode: Literal["uncorrelated", "distance-correlated", "far-neurons"] = Field(
        "uncorrelated", description="Kind of noise: independent at each contact, alike at near ones, or of many quiet neurons."
    )
    noise_level: Nonnegative = Field(10.0, description="µV. Standard deviation of the noise at each contact.")
    noise_level_at: Literal["raw", "filtered"] = Field(
        "raw", description="Whether the noise has its level before or after the filter."
    )
    noise_half_distance: PositiveFloat = Field(
        30.0, description="µm. Distance at which the correlation of distance-correlated noise is 1/2; at twice that it is 1/4."
    )
    noise_color: bool = Field(False, description="Whether the first two kinds of noise are coloured: a resonator and a floor.")
    color_peak: PositiveFloat = Field(300.0, description="Hz. Where the resonator is.")
    color_q: PositiveFloat = Field(2.0, description="Quality of the resonator: its frequency over its bandwidth.")
    color_noise_floor: Nonnegative = Field(
        1.0, description="Standard deviation of the white part of coloured noise over that of the resonator's."
    )

    @model_validator(mode="after")
    def _check_noise(self):
        far = self.noise_mode == "far-neurons"
        self.require(
            not (far and self.noise_color), "noise_color", "must be false with far-neurons, which have the colour of spikes"
        )
        return self


class FarNeurons(Block):
    far_neurons_library: LibraryName | None = Field(
        None, description="Which of `libraries:` supplies far neurons, on the same probe; `null`: that of the units."
    )
    far_neurons_n: PositiveInt = Field(300, description="How many far neurons there are.")
    far_neurons_min_amp: Nonnegative = Field(0.0, description="µV. Templates of far neurons are louder than this.")
    far_neurons_max_amp: PositiveFloat = Field(
        10.0, description="µV. Templates of far neurons are quieter than this, before they are brought to `noise_level`."
    )
    far_neurons_exc_inh_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8, description="Share of excitatory cells among far neurons; they fire at the rates of `spiketrains`."
    )
    far_neurons_noise_floor: Nonnegative = Field(
        0.5, description="Standard deviation of white noise added to far neurons, over theirs, before the filter."
    )

    @model_validator(mode="after")
    def _check_far_neurons(self):
        self.require(
            self.far_neurons_min_amp < self.far_neurons_max_amp,
            "far_neurons_min_amp",
            f"must be below far_neurons_max_amp, {self.far_neurons_max_amp:g}",
        )
        return self
