"""Template libraries: probes, poses, the field of a cell, and drift.

One class a subject; `Library` joins them, because their keys stand in one block.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationError, model_validator

from allenrec.common.probe_names import PROBE_FILES, PROBE_FORMS, is_probe_file, name_of_recording

from .base import (
    Amplitude,
    Block,
    Coordinate,
    Count,
    InputFile,
    Length,
    LibraryName,
    NamesFile,
    Pair,
    PositiveCount,
    PositiveLength,
    Ratio,
    Shape,
    Text,
)
from .real_recordings import RealRecording

#: S/m
Conductivity = Annotated[float, Field(ge=1e-4, le=1e4)]
#: Most steps of a path or of a grid
MOST_STEPS = 1001


class Bins(Block):
    of: Literal["amplitude", "distance"] = Field(
        description="What is binned: the amplitude, µV, or the distance from the soma to the nearest contact, µm."
    )
    edges: Annotated[list[Amplitude], Field(min_length=3, max_length=1000)] = Field(
        description="µV or µm. Edges of the bins, increasing."
    )

    @model_validator(mode="after")
    def _check(self) -> Bins:
        self.require(all(low < high for low, high in pairwise(self.edges)), "edges", "must increase")
        return self


class DriftGrid(Block):
    x: Pair | None = Field(None, description="µm. Lowest and highest displacement along x.")
    y: Pair | None = Field(None, description="µm. Along y.")
    z: Pair | None = Field(None, description="µm. Along z, the axis of the probe. One of the three is given.")
    step: float = Field(2.0, ge=0.01, le=1e5, description="µm. Between displacements, which are whole multiples of it.")

    @property
    def axis(self) -> str:
        """The axis along which cells are displaced: "x", "y" or "z"."""
        return next(axis for axis in "xyz" if getattr(self, axis) is not None)

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and highest displacement, µm."""
        limits: tuple[float, float] = getattr(self, self.axis)
        return limits

    @model_validator(mode="after")
    def _check(self) -> DriftGrid:
        axes = [axis for axis in "xyz" if getattr(self, axis) is not None]
        if len(axes) != 1:
            raise ValueError(f"x, y, z: one of them must be given, not {' and '.join(axes) or 'none'}")
        low, high = self.limits
        self.require(low <= 0 <= high and high - low >= self.step, axes[0], "must hold 0 and be a step long or longer")
        self.require((high - low) / self.step <= MOST_STEPS, "step", f"makes more than {MOST_STEPS} displacements")
        return self


def _text_or_recording(schema: dict[str, Any]) -> None:
    """Let a probe be a block as well, in editors."""
    texts = schema.pop("anyOf", None) or [{"type": schema.pop("type")}]
    schema["anyOf"] = [*texts, {"type": "object", "additionalProperties": True}]


class Content(Block):
    """The probe, and the number of templates on it."""

    probe: Annotated[str, NamesFile(endings=PROBE_FILES), NamesFile(of_recording=True, or_folder=True, large=True)] | None = (
        Field(
            None,
            description=f"Either {PROBE_FORMS}. Needed unless `templates` come with one.",
            json_schema_extra=_text_or_recording,
        )
    )
    n: PositiveCount | Annotated[dict[str, Count], Field(min_length=1)] = Field(
        50, description="templates. For each cell model; or for each model of a cell type, such as `{spiny: 100, aspiny: 50}`."
    )
    format: Annotated[list[Literal["mearec", "spikeinterface"]], Field(min_length=1)] = Field(
        ["mearec"],
        description="Formats to write: `mearec`, the file that recordings are made from, which is there in any case; "
        "`spikeinterface`, also a zarr folder of SpikeInterface's `Templates`.",
    )

    @property
    def probe_file(self) -> str | None:
        """The file that the probe is in, or None where it has a name or comes with the templates."""
        return self.probe if self.probe is not None and is_probe_file(self.probe) else None

    @model_validator(mode="before")
    @classmethod
    def _name_recording(cls, value: Any) -> Any:
        """Write a probe that is given as `{recording: path}` as its name."""
        probe = value.get("probe") if isinstance(value, Mapping) else None
        if not isinstance(probe, Mapping):
            return value
        try:
            source = RealRecording.model_validate(probe)
        except ValidationError as error:
            from .error_messages import explain  # which needs the classes of all blocks; jobs have those of theirs only

            raise ValueError(f"probe.{explain(error.errors(), RealRecording)}") from None
        return {**value, "probe": name_of_recording(source.recording, source.extractor, source.arguments)}


