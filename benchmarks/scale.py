"""How the workflow itself scales: cell tables of 300, 1,000 and 3,000 rows on three probes, none of which is computed.

For each: a dry run (the Snakefile, the DAG, what there is to do and why), its memory, and what each job costs beside its own
work, from jobs that do nothing but write their files.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness
import yaml

PROBES = ("Neuronexus-32", "Neuropixels-128", "Neuropixels-384")
#: Stands in for every script: its files, and nothing else
STUB = """\
from pathlib import Path
for path in snakemake.output:
    Path(path).write_text("x")
"""
#: Seconds in which the jobs of 1,000 cells on three probes are to be known
LIMIT = 60


def make_folder(folder, n_cells, *, stubs, root=harness.ROOT):
    """A copy of the workflow of a checkout with `n_cells` models (real ones repeated, under new ids) on three probes."""
    harness.copy_workflow(folder, root)
    libraries = {f"probe{k}": {"probe": probe, "n": 100} for k, probe in enumerate(PROBES)}
    config = {"cells": "config/cells.tsv", "libraries": libraries, "recordings": {"demo": {"library": "probe0"}}}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    rows = [f"{10**9 + k}\t\t{'spiny' if k % 3 else 'aspiny'}\n" for k in range(n_cells)]
    (folder / "config" / "cells.tsv").write_text("model_id\tspecimen_id\tcell_type\n" + "".join(rows))
    if stubs:
        for script in (folder / "scripts").glob("[!a]*/*.py"):
            script.write_text(STUB)


def measured(folder, *arguments):
    """Run Snakemake; return seconds, seconds until it knew its jobs, seconds of processor time, and the peak memory (GB) of its
    largest process."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    known = None
    with open(folder / "output.txt", "w") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in process.stdout:
            if known is None and line.startswith("Job stats:"):
                known = time.perf_counter() - start
            output.write(line)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        sys.exit((folder / "output.txt").read_text()[-5000:])
    return seconds, known, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9


def n_jobs(folder):
    """The total that Snakemake printed."""
    lines = (folder / "output.txt").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("total")))


def dry_run(n_cells):
    """Rows of a table with so many cells, none computed yet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, n_cells, stubs=False)
        seconds, known, processor, memory = measured(folder, "-n", "--quiet", "rules")
        case = f"{n_cells} cells x {len(PROBES)} probes, {n_jobs(folder)} jobs"
    limit = LIMIT if n_cells == 1000 else None
    return [
        harness.own_row(f"{case}: DAG", known, "s", limit),
        harness.own_row(f"{case}: dry run", seconds, "s", None),
        harness.own_row(f"{case}: processor time of it", processor, "s", None),
        harness.own_row(f"{case}: peak memory of it", memory, "GB", None),
    ]


def empty_run(n_cells):
    """Rows of a run whose jobs only write their files, and of a second one that finds nothing to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, n_cells, stubs=True)
        seconds, _, processor, memory = measured(folder)
        jobs = n_jobs(folder)
        again, _, _, _ = measured(folder)
        logs = max(len(files) for _, _, files in os.walk(folder / "results"))
    case = f"{n_cells} cells x {len(PROBES)} probes, jobs that do nothing"
    return [
        harness.own_row(f"{case}: jobs a second", jobs / seconds, "1/s", None),
        harness.own_row(f"{case}: processor time a job", processor / jobs, "s", None),
        harness.own_row(f"{case}: peak memory", memory, "GB", None),
        harness.own_row(f"{case}: second run, nothing to do", again, "s", None),
        harness.own_row(f"{case}: most files in a folder", logs, "files", None),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute: 300 cells, and jobs for 5")
    quick = parser.parse_args().quick
    rows = [row for n_cells in ((300,) if quick else (300, 1000, 3000)) for row in dry_run(n_cells)]
    rows += empty_run(5 if quick else 60)
    harness.report("scale", rows, packages=("snakemake", "pydantic"))


if __name__ == "__main__":
    main()
