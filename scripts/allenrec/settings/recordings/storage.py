"""What is stored of a recording, and how."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ..base import Block


class Sampling(Block):
    fs: PositiveFloat | None = Field(None, description="Hz. Sampling rate; `null`: that of the library.")


class Storage(Block):
    dtype: Literal["float32", "int16", "int32"] = Field(
        "float32", description="Samples are stored as µV, or as whole counts of a converter."
    )
    gain: PositiveFloat | None = Field(
        None, description="µV. One count; `null`: as many as the range of `adc_bit_depth` needs, or else 1."
    )
    adc_bit_depth: Annotated[int, Field(ge=2, le=32)] | None = Field(
        None,
        description="bits. The range of the converter is `lsb` times 2 to this power, around 0; what is beyond is clipped, and "
        "counted. `null`: that of `dtype`.",
    )
    lsb: PositiveInt | None = Field(
        None, description="counts. Samples are the nearest multiples of it, of two equally near ones the even; `null`: 1."
    )
    spike_traces: Literal["none", "peak", "all"] = Field(
        "none",
        description="Whether the file also has what each unit adds to the recording, filtered as it is: at the loudest channel "
        "of the unit, or there and at all channels.",
    )
    extract_waveforms: bool = Field(
        False,
        description="Whether the file also has each spike as it is in the recording, from 0.5 ms before to 2 ms after it.",
    )
    chunk_duration: PositiveFloat = Field(10.0, description="s. The most that is written at once; no sample depends on it.")

    @model_validator(mode="after")
    def _check_converter(self):
        if self.dtype == "float32":
            for key in ("gain", "adc_bit_depth", "lsb"):
                self.require(getattr(self, key) is None, key, "is for integers; set dtype to int16 or int32, or leave it out")
            return self
        lsb, width = self.lsb or 1, int(self.dtype.removeprefix("int"))
        bits = self.adc_bit_depth or 1  # two values at least
        key = "adc_bit_depth" if self.adc_bit_depth else "lsb"
        self.require(lsb * 2**bits <= 2**width, key, f"is more than {self.dtype} holds (2 to adc_bit_depth times lsb, {lsb})")
        return self