class PoseSampling(Block):
    """The distribution of poses."""

    rot: Literal["norot", "xrot", "yrot", "zrot", "3drot", "physrot"] = Field(
        "3drot",
        description="Rotation of a cell: none; uniform about one axis; uniform over all rotations; or `physrot`, the apical "
        "dendrite along the probe towards larger z, with `tilt`, and any turn about itself (cells of the Blue Brain "
        "Project: the direction to the pia; others without an apical dendrite: as `3drot`).",
    )
    tilt: Annotated[float, Field(ge=0, le=math.pi)] = Field(
        0.26, description="rad. With `physrot`, how far the apical dendrite may lean from the axis of the probe."
    )
    xlim: Pair | None = Field((10.0, 80.0), description="µm. Soma positions, x: distance from the plane of the probe.")
    ylim: Pair | None = Field(None, description="µm. Soma positions, y; `null`: contacts and `overhang`.")
    zlim: Pair | None = Field(None, description="µm. Soma positions, z (along the shank); `null` as for y.")
    overhang: Length = Field(30.0, description="µm. How far positions reach beyond the contacts where a limit is null.")
    offset: Coordinate = Field(0.0, description="µm. Added to x of all soma positions: away from the plane of the probe.")
    min_distance: Length = Field(0.0, description="µm. Least distance from the soma to the centre of any contact.")
    max_behind: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="Largest share of a cell's membrane behind the plane of the contacts. What is behind acts as if it were "
        "mirrored at the plane: its distances to the contacts are the same.",
    )
    x_distr: Literal["uniform", "beta"] = Field("uniform", description="Distribution of x within `xlim`.")
    beta_distr_params: Annotated[tuple[Shape, Shape], Field(strict=False)] = Field(
        (1.5, 5.0), description="Parameters of the beta distribution of x."
    )

    @model_validator(mode="after")
    def _check_limits(self) -> PoseSampling:
        self.require_ordered("xlim", "ylim", "zlim")
        return self


class Acceptance(Block):
    """The way from a pose to a template, which templates are accepted, and when a cell is given up."""

    min_amp: Amplitude = Field(30.0, description="µV. Least negative peak, over all contacts, of an accepted template.")
    bins: Bins | None = Field(
        None, description="Fill `n` evenly over bins, for libraries whose templates do not all lie just above `min_amp`."
    )
    spike: Literal["random", "mean"] = Field(
        "random", description="Whose currents make a template: those of a stored spike, drawn for each pose, or their mean."
    )
    check_eap_shape: bool = Field(
        True, description="Reject a pose whose positive peak exceeds the negative one after the default filter of recordings."
    )
    max_pre_peak: Ratio | None = Field(
        0.5,
        description="Highest positive peak before the trough, as a share of the trough, at the contact with the deepest "
        "trough, after the default filter of recordings; `null`: any. Spikes that begin in the axon may have higher ones.",
    )
    ncontacts: PositiveInt = Field(
        10,
        le=1000,
        description="points. On each contact, for the mean of the potential over it; `1`: its centre. Near sources get more "
        "and far ones fewer, so that the mean is exact to 0.1 % from 5 µm on.",
    )
    max_iterations: PositiveCount = Field(1000, description="poses. A cell is given up after `n` times so many candidates.")
    on_shortfall: Literal["take", "fail"] = Field(
        "take", description="When a cell gives fewer than `n` templates: take what there is, or fail."
    )

    @model_validator(mode="after")
    def _check_bins(self) -> Acceptance:
        if self.bins and self.bins.of == "amplitude":
            lowest = self.bins.edges[0]
            self.require(lowest >= self.min_amp, "min_amp", f"must not exceed the first of bins.edges, {lowest:g}")
        return self


