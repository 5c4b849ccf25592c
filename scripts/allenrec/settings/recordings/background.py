"""The background of a hybrid recording: a real recording, to which units are added."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from ..base import NamesFile
from ..real_recordings import LargeInput, RealRecording


class Background(RealRecording):
    duration: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        None, description="s. How much of the recording is used, from its beginning. `null`: all of it."
    )
    gain_to_uV: Annotated[float, Field(ge=1e-6, le=1e6)] | None = Field(
        None, description="µV. Value of one count, if the recording does not say it. `null`: its own gains and offsets."
    )
    sorting: LargeInput | None = Field(
        None,
        description="Known units of the recording, a sorting that SpikeInterface saved or a folder of Kilosort or phy. They "
        "are stored beside the ground truth, and the evaluation does not count them as false.",
    )
    motion: Annotated[str, NamesFile(or_folder=True)] | None = Field(
        None,
        description="Motion of the recording, a folder that SpikeInterface's `Motion.save` made. The units move by it; their "
        "library must drift.",
    )


#: What cannot be set beside a background: the key in `recordings`, its value where it is not set, and the reason
FIXED: dict[str, tuple[Any, str]] = {
    "filter": (False, "nothing is filtered on a background; filter it with SpikeInterface before"),
    "noise_level": (0.0, "a background has its own noise"),
    "noise_mode": ("uncorrelated", "a background has its own noise"),
    "noise_color": (False, "a background has its own noise"),
    "dtype": ("float32", "samples keep the type of the background"),
    "gain": (None, "samples keep the gain of the background"),
    "adc_bit_depth": (None, "samples keep the range of the background"),
    "lsb": (None, "samples keep the steps of the background"),
}
#: Those of them whose default is another value, so that they are set where the user does not set them
DEFAULTS = {"filter": False, "noise_level": 0.0}


def with_defaults(value: Any) -> Any:
    """Return the block of a recording; if it has a background, with the values that go with that where none are given."""
    background = value.get("background") if isinstance(value, Mapping) else None
    signal = value.get("recordings") or {} if isinstance(value, Mapping) else None
    if not isinstance(background, Mapping) or not isinstance(signal, Mapping):
        return value
    signal = {**DEFAULTS, **signal}
    motion = background.get("motion")
    if motion is not None and not {"drifting", "drift_dicts"} & set(signal):
        signal |= {"drifting": True, "drift_dicts": [{"drift_mode_speed": "file", "drift_file": motion}]}
    return {**value, "recordings": signal}
