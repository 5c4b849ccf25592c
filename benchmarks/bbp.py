"""MEArec's default library, by MEArec and by us: 13 cells of the Blue Brain Project, 30 templates each on Neuronexus-32.

Both begin with the models in their folders, compile the mod files, simulate, compute the templates and write the library,
on two cores with the same NEURON. MEArec does what its command does (`mearec_bbp.py`): first the simulation alone, then the
templates from it. Its environment has NEURON 9; the two synapses that do not compile there are replaced, as ours are. Ours
runs `snakemake --cores 2 library` with `config/bbp.yaml` in a new working copy; what belongs to which half comes from
Snakemake's benchmark files. Processor time is that of the command and all that it starts. A job for each cell starts Python
anew; so the same templates are also computed from the same currents with `allenrec.library`, in one process, as MEArec
computes them. Processes have one thread on both sides. Limit: that takes a 50th of MEArec's processor time.
"""

import argparse
import csv
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import harness
import notebook
import yaml

PEER = "MEArec 1.11.0"
LIMIT_RATIO = 50
CORES = 2
FULL, QUICK = {"n": 30, "cells": 13}, {"n": 5, "cells": 1}
PARTS = ("whole library", "after the simulation, a job for each cell", "after the simulation, `allenrec.library`")
#: Rules that come after the simulation
AFTER = ("compute_eaps", "concatenate_library")


def fetch_cells(number):
    """Return the folders of the first models in MEArec's wheel, by id."""
    from allenrec.models.pinned import PINNED_MODELS
    from allenrec.models.sources import fetch_model
    from allenrec.settings.models import Models

    names = list(PINNED_MODELS)[:number]
    return {name: fetch_model(name, harness.WORK / "cell_models", Models(sources=["local", "mearec"])) for name in names}


def measured(what, command):
    """Call a function; print and return its wall time and the processor time of the processes that it started, s."""
    print(f"{what} ...", flush=True)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {seconds:.0f} s, {processor:.0f} s of processor time", flush=True)
    return seconds, processor


def peer_models(python, folders, target):
    """Fill a folder with models as MEArec takes them: the folders, and `mods/` with the compiled mechanisms of all."""
    from allenrec.models.verified import read_verified, verified_mod_files

    mods = target / "mods"
    mods.mkdir(parents=True)
    for name, folder in folders.items():
        shutil.copytree(folder, target / name, ignore=shutil.ignore_patterns("verified.json", "model_metadata.json"))
        for file in verified_mod_files(folder, read_verified(folder)):
            (mods / file.path.name).write_bytes(file.content)
    harness.run_quietly(
        ["nrnivmodl"], cwd=mods, env=os.environ | {"PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]])}
    )


def theirs(python, folders, size):
    """Make the library with MEArec; return (wall, processor) seconds of each of `PARTS`."""
    with tempfile.TemporaryDirectory() as temporary:
        models, job = Path(temporary, "models"), {"n": size["n"], "n_jobs": CORES, "seed": 0}
        compiled = measured("MEArec's mechanisms", lambda: peer_models(python, folders, models))
        job |= {"models": models, "folder": Path(temporary, "results")}
        halves = [
            measured(what, lambda only=only: harness.run_peer(python, "mearec_bbp.py", job | {"intraonly": only}))
            for what, only in (("MEArec's simulation", True), ("MEArec's templates", False))
        ]
    return [sum(part) for part in zip(compiled, *halves, strict=True)], halves[1], halves[1]


def ours(folders, size):
    """Make the library in a new working copy; return the same."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        notebook.working_copy(folder, {})
        for name, origin in folders.items():
            shutil.copytree(origin, folder / "cell_models" / name, ignore=shutil.ignore_patterns("verified.json"))
        (folder / "few.tsv").write_text("model_id\n" + "".join(f"{name}\n" for name in folders))
        options = ["cells=few.tsv", f"libraries={{bbp: {{n: {size['n']}}}}}", "recordings={}"]
        command = [sys.executable, "-m", "snakemake", "--cores", str(CORES), "library", "--configfile", "config/bbp.yaml"]
        whole = measured("our library", lambda: harness.run_quietly([*command, "--config", *options], cwd=folder))
        after = [times_of(folder / "results" / "benchmarks" / "rules" / rule) for rule in AFTER]
        currents = sorted((folder / "results" / "intracellular").glob("*.h5"))
        settings = yaml.safe_load((folder / "config" / "bbp.yaml").read_text())["libraries"]["bbp"] | {"n": size["n"]}
        harness.fresh(library, currents[:1], settings)  # compiles the kernels, as a job of the workflow has done
        in_python = measured("our templates in Python", lambda: harness.fresh(library, currents, settings))
    return whole, [sum(part) for part in zip(*after, strict=True)], in_python


def library(currents, settings):
    """Compute a library in this process."""
    import allenrec

    allenrec.library(currents, **settings)


def times_of(folder):
    """Return the wall and processor seconds of all jobs of a rule."""
    rows = [row for path in folder.rglob("*.tsv") for row in csv.DictReader(path.open(), delimiter="\t")]
    return [sum(float(row[column]) for row in rows) for column in ("s", "cpu_time")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one cell, 5 templates")
    size = QUICK if parser.parse_args().quick else FULL
    python = harness.peer_environment("mearec")
    folders = fetch_cells(size["cells"])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    # Both compute in processes of one thread; on small arrays, threads of BLAS mostly wait for each other
    os.environ.update(harness.ONE_THREAD)
    pairs = harness.paired(lambda: ours(folders, size), lambda: theirs(python, folders, size), 1)
    case = f"{size['cells']} cell(s), {size['n']} templates a cell"
    rows = []
    for part, name in enumerate(PARTS):
        for measure, what in enumerate(("wall", "processor")):
            limit = LIMIT_RATIO if part == 2 and measure and size is FULL else None  # small runs are mostly start-up
            times = [(a[part][measure], b[part][measure]) for a, b in pairs]
            rows.append(harness.time_row(f"{case}: {name}, {what}", times, peer_name=PEER, unit="s", limit_ratio=limit))
    harness.report(
        "bbp",
        rows,
        packages=("snakemake", "neuron", "LFPy", "numpy", "numba"),
        peer_python=python,
        peer_packages=("MEArec", "MEAutility", "LFPy", "neuron", "numpy"),
    )


if __name__ == "__main__":
    main()
