"""Time for one candidate pose: our sampling of templates against MEArec's loop.

Same models, same currents of the same segments, same probe (Neuronexus-32, 10 points a contact), same box of
positions, same test of a template, one core each, in turn. MEArec's figure is its real loop in `calc_extracellular`,
without what it does before; ours is a whole call of `sample_templates`, divided by the poses that it tried. The first
call in a process is left out, because numba may compile in it; how long that takes, once a checkout, is the last row.
Limit: at least 100 times faster.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import harness

LIMIT_RATIO = 100
PROBE, NCONTACTS = "Neuronexus-32", 10
PEER = "MEArec 1.11.0, calc_extracellular"


def save_currents(folder, mechanisms, path):
    """Simulate a model with the default settings and write its intracellular file; return its number of segments."""
    from allenrec.cell import load_cell
    from allenrec.currents import write_currents
    from allenrec.intracellular import simulate_spikes
    from allenrec.settings import Intracellular

    settings = Intracellular().model_dump()
    cell = load_cell(folder, mechanisms, dt=settings.pop("dt"))
    write_currents(path, {"stimulus": settings, "dt": cell.dt}, simulate_spikes(cell, **settings))
    return int(cell.totnsegs)


def save_for_mearec(path, folder, model_name):
    """Write the spikes of an intracellular file as MEArec stores them: float64, found by the model's name."""
    import numpy as np

    from allenrec.currents import read_currents

    currents = read_currents(path)
    folder.mkdir()
    for name, values in (("imem", currents.imem), ("vmem", currents.spike_vmem)):
        np.save(folder / f"{name}_{len(values)}_{model_name}.npy", values.astype(np.float64))


def our_sampling(path, candidates, seed):
    """Return the seconds of the first call in this process (one pose), and those per pose of one over `candidates`."""
    from allenrec.currents import read_currents
    from allenrec.poses import position_limits
    from allenrec.probes import load_probe
    from allenrec.settings import Library
    from allenrec.templates import sample_templates

    settings = Library(probe=PROBE, ncontacts=NCONTACTS)
    currents = read_currents(path)
    probe = load_probe(PROBE, NCONTACTS)
    limits = position_limits(
        probe.positions, xlim=settings.xlim, ylim=settings.ylim, zlim=settings.zlim, overhang=settings.overhang
    )

    def sample(n):
        """Return the seconds a pose, over n poses: n templates from at most one pose each is what stops it there."""
        start = time.perf_counter()
        sampled = sample_templates(
            currents.imem,
            (currents.start, currents.end, currents.diameter),
            probe,
            (seed, "benchmark"),
            n=n,
            limits=limits,
            rot=settings.rot,
            x_distr=settings.x_distr,
            beta_distr_params=settings.beta_distr_params,
            min_amp=settings.min_amp,
            check_eap_shape=settings.check_eap_shape,
            max_iterations=1,
            sigma=settings.sigma,
            source=settings.source,
            image_factor=probe.image_factor(settings.image_factor),
            peak_sample=int(currents.attributes["stimulus"]["cut_out"][0] / currents.attributes["dt"]),
        )
        return (time.perf_counter() - start) / sampled.n_candidates

    return {"first_call": sample(1), "seconds_per_candidate": sample(candidates)}


def compilation_row(path, temporary):
    """The row of the first call in a new checkout: numba compiles, as its cache is empty."""
    os.environ["NUMBA_CACHE_DIR"] = str(temporary)
    try:
        seconds = harness.fresh(our_sampling, path, 1, 0)["first_call"]
    finally:
        del os.environ["NUMBA_CACHE_DIR"]
    row = dict.fromkeys(("peer", "peer_name", "ratio", "limit", "limit_ratio"))
    return {"case": "first call in a new checkout", "ours": seconds, "unit": "s"} | row


def measure(model_id, folder, mechanisms, python, *, ours, peer, repeats):
    """Return rows of one model; `ours` and `peer` are how many candidates each side tries in one process."""
    with tempfile.TemporaryDirectory() as temporary:
        path, mearec_currents = Path(temporary, "currents.h5"), Path(temporary, "mearec")
        segments = harness.fresh(save_currents, folder, mechanisms, path)
        compilation = compilation_row(path, Path(temporary, "numba"))
        save_for_mearec(path, mearec_currents, folder.name)
        job = {
            "scripts": harness.SCRIPTS,
            "folder": folder,
            "mechanisms": harness.WORK / "mechanisms-mearec",
            "currents": mearec_currents,
            "candidates": peer,
        }

        def allenrec():
            return harness.fresh(our_sampling, path, ours, 0)["seconds_per_candidate"]

        def mearec():
            result = harness.run_peer(python, "mearec_eap.py", job | {"seed": next(seeds)})
            if (result["segments"], result["candidates"]) != (segments, peer):
                raise RuntimeError(f"not the same work: {result}, but ours has {segments} segments")
            return result["seconds_per_candidate"]

        seeds = iter(range(repeats))
        pairs = harness.paired(allenrec, mearec, repeats)
    milliseconds = [(1000 * a, 1000 * b) for a, b in pairs]
    case = f"{model_id}, {segments} segments"
    print(f"{case}: {repeats} pairs", flush=True)
    row = harness.time_row(case, milliseconds, peer_name=PEER, unit="ms a pose", limit_ratio=LIMIT_RATIO)
    return row, compilation


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one model, two pairs")
    quick = parser.parse_args().quick
    python = harness.peer_environment("mearec")
    folders = harness.fetch_models(["473863510"] if quick else harness.MODELS)
    mechanisms = harness.compile_for(folders)
    # One core for both, in all processes from here on
    os.environ.update(harness.ONE_THREAD)
    size = {"ours": 1000, "peer": 20, "repeats": 2} if quick else {"ours": 4000, "peer": 50, "repeats": 5}
    measured = [measure(m, folders[m], mechanisms[m], python, **size) for m in folders]
    rows = [row for row, _ in measured]
    rows += [harness.median_row("median of the models", rows), measured[0][1]]
    harness.report(
        "eap",
        rows,
        packages=("numpy", "numba", "scipy"),
        peer_python=python,
        peer_packages=("MEArec", "MEAutility", "LFPy", "LFPykit", "neuron", "numpy"),
    )


if __name__ == "__main__":
    main()
