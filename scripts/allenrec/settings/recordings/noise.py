"""Noise of a recording."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..base import Amplitude, Block, LibraryName, PositiveAmplitude, PositiveCount, Ratio

#: The noise modes whose noise is that of cells, and the key that names the library of these cells; without a name, they are
#: from the library of the units
LIBRARY_KEYS = {"far-neurons": "far_neurons_library"}


class Noise(Block):
    noise_mode: Literal["uncorrelated", "distance-correlated", "far-neurons"] = Field(
        "uncorrelated",
        description="Kind of noise: independent at each contact, correlated between near contacts, or the sum of "
        "many distant neurons.",
    )
    noise_level: Amplitude = Field(10.0, description="µV. Standard deviation of the noise at each contact.")
    noise_level_at: Literal["raw", "filtered"] = Field(
        "raw", description="Whether `noise_level` holds before or after the filter."
    )
    noise_half_distance: float = Field(
        30.0,
        ge=0.01,
        le=1e5,
        description="µm. Distance at which the correlation of distance-correlated noise is 1/2. At twice this "
        "distance it is 1/4.",
    )
    noise_color: bool = Field(
        False, description="Whether noise of all modes but `far-neurons` is coloured: a resonance plus a white floor."
    )
    color_peak: float = Field(300.0, ge=1, le=1e6, description="Hz. Frequency of the resonance.")
    color_q: float = Field(
        2.0, ge=0.1, le=100, description="Quality factor of the resonance: its frequency divided by its bandwidth."
    )
    color_noise_floor: Ratio = Field(
        1.0, description="Standard deviation of the white floor, divided by that of the resonance."
    )

    @model_validator(mode="after")
    def _check_noise(self) -> Self:
        self.require(
            not (self.noise_color and self.noise_mode in LIBRARY_KEYS),
            "noise_color",
            f"must be false with {self.noise_mode}, which have the colour of spikes",
        )
        return self


class FarNeurons(Block):
    far_neurons_library: LibraryName | None = Field(
        None,
        description="Library (a key of `libraries`, on the same probe) that supplies far neurons. `null`: the "
        "library of the units.",
    )
    far_neurons_n: PositiveCount = Field(300, description="Number of far neurons.")
    far_neurons_min_amp: Amplitude = Field(0.0, description="µV. Smallest amplitude of a far neuron's template.")
    far_neurons_max_amp: PositiveAmplitude = Field(
        10.0, description="µV. Largest amplitude of a far neuron's template, before the sum is scaled to `noise_level`."
    )
    far_neurons_exc_inh_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8, description="Share of excitatory cells among far neurons. They fire at the rates of `spiketrains`."
    )
    far_neurons_noise_floor: Ratio = Field(
        0.5,
        description="Standard deviation of the white noise that is added to far neurons, divided by that of their "
        "sum, before the filter.",
    )

    @model_validator(mode="after")
    def _check_far_neurons(self) -> Self:
        self.require(
            self.far_neurons_min_amp < self.far_neurons_max_amp,
            "far_neurons_min_amp",
            f"must be below far_neurons_max_amp, {self.far_neurons_max_amp:g}",
        )
        return self
