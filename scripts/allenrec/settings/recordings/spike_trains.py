"""Spike trains: how many units there are, how often they fire and by which process, or the file that gives their spikes."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..base import Block, Count, InputFile, Rate, RateDeviation, Shape, Text, Time

#: Mean and standard deviation, Hz
RateSpread = Annotated[tuple[Rate, RateDeviation], Field(strict=False)]
Process = Literal["poisson", "gamma", "burst"]


BurstSize = Annotated[int, Field(ge=0, le=1000)]


class UnitRates(Block):
    duration: float = Field(30.0, gt=0, le=1e6, description="s. Length of the recording.")
    n_exc: Count = Field(5, description="units. Number of excitatory units.")
    n_inh: Count = Field(2, description="units. Number of inhibitory units.")
    f_exc: Rate = Field(5.0, description="Hz. Mean rate of excitatory units.")
    f_inh: Rate = Field(15.0, description="Hz. Mean rate of inhibitory units.")
    st_exc: RateDeviation = Field(1.0, description="Hz. Standard deviation of the rate over excitatory units.")
    st_inh: RateDeviation = Field(3.0, description="Hz. Standard deviation of the rate over inhibitory units.")
    min_rate: Rate = Field(0.5, description="Hz. Lowest rate of any unit.")
    ref_per: float = Field(2.0, ge=0, le=1000, description="ms. Refractory period. It does not lower the rate.")
    rates: list[Rate] | dict[str, Rate | RateSpread] | None = Field(
        None,
        description="Hz. One rate for each unit, excitatory units first; or rates of cell types, such as `{spiny: 5, "
        "aspiny: [15, 3]}`, where the second value is the standard deviation over units. Cell types that are not named "
        "use `f_exc` or `f_inh`.",
    )
    types: list[Literal["E", "I"]] | None = Field(
        None,
        description="With a list of `rates`: which rates belong to excitatory (`E`) and which to inhibitory (`I`) "
        "units. It sets `n_exc` and `n_inh`.",
    )


class IntervalProcess(Block):
    process: Process | dict[str, Process] = Field(
        "poisson",
        description="Process that draws the intervals between spikes; or one for each cell type, such as `{spiny: "
        "burst, aspiny: gamma}`. Cell types that are not named use `poisson`.",
    )
    gamma_shape: Shape = Field(2.0, description="Shape of the interval distribution of the gamma process.")
    burst_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="Share of events of the burst process that are bursts. The others are single spikes."
    )
    burst_spikes: Annotated[tuple[BurstSize, BurstSize], Field(strict=False)] = Field(
        (2, 5), description="spikes. Fewest and most spikes of a burst. All numbers between them are equally likely."
    )
    burst_interval: float = Field(5.0, ge=0.1, le=1000, description="ms. Mean interval between the spikes of a burst.")
    burst_shape: Shape = Field(
        4.0, description="Shape of the gamma distribution of these intervals, after the refractory period is subtracted."
    )


class RateOverTime(Block):
    rate_modulation: Literal["none", "sinusoid", "random-walk"] = Field(
        "none",
        description="Slow change of the rates: none; a sine; or a random walk of the logarithm, which is drawn back to "
        "its mean. The mean rate over the recording stays the same.",
    )
    rate_modulation_depth: float = Field(
        0.5, gt=0, le=3, description="Amplitude of the sine as a share of the mean, or standard deviation of the logarithm."
    )
    rate_modulation_period: float = Field(
        60.0, ge=1, le=1e6, description="s. Period of the sine, or time constant of the random walk."
    )
    rate_modulation_shared: bool = Field(False, description="Whether the rates of all units change together.")
    t_start: Time = Field(0.0, description="s. Time of the first possible spike. Times count from the start of the recording.")


class ImportedTrains(Block):
    file: InputFile | None = Field(
        None,
        description="File with spike trains to use instead of drawn ones: `.csv` with the columns `unit` and `time_s`, "
        "`.npz` with an array of times for each unit, or `.nwb` with a table of units. Excitatory units come first.",
    )
    file_units: list[Text] | None = Field(
        None,
        description="Units of the file to use, in this order. `null`: all units; their number must be `n_exc` plus `n_inh`.",
    )


# Pydantic takes the fields of the last base first.
class SpikeTrains(ImportedTrains, RateOverTime, IntervalProcess, UnitRates):
    @property
    def n_units(self) -> int:
        """The number of units, excitatory and inhibitory."""
        return self.n_exc + self.n_inh

    @model_validator(mode="before")
    @classmethod
    def _count_types(cls, value: Any) -> Any:
        """Set the numbers of units from `types`, and put the rates into the order of units."""
        types = value.get("types") if isinstance(value, dict) else None
        rates = value.get("rates") if types else None
        if (
            not isinstance(types, list)
            or any(kind not in ("E", "I") for kind in types)
            or not isinstance(rates, list)
            or len(rates) != len(types)
        ):
            return value
        sorted_rates = [rate for kind in "EI" for rate, mine in zip(rates, types, strict=True) if mine == kind]
        counts = {"n_exc": types.count("E"), "n_inh": types.count("I")}
        return counts | value | {"rates": sorted_rates, "types": sorted(types)}

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_types()
        self._check_rates()
        self._check_refractory_period()
        self._check_file()
        self.require(self.t_start < self.duration, "t_start", f"must be below duration, {self.duration:g} s")
        sine = self.rate_modulation == "sinusoid"
        self.require(not sine or self.rate_modulation_depth < 1, "rate_modulation_depth", "must be below 1 for a sine")
        low, high = self.burst_spikes
        self.require(2 <= low <= high, "burst_spikes", "must be [fewest, most], 2 or more")
        return self

    def _check_types(self) -> None:
        if self.types is None:
            return
        listed = isinstance(self.rates, list) and len(self.rates) == len(self.types)
        self.require(listed, "types", "must be as many as the list of rates")
        self.require(
            (self.n_exc, self.n_inh) == (self.types.count("E"), self.types.count("I")),
            "types",
            f"must have as many E and I as n_exc, {self.n_exc}, and n_inh, {self.n_inh}",
        )

    @property
    def lowest_rate(self) -> float:
        """The lowest mean of `rates`, Hz; that of any unit if there are none."""
        return min((mean for mean, _ in self._listed_rates()), default=self.min_rate)

    def _check_rates(self) -> None:
        complete = not isinstance(self.rates, list) or len(self.rates) == self.n_units
        self.require(complete, "rates", f"must have a value for each of the {self.n_units} units, n_exc + n_inh")
        self.require(self.lowest_rate >= self.min_rate, "rates", f"must be min_rate, {self.min_rate:g} Hz, or more")

    def _listed_rates(self) -> list[tuple[float, float]]:
        """The mean and the standard deviation of each of `rates`."""
        listed = self.rates.values() if isinstance(self.rates, dict) else self.rates or []
        return [rate if isinstance(rate, tuple) else (rate, 0.0) for rate in listed]

    def _check_refractory_period(self) -> None:
        """Refuse rates whose intervals leave no room for the refractory period."""
        used = {self.process} if isinstance(self.process, str) else {"poisson", *self.process.values()}
        dead_time = self.ref_per
        if "burst" in used:
            self.require(
                self.burst_interval > self.ref_per, "burst_interval", f"must exceed the refractory period, {self.ref_per:g} ms"
            )
            # The mean dead time of a spike, where bursts make it longer than that of single spikes
            later_spikes = self.burst_share * (sum(self.burst_spikes) / 2 - 1)
            dead_time = max(dead_time, (self.ref_per + later_spikes * self.burst_interval) / (1 + later_spikes))
        room = f"leave no room for a refractory period of {self.ref_per:g} ms"
        if dead_time > self.ref_per:
            room += f" and bursts with intervals of {self.burst_interval:g} ms"
        drawn = [("f_exc", self.f_exc, self.st_exc), ("f_inh", self.f_inh, self.st_inh)]
        for key, mean, spread in [*drawn, *(("rates", *rate) for rate in self._listed_rates())]:
            # Five standard deviations are never drawn in practice. At half the dead time a unit still looks like one.
            fastest = max(mean + 5 * spread, self.min_rate)
            self.require(fastest * dead_time < 900, key, f"gives rates up to {fastest:g} Hz, which {room}")

    def _check_file(self) -> None:
        if self.file is not None:
            for key in ("rates", "t_start"):
                unset = getattr(self, key) == type(self).model_fields[key].default
                self.require(unset, key, "must not stand beside file, which gives the spikes")
        units = self.file_units
        self.require(self.file is not None or units is None, "file_units", "needs a file")
        self.require(units is None or len(set(units)) == len(units), "file_units", "must not name a unit twice")


class Synchrony(Block):
    sync_rate: Annotated[float, Field(ge=0, le=0.5)] | None = Field(
        None,
        description="Share of synchronous spikes of each pair of units that overlap in space: the spikes of one unit "
        "that have a spike of the other within `sync_jitt`, divided by all spikes of both. Spikes are moved to reach "
        "it; none is added or removed. `null`: synchrony is left to chance.",
    )
    sync_jitt: float = Field(1.0, ge=0.01, le=1000, description="ms. Largest distance in time of two synchronous spikes.")
