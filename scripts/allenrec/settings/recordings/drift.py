"""Drift of the units of a recording."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ..base import Block, Coordinate, Count, Length, NamesFile, PositiveLength, Time

Share = Annotated[float, Field(ge=-10, le=10)]


class Drift(Block):
    drift_mode_speed: Literal["slow", "fast", "random-walk", "file"] = Field(
        "slow",
        description="Course of the movement: back and forth (`slow`), in jumps (`fast`), as a random walk, or as "
        "read from `drift_file`.",
    )
    drift_mode_probe: Literal["rigid", "non-rigid"] = Field(
        "rigid", description="Whether all units move by the same distance, or by a distance that depends on their depth."
    )
    t_start_drift: Time = Field(0.0, description="s. Time at which the movement starts.")
    t_end_drift: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        None, description="s. Time at which the movement ends. `null`: the end of the recording."
    )
    slow_drift_velocity: float = Field(
        5.0, ge=1e-3, le=1e6, description="µm/min. Speed of a slow drift (the mean speed of a sine)."
    )
    slow_drift_amplitude: PositiveLength | None = Field(
        None,
        description="µm. Distance from the lowest to the highest point of a slow drift. `null`: as far as the "
        "templates of all units reach.",
    )
    slow_drift_waveform: Literal["triangular", "triangluar", "sine"] = Field(
        "triangular", description="Waveform of a slow drift. MEArec's spelling `triangluar` is understood."
    )
    fast_drift_period: float = Field(10.0, ge=0.01, le=1e6, description="s. Time between jumps.")
    fast_drift_min_jump: Length = Field(5.0, description="µm. Shortest jump.")
    fast_drift_max_jump: PositiveLength = Field(
        20.0, description="µm. Longest jump. A jump ends earlier where a template's path ends."
    )
    random_walk_deviation: PositiveLength = Field(
        1.0, description="µm. Standard deviation of the movement of a random walk in one second."
    )
    random_walk_limit: PositiveLength | None = Field(
        None,
        description="µm. A random walk is reflected at plus and minus this distance. `null`: at the ends of the "
        "templates' paths.",
    )
    drift_file: Annotated[str, NamesFile(or_folder=True)] | None = Field(
        None,
        description="Displacements for `drift_mode_speed: file`: a CSV file with the columns `time_s`, `depth_um` and "
        "`displacement_um`, or a folder that SpikeInterface's `Motion.save` made. Displacements are interpolated "
        "between its times and depths; outside, the nearest one is used.",
    )
    non_rigid_gradient_mode: Literal["linear", "step"] = Field(
        "linear", description="How a non-rigid drift depends on the depth of a unit (its position along `preferred_dir`)."
    )
    non_rigid_linear_direction: Literal[1, -1] = Field(
        1, description="For `linear`: the unit that moves by the full distance, the lowest (1) or the highest (-1)."
    )
    non_rigid_linear_min_factor: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="For `linear`: share of the drift that the unit at the other end follows."
    )
    non_rigid_step_depth_boundary: Coordinate | None = Field(
        None, description="µm. For `step`: depth of the boundary. `null`: the mean depth of the units."
    )
    non_rigid_step_factors: Annotated[tuple[Share, Share], Field(strict=False)] | None = Field(
        None, description="For `step`: shares of the drift that units above and below the boundary follow. `null`: [1, 0]."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        shortest, longest = self.fast_drift_min_jump, self.fast_drift_max_jump
        self.require(shortest <= longest, "fast_drift_min_jump", f"must be at most fast_drift_max_jump, {longest:g}")
        end = self.t_end_drift
        self.require(
            end is None or end > self.t_start_drift, "t_end_drift", f"must be after t_start_drift, {self.t_start_drift:g}"
        )
        from_file = self.drift_mode_speed == "file"
        self.require(from_file == (self.drift_file is not None), "drift_file", "goes with drift_mode_speed: file")
        self.require(
            not from_file or self.drift_mode_probe == "rigid", "drift_mode_probe", "is the file's own, which has depths"
        )
        return self


class DriftingUnits(Block):
    # Keys of a movement may stand here, for editors as well.
    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema["properties"].update(Drift.model_json_schema()["properties"])
    )

    drifting: bool = Field(
        False,
        description="Whether units drift. The library must have drifting templates. Far neurons drift too if their "
        "library does.",
    )
    drift_dicts: list[Drift] = Field(
        [Drift()],
        min_length=1,
        description="List of movements, each a block; their displacements are added. The keys of a single movement may "
        "stand beside `drifting`, as MEArec's do.",
        validate_default=True,
    )
    drift_fs: float = Field(100.0, ge=0.1, le=10_000, description="Hz. Sampling rate of the stored displacements.")
    n_drifting: Count | None = Field(None, description="units. Number of units that drift, chosen at random. `null`: all.")
    preferred_dir: Annotated[tuple[Coordinate, Coordinate, Coordinate], Field(strict=False)] = Field(
        (0.0, 0.0, 1.0), description="Direction (x, y, z) of positive displacements. Each unit moves along its own path."
    )
    angle_tol: Annotated[float, Field(ge=0, le=180)] | None = Field(
        None,
        description="deg. Largest angle between the path of a unit, in either direction, and `preferred_dir`. `null`: "
        "any angle.",
    )

    @model_validator(mode="before")
    @classmethod
    def _single_movement(cls, value: Any) -> Any:
        """Take keys of a movement that stand here as the only movement."""
        if not isinstance(value, dict) or "drift_dicts" in value:
            return value
        movement = {key: value[key] for key in value if key in Drift.model_fields}
        others = {key: value[key] for key in value if key not in movement}
        return others | {"drift_dicts": [movement]} if movement else value

    @model_validator(mode="after")
    def _check_direction(self) -> Self:
        self.require(math.hypot(*self.preferred_dir) > 1e-6, "preferred_dir", "must not be zero")
        return self
