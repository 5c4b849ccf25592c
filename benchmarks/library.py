"""Libraries: drifting templates against MEArec's loop; memory and time of large files.

Drifting: same models, same currents, Neuronexus-32, 31 steps, one core each, in turn. Both compute a potential at each
candidate pose and at each step of the paths of those that are accepted; the time is that of the whole loop, divided by how
many these are together. Limit: at least 600 times faster.

Memory: the job of one cell on 384 contacts with 1000 templates, peak of the process. Limit: 1.5 GB.

Joining: 300 models of 100 templates on 384 contacts (with `--quick`, 10), time and peak memory. Limits: 30 s and 1 GB.
"""

import argparse
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import eap
import harness

LIMIT_RATIO, LIMIT_CELL_GB, LIMIT_JOIN_GB, LIMIT_JOIN_S = 600, 1.5, 1.0, 30
STEPS = 31


def our_drifting(path, probe, n, seed):
    """Return the seconds a potential, over `n` drifting templates and the candidates that they took."""
    from allenrec.libraries.poses import draw_path, draw_poses, position_limits
    from allenrec.libraries.sampling import Requirements, sample_templates

    def drift(n):
        begin = time.perf_counter()
        cell, contacts, settings, n_spikes = eap.cell_beside(path, probe)
        settings = settings.model_copy(update={"drift_steps": STEPS})
        limits = position_limits(contacts, settings)
        sampled = sample_templates(
            cell,
            lambda block: draw_poses((seed, "benchmark"), block, settings, limits=limits, n_spikes=n_spikes),
            n=n,
            max_poses=1000 * n,
            requirements=Requirements(
                path_of=lambda candidate, pose: draw_path((seed,), candidate, pose.positions[0], limits, settings),
                n_steps=STEPS,
            ),
        )
        for k, steps in enumerate(sampled.paths):
            cell.along(sampled.poses[k : k + 1], steps, STEPS // 2)
        return (time.perf_counter() - begin) / (sampled.n_candidates + STEPS * len(sampled.paths))

    eap.read_once(path)
    drift(1)
    return drift(n)


def drifting_row(model_id, folder, mechanisms, python, *, ours, peer, repeats):
    """The row of one model; `ours` and `peer` are how many drifting templates each side makes in one process."""
    with tempfile.TemporaryDirectory() as temporary:
        path, mearec_currents = Path(temporary, "currents.h5"), Path(temporary, "mearec")
        segments = harness.fresh(eap.save_currents, folder, mechanisms, path)
        eap.save_for_mearec(path, mearec_currents, folder.name)
        job = {"scripts": harness.SCRIPTS, "folder": folder, "mechanisms": harness.WORK / "mechanisms-mearec"}
        job |= {"currents": mearec_currents, "probe": "Neuronexus-32", "candidates": 0, "drifting": peer}
        seeds = iter(range(repeats))

        def mearec():
            return 1000 * harness.run_peer(python, "mearec_eap.py", job | {"seed": next(seeds)})["seconds_per_candidate"]

        def allenrec():
            return 1000 * harness.fresh(our_drifting, path, "Neuronexus-32", ours, 0)

        pairs = harness.paired(allenrec, mearec, repeats)
    case = f"drifting, {STEPS} steps, Neuronexus-32, {model_id}, {segments} segments"
    return harness.time_row(case, pairs, peer_name=eap.PEER, unit="ms a potential", limit_ratio=LIMIT_RATIO)


def cell_job(currents, path, n):
    """Build the library of one cell on 384 contacts; return seconds and the peak memory of the process, GB."""
    from allenrec.intracellular.intracellular_file import read_currents
    from allenrec.libraries.build import build_cell_library
    from allenrec.settings.libraries import Library

    cell = {"model_id": "473863510", "cell_type": "spiny"}
    begin = time.perf_counter()
    found = read_currents(currents)
    found = replace(found, info=replace(found.info, model_id="473863510", digests={}, versions={}))
    build_cell_library(path, found, cell, Library(probe="Neuropixels-384", n=n), name="benchmark", seed=0)
    return time.perf_counter() - begin, peak_gb()


def joining_job(part, folder, n_models):
    """Join a file with itself many times, under other names; return seconds and the peak memory of the process, GB."""
    from allenrec.common.files import write_table
    from allenrec.libraries.concatenate import concatenate_libraries
    from allenrec.libraries.table import template_table

    begin = time.perf_counter()
    concatenate_libraries([part] * n_models, Path(folder, "templates.h5"))
    write_table(Path(folder, "templates.csv"), template_table(part))
    return time.perf_counter() - begin, peak_gb()


def peak_gb():
    """The most memory that this process has had, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def large_rows(folder, mechanisms, quick):
    """The rows of memory and of joining."""
    n, n_models = (100, 10) if quick else (1000, 300)
    with tempfile.TemporaryDirectory() as temporary:
        currents, part = Path(temporary, "currents.h5"), Path(temporary, "part.h5")
        harness.fresh(eap.save_currents, folder, mechanisms, currents)
        seconds, memory = harness.fresh(cell_job, currents, Path(temporary, "cell.h5"), n)
        case = f"one cell, Neuropixels-384, n = {n}"
        rows = [
            harness.own_row(f"{case}: peak memory", memory, "GB", LIMIT_CELL_GB),
            harness.own_row(f"{case}: time", seconds, "s", None),
        ]
        harness.fresh(cell_job, currents, part, 100)
        seconds, memory = harness.fresh(joining_job, part, temporary, n_models)
        case = f"joining {n_models} models x 100 templates x 384 contacts"
        return [
            *rows,
            harness.own_row(f"{case}: peak memory", memory, "GB", LIMIT_JOIN_GB),
            harness.own_row(f"{case}: time", seconds, "s", None if quick else LIMIT_JOIN_S),
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one model, one pair, small files")
    quick = parser.parse_args().quick
    python = harness.peer_environment("mearec")
    folders = harness.fetch_models(["473863510"] if quick else harness.MODELS[:4])
    mechanisms = harness.compile_for(folders)
    os.environ.update(harness.ONE_THREAD)
    size = {"ours": 50, "peer": 2, "repeats": 1 if quick else 3}
    rows = [drifting_row(m, folders[m], mechanisms[m], python, **size) for m in folders]
    rows.append(harness.median_row(f"drifting, {STEPS} steps, median of the models", rows))
    rows += large_rows(folders["473863510"], mechanisms["473863510"], quick)
    harness.report(
        "library",
        rows,
        packages=("numpy", "numba", "scipy", "h5py"),
        peer_python=python,
        peer_packages=("MEArec", "MEAutility", "LFPy", "LFPykit", "neuron", "numpy"),
    )


if __name__ == "__main__":
    main()
