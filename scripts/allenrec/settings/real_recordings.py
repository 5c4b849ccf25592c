"""Recordings that were not made here, as the configuration names them."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from .base import Block, NamesFile

#: A file or folder that may be large: it is one input of a rule, and its whole content is never read for a digest
LargeInput = Annotated[str, NamesFile(or_folder=True, large=True)]
#: Values of arguments of an extractor
Argument = str | bool | Annotated[int, Field(ge=-(2**63), lt=2**63)] | Annotated[float, Field(ge=-1e12, le=1e12)] | None
#: Names of the path among the arguments of extractors
PATH_ARGUMENTS = ("folder_path", "file_path", "file_paths")


class RealRecording(Block):
    recording: LargeInput = Field(
        description="File or folder of the recording: a folder that SpikeInterface saved (binary or zarr), a file of NWB, "
        "or what `extractor` reads."
    )
    extractor: Annotated[str, Field(pattern=r"^read_\w+$")] | None = Field(
        None,
        description="Function of `spikeinterface.extractors` that reads it, such as `read_spikeglx` or `read_openephys`. "
        "`null`: `spikeinterface.load`, or `read_nwb_recording` for `.nwb`.",
    )
    arguments: dict[str, Argument | list[Argument]] = Field(
        {}, description="Further arguments of that function, such as `{stream_id: imec0.ap}`."
    )

    @model_validator(mode="before")
    @classmethod
    def _take_path(cls, value: Any) -> Any:
        """Take the path from the arguments, if it stands there."""
        arguments = value.get("arguments") if isinstance(value, Mapping) else None
        if not isinstance(arguments, Mapping) or "recording" in value:
            return value
        key = next((key for key in PATH_ARGUMENTS if key in arguments), None)
        if key is None:
            return value
        return {**value, "recording": arguments[key], "arguments": {k: v for k, v in arguments.items() if k != key}}

    @model_validator(mode="after")
    def _check_arguments(self) -> Self:
        has_reader = self.extractor is not None or self.recording.lower().endswith(".nwb")
        self.require(not self.arguments or has_reader, "arguments", "are those of an extractor; name it")
        return self
