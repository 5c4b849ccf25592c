"""Settings of cells, of the sources of their models, and of the simulation of their spikes."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import Field, ModelWrapValidatorHandler, PositiveFloat, PositiveInt, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from .base import Block, CountPair, InputFile, PositiveCount, Text, WindowPair

OneOrMore = Text | Annotated[list[Text], Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Query(Block):
    """A question about cells; keys that are None do not restrict the answer."""

    dendrite_type: OneOrMore | None = Field(None, description="`spiny`, `aspiny`, `sparsely spiny`; matched by equality.")
    layer: OneOrMore | None = Field(None, description="Layer of the cortex; mouse cells are in 1, 2/3, 4, 5, 6a, 6b.")
    area: OneOrMore | None = Field(None, description="Area of the cortex, such as `VISp`.")
    species: OneOrMore | None = Field(None, description="`Mus musculus` or `Homo Sapiens`.")
    line: OneOrMore | None = Field(None, description="Transgenic line, by its first words: `Pvalb` is `Pvalb-IRES-Cre`.")
    apical: OneOrMore | None = Field(None, description="Apical dendrite: `intact`, `truncated`, `NA`.")
    kind: Literal["perisomatic", "all active", "best"] = Field(
        "best", description="Kind of model; `best` takes a perisomatic model if there is one, else an all-active one."
    )
    min_explained_variance: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Smallest share of the recorded voltage's variance that the model explains."
    )
    max: PositiveCount | None = Field(None, description="Maximum number of cells; those with the best explained variance stay.")


class Cells(Block):
    """The cell table, and the question that it answers, if there is one."""

    query: Query | None = Field(description="A question to the Allen site, which `snakemake query` asks once.")
    table: InputFile = Field("config/queried_cells.tsv", description="The cell table that answers it; review it and keep it.")

    @model_validator(mode="before")
    @classmethod
    def _path_of_a_table(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"query": None, "table": value}
        if not isinstance(value, dict):
            raise PydanticCustomError("cells", "the path of a cell table or a block of keys")
        return value


#: The name and the password in an address, as far as the last @: who does not encode one in a password must not see it either
LOGIN = re.compile(r"(?<=://).*@", re.DOTALL)


class Allen(Block):
    """The web API of the Allen site."""

    url: str = Field(
        "https://api.brain-map.org",
        pattern=r"^https?://[^/ ]+",
        description="Address of the web API of the Allen site. A name and a password in it (`https://name:password@host`) are "
        "used, but written nowhere.",
    )
    timeout: float = Field(
        30.0,
        ge=0.001,
        le=86400,
        description="s. Longest silence of the server. An attempt at a whole download may take ten times as long.",
    )
    retries: int = Field(
        4, ge=0, le=1000, description="Further attempts after a server error, a broken connection or a time-out."
    )
    backoff: float = Field(
        1.0, ge=0, le=3600, description="s. Pause before the first further attempt; it doubles with each attempt."
    )
    parallel: int = Field(2, ge=1, le=60, description="Number of downloads at once.")
    _login: tuple[str, str] | None = PrivateAttr(None)

    @property
    def login(self) -> tuple[str, str] | None:
        """The name and the password for the server, None if the address has none."""
        return self._login

    @model_validator(mode="wrap")
    @classmethod
    def _take_login_out(cls, value: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        # Whoever prints or writes the address later does not have it any more.
        url = value.get("url") if isinstance(value, dict) else None
        found = LOGIN.search(url) if isinstance(url, str) else None
        if found is None:
            return validate(value)
        block = validate({**value, "url": LOGIN.sub("", str(url))})
        name, _, password = found[0].removesuffix("@").partition(":")
        block._login = (unquote(name), unquote(password))
        return block


class Models(Block):
    """Sources of models, and how models are checked and loaded."""

    # A test holds these names in step with the register of sources in `allenrec.models.sources`.
    sources: list[Literal["local", "bmtk", "mearec", "allen"]] = Field(
        ["local", "bmtk", "mearec", "allen"],
        min_length=1,
        description="Where models come from, tried in this order: `local` folders in `allen_models/` or `cell_models/` that "
        "the user put there; the five cells of the PyPI wheel `bmtk`; the 13 cells of the Blue Brain Project in the PyPI wheel "
        "`mearec`; the web API of the Allen site.",
    )
    trusted: dict[Text, Sha256] = Field(
        {},
        description="Models that are code (hoc or Python) and that you have read, each with the digest of its whole "
        "folder. Without it such a model is refused, with the line to write here. Models of the sources `bmtk`, `mearec` and "
        "`allen` need none.",
    )
    allen: Allen = Field(Allen(), description="The web API of the Allen site.")
    kind: Literal["perisomatic", "all active", "best"] = Field(
        "best",
        description="Which model of a cell is taken if the cell table names only the specimen; `best` takes a perisomatic "
        "model if there is one, else an all-active one.",
    )
    axon: Literal["auto", "stub", "truncated", "keep"] = Field(
        "auto",
        description="What replaces the reconstructed axon of models of the Allen Institute; `auto` takes what each model was "
        "fitted with.",
    )
    known_mechanisms: list[Sha256] = Field(
        [], description="Digests of your own mod files, which are compiled and run beside those of the Allen Institute."
    )
    allow_unknown_mechanisms: bool = Field(False, description="Compile and run any mod file that a model brings.")
    isolate: bool = Field(
        True,
        description="Let the compiler and NEURON reach no network and write only where their results go, as far as the system "
        "offers it; the log says what it does not.",
    )
    max_build_time: int = Field(
        300, ge=1, le=86400, description="s. The code of a model that has not built the cell by then is taken for endless."
    )
    recorded_steps: int = Field(
        3,
        ge=0,
        le=1000,
        description="steps. Number of recorded step currents at which the spikes of a model are compared with those of its "
        "cell, if the archive has the recorded sweeps.",
    )
    exclude_flagged: bool = Field(False, description="Leave models that fail this comparison out of the libraries.")
    leave_out: list[Text] = Field(
        [],
        description="Models of the cell table that are not used.",
    )


#: Most time steps of a simulation
MOST_STEPS = 100_000_000


class Intracellular(Block):
    """The simulation of a model with a step current, and the windows around its spikes that are kept."""

    sim_time: PositiveFloat = Field(1.0, le=1000, description="s. Length of a run up to the end of the current step.")
    dt: float = Field(
        2.0**-5,
        ge=1e-3,
        le=0.1,
        description="ms. Time between samples of the templates; time step of the simulation between spikes.",
    )
    spike_dt: float = Field(
        2.0**-8,
        ge=1e-4,
        le=0.1,
        description="ms. Time step of the simulation, at most, while the potential of the soma changes fast.",
    )
    delay: PositiveFloat = Field(10.0, le=1e6, description="ms. Onset of the current step.")
    target_spikes: CountPair = Field(
        (3, 50), description="spikes. A step is accepted if it gives more than the first and at most the second number."
    )
    cut_out: WindowPair = Field((2.0, 5.0), description="ms. Window that is kept, before and after a spike's peak.")
    threshold: float = Field(
        -30.0, ge=-200, le=200, description="mV. Least somatic potential that the peak of a spike reaches."
    )
    onset: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="Share of the greatest slope of a spike at which it begins."
    )
    min_upstroke: float = Field(20.0, ge=0, le=1e5, description="mV/ms. Least value of the greatest slope of a spike.")
    min_height: float = Field(2.0, gt=0, le=1000, description="mV. Least height of a spike, from where it begins to its peak.")
    usable_upstroke: float = Field(
        70.0,
        ge=0,
        le=1e5,
        description="mV/ms. Least value of the greatest slope of a spike from which templates are made.",
    )
    usable_peak: float = Field(
        -18.0,
        ge=-200,
        le=200,
        description="mV. Least potential at the peak of a spike from which templates are made. Potentials of the Allen "
        "Institute's models are 14 mV below those that an electrode shows.",
    )
    start_amplitude: float = Field(0.2, ge=1e-4, le=1000, description="nA. First step that the search tries.")
    max_runs: PositiveInt = Field(20, le=1000, description="runs. The search gives up after this number.")

    @property
    def step_duration(self) -> float:
        """The length of the current step, ms."""
        return 1000.0 * self.sim_time - self.delay

    @property
    def window_samples(self) -> tuple[int, int]:
        """The numbers of samples of a window before its spike's peak and from there on."""
        before, after = self.cut_out
        return int(before / self.dt), int(after / self.dt)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.require_ordered("target_spikes")
        self.require(self.target_spikes[0] >= 1, "target_spikes", "must begin with 1 or more: spike 1 is dropped")
        self.require(min(self.cut_out) >= self.dt, "cut_out", f"must be dt, {self.dt:g} ms, or longer on either side")
        steps = 1000 * self.sim_time / self.dt
        self.require(steps <= MOST_STEPS, "sim_time", f"must be {MOST_STEPS:,} steps of dt, {self.dt:g} ms, or fewer")
        needed = self.delay + sum(self.cut_out)
        self.require(1000 * self.sim_time > needed, "sim_time", f"must exceed delay + cut_out, {needed / 1000:g} s")
        return self