class Slice(Block):
    """A slice on an array of electrodes. Names and defaults are those of LFPykit's `RecMEAElectrode`."""

    kind: Literal["slice"] = Field(
        "slice", description="A slice on an MEA: saline above the tissue, glass with contacts below."
    )
    thickness: PositiveLength = Field(300.0, description="µm. Of the slice, from the contacts on, along their normal.")
    sigma_tissue: Conductivity = Field(0.3, description="S/m. Conductivity of the slice.")
    sigma_saline: Conductivity = Field(1.5, description="S/m. Conductivity of the bath above it.")
    sigma_glass: Annotated[float, Field(ge=0, le=1e4)] = Field(0.0, description="S/m. Conductivity of the array below it.")
    steps: PositiveInt = Field(20, le=1000, description="How many images at each face are summed, less one.")
    outside: Literal["refuse", "fold"] = Field(
        "refuse",
        description="Poses of which a segment leaves the slice are refused; or what leaves it is folded back at its faces, so "
        "that only the soma has to be inside.",
    )


class ForwardModel(Block):
    """The tissue, and the sources of current in it."""

    sigma: Conductivity | Annotated[tuple[Conductivity, Conductivity, Conductivity], Field(strict=False)] = Field(
        0.3, description="S/m. Conductivity of the tissue; three values for x, y, z."
    )
    source: Literal["line", "point", "root_as_point"] = Field(
        "line", description="Each segment as a line, as a point, or as a line but the soma as a point."
    )
    image_factor: Literal["auto"] | Annotated[float, Field(ge=1, le=2)] = Field(
        "auto",
        description="Method of images: 2 on an insulating plane, 1 in open tissue; `auto`: 1 for wires of MEAutility, else 2.",
    )
    medium: Slice | None = Field(
        None, description="`null`: tissue without borders; or a slice on an MEA, such as `{kind: slice, thickness: 300}`."
    )

    @model_validator(mode="after")
    def _check_medium(self) -> ForwardModel:
        if self.medium:
            fields = type(self).model_fields
            for key, instead in (("sigma", "medium.sigma_tissue"), ("image_factor", "medium.sigma_glass")):
                self.require(getattr(self, key) == fields[key].default, key, f"does not go with a slice; set {instead} instead")
        return self


class ExistingPoses(Block):
    """Poses that are taken from elsewhere instead of drawn."""

    poses_from: LibraryName | None = Field(
        None, description="Another library: its poses, spikes and paths are taken, so that the same neurons are seen."
    )
    poses: InputFile | None = Field(
        None,
        description="Path of a table of poses to take, comma-separated, with columns of `templates.csv`: `x_um`, `y_um`, "
        "`z_um`, `rotation_x_rad`, `rotation_y_rad`, `rotation_z_rad`, `spike_index` and, if not for every model, `model_id`.",
    )


