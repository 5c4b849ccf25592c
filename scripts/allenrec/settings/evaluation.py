"""Spike sorters."""

from typing import Annotated, Any

from pydantic import Field, PositiveInt

from .base import Block

Names = Annotated[list[str], Field(min_length=1)]
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
        {},
        description="Parameters for each sorter by its name, as `run_sorter` takes them. All others keep the "
        "sorter's defaults.",
    )
    n_jobs: PositiveInt = Field(
        1,
        le=1024,
        description="Processes of a sorter. Each one compiles its own code, so more than one pays off for long or "
        "large recordings only.",
    )
    time_limit: Annotated[float, Field(gt=0, le=525600)] | None = Field(
        None,
        description="Minutes after which a sorter is stopped on a recording, and counts as failed there. Without it, a sorter "
        "that hangs holds up all recordings.",
    )
