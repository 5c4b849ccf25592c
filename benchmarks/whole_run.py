"""Whole runs of the workflow, against another checkout: `--against CHECKOUT`, with the environment of its own in `.venv`.

Each run is a command in a new working copy with a cache folder of its own, so that nothing is compiled, on two cores:

* the default run: fetching, compiling, simulating, libraries, recording, figures, report;
* the same with everything compiled, in the same folder with another seed;
* `make run` when nothing is to be done;
* `snakemake -n` for 1,000 cells on three probes;
* ten perisomatic models on three probes, 100 templates each, from fetching to figures, everything compiled: what a model costs,
  and, multiplied, how long the whole database takes (302 models);
* the environment of `make run`, made from its lock.

Processor time is that of the command and all that it starts. Without another checkout the table has our figures alone, and what
is asked of them.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness
import scale
import yaml

CORES = "2"
#: Perisomatic models of the Allen Cell Types Database
DATABASE = 302
N_MODELS, N_TEMPLATES = 10, 100
#: The folders of results that have what is compiled
COMPILED = ("mechanisms", "kernels")
#: How many times faster than aa81825 is asked for, or the most seconds
FASTER = {"default run": 2, "default run, compiled": 2.5}
MOST = {"nothing to do": 4, "dry run": 15, "a model": 7, "database": 22 * 60, "environment": 60}


def environment_of(root):
    """The folder of a checkout's environment: its own, or that of this process."""
    own = root / ".venv"
    return own if (own / "bin" / "python").exists() else Path(sys.prefix)


def measured(root, folder, *command):
    """Run a command of a checkout's environment in a folder; return its wall and processor seconds."""
    path = os.pathsep.join([str(environment_of(root) / "bin"), os.environ["PATH"]])
    variables = os.environ | {"PATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    with open(folder / "output.txt", "w") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{(folder / 'output.txt').read_text()[-5000:]}\n{root}: {' '.join(command)} fails")
    return seconds, usage.ru_utime + usage.ru_stime


def working_copy(root, folder):
    """Fill a folder with the workflow of a checkout, as a clone has it, and with its finished environment."""
    harness.copy_workflow(folder, root, ("Makefile", "requirements.lock"))
    (folder / ".venv").symlink_to(environment_of(root))


def default_runs(root):
    """Return the seconds of the three cases of the default configuration."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        working_copy(root, folder)
        other_seed = ("snakemake", "--cores", CORES, "--config", "seed=1")
        found = {
            "default run": measured(root, folder, "snakemake", "--cores", CORES),
            "default run, compiled": measured(root, folder, *other_seed),
        }
        measured(root, folder, "snakemake", "--cores", CORES)  # the first seed again
        # The environment is there, whatever the dates of its files are
        return found | {"nothing to do": measured(root, folder, "make", "run", "-o", ".venv/run")}


def dry_run(root):
    """Return the seconds of a dry run of 1,000 cells on three probes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        scale.make_folder(folder, 1000, stubs=False, root=root)
        return {"dry run": measured(root, folder, "snakemake", "-n", "--quiet", "rules")}


def many_models(root):
    """Return what a model costs on three probes, and what the database takes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        working_copy(root, folder)
        configure_models(folder)
        measured(root, folder, "snakemake", "--cores", CORES)
        forget_results(folder)
        seconds, processor = measured(root, folder, "snakemake", "--cores", CORES)
        return {"a model": (processor / N_MODELS,) * 2, "database": (seconds / N_MODELS * DATABASE, processor)}


def configure_models(folder):
    """Write a configuration of ten models: those of the wheel, each once more under an id of its own."""
    rows = []
    for name, source in harness.fetch_models(harness.MODELS).items():
        for model_id in (name, f"9{name}"):
            target = folder / "allen_models" / f"neuronal_model_{model_id}"
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("verified.json", "model_metadata.json"))
            rows.append(f"{model_id}\t\t{'aspiny' if name in harness.MODELS[3:] else 'spiny'}\n")
    libraries = {f"probe{k}": {"probe": probe, "n": N_TEMPLATES} for k, probe in enumerate(scale.PROBES)}
    config = {"cells": "config/cells.tsv", "libraries": libraries, "recordings": {}}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "config" / "cells.tsv").write_text("model_id\tspecimen_id\tcell_type\n" + "".join(rows))


def forget_results(folder):
    """Remove all results of a folder but what is compiled, and what says that models are fetched."""
    for path in (folder / "results").iterdir():
        if path.name not in COMPILED:
            (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    for verified in (folder / "allen_models").glob("*/verified.json"):
        verified.unlink()


def environment(root):
    """Return the seconds that the environment of `make run` takes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in ("Makefile", "requirements.lock", "envs"):
            (shutil.copytree if (root / part).is_dir() else shutil.copy)(root / part, folder / part)
        return {"environment": measured(root, folder, "make", ".venv/run", f"PYTHON={sys.executable}")}


#: What is measured, and in how many pairs
CASES = {default_runs: 3, dry_run: 3, many_models: 1, environment: 1}
TITLES = {
    "default run": "default run, nothing compiled",
    "default run, compiled": "default run, compiled, another seed",
    "nothing to do": "make run, nothing to do",
    "dry run": "snakemake -n, 1,000 cells x 3 probes",
    "a model": f"a perisomatic model, fetched, 3 probes x {N_TEMPLATES} templates, figures: processor time",
    "database": f"{DATABASE} models x 3 probes, from {N_MODELS} models",
    "environment": "environment of make run",
}


def rows_of(pairs):
    """The rows of a case that was run on both sides, or on ours alone."""
    rows = []
    for key in pairs[0][0]:
        title, (ours, theirs) = TITLES[key], ([side and side[key] for side in sides] for sides in zip(*pairs, strict=True))
        if theirs[0]:
            times = [(mine[0], other[0]) for mine, other in zip(ours, theirs, strict=True)]
            peer = {"peer_name": "the other checkout", "unit": "s", "limit_ratio": FASTER.get(key)}
            rows.append(harness.time_row(title, times, **peer))
        if key in MOST or not theirs[0]:
            rows.append(harness.own_row(title, statistics.median(seconds for seconds, _ in ours), "s", MOST.get(key)))
        print(f"{title}: (seconds, processor seconds) of ours {ours}, of the other checkout {theirs}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the default configuration once")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    asked = parser.parse_args()
    other = asked.against and asked.against.resolve()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(CORES)])
    rows = []
    for case, repeats in ({default_runs: 1} if asked.quick else CASES).items():
        theirs = (lambda case=case: case(other)) if other else lambda: None
        rows += rows_of(harness.paired(lambda case=case: case(harness.ROOT), theirs, repeats))
    harness.report("whole_run", rows, packages=("snakemake", "neuron", "LFPy", "numpy", "numba"))


if __name__ == "__main__":
    main()
