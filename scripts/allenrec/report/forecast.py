"""What a run is going to make, how long that takes and how much disk it needs, for people who ask with `snakemake -n`."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from allenrec.common.files import readable_size

#: The rules whose jobs are counted in words, by the end of their names: the words for one and for several
THINGS = {
    "download_model": ("model to fetch", "models to fetch"),
    "simulate_spikes": ("cell to simulate", "cells to simulate"),
    "compute_eaps": ("cell to place on a probe", "cells to place on probes"),
    "concatenate_library": ("library", "libraries"),
    "import_library": ("library from elsewhere", "libraries from elsewhere"),
    "generate_recording": ("recording", "recordings"),
    "generate_passing_recording": ("recording in other formats only", "recordings in other formats only"),
}


class PlannedJob(NamedTuple):
    """A job that would run: the name of its rule, and the file of its benchmark, if the rule has one."""

    rule: str
    benchmark: str | None


def forecast(jobs: Sequence[PlannedJob], folder: Path, disk: Mapping[str, float]) -> Iterator[str]:
    """Yield a few lines: what is made, the number of jobs, the disk, and the time by earlier benchmarks.

    Parameters
    ----------
    jobs : sequence of PlannedJob
    folder : pathlib.Path
        The folder of benchmarks, with a file or a folder for each rule.
    disk : mapping of str to float
        Bytes of the `traces` of recordings that are made, without compression, and of the `templates` of libraries, at least.
    """
    if not jobs:
        yield "Nothing is to be made: all that was asked for is there."
        return
    counts = Counter(name for job in jobs for name in THINGS if job.rule == name or job.rule.endswith(f"_{name}"))
    made = [f"{counts[name]} {several if counts[name] > 1 else one}" for name, (one, several) in THINGS.items() if counts[name]]
    room = f", at least {readable_size(disk['templates'])} of templates" if disk["templates"] else ""
    room += f", {readable_size(disk['traces'])} of traces without compression" if disk["traces"] else ""
    total = f"{len(jobs)} job{'s' if len(jobs) > 1 else ''}"
    yield f"This run has {total}{': ' if made else ''}{', '.join(made)}{room}."
    measured = [job for job in jobs if job.benchmark]
    known = {
        job: seconds for job in dict.fromkeys(measured) if (seconds := _expected(Path(str(job.benchmark)), folder)) is not None
    }
    if known:
        expected = sum(known.get(job, 0.0) for job in measured)
        unknown = sorted({job.rule for job in measured if job not in known})
        rest = f"; not counted, because never measured here: {', '.join(unknown)}" if unknown else ""
        yield f"By the benchmarks of earlier runs, it takes {_readable_time(expected)}, one job after the other{rest}."


def _expected(benchmark: Path, folder: Path) -> float | None:
    """Return the seconds that a job took before or, if it never ran, the mean of the jobs of its rule; None without any."""
    own = list(_seconds([benchmark]))
    if own:
        return own[0]
    try:
        rule = benchmark.relative_to(folder).parts[0]
    except ValueError:
        return None
    others = list(_seconds((folder / rule).rglob("*.tsv")))
    return fmean(others) if others else None


def _seconds(paths: Iterable[Path]) -> Iterator[float]:
    """Yield the seconds in each of some files of benchmarks that can be read."""
    for path in paths:
        try:
            with open(path, encoding="utf-8", newline="") as file:
                yield from (float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _readable_time(seconds: float) -> str:
    """Return a duration in words, such as "about 5 minutes"."""
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s"
    return f"about {seconds / 60:.0f} minutes" if seconds < 5400 else f"about {seconds / 3600:.1f} hours"
