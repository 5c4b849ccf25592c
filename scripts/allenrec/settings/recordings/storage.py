"""What is stored of a recording, and how."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..base import Block


class Sampling(Block):
    fs: Annotated[float, Field(ge=1000, le=1e6)] | None = Field(
        None, description="Hz. Sampling rate. `null`: that of the library."
    )


class Storage(Block):
    dtype: Literal["float32", "int16", "int32"] = Field(
        "float32", description="Type of the stored samples: µV as float32, or counts of an ADC as integers."
    )
    gain: Annotated[float, Field(ge=1e-6, le=1e6)] | None = Field(
        None,
        description="µV. Value of one count. `null`: chosen so that the signal fits into the range of "
        "`adc_bit_depth`, or 1 without that key.",
    )
    adc_bit_depth: Annotated[int, Field(ge=2, le=32)] | None = Field(
        None,
        description="bits. Resolution of the ADC: its range is `lsb` times 2 to this power, centred at 0. Samples "
        "beyond it are clipped and counted. `null`: the range of `dtype`.",
    )
    lsb: Annotated[int, Field(gt=0, le=2**31)] | None = Field(
        None,
        description="counts. Least significant bit: samples are rounded to multiples of it (ties to the even "
        "multiple). `null`: 1.",
    )
    spike_traces: Literal["none", "peak", "all"] = Field(
        "none",
        description="Whether the file also stores what each unit adds to the recording, after the filter: at the "
        "unit's peak channel (`peak`), or at its peak channel and at all channels (`all`).",
    )
    extract_waveforms: bool = Field(
        False,
        description="Whether the file also stores a snippet of the recording around each spike, from 0.5 ms before to "
        "2 ms after it.",
    )
    chunk_duration: float = Field(
        10.0, ge=0.01, le=1e6, description="s. Longest piece that is written at once. No sample depends on it."
    )

    @model_validator(mode="after")
    def _check_converter(self) -> Self:
        if self.dtype == "float32":
            for key in ("gain", "adc_bit_depth", "lsb"):
                self.require(getattr(self, key) is None, key, "is for integers; set dtype to int16 or int32, or leave it out")
            return self
        lsb, width = self.lsb or 1, int(self.dtype.removeprefix("int"))
        bits = self.adc_bit_depth or 1  # two values at least
        key = "adc_bit_depth" if self.adc_bit_depth else "lsb"
        self.require(lsb * 2**bits <= 2**width, key, f"is more than {self.dtype} holds (2 to adc_bit_depth times lsb, {lsb})")
        return self
