"""Drift of the units of a recording."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PositiveFloat, model_validator

from ..base import Block, NamesFile, Nonnegative


class Drift(Block):
    drift_mode_speed: Literal["slow", "fast", "random-walk", "file"] = Field(
        "slow", description="To and fro; in jumps; as a random walk; or as a file says."
    )
    drift_mode_probe: Literal["rigid", "non-rigid"] = Field(
        "rigid", description="Whether all units move by the same distance, or by one that depends on their depth."
    )
    t_start_drift: Nonnegative = Field(0.0, description="s. Nothing moves before it.")
    t_end_drift: PositiveFloat | None = Field(None, description="s. Nothing moves after it; `null`: the end.")
    slow_drift_velocity: PositiveFloat = Field(5.0, description="µm/min. Of a sine the mean.")
    slow_drift_amplitude: PositiveFloat | None = Field(
        None, description="µm. From the lowest to the highest point; `null`: as far as the templates of all units reach."
    )
    slow_drift_waveform: Literal["triangular", "triangluar", "sine"] = Field(
        "triangular", description="Course of a slow drift; MEArec's spelling is understood."
    )
    fast_drift_period: PositiveFloat = Field(10.0, description="s. Between jumps.")
    fast_drift_min_jump: Nonnegative = Field(5.0, description="µm. Shortest jump.")
    fast_drift_max_jump: PositiveFloat = Field(20.0, description="µm. Longest jump; the templates' reach ends it earlier.")
    random_walk_deviation: PositiveFloat = Field(
        1.0, description="µm. Standard deviation of what a random walk moves in a second."
    )
    random_walk_limit: PositiveFloat | None = Field(
        None, description="µm. A random walk is reflected at plus and minus this; `null`: where templates end."
    )
    drift_file: Annotated[str, NamesFile(or_folder=True)] | None = Field(
        None,
        description="CSV file with the columns `time_s`, `depth_um` and `displacement_um`, or a folder that SpikeInterface's "
        "`Motion.save` made. Between its times and depths displacements are interpolated, outside the nearest holds.",
    )
    non_rigid_gradient_mode: Literal["linear", "step"] = Field(
        "linear", description="How a non-rigid drift depends on the depth of a unit, its position along `preferred_dir`."
    )
    non_rigid_linear_direction: Literal[1, -1] = Field(
        1, description="Linear: 1, the lowest unit moves in full; -1, the highest."
    )
    non_rigid_linear_min_factor: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="Linear: how much of the drift the unit at the other end follows."
    )
    non_rigid_step_depth_boundary: float | None = Field(None, description="µm. Step: the boundary; `null`: the mean depth.")
    non_rigid_step_factors: Annotated[tuple[float, float], Field(strict=False)] | None = Field(
        None, description="Step: how much of the drift units above and below the boundary follow; `null`: all and nothing."
    )

    @model_validator(mode="after")
    def _check(self):
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
        False, description="Whether units drift; the library has to. Far neurons drift with them if their library does."
    )
    drift_dicts: list[Drift] = Field(
        [Drift()],
        min_length=1,
        description="Movements that are added up, each a block. The keys of a single one may stand beside `drifting`, as "
        "MEArec's do.",
        validate_default=True,
    )
    drift_fs: PositiveFloat = Field(100.0, description="Hz. Of the times at which displacements are known, and stored.")
    n_drifting: Annotated[int, Field(ge=0)] | None = Field(
        None, description="units. So many drift, chosen at random; `null`: all."
    )
    preferred_dir: Annotated[tuple[float, float, float], Field(strict=False)] = Field(
        (0.0, 0.0, 1.0), description="Where displacements are positive, x, y, z; each unit moves along its own path."
    )
    angle_tol: Annotated[float, Field(ge=0, le=180)] | None = Field(
        None,
        description="deg. By how much the paths of units may differ from `preferred_dir`, either way along them; `null`: by "
        "any angle.",
    )

    @model_validator(mode="before")
    @classmethod
    def _single_movement(cls, value):
        """Keys of a movement that stand here are the only one."""
        if not isinstance(value, dict) or "drift_dicts" in value:
            return value
        movement = {key: value[key] for key in value if key in Drift.model_fields}
        others = {key: value[key] for key in value if key not in movement}
        return others | {"drift_dicts": [movement]} if movement else value

    @model_validator(mode="after")
    def _check_direction(self):
        self.require(any(self.preferred_dir), "preferred_dir", "must not be zero")
        return self
