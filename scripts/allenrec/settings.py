"""The configuration: every key with its type, range, default, unit and meaning, and what must hold between keys.

`config/schema.json` and the tables of `config/README.md` are made from this module (`make docs`). Keys keep MEArec's names
where the meaning is the same.
"""

import difflib
import importlib.util
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .errors import UserError

Nonnegative = Annotated[float, Field(ge=0)]
#: Lists in YAML, tuples here; the elements stay strictly typed
Pair = Annotated[tuple[float, float], Field(strict=False)]
CountPair = Annotated[tuple[int, int], Field(strict=False)]
PositivePair = Annotated[tuple[PositiveFloat, PositiveFloat], Field(strict=False)]
Names = Annotated[list[str], Field(min_length=1)]
#: A layer such as 5 is a number in YAML and a name here
Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
OneOrMore = Text | Annotated[list[Text], Field(min_length=1)]
#: Mean and standard deviation, Hz
RateSpread = Annotated[tuple[PositiveFloat, Nonnegative], Field(strict=False)]
Process = Literal["poisson", "gamma", "burst"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
#: Endings of files with a probe: MEAutility's format, and probeinterface's
PROBE_FILES = (".yaml", ".yml", ".json")
#: Endings of files with spike trains
TRAIN_FILES = (".csv", ".npz", ".nwb")
#: Points a sample that templates need where they are stretched
LEAST_UPSAMPLE = 8
#: manufacturer/probe in probeinterface's library
LIBRARY_PROBE = r"[\w+-]+/[\w+-]+"


class Block(BaseModel):
    """A block of the configuration: unknown keys are errors, values are not converted, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def require(self, condition, key, message):
        if not condition:
            value = getattr(self, key)
            value = list(value) if isinstance(value, tuple) else value
            raise ValueError(f"{key}: {value!r} {message}")

    def require_ordered(self, *keys):
        for key in keys:
            pair = getattr(self, key)
            self.require(pair is None or pair[0] < pair[1], key, "must be [lowest, highest]")


class Query(Block):
    dendrite_type: OneOrMore | None = Field(None, description="`spiny`, `aspiny`, `sparsely spiny`; matched by equality.")
    layer: OneOrMore | None = Field(None, description="Layer of the cortex; of the mouse: 1, 2/3, 4, 5, 6a, 6b.")
    area: OneOrMore | None = Field(None, description="Area of the cortex, such as `VISp`.")
    species: OneOrMore | None = Field(None, description="`Mus musculus` or `Homo Sapiens`.")
    line: OneOrMore | None = Field(None, description="Transgenic line, by its first words: `Pvalb` is `Pvalb-IRES-Cre`.")
    apical: OneOrMore | None = Field(None, description="Apical dendrite: `intact`, `truncated`, `NA`.")
    kind: Literal["perisomatic", "all active", "best"] = Field(
        "best", description="Kind of model; `best`: all-active where there is one, else perisomatic."
    )
    min_explained_variance: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Least share of the recorded voltage's variance that the model explains."
    )
    max: PositiveInt | None = Field(None, description="At most so many cells, those with the best explained variance.")


class Cells(Block):
    query: Query | None = Field(description="A question to the Allen site, which `snakemake query` asks once.")
    table: str = Field("config/queried_cells.tsv", description="The cell table that answers it; review it and keep it.")

    @model_validator(mode="before")
    @classmethod
    def _path_of_a_table(cls, value):
        if isinstance(value, str):
            return {"query": None, "table": value}
        if not isinstance(value, dict):
            raise PydanticCustomError("cells", "the path of a cell table or a block of keys")
        return value


class Allen(Block):
    url: str = Field(
        "https://api.brain-map.org", pattern=r"^https?://[^/ ]+", description="Address of the web API of the Allen site."
    )
    timeout: PositiveFloat = Field(30.0, description="s. How long the server may be silent.")
    retries: int = Field(4, ge=0, description="Further attempts after a server error, a broken connection or a time-out.")
    backoff: Nonnegative = Field(1.0, description="s. Before the first further attempt; doubled before each one after it.")
    parallel: int = Field(2, ge=1, le=60, description="Downloads at once.")


class Models(Block):
    sources: list[Literal["local", "bmtk", "allen"]] = Field(
        ["local", "bmtk", "allen"],
        min_length=1,
        description="Where models come from, tried in this order: `local` folders in `allen_models/` that a person put "
        "there; the five cells of the PyPI wheel `bmtk`; the web API of the Allen site.",
    )
    allen: Allen = Field(Allen(), description="The web API of the Allen site.")
    kind: Literal["perisomatic", "all active", "best"] = Field(
        "best",
        description="Which model of a cell, where the cell table names only the specimen; `best`: all-active where there is "
        "one, else perisomatic.",
    )
    axon: Literal["auto", "stub", "truncated", "keep"] = Field(
        "auto", description="What replaces the reconstructed axon; `auto` takes what each model was fitted with."
    )
    known_mechanisms: list[Sha256] = Field(
        [], description="Digests of mod files that are yours, beside those of the Allen Institute: they are compiled and run."
    )
    allow_unknown_mechanisms: bool = Field(False, description="Compile and run any mod file that a model brings.")
    recorded_steps: int = Field(
        3,
        ge=0,
        description="steps. At so many recorded step currents the spikes of a model are compared with those of its cell, where "
        "the archive has the recorded sweeps.",
    )
    exclude_flagged: bool = Field(False, description="Leave models that fail this comparison out of the libraries.")
    leave_out: list[Text] = Field(
        [],
        description="Models of the cell table that are not used. A run that goes on without models that failed sets it for "
        "itself; `results/left_out.csv` says why.",
    )


class Intracellular(Block):
    sim_time: PositiveFloat = Field(1.0, description="s. Length of a run up to the end of the current step.")
    dt: PositiveFloat = Field(2.0**-5, le=0.1, description="ms. Time step of the simulation and sample of the templates.")
    delay: PositiveFloat = Field(10.0, description="ms. Onset of the current step.")
    target_spikes: CountPair = Field(
        (3, 50), description="spikes. A step is accepted when it gives more than the first and at most the second number."
    )
    cut_out: PositivePair = Field((2.0, 5.0), description="ms. What is kept before and after a spike's peak.")
    threshold: float = Field(-20.0, description="mV. Somatic potential that a spike crosses upwards.")
    start_amplitude: PositiveFloat = Field(0.2, description="nA. First step that the search tries.")
    max_runs: PositiveInt = Field(20, description="runs. After so many the search gives up.")

    @model_validator(mode="after")
    def _check(self):
        self.require_ordered("target_spikes")
        self.require(self.target_spikes[0] >= 1, "target_spikes", "must begin with 1 or more: spike 1 is dropped")
        self.require(min(self.cut_out) >= self.dt, "cut_out", f"must be dt, {self.dt:g} ms, or longer on either side")
        needed = self.delay + sum(self.cut_out)
        self.require(1000 * self.sim_time > needed, "sim_time", f"must exceed delay + cut_out, {needed / 1000:g} s")
        return self


class Bins(Block):
    of: Literal["amplitude", "distance"] = Field(
        description="What is binned: the amplitude, µV, or the distance from the soma to the nearest contact, µm."
    )
    edges: Annotated[list[Nonnegative], Field(min_length=3)] = Field(description="µV or µm. Edges of the bins, increasing.")

    @model_validator(mode="after")
    def _check(self):
        self.require(all(low < high for low, high in pairwise(self.edges)), "edges", "must increase")
        return self


class DriftGrid(Block):
    x: Pair | None = Field(None, description="µm. Lowest and highest displacement along x.")
    y: Pair | None = Field(None, description="µm. Along y.")
    z: Pair | None = Field(None, description="µm. Along z, the axis of the probe. One of the three is given.")
    step: PositiveFloat = Field(2.0, description="µm. Between displacements, which are whole multiples of it.")

    @model_validator(mode="after")
    def _check(self):
        axes = [axis for axis in "xyz" if getattr(self, axis) is not None]
        if len(axes) != 1:
            raise ValueError(f"x, y, z: one of them must be given, not {' and '.join(axes) or 'none'}")
        low, high = getattr(self, axes[0])
        self.require(low <= 0 <= high and high - low >= self.step, axes[0], "must hold 0 and be a step long or longer")
        return self


class Library(Block):
    probe: str = Field(
        description="Name of a MEAutility probe; a file, `.yaml` of MEAutility or `.json` of probeinterface; or "
        "`manufacturer/probe` of probeinterface's library."
    )
    n: PositiveInt | Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        50, description="templates. For each cell model; or for each model of a cell type, such as `{spiny: 100, aspiny: 50}`."
    )
    rot: Literal["norot", "xrot", "yrot", "zrot", "3drot", "physrot"] = Field(
        "3drot",
        description="Rotation of a cell: none; uniform about one axis; uniform over all rotations; or `physrot`, the apical "
        "dendrite along the probe towards larger z, with `tilt`, and any turn about itself (cells without one: as `3drot`).",
    )
    tilt: Annotated[float, Field(ge=0, le=math.pi)] = Field(
        0.26, description="rad. With `physrot`, how far the apical dendrite may lean from the axis of the probe."
    )
    xlim: Pair | None = Field((10.0, 80.0), description="µm. Soma positions, x: distance from the plane of the probe.")
    ylim: Pair | None = Field(None, description="µm. Soma positions, y; `null`: contacts and `overhang`.")
    zlim: Pair | None = Field(None, description="µm. Soma positions, z (along the shank); `null` as for y.")
    overhang: Nonnegative = Field(30.0, description="µm. How far positions reach beyond the contacts where a limit is null.")
    offset: float = Field(0.0, description="µm. Added to x of all soma positions: away from the plane of the probe.")
    min_distance: Nonnegative = Field(0.0, description="µm. Least distance from the soma to the centre of any contact.")
    max_behind: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="Largest share of a cell's membrane behind the plane of the contacts. What is behind acts as if it were "
        "mirrored at the plane: its distances to the contacts are the same.",
    )
    x_distr: Literal["uniform", "beta"] = Field("uniform", description="Distribution of x within `xlim`.")
    beta_distr_params: PositivePair = Field((1.5, 5.0), description="Parameters of the beta distribution of x.")
    min_amp: Nonnegative = Field(30.0, description="µV. Least negative peak, over all contacts, of an accepted template.")
    bins: Bins | None = Field(None, description="Fill `n` evenly over bins, for libraries that are not all barely loud enough.")
    spike: Literal["random", "mean"] = Field(
        "random", description="Whose currents make a template: those of a stored spike, drawn for each pose, or their mean."
    )
    check_eap_shape: bool = Field(True, description="Reject a pose whose positive peak exceeds the negative one.")
    ncontacts: PositiveInt = Field(10, le=1000, description="points. On each contact; the potential is averaged over them.")
    max_iterations: PositiveInt = Field(1000, description="poses. A cell is given up after `n` times so many candidates.")
    on_shortfall: Literal["take", "fail"] = Field(
        "take", description="When a cell gives fewer than `n` templates: take what there is, or fail."
    )
    sigma: PositiveFloat | Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat], Field(strict=False)] = Field(
        0.3, description="S/m. Conductivity of the tissue; three values for x, y, z."
    )
    source: Literal["line", "point", "root_as_point"] = Field(
        "line", description="Each segment as a line, as a point, or as a line but the soma as a point."
    )
    image_factor: Literal["auto"] | Annotated[float, Field(ge=1, le=2)] = Field(
        "auto",
        description="Method of images: 2 on an insulating plane, 1 in open tissue; `auto`: 1 for wires of MEAutility, else 2.",
    )

    poses_from: str | None = Field(
        None, description="Another library: its poses, spikes and paths are taken, so that the same neurons are seen."
    )
    poses: str | None = Field(
        None,
        description="Path of a table of poses to take, comma-separated, with columns of `templates.csv`: `x_um`, `y_um`, "
        "`z_um`, `rotation_x_rad`, `rotation_y_rad`, `rotation_z_rad`, `spike_index` and, if not for every model, `model_id`.",
    )
    drifting: bool = Field(False, description="Compute each template at several steps along a path, for drifting recordings.")
    drift_steps: PositiveInt = Field(31, ge=3, description="steps. Along a path, ends included; odd, the pose is the middle.")
    min_drift: Nonnegative = Field(30.0, description="µm. Shortest path.")
    max_drift: PositiveFloat = Field(100.0, description="µm. Longest path.")
    drift_xlim: Pair = Field((-10.0, 10.0), description="µm. From the first to the last step of a path, x.")
    drift_ylim: Pair = Field((-10.0, 10.0), description="µm. As `drift_xlim`, y.")
    drift_zlim: Pair = Field((30.0, 80.0), description="µm. As `drift_xlim`, z.")
    check_for_drift_amp: bool = Field(False, description="Both ends of a path must be loud enough, too.")
    drift_within_bounds: bool = Field(False, description="Both ends of a path must lie within the limits of positions.")
    drift_grid: DriftGrid | None = Field(
        None, description="Instead of a path for each template, the same displacements for all, for rigid motion."
    )

    @property
    def probe_file(self):
        """The file that the probe is in, or None where it has a name."""
        return self.probe if self.probe.lower().endswith(PROBE_FILES) else None

    @model_validator(mode="after")
    def _check(self):
        self.require_ordered("xlim", "ylim", "zlim")
        for key in ("drift_xlim", "drift_ylim", "drift_zlim"):
            self.require(getattr(self, key)[0] <= getattr(self, key)[1], key, "must be [lowest, highest]")
        self.require(self.drift_steps % 2 == 1, "drift_steps", "must be odd: the pose is the middle of the path")
        self.require(self.min_drift <= self.max_drift, "min_drift", f"must not exceed max_drift, {self.max_drift:g}")
        longest = math.dist((0, 0, 0), [max(map(abs, pair)) for pair in (self.drift_xlim, self.drift_ylim, self.drift_zlim)])
        self.require(
            longest >= self.min_drift, "min_drift", f"is longer than any path within drift_xlim to drift_zlim, {longest:g}"
        )
        self.require(self.drifting or self.drift_grid is None, "drifting", "must be true where there is a drift_grid")
        if self.bins and self.bins.of == "amplitude":
            self.require(
                self.bins.edges[0] >= self.min_amp,
                "min_amp",
                f"must not exceed the first of bins.edges, {self.bins.edges[0]:g}",
            )
        given = "poses_from" if self.poses_from is not None else "poses" if self.poses is not None else None
        if given:
            others = SAMPLING_KEYS | {"poses_from", "poses"} - {given}
            useless = sorted(key for key in others if getattr(self, key) != type(self).model_fields[key].default)
            self.require(not useless, given, f"gives the poses, so {', '.join(useless)} cannot be met; leave it out")
        return self


#: Keys of a library that say which poses are drawn and kept
SAMPLING_KEYS = {
    *(
        "n",
        "rot",
        "tilt",
        "xlim",
        "ylim",
        "zlim",
        "overhang",
        "offset",
        "min_distance",
        "max_behind",
        "x_distr",
        "beta_distr_params",
    ),
    *(
        "min_amp",
        "bins",
        "check_eap_shape",
        "max_iterations",
        "on_shortfall",
        "min_drift",
        "max_drift",
        "drift_xlim",
        "drift_ylim",
    ),
    *("drift_zlim", "check_for_drift_amp", "drift_within_bounds"),
}


class SpikeTrains(Block):
    duration: PositiveFloat = Field(30.0, description="s. Length of the recording.")
    n_exc: int = Field(5, ge=0, description="units. Of the excitatory cell types.")
    n_inh: int = Field(2, ge=0, description="units. Of the inhibitory cell types.")
    f_exc: PositiveFloat = Field(5.0, description="Hz. Mean rate of excitatory units.")
    f_inh: PositiveFloat = Field(15.0, description="Hz. Mean rate of inhibitory units.")
    st_exc: Nonnegative = Field(1.0, description="Hz. Standard deviation of the rate over excitatory units.")
    st_inh: Nonnegative = Field(3.0, description="Hz. Standard deviation of the rate over inhibitory units.")
    min_rate: PositiveFloat = Field(0.5, description="Hz. No unit fires more slowly.")
    ref_per: Nonnegative = Field(2.0, description="ms. Refractory period; the rate that was asked for is kept.")
    rates: list[PositiveFloat] | dict[str, PositiveFloat | RateSpread] | None = Field(
        None,
        description="Hz. Of each unit, excitatory ones first; or of cell types, such as `{spiny: 5, aspiny: [15, 3]}`, the "
        "second value being the standard deviation over units, and `f_exc`, ... for all others.",
    )
    types: list[Literal["E", "I"]] | None = Field(
        None,
        description="With a list of `rates`, which of them are of excitatory and inhibitory units; gives `n_exc` and `n_inh`.",
    )
    process: Process | dict[str, Process] = Field(
        "poisson",
        description="How intervals come about; or of cell types, such as `{spiny: burst, aspiny: gamma}`, all "
        "others being `poisson`.",
    )
    gamma_shape: PositiveFloat = Field(2.0, description="Shape of the intervals of the gamma process.")
    burst_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="Of the burst process, share of bursts among events; the others are single spikes."
    )
    burst_spikes: CountPair = Field((2, 5), description="spikes. Fewest and most of a burst; each number is as likely.")
    burst_interval: PositiveFloat = Field(5.0, description="ms. Mean interval in a burst.")
    burst_shape: PositiveFloat = Field(
        4.0, description="Shape of the gamma distribution of what these intervals have beyond the refractory period."
    )
    rate_modulation: Literal["none", "sinusoid", "random-walk"] = Field(
        "none",
        description="How rates change over time, slowly: not; as a sine; or the logarithm as a random walk that is drawn back "
        "to its mean. The mean over the recording is kept.",
    )
    rate_modulation_depth: PositiveFloat = Field(
        0.5, description="Amplitude of the sine over the mean, or standard deviation of the logarithm."
    )
    rate_modulation_period: Annotated[float, Field(ge=1)] = Field(
        60.0, description="s. Period of the sine, or time constant of the random walk."
    )
    rate_modulation_shared: bool = Field(False, description="Whether rates of all units change together.")
    t_start: Nonnegative = Field(0.0, description="s. Units are silent before it; times count from the start of the recording.")
    file: str | None = Field(
        None,
        description="Spike trains that are given: `.csv` with the columns `unit` and `time_s`, `.npz` with an array of times "
        "for each unit, or `.nwb` with a table of units. Those of excitatory units come first.",
    )
    file_units: list[Text] | None = Field(
        None,
        description="Which units of the file are taken, in this order; `null`: all, as many as `n_exc` and `n_inh` ask for.",
    )

    @model_validator(mode="before")
    @classmethod
    def _numbers_of_types(cls, value):
        """The numbers of units that follow from `types`; rates in the order of units."""
        types = value.get("types") if isinstance(value, dict) else None
        rates = value.get("rates") if types else None
        if not isinstance(types, list) or set(types) - {"E", "I"} or not isinstance(rates, list) or len(rates) != len(types):
            return value
        in_order = [rate for kind in "EI" for rate, mine in zip(rates, types, strict=True) if mine == kind]
        counts = {"n_exc": types.count("E"), "n_inh": types.count("I")}
        return counts | value | {"rates": in_order, "types": sorted(types)}

    @property
    def n_units(self):
        """Excitatory and inhibitory."""
        return self.n_exc + self.n_inh

    @model_validator(mode="after")
    def _check(self):
        self._check_rates()
        self._check_room()
        self.require(self.t_start < self.duration, "t_start", f"must be below duration, {self.duration:g} s")
        sine = self.rate_modulation == "sinusoid"
        self.require(not sine or self.rate_modulation_depth < 1, "rate_modulation_depth", "must be below 1 for a sine")
        low, high = self.burst_spikes
        self.require(2 <= low <= high, "burst_spikes", "must be [fewest, most], 2 or more")
        if self.file is not None:
            for key in ("rates", "t_start"):
                unset = getattr(self, key) == type(self).model_fields[key].default
                self.require(unset, key, "must not stand beside file, which gives the spikes")
        units = self.file_units
        self.require(self.file is not None or units is None, "file_units", "needs a file")
        self.require(units is None or len(set(units)) == len(units), "file_units", "must not name a unit twice")
        return self

    def _check_rates(self):
        listed = self.rates if isinstance(self.rates, list) else None
        if self.types is not None:
            self.require(listed is not None and len(listed) == len(self.types), "types", "must be as many as the list of rates")
            counts = (self.types.count("E"), self.types.count("I"))
            self.require(
                (self.n_exc, self.n_inh) == counts,
                "types",
                f"must have as many E and I as n_exc, {self.n_exc}, and n_inh, {self.n_inh}",
            )
        n_asked = f"must have a value for each of the {self.n_units} units that n_exc and n_inh ask for"
        self.require(listed is None or len(listed) == self.n_units, "rates", n_asked)
        slowest = min(self._means(), default=self.min_rate)
        self.require(slowest >= self.min_rate, "rates", f"must be min_rate, {self.min_rate:g} Hz, or more")

    def _means(self):
        """Of the rates that are given."""
        given = self.rates.values() if isinstance(self.rates, dict) else self.rates or []
        return [rate[0] if isinstance(rate, tuple) else rate for rate in given]

    def _check_room(self):
        """Whether intervals have room for the refractory period."""
        used = {self.process} if isinstance(self.process, str) else {"poisson", *self.process.values()}
        dead = self.ref_per
        if "burst" in used:
            self.require(
                self.burst_interval > self.ref_per, "burst_interval", f"must exceed the refractory period, {self.ref_per:g} ms"
            )
            # Dead time a spike, where it is longer than that of single spikes
            later = self.burst_share * (sum(self.burst_spikes) / 2 - 1)
            dead = max(dead, (self.ref_per + later * self.burst_interval) / (1 + later))
        room = f"leave no room for a refractory period of {self.ref_per:g} ms"
        if dead > self.ref_per:
            room += f" and bursts with intervals of {self.burst_interval:g} ms"
        drawn = [("f_exc", self.f_exc, self.st_exc), ("f_inh", self.f_inh, self.st_inh)]
        given = self.rates.values() if isinstance(self.rates, dict) else self.rates or []
        for key, mean, spread in [*drawn, *(("rates", *(r if isinstance(r, tuple) else (r, 0.0))) for r in given)]:
            # Five standard deviations are never drawn in practice; at half the dead time a unit still looks like one.
            fastest = max(mean + 5 * spread, self.min_rate)
            self.require(fastest * dead < 900, key, f"gives rates up to {fastest:g} Hz, which {room}")


class CellTypes(Block):
    excitatory: list[str] = Field(["spiny"], description="Cell types of excitatory units, matched by equality.")
    inhibitory: list[str] = Field(["aspiny", "sparsely spiny"], description="Cell types of inhibitory units.")

    @model_validator(mode="after")
    def _check(self):
        both = set(self.excitatory) & set(self.inhibitory)
        self.require(not both, "excitatory", f"must not share {min(both, default='')!r} with the inhibitory types")
        return self


class RecordingTemplates(Block):
    min_dist: Nonnegative = Field(25.0, description="µm. Least distance between the somata of two units.")
    min_amp: Nonnegative = Field(30.0, description="µV. Units are louder than this.")
    max_amp: PositiveFloat = Field(300.0, description="µV. Units are quieter than this.")
    xlim: Pair | None = Field(None, description="µm. Soma positions of units, x; `null`: no limit.")
    ylim: Pair | None = Field(None, description="µm. As `xlim`, y.")
    zlim: Pair | None = Field(None, description="µm. As `xlim`, z.")
    max_similarity: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="No two units have waveforms that are more alike: cosine of the angle between templates, all contacts "
        "together, at the shift at which it is largest.",
    )
    n_overlap_pairs: Annotated[int, Field(ge=0)] | None = Field(
        None, description="So many pairs of units overlap in space; `null`: as it comes."
    )
    overlap_threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9,
        description="Two units overlap in space where the trough of either, at the loudest contact of the other, has more than "
        "this share of its depth.",
    )
    template_ids: list[Annotated[int, Field(ge=0)]] | None = Field(
        None,
        description="Rows of the library, from 0, to take as units, whatever the limits; as many of each kind as "
        "`n_exc` and `n_inh` say.",
    )
    upsample: PositiveInt = Field(
        16, le=256, description="points. Of the grid, a sample, on which spikes are placed; their times lie on it exactly."
    )
    pad_len: PositivePair = Field(
        (3.0, 3.0), description="ms. Zeros before a template, and the time in which its end fades to zero."
    )

    @model_validator(mode="after")
    def _check(self):
        self.require_ordered("xlim", "ylim", "zlim")
        self.require(self.min_amp < self.max_amp, "min_amp", f"must be below max_amp, {self.max_amp:g}")
        chosen = self.template_ids
        if chosen is not None:
            self.require(len(set(chosen)) == len(chosen), "template_ids", "must not name a template twice")
            self.require(self.n_overlap_pairs is None, "n_overlap_pairs", "must not stand beside template_ids")
        return self


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
    drift_file: str | None = Field(
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


class RecordingSignal(Block):
    # Keys of a movement may stand here, for editors as well.
    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema["properties"].update(Drift.model_json_schema()["properties"])
    )

    fs: PositiveFloat | None = Field(None, description="Hz. Sampling rate; `null`: that of the library.")
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
    far_neurons_library: str | None = Field(
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
    sync_rate: Annotated[float, Field(ge=0, le=0.5)] | None = Field(
        None,
        description="Share of synchronous spikes of each pair of units that overlap in space: spikes of one with a spike of "
        "the other within `sync_jitt`, over all of both. Spikes are moved, none is added; `null`: as it comes.",
    )
    sync_jitt: PositiveFloat = Field(1.0, description="ms. Within which spikes are synchronous.")
    modulation: Literal["none", "template", "electrode"] = Field(
        "template", description="Random gain of each spike: none, one a spike, one a spike and channel."
    )
    mrand: PositiveFloat = Field(1.0, description="Mean of the gain.")
    sdrand: Nonnegative = Field(0.05, description="Standard deviation of the gain.")
    bursting: bool = Field(
        False, description="Whether spikes of bursting units become smaller along a burst, the more, the shorter the intervals."
    )
    bursting_units: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, description="Which units burst, from 0, excitatory ones first; `null`: all, or `n_bursting`."
    )
    n_bursting: Annotated[int, Field(ge=0)] | None = Field(
        None, description="units. So many burst, chosen at random; `null`: all."
    )
    exp_decay: Nonnegative | list[Nonnegative] = Field(
        0.2, description="Exponent of the decay in a burst. A list here and in the next two: of each bursting unit, in order."
    )
    n_burst_spikes: PositiveInt | list[PositiveInt] = Field(
        10, description="spikes. Longest burst; the next spike begins another one."
    )
    max_burst_duration: PositiveFloat | list[PositiveFloat] = Field(
        100.0, description="ms. From the first to the last spike of a burst, at most."
    )
    shape_mod: bool = Field(False, description="Whether spikes that are smaller for bursting are wider as well.")
    shape_widening: Nonnegative = Field(
        1.0, description="A spike with the gain g is 1 + shape_widening (1 - g) times as wide as its template."
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
    filter: bool = Field(True, description="Whether the recording is filtered.")
    filter_cutoff: PositiveFloat | PositivePair = Field(
        (300.0, 6000.0), description="Hz. One value: high-pass; two: band-pass."
    )
    filter_order: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Order of the Butterworth filter.")
    filter_mode: Literal["filtfilt", "lfilter"] = Field(
        "filtfilt", description="Forward and backward (no delay), or forward only (causal)."
    )
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
    def _check(self):
        if isinstance(self.filter_cutoff, tuple):
            self.require_ordered("filter_cutoff")
        far = self.noise_mode == "far-neurons"
        self.require(self.filter or self.noise_level_at == "raw", "noise_level_at", "must be 'raw' where there is no filter")
        self.require(
            not (far and self.noise_color), "noise_color", "must be false with far-neurons, which have the colour of spikes"
        )
        self.require(
            self.far_neurons_min_amp < self.far_neurons_max_amp,
            "far_neurons_min_amp",
            f"must be below far_neurons_max_amp, {self.far_neurons_max_amp:g}",
        )
        self.require(any(self.preferred_dir), "preferred_dir", "must not be zero")
        self.require(self.bursting or not self.shape_mod, "shape_mod", "must be false without bursting")
        self.require(
            self.bursting_units is None or self.n_bursting is None, "n_bursting", "must not stand beside bursting_units"
        )
        self._check_converter()
        return self

    def _check_converter(self):
        if self.dtype == "float32":
            for key in ("gain", "adc_bit_depth", "lsb"):
                self.require(getattr(self, key) is None, key, "is for integers; set dtype to int16 or int32, or leave it out")
            return
        lsb, width = self.lsb or 1, int(self.dtype.removeprefix("int"))
        bits = self.adc_bit_depth or 1  # two values at least
        key = "adc_bit_depth" if self.adc_bit_depth else "lsb"
        self.require(lsb * 2**bits <= 2**width, key, f"is more than {self.dtype} holds (2 to adc_bit_depth times lsb, {lsb})")


class Recording(Block):
    library: str = Field(description="Which of `libraries:` supplies the templates.")
    format: list[Literal["mearec", "binary", "zarr", "nwb"]] = Field(
        ["mearec"],
        min_length=1,
        description="What is kept: `mearec`, an HDF5 file; `binary` and `zarr`, folders of SpikeInterface; `nwb`, a file of "
        "Neurodata Without Borders. All hold the same samples.",
    )
    compression: Literal["none", "lzf", "gzip"] = Field(
        "none", description="Of the traces in HDF5, `mearec` and `nwb`. Noise hardly shrinks; integers do, to a half or less."
    )
    zarr_compression: Literal["none", "zstd"] = Field(
        "zstd", description="Of the traces in `zarr`: SpikeInterface's own, or none."
    )
    spiketrains: SpikeTrains = Field(SpikeTrains(), description="How units fire.")
    cell_types: CellTypes = Field(CellTypes(), description="Which cell types are excitatory and inhibitory.")
    templates: RecordingTemplates = Field(RecordingTemplates(), description="Which templates are chosen and how placed.")
    recordings: RecordingSignal = Field(RecordingSignal(), description="Modulation, noise and filter.")

    @model_validator(mode="after")
    def _check(self):
        points = self.templates.upsample
        if self.recordings.shape_mod and points < LEAST_UPSAMPLE:
            raise ValueError(
                f"templates.upsample: {points} must be {LEAST_UPSAMPLE} or more with shape_mod, which reads between the points"
            )
        return self


#: The sorters that SpikeInterface can run, if they are installed
SORTERS = (
    *("combinato", "dartsort", "hdsort", "herdingspikes", "ironclust", "kilosort", "kilosort2", "kilosort2_5", "kilosort3"),
    *("kilosort4", "lupin", "mountainsort4", "mountainsort5", "pykilosort", "rtsort", "simple", "spykingcircus"),
    *("spykingcircus2", "tridesclous", "tridesclous2", "waveclus", "waveclus_snippets", "yass"),
)


class Evaluation(Block):
    sorters: Names = Field(
        ["spykingcircus2"],
        description="Sorters of SpikeInterface that `snakemake evaluate` runs, by SpikeInterface's names.",
    )
    parameters: dict[str, dict[str, Any]] = Field(
        {}, description="Parameters of sorters by the sorter's name, as `run_sorter` takes them; the others have its defaults."
    )
    n_jobs: PositiveInt = Field(
        1, description="Processes of a sorter. Each compiles for itself, which only long or large recordings are worth."
    )


class Settings(Block):
    cells: Cells = Field(
        Cells(query=None, table="config/cells.tsv"),
        description="Path of the cell table, from the working directory (`config/cells.tsv`); or a block with a `query`.",
        json_schema_extra=lambda schema: schema.update(anyOf=[{"type": "string"}, {"$ref": schema.pop("$ref")}]),
    )
    cell_type_column: str = Field(
        "cell_type",
        description="Column, of the cell table or the metadata, that names the cell types. Where `cell_type` is empty, it is "
        "the dendrite type.",
    )
    models: Models = Field(Models(), description="Where models come from and how they are loaded.")
    intracellular: Intracellular = Field(Intracellular(), description="Spikes of each model.")
    libraries: dict[Name, Library] = Field(
        min_length=1, description="Template libraries by name: one probe and its sampling each."
    )
    recordings: dict[Name, Recording] = Field({}, description="Recordings by name.")
    evaluation: Evaluation = Field(Evaluation(), description="What `snakemake evaluate` does.")
    seed: int = Field(0, ge=0, description="Every random number comes from this one and its own address.")


#: Keys of MEArec's parameter files that are not keys of the same block here, and what to do
MEAREC_KEYS = {
    **dict.fromkeys(
        ("sim_time", "target_spikes", "cut_out", "dt", "delay"), "it stands in `intracellular`, once for all libraries"
    ),
    "weights": "the search brackets by itself, from `intracellular.start_amplitude`",
    "timeout": "limits are counted in candidates, `max_iterations`, so that results do not depend on the machine",
    "det_thresh": "MEArec does not use it either; `min_amp` is the threshold",
    "seed": "one `seed` at the top level serves everything",
    "overlap": "every spike has its label in the file",
    "n_jitters": "each spike is placed where its time says, on a grid of `upsample` points a sample",
    **dict.fromkeys(("smooth_percent", "smooth_strength"), "ends of templates fade over `pad_len`, the spike is left as it is"),
    "shape_stretch": "`shape_widening` says how much wider smaller spikes are",
    **dict.fromkeys(Drift.model_fields, "it stands in a block of the list `drift_dicts`, or without one"),
    **dict.fromkeys(("seeds", "n_jobs", "recompile"), "nothing depends on it; see `seed` and `snakemake --cores`"),
}


def load_settings(config):
    """Validate a configuration and fill in its defaults.

    Parameters
    ----------
    config : dict
        As Snakemake merges it from files and command line.

    Returns
    -------
    Settings

    Raises
    ------
    UserError
        One line that names the key, the value and what is allowed.
    """
    try:
        settings = Settings.model_validate(dict(config))
    except ValidationError as error:
        raise UserError(f"config: {_explain(error.errors())}") from None
    for name, library in settings.libraries.items():
        _check_probe(f"libraries.{name}.probe", library)
        _check_poses(f"libraries.{name}", library, settings.libraries)
    for name, recording in settings.recordings.items():
        _check_recording(f"recordings.{name}", recording, settings)
    _check_evaluation(settings.evaluation)
    return settings


def _check_probe(key, library):
    """What can be known of a probe without the web and without reading a file."""
    probe, known = library.probe, probe_names()
    if library.probe_file:
        if not Path(probe).is_file():
            raise UserError(f"config: {key}: no such file {probe!r}")
    elif Path(probe).is_file() or Path(probe).suffix or probe.count("/") > 1:
        raise UserError(f"config: {key}: {probe!r} must end in {', '.join(PROBE_FILES)} if it is a file")
    elif probe not in known and not re.fullmatch(LIBRARY_PROBE, probe):
        close = difflib.get_close_matches(probe, known, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"config: {key}: {probe!r} is not a probe; {hint}known are {', '.join(known)}")


def _check_poses(key, library, libraries):
    if library.poses is not None and not Path(library.poses).is_file():
        raise UserError(f"config: {key}.poses: no such file, {library.poses!r}")
    if library.poses is not None and library.drifting and library.drift_grid is None:
        raise UserError(f"config: {key}.drift_grid: missing; given poses have no paths of their own to drift on")
    chain, origin = [key.removeprefix("libraries.")], library
    while origin.poses_from is not None:
        if origin.poses_from not in libraries:
            raise UserError(f"config: {key}.poses_from: {origin.poses_from!r} is not in `libraries`: {', '.join(libraries)}")
        if origin.poses_from in chain:
            raise UserError(f"config: {key}.poses_from: goes round in a circle, {' from '.join((*chain, origin.poses_from))}")
        chain.append(origin.poses_from)
        origin = libraries[origin.poses_from]
    if origin.spike != library.spike:
        raise UserError(
            f"config: {key}.spike: {library.spike!r}, but {chain[-1]}, where its poses are from, has {origin.spike!r}"
        )
    if library.drifting and library.drift_grid is None and not origin.drifting:
        raise UserError(f"config: {key}.drift_grid: missing; {chain[-1]}, where its poses are from, does not drift")


def _check_recording(key, recording, settings):
    if recording.library not in settings.libraries:
        known = ", ".join(settings.libraries) or "none"
        raise UserError(f"config: {key}.library: {recording.library!r} is not in `libraries`, which has {known}")
    quietest = settings.libraries[recording.library].min_amp
    if recording.templates.max_amp <= quietest:
        raise UserError(
            f"config: {key}.templates.max_amp: {recording.templates.max_amp:g} µV leaves nothing of {recording.library}, "
            f"whose min_amp is {quietest:g} µV"
        )
    _check_trains(f"{key}.spiketrains", recording)
    _check_numbers(f"{key}.templates", recording)
    for n, kind in (("n_exc", "excitatory"), ("n_inh", "inhibitory")):
        if getattr(recording.spiketrains, n) and not getattr(recording.cell_types, kind):
            raise UserError(f"config: {key}.cell_types.{kind}: empty, but spiketrains.{n} asks for such units")
    signal = recording.recordings
    _check_far_neurons(key, recording, settings)
    n_units = recording.spiketrains.n_units
    for name, asked in (("n_bursting", signal.n_bursting or 0), ("bursting_units", max(signal.bursting_units or [-1]) + 1)):
        if asked > n_units:
            raise UserError(f"config: {key}.recordings.{name}: {getattr(signal, name)} asks for more than the {n_units} units")
    fs = signal.fs or 1000 / settings.intracellular.dt
    if fs * recording.spiketrains.duration < 1:
        raise UserError(f"config: {key}.spiketrains.duration: {recording.spiketrains.duration:g} s is less than a sample")
    if signal.filter:
        cutoff = signal.filter_cutoff
        highest = max(cutoff) if isinstance(cutoff, tuple) else cutoff
        if highest >= fs / 2:
            raise UserError(
                f"config: {key}.recordings.filter_cutoff: {highest:g} Hz must be below half the sampling rate, {fs / 2:g} Hz"
            )
    if signal.noise_color and signal.color_peak >= fs / 2:
        raise UserError(
            f"config: {key}.recordings.color_peak: {signal.color_peak:g} Hz must be below half the sampling rate, {fs / 2:g} Hz"
        )


def _check_numbers(key, recording):
    """Whether numbers of templates and pairs fit to that of units."""
    n, templates = recording.spiketrains.n_units, recording.templates
    if templates.template_ids is not None and len(templates.template_ids) != n:
        raise UserError(f"config: {key}.template_ids: {len(templates.template_ids)} templates, but n_exc and n_inh ask for {n}")
    if (templates.n_overlap_pairs or 0) > n * (n - 1) // 2:
        raise UserError(
            f"config: {key}.n_overlap_pairs: {templates.n_overlap_pairs} is more than {n} units have, {n * (n - 1) // 2}"
        )


def _check_trains(key, recording):
    """Cell types that are named must be those of units, and files must be there."""
    trains = recording.spiketrains
    known = [*recording.cell_types.excitatory, *recording.cell_types.inhibitory]
    for name in ("rates", "process"):
        named = getattr(trains, name)
        unknown = [cell_type for cell_type in named if cell_type not in known] if isinstance(named, dict) else []
        if unknown:
            raise UserError(f"config: {key}.{name}: {unknown[0]!r} is not in cell_types, which have {', '.join(known)}")
    if trains.file is not None:
        if Path(trains.file).suffix.lower() not in TRAIN_FILES:
            raise UserError(f"config: {key}.file: {trains.file!r} must end in {', '.join(TRAIN_FILES)}")
        if not Path(trains.file).is_file():
            raise UserError(f"config: {key}.file: no such file {trains.file!r}")
        if recording.recordings.sync_rate is not None:
            raise UserError(
                f"config: {key}.file: gives the spikes, so recordings.sync_rate cannot be met; leave one of them out"
            )


def _check_far_neurons(key, recording, settings):
    signal = recording.recordings
    name = signal.far_neurons_library or recording.library
    if name not in settings.libraries:
        known = ", ".join(settings.libraries)
        raise UserError(f"config: {key}.recordings.far_neurons_library: {name!r} is not in `libraries`, which has {known}")
    if signal.noise_mode != "far-neurons":
        return
    library, own = settings.libraries[name], settings.libraries[recording.library]
    if library.probe != own.probe:
        raise UserError(
            f"config: {key}.recordings.far_neurons_library: {name!r} is on {library.probe}, the units are on {own.probe}"
        )
    if signal.far_neurons_max_amp <= library.min_amp:
        raise UserError(
            f"config: {key}.recordings.far_neurons_max_amp: {signal.far_neurons_max_amp:g} µV leaves nothing of {name}, whose "
            f"min_amp is {library.min_amp:g} µV; make a library with a lower one and name it in far_neurons_library"
        )
    if name == recording.library and signal.far_neurons_max_amp > recording.templates.min_amp:
        raise UserError(
            f"config: {key}.recordings.far_neurons_max_amp: {signal.far_neurons_max_amp:g} µV is above templates.min_amp, "
            f"{recording.templates.min_amp:g} µV, so that a unit could be a far neuron as well"
        )


def _check_evaluation(evaluation):
    sorters = evaluation.sorters
    for sorter in sorters:
        if sorter not in SORTERS:
            close = difflib.get_close_matches(sorter, SORTERS, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise UserError(
                f"config: evaluation.sorters: {sorter!r} is not one of SpikeInterface's; {hint}known are {', '.join(SORTERS)}"
            )
        if sorters.count(sorter) > 1:
            raise UserError(f"config: evaluation.sorters: {sorter!r} is named twice")
    for sorter in evaluation.parameters:
        if sorter not in sorters:
            raise UserError(
                f"config: evaluation.parameters: {sorter!r} is not in evaluation.sorters, which has {', '.join(sorters)}"
            )


def probe_names():
    """Return the names of MEAutility's probes, without importing it: the Snakefile asks at every start."""
    package = importlib.util.find_spec("MEAutility").submodule_search_locations[0]
    return sorted(path.stem for path in Path(package, "electrodes").glob("*.y*ml"))


def _explain(faults):
    """The first of pydantic's faults in words: the key as it stands in the file, the value, and what is allowed."""
    # A key with alternatives (a number, or a list) has a fault for each; one in an element of the list says most.
    faults = [fault for fault in faults if _path(fault)[: len(_path(faults[0]))] == _path(faults[0])]
    deepest = max(len(_path(fault)) for fault in faults)
    faults = [fault for fault in faults if len(_path(fault)) == deepest]
    first = faults[0]
    key, kind, value = _key(first), first["type"], first["input"]
    if kind in ("extra_forbidden", "invalid_key"):
        allowed = _allowed_keys(first["loc"][:-1])
        name = str(first["loc"][-1])
        if name in MEAREC_KEYS:
            return f"{key}: MEArec's key, but not one here: {MEAREC_KEYS[name]}"
        close = difflib.get_close_matches(name, allowed, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"{key}: unknown key; {hint}known are {', '.join(allowed)}"
    if kind == "missing" and not _lacks_element(first):
        return f"{key}: missing"
    if kind == "value_error":
        return ".".join(filter(None, (key, str(first["ctx"]["error"]))))
    allowed = dict.fromkeys(map(_allowed_value, faults))
    return f"{key}: {value!r} must be {' or '.join(allowed)}"


def _key(fault):
    """The dotted key of a fault, on one line."""
    return ".".join(str(part) if str(part).isprintable() else repr(part) for part in _path(fault))


def _path(fault):
    """Pydantic's location of a fault, without the names that it gives to alternatives, which only follow a key of a block."""
    location = fault["loc"][:-1] if _lacks_element(fault) else fault["loc"]
    block, path = Settings, []
    for part in location:
        if part == "[key]" or (block is None and not isinstance(part, int)):
            continue  # pydantic's word for a bad name; or inside a value
        path.append(part)
        block = block and _inner(block, part)
    return tuple(path)


def _inner(block, part):
    """What stands in a block at a key: a block, a dict of blocks, or None for a value; in a list of blocks, such a block."""
    if get_origin(block) is dict:
        return get_args(block)[1]
    if isinstance(part, int):
        return block
    field = block.model_fields.get(part) if isinstance(part, str) else None
    return block_in(field.annotation) if field else None


def block_in(annotation):
    """The block, or dict of blocks, that a field holds, also where it may be None; None for a value."""
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        return annotation if isinstance(inner, type) and issubclass(inner, Block) else None
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return annotation
    inner = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, Block)]
    return inner[0] if inner else None