class TemplatesFromElsewhere(Block):
    """Templates that are read instead of computed."""

    templates: Annotated[str, NamesFile(or_folder=True)] | None = Field(
        None,
        description="Path of templates to take instead of computing any: a zarr folder of SpikeInterface's `Templates`, such "
        "as those of its public database of real neurons, or a template file of MEArec (.h5). With it, only `probe`, "
        "`drifting`, `templates_table`, `cell_type_column` and `format` may be given.",
    )
    templates_table: InputFile | None = Field(
        None,
        description="Path of a table with a row for each of `templates`, comma-separated. Used are `x_um`, `y_um`, `z_um` "
        "(otherwise positions are estimated), `rotation_x_rad`, `rotation_y_rad`, `rotation_z_rad`, `model_id` and the cell "
        "types; the rest is metadata of units. `template_index` and `dataset`, if there, say which rows are meant. `null`: "
        "`templates.csv` in the folder of the templates or beside them, if there is one.",
    )
    cell_type_column: Text | None = Field(
        None,
        description="With `templates`, the column of the table that holds the cell types. `null`: `cell_type`, or else those "
        "of MEArec, or else all are `unknown`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _find_table(cls, values: Any) -> Any:
        """Name the table that lies in or beside the folder of the templates, so that it is an input like any other."""
        if not isinstance(values, dict) or values.get("templates_table") is not None:
            return values
        source = values.get("templates")
        if isinstance(source, str) and os.path.exists(source):
            for folder in (source, os.path.dirname(os.path.normpath(source))):
                if os.path.isfile(table := os.path.join(folder, "templates.csv")):
                    return values | {"templates_table": table}
        return values


class DriftPaths(Block):
    """The paths along which cells drift."""

    drifting: bool = Field(False, description="Compute each template at several steps along a path, for drifting recordings.")
    drift_steps: PositiveInt = Field(
        31, ge=3, le=MOST_STEPS, description="steps. Along a path, ends included; odd, the pose is the middle."
    )
    min_drift: Length = Field(30.0, description="µm. Shortest path.")
    max_drift: Annotated[float, Field(gt=0, le=1e5)] = Field(100.0, description="µm. Longest path.")
    drift_xlim: Pair = Field((-10.0, 10.0), description="µm. From the first to the last step of a path, x.")
    drift_ylim: Pair = Field((-10.0, 10.0), description="µm. As `drift_xlim`, y.")
    drift_zlim: Pair = Field((30.0, 80.0), description="µm. As `drift_xlim`, z.")
    check_for_drift_amp: bool = Field(False, description="Both ends of a path must reach `min_amp`, too.")
    drift_within_bounds: bool = Field(False, description="Both ends of a path must lie within the limits of positions.")
    drift_grid: DriftGrid | None = Field(
        None, description="Instead of a path for each template, the same displacements for all, for rigid motion."
    )

    @model_validator(mode="after")
    def _check_paths(self) -> DriftPaths:
        for key in ("drift_xlim", "drift_ylim", "drift_zlim"):
            self.require(getattr(self, key)[0] <= getattr(self, key)[1], key, "must be [lowest, highest]")
        self.require(self.drift_steps % 2 == 1, "drift_steps", "must be odd: the pose is the middle of the path")
        self.require(self.min_drift <= self.max_drift, "min_drift", f"must not exceed max_drift, {self.max_drift:g}")
        longest = math.dist((0, 0, 0), [max(map(abs, pair)) for pair in (self.drift_xlim, self.drift_ylim, self.drift_zlim)])
        self.require(
            longest >= self.min_drift, "min_drift", f"is longer than any path within drift_xlim to drift_zlim, {longest:g}"
        )
        self.require(self.drifting or self.drift_grid is None, "drifting", "must be true where there is a drift_grid")
        return self


#: Keys of a library that change no template
EXPORT_KEYS = {"format"}
#: Keys of libraries that are read instead of computed
IMPORT_KEYS = set(TemplatesFromElsewhere.model_fields)
#: Keys of a library that say which poses are drawn and kept
SAMPLING_KEYS = {
    *("n", *PoseSampling.model_fields),
    *"min_amp bins check_eap_shape max_pre_peak max_iterations on_shortfall".split(),
    *"min_drift max_drift drift_xlim drift_ylim drift_zlim check_for_drift_amp drift_within_bounds".split(),
}


# Pydantic takes the fields of the last base first.
class Library(TemplatesFromElsewhere, DriftPaths, ExistingPoses, ForwardModel, Acceptance, PoseSampling, Content):
    @property
    def lowest_amplitude(self) -> float:
        """The amplitude, µV, below which there is no template; 0 where that is not known."""
        return 0.0 if self.templates is not None else self.min_amp

    @model_validator(mode="after")
    def _check_poses(self) -> Library:
        key = "poses_from" if self.poses_from is not None else "poses" if self.poses is not None else None
        if key:
            useless = self._given(SAMPLING_KEYS | {"poses_from", "poses"} - {key})
            self.require(not useless, key, f"gives the poses, so {', '.join(useless)} cannot be met; leave it out")
        return self

    @model_validator(mode="after")
    def _check_templates(self) -> Library:
        if self.templates is None:
            if self.probe is None:
                raise ValueError("probe: missing")
            for key in ("templates_table", "cell_type_column"):
                self.require(getattr(self, key) is None, key, "is of `templates` only")
            return self
        others = set(type(self).model_fields) - IMPORT_KEYS - EXPORT_KEYS - {"probe", "drifting"}
        useless = self._given(others)
        self.require(not useless, "templates", f"are read as they are, so {', '.join(useless)} cannot be met; leave it out")
        self.require(
            not (self.drifting and os.path.isdir(self.templates)),
            "drifting",
            "cannot be met: SpikeInterface's templates have no steps along a path; leave it out",
        )
        return self

    def _given(self, keys: set[str]) -> list[str]:
        """Return those of some keys that do not have their default."""
        return sorted(key for key in keys if getattr(self, key) != type(self).model_fields[key].default)
