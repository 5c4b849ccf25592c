"""The rules that draw figures: which figures each of them draws, from what, and where to."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .register import FIGURES, FOLDERS, Figure


@dataclass(frozen=True)
class Drawing:
    """A rule that draws all figures of one thing.

    Parameters
    ----------
    rule : str
        The name of the rule.
    kind : str
        What is shown, a key of `FOLDERS`.
    reader : str
        The function that opens what the figures are drawn from, as "module:function" in `allenrec`. It takes the input files
        and, if `named`, the names of the thing ("model", "library", "recording"), so that it refuses the file of another one.
    message : str
        What Snakemake prints while the rule runs.
    group : str or None
        The group of jobs that the rule belongs to on a cluster.
    over : str or None
        The wildcard over whose values a job draws, because starting takes it longer than drawing. The rule has the others.
    mem_mb, minutes : int
        The memory and the time that a job requests.
    """

    rule: str
    kind: str
    reader: str
    message: str
    group: str | None
    over: str | None = None
    mem_mb: int = 1000
    minutes: int = 10
    named: bool = True

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that the rule draws, in the order of the report."""
        return tuple(figure for figure in FIGURES if figure.rule == self.rule)

    @property
    def wildcards(self) -> list[str]:
        """The names of the wildcards of the rule."""
        return [name for name in re.findall(r"{(\w+)}", FOLDERS[self.kind]) if name != self.over]

    @property
    def modules(self) -> list[str]:
        """The modules that the rule imports by name while it runs; its digest of code must know them."""
        functions = [part for figure in self.figures for part in (figure.function, *figure.takes)]
        return sorted({_module(name) for name in functions} | {_module(self.reader, "allenrec")})

    @property
    def log(self) -> str:
        """The log of a job below the folder of logs, with wildcards; all logs of a model lie together."""
        folder = "models/{model}/" if "model" in self.wildcards else ""
        return folder + "/".join([self.rule, *(f"{{{name}}}" for name in self.wildcards if name != "model")]) + ".log"

    @property
    def benchmark(self) -> str:
        """The benchmark of a job below the folder of benchmarks, with wildcards."""
        return "/".join([self.rule, *(f"{{{name}}}" for name in self.wildcards)]) + ".tsv"


#: The rules that draw figures
DRAWINGS = {
    drawing.rule: drawing
    for drawing in (
        Drawing(
            rule="plot_cell",
            kind="cells",
            reader="intracellular.intracellular_file:read_currents",
            message="Drawing model {wildcards.model}",
            group="cell",
            mem_mb=500,
            minutes=5,
        ),
        Drawing(
            rule="plot_mean_eap",
            kind="eaps",
            reader="libraries.library_file:open_library",
            message="Drawing model {wildcards.model} on all probes",
            group="cell",
            over="library",
        ),
        Drawing(
            rule="plot_library",
            kind="libraries",
            reader="libraries.library_file:open_library",
            message="Drawing library {wildcards.library}",
            group="library",
            mem_mb=2000,
        ),
        Drawing(
            rule="plot_realism",
            kind="realism",
            reader="libraries.realism.columns:read_realism",
            message="Drawing the cells beside what is measured in vivo",
            group="cells",
            mem_mb=500,
            named=False,
        ),
        Drawing(
            rule="plot_recording",
            kind="recordings",
            reader="recordings.formats.recording_file:read_recording",
            message="Drawing recording {wildcards.recording}",
            group="recording",
        ),
        Drawing(
            rule="plot_drift",
            kind="recordings",
            reader="recordings.formats.recording_file:read_recording",
            message="Drawing the drift of recording {wildcards.recording}",
            group="recording",
        ),
        Drawing(
            rule="plot_evaluation",
            kind="recordings",
            reader="figures.evaluation:read_tables",
            message="Drawing the accuracy of the sorted units of recording {wildcards.recording}",
            # Its sorters work on all recordings at once, so it belongs to no group of a single one.
            group=None,
        ),
        Drawing(
            rule="plot_study",
            kind="studies",
            reader="evaluation.studies:read_study",
            message="Drawing the accuracy of the sorted units of study {wildcards.study}",
            group=None,
            named=False,
        ),
    )
}


def figure_outputs(folder: str, rule: str, suffix: str = ".png") -> list[str]:
    """Return the files that a rule writes for its figures below `folder`, with wildcards.

    The pictures end in ".png", their captions in ".txt".
    """
    drawing = DRAWINGS[rule]
    return [f"{folder}/{FOLDERS[drawing.kind]}/{figure.name}{suffix}" for figure in drawing.figures]


def load_function(name: str, package: str = "allenrec.figures") -> Callable[..., Any]:
    """Return the function that is written as "module:function", the module being one of `package`."""
    return getattr(import_module(_module(name, package)), name.partition(":")[2])


def _module(name: str, package: str = "allenrec.figures") -> str:
    return f"{package}.{name.partition(':')[0]}"
