"""Spike trains: how many units there are, how often they fire and by which process, or the file that gives their spikes."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from ..base import Block, CountPair, InputFile, Nonnegative, Text

#: Mean and standard deviation, Hz
RateSpread = Annotated[tuple[PositiveFloat, Nonnegative], Field(strict=False)]
Process = Literal["poisson", "gamma", "burst"]


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
    file: InputFile | None = Field(
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


class Synchrony(Block):
    sync_rate: Annotated[float, Field(ge=0, le=0.5)] | None = Field(
        None,
        description="Share of synchronous spikes of each pair of units that overlap in space: spikes of one with a spike of "
        "the other within `sync_jitt`, over all of both. Spikes are moved, none is added; `null`: as it comes.",
    )
    sync_jitt: PositiveFloat = Field(1.0, description="ms. Within which spikes are synchronous.")