def _lacks_element(fault):
    """Whether a list is too short."""
    return fault["type"] == "missing" and isinstance(fault["loc"][-1], int)


#: Parts of the patterns above, and what they stand for
PATTERNS = {
    "http": "an address, http(s)://...",
    "{64}": "a SHA-256 of 64 digits 0-9a-f",
    "": "a name of letters, digits, - and _",
}


def _allowed_value(fault):
    plain = {
        "model_type": "a block of keys",
        "dict_type": "a block of keys",
        "tuple_type": "a list",
        "list_type": "a list",
    }
    if fault["type"] == "string_pattern_mismatch":
        return next(words for part, words in PATTERNS.items() if part in fault["ctx"]["pattern"])
    if _lacks_element(fault):
        return f"a list of {fault['loc'][-1] + 1}"
    if fault["type"] in plain:
        return plain[fault["type"]]
    if fault["type"] == "too_short":
        return f"at least {fault['ctx']['min_length']} long"
    if fault["type"] == "too_long":
        return f"a list of {fault['ctx']['max_length']}"
    message = fault["msg"].removeprefix("Input ").removeprefix("should ")
    return message.removeprefix("be ").replace("a valid ", "a ").replace("a integer", "an integer")


def _allowed_keys(location):
    """The keys of the block at a location."""
    block = Settings
    for part in location:
        # `libraries` and `recordings` are dicts of blocks: there the part is a name
        block = _inner(block, part)
    return sorted(block.model_fields)
