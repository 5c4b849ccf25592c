"""End to end: our default workflow against the recipe of MEArec's Allen notebook, from models to figures.

Both start from model folders and a finished environment, compile the mod files, simulate the cells, make and save the
library (Neuronexus-32, 50 templates a cell, 3-D rotations, 30 µV), the recording (30 s, 5 excitatory and 2 inhibitory
units) and figures. Both may use two cores: ours runs `snakemake --cores 2` in a new working copy; the recipe
(`mearec_notebook.py`) makes templates in one process, because MEArec's function for cells other than Blue Brain's has
no parallel form, and the recording with `n_jobs=2`. The second row lets it spread the cells over two processes by
hand. The time is that of the whole command. Limit: ours takes at most half the time of the recipe as it is.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import harness

LIMIT_RATIO = 2
CORES = 2

FULL = {"cells": list(harness.DEFAULT_CELLS), "n": 50, "duration": 30, "n_exc": 5, "n_inh": 2, "min_dist": 25}
#: One cell, because compiling its mod files takes half of the minute already
QUICK = {"cells": ["473863510"], "n": 5, "duration": 5, "n_exc": 3, "n_inh": 0, "min_dist": 5}


def copy_models(folders, target):
    """Copy model folders as an archive gives them, without our record of the check; return the copies by model id."""
    ignore = shutil.ignore_patterns("verified.json")
    return {m: shutil.copytree(folder, target / folder.name, ignore=ignore) for m, folder in folders.items()}


def working_copy(folder, folders):
    """Fill a folder with the workflow and the models, without results, caches or anything compiled."""
    harness.copy_workflow(folder)
    copy_models(folders, folder / "allen_models")


def configure(folder, size):
    """Write the configuration and the cell table of a run that is not the default one; return snakemake's arguments."""
    rows = [f"{model}\t\t{harness.DEFAULT_CELLS[model]}\n" for model in size["cells"]]
    (folder / "cells.tsv").write_text("model_id\tspecimen_id\tcell_type\n" + "".join(rows))
    recording = {
        "spiketrains": {key: size[key] for key in ("duration", "n_exc", "n_inh")},
        "templates": {"min_dist": size["min_dist"]},
    }
    config = {"cells": "cells.tsv", "libraries": {"neuronexus": {"n": size["n"]}}, "recordings": {"demo": recording}}
    (folder / "quick.json").write_text(json.dumps(config))
    return ["--configfile", "quick.json"]


def our_seconds(folders, size):
    """Run the workflow in a new working copy; return the seconds of the command."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        working_copy(folder, folders)
        arguments = configure(folder, size) if size is not FULL else []
        command = [sys.executable, "-m", "snakemake", "--cores", str(CORES), *arguments]
        start = time.perf_counter()
        harness.run_quietly(command, cwd=folder)
        seconds = time.perf_counter() - start
        # A run that left something out would be no comparison.
        for made in ("recordings/demo/recording.h5", "figures/recordings/demo/traces.png"):
            if not (folder / "results" / made).exists():
                sys.exit(f"the workflow did not make results/{made}")
    print(f"ours: {seconds:.1f} s", flush=True)
    return seconds


def recipe_seconds(python, folders, size, processes):
    """Run the recipe in a new folder; return the seconds of the command."""
    with tempfile.TemporaryDirectory() as temporary:
        models = copy_models(folders, Path(temporary, "models"))
        job = {key: value for key, value in size.items() if key != "cells"} | {
            "models": {str(models[m]): harness.DEFAULT_CELLS[m] for m in size["cells"]},
            "folder": Path(temporary, "results"),
            "processes": processes,
            "n_jobs": CORES,
            "seed": 0,
        }
        start = time.perf_counter()
        result = harness.run_peer(python, "mearec_notebook.py", job)
        seconds = time.perf_counter() - start
    print(f"recipe, templates in {processes} process(es): {seconds:.1f} s, {result}", flush=True)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one cell, 5 templates, a recording of 5 s, one pair")
    quick = parser.parse_args().quick
    size, repeats, spread = (QUICK, 1, [1]) if quick else (FULL, 3, [1, CORES])
    python = harness.peer_environment("mearec")
    folders = harness.fetch_models(size["cells"])
    # For both, also on machines with more
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    runs = harness.paired(
        lambda: our_seconds(folders, size),
        lambda: [recipe_seconds(python, folders, size, processes) for processes in spread],
        repeats,
    )
    case = f"{len(size['cells'])} cell(s), {size['n']} templates a cell, {size['duration']} s"
    rows = [
        harness.time_row(
            f"{case}; recipe in {processes} process(es)",
            [(ours, peers[i]) for ours, peers in runs],
            peer_name="MEArec 1.11.0, notebook's recipe",
            unit="s",
            # The limit is one for the default workflow; small runs are mostly compilation, on both sides.
            limit_ratio=LIMIT_RATIO if size is FULL and processes == 1 else None,
        )
        for i, processes in enumerate(spread)
    ]
    harness.report(
        "notebook",
        rows,
        packages=("snakemake", "neuron", "LFPy", "numpy", "numba"),
        peer_python=python,
        peer_packages=("MEArec", "MEAutility", "LFPy", "neuron", "numpy"),
    )


if __name__ == "__main__":
    main()
