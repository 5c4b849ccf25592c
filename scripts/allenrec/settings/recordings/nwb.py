"""What NWB files say of the subject and the session, which a simulation cannot know."""

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..base import Block, Text

#: A duration of ISO 8601 in years, months, weeks and days, or a range of two
AGE = re.compile(r"P(?=\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(/(P(?=\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?)?)?")
#: A species by its Latin name, or by its address at NCBI
SPECIES = re.compile(r"[A-Z][a-z]+ [a-z]+|http://purl\.obolibrary\.org/obo/NCBITaxon_\d+")
NotEmpty = Annotated[str, Field(min_length=1)]


class Subject(Block):
    subject_id: Annotated[Text, Field(min_length=1)] = Field("simulated", description="Name of the subject.")
    species: str | None = Field(
        None,
        description="Latin name, such as `Mus musculus`, or an address of NCBI's taxonomy. `null`: that of the cells of all "
        "units, if they have the same.",
    )
    age: str | None = Field(
        None,
        description="As ISO 8601, such as `P90D` or the range `P60D/P90D`. `null`: that of the cells, if they have the same.",
    )
    sex: Literal["M", "F", "U", "O"] | None = Field(
        None, description="Male, female, unknown or other. `null`: that of the cells, if they have the same, or else `U`."
    )
    genotype: NotEmpty | None = Field(None, description="Genetic strain of the subject. `null`: left out.")
    strain: NotEmpty | None = Field(None, description="Strain of the subject. `null`: left out.")
    subject_description: NotEmpty | None = Field(None, description="`null`: that the units are neuron models, and how many.")

    @model_validator(mode="after")
    def _check_subject(self) -> Self:
        for key, pattern, example in (("age", AGE, "P90D"), ("species", SPECIES, "Mus musculus")):
            value = getattr(self, key)
            self.require(value is None or pattern.fullmatch(value) is not None, key, f"must be written as in {example!r}")
        return self


class Nwb(Subject):
    session_id: Annotated[Text, Field(min_length=1)] | None = Field(None, description="`null`: the name of the recording.")
    session_description: NotEmpty | None = Field(
        None, description="`null`: the name of the recording, and that it is simulated."
    )
    session_start_time: str = Field(
        "2000-01-01T00:00:00+00:00", description="As ISO 8601. Without a time zone it is UTC. The same gives the same bytes."
    )
    experimenter: list[NotEmpty] = Field([], description="Names, each as `Last, First`.")
    institution: NotEmpty | None = Field(None, description="`null`: left out.")
    lab: NotEmpty | None = Field(None, description="`null`: left out.")
    location: NotEmpty | None = Field(
        None,
        description="Where the electrodes are: for a mouse, a name or abbreviation of the Allen Mouse Brain Atlas. `null`: the "
        "`area` of the cells, if they have the same, or else `unknown`.",
    )
    keywords: list[NotEmpty] = Field(["simulation", "ground truth", "spike sorting"], description="Words to find it by.")

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        try:
            datetime.fromisoformat(self.session_start_time)
        except ValueError:
            self.require(False, "session_start_time", "must be written as in '2025-03-01T12:00:00+01:00'")
        return self
