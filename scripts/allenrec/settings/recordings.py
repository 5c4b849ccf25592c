"""Recordings: spikes, choice of templates, drift, modulation, noise, filter and what is kept."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from .base import Block, CountPair, Nonnegative, Pair, PositivePair, Text

#: Mean and standard deviation, Hz
RateSpread = Annotated[tuple[PositiveFloat, Nonnegative], Field(strict=False)]
Process = Literal["poisson", "gamma", "burst"]
#: Points a sample that templates need where they are stretched
LEAST_UPSAMPLE = 8


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
        slowest = min((mean for mean, _ in self._given_rates()), default=self.min_rate)
        self.require(slowest >= self.min_rate, "rates", f"must be min_rate, {self.min_rate:g} Hz, or more")

    def _given_rates(self):
        """Mean and standard deviation of each of `rates`."""
        given = self.rates.values() if isinstance(self.rates, dict) else self.rates or []
        return [rate if isinstance(rate, tuple) else (rate, 0.0) for rate in given]

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
        for key, mean, spread in [*drawn, *(("rates", *rate) for rate in self._given_rates())]:
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
