"""Time for one candidate pose: our sampling of templates against MEArec's loop; and what the forward kernel costs.

Poses: same models, same currents of the same segments, same probe (Neuronexus-32, then Neuropixels-384, 10 points a
contact), same box of positions, same test of a template, one core each, in turn. MEArec's figure is its real loop in
`calc_extracellular`, without what it does before; ours is a whole call of `sample_templates`, divided by the poses that
it tried, so that it holds the search for the region where the cell can be above threshold. The first call in a process is
left out, because numba may compile in it; how long that takes, once a checkout, is a row. Limit: at least 400 times faster.

Kernel: a whole transfer matrix, divided by its evaluations (a segment at a point). Its bound is what the machine takes for
the roots and logarithms alone: two `sqrt` an evaluation, and a `log` for every contact and segment, each measured in a
bare loop of numba. Limit: 1.5 times the bound.

Threads: `sample_templates` on two threads against one, and how much two threads gain in a bare loop at that moment.
Limit: 1.8 times.
"""

import argparse
import functools
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import harness

LIMIT_RATIO, LIMIT_KERNEL, LIMIT_THREADS = 400, 1 / 1.5, 1.8
NCONTACTS = 10
PEER = "MEArec 1.11.0, calc_extracellular"


def save_currents(folder, mechanisms, path):
    """Simulate a model with the default settings and write its intracellular file; return its number of segments."""
    from allenrec.intracellular.intracellular_file import write_currents
    from allenrec.intracellular.simulation import simulate_model
    from allenrec.settings.models import Intracellular

    currents = simulate_model(folder, mechanisms, Intracellular())
    write_currents(path, currents)
    return len(currents.diameter)


def save_for_mearec(path, folder, model_name):
    """Write the spikes of an intracellular file as MEArec stores them: float64, found by the model's name."""
    import numpy as np

    from allenrec.intracellular.intracellular_file import read_currents

    currents = read_currents(path)
    folder.mkdir()
    for name, values in (("imem", currents.imem), ("vmem", currents.spike_vmem)):
        np.save(folder / f"{name}_{len(values)}_{model_name}.npy", values.astype(np.float64))


def our_sampling(path, probe, candidates, seed, threads=1, repeats=1):
    """Return the seconds of the first call in this process (one pose), and those per pose of calls over `candidates`.

    `seconds_per_candidate` has a list for each number of threads up to `threads`, taken in turn.
    """
    from allenrec.libraries.poses import draw_poses, position_limits
    from allenrec.libraries.sampling import sample_templates

    def sample(n, threads=1):
        """Return the seconds a pose, over n poses: n templates from at most one pose each is what stops it there."""
        begin = time.perf_counter()
        cell, probe_positions, settings, n_spikes = cell_beside(path, probe, threads)
        drawn = {"limits": position_limits(probe_positions, settings), "n_spikes": n_spikes}
        sampled = sample_templates(
            cell, lambda block: draw_poses((seed, "benchmark"), block, settings, **drawn), n=n, max_poses=n, threads=threads
        )
        return (time.perf_counter() - begin) / sampled.n_candidates

    read_once(path)
    first_call = sample(1)
    seconds = [[] for _ in range(threads)]
    gains = []
    for _ in range(repeats):
        for i in range(threads):
            seconds[i].append(sample(candidates, i + 1))
        if threads > 1:
            gains.append(gain_of_two_threads())
    return {"first_call": first_call, "seconds_per_candidate": seconds, "gains": gains}


@functools.cache
def read_once(path):
    """The intracellular file; reading it is not part of the work."""
    from allenrec.intracellular.intracellular_file import read_currents

    return read_currents(path)


@functools.cache
def probe_once(name, ncontacts):
    """The probe; reading its files is not part of the work either, and MEArec's loop begins with a probe."""
    from allenrec.probes import load_probe

    return load_probe(name, ncontacts)


def cell_beside(path, probe, threads=1):
    """Return a cell beside a probe with the default settings, the contacts, the settings, and how many spikes there are."""
    from allenrec.libraries.contacts import contacts_of
    from allenrec.libraries.eap import CellOnProbe, spike_currents
    from allenrec.libraries.medium import Medium
    from allenrec.libraries.poses import Geometry
    from allenrec.settings.libraries import Library

    settings, currents = Library(probe=probe, ncontacts=NCONTACTS), read_once(path)
    probe = probe_once(settings.probe, settings.ncontacts)
    cell = CellOnProbe(
        spike_currents(currents.imem),
        Geometry(currents.start, currents.end, currents.diameter),
        contacts_of(probe),
        Medium(settings.sigma, settings.source, probe.image_factor(settings.image_factor)),
        settings,
        peak_sample=currents.info.settings.window_samples[0],
        dt=currents.info.settings.dt,
        threads=threads,
    )
    return cell, probe.positions, settings, len(currents.imem)


def gain_of_two_threads():
    """How many times as much two threads do as one, in a loop that needs nothing but a core."""
    roots, _, _ = bare_loops()
    roots(10)
    start = time.perf_counter()
    roots(100_000)
    one = time.perf_counter() - start
    both = [threading.Thread(target=roots, args=(100_000,)) for _ in range(2)]
    start = time.perf_counter()
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    return 2 * one / (time.perf_counter() - start)


@functools.cache
def bare_loops():
    """Return loops of numba that take `sqrt` and `log` of some numbers again and again, and how many numbers these are."""
    import numba
    import numpy as np

    numbers = np.linspace(1.0, 2.0, 1024)

    def loop(function):
        @numba.njit(nogil=True, error_model="numpy")
        def compiled(x, out, times):
            for _ in range(times):
                for i in range(len(x)):
                    out[i] = function(x[i])

        return lambda times: compiled(numbers, np.empty_like(numbers), times)

    return loop(np.sqrt), loop(np.log), len(numbers)


def kernel_seconds(repeats):
    """Return pairs of seconds an evaluation: the kernel's, and those of two roots and the share of a logarithm."""
    import numpy as np

    from allenrec.libraries.forward_model import contact_transfer_matrix

    n_contacts, n_seg, turns = 384, 325, 20
    rng = np.random.default_rng(0)
    start = rng.uniform(-150, 150, (n_seg, 3))
    segments = (start, start + rng.uniform(-15, 15, (n_seg, 3)), rng.uniform(0.3, 3, n_seg))
    points = rng.uniform(-150, 150, (n_contacts, NCONTACTS, 3))
    sqrt, log, size = bare_loops()

    def seconds(function, *arguments):
        begin = time.perf_counter()
        function(*arguments)
        return time.perf_counter() - begin

    measured = []
    for _ in range(repeats + 1):
        ours = seconds(contact_transfer_matrix, *segments, points) / (points.size / 3 * n_seg)
        root, logarithm = (seconds(loop, turns) / (turns * size) for loop in (sqrt, log))
        measured.append((ours, 2 * root + logarithm / NCONTACTS))
    return measured[1:]  # numba compiles in the first ones


def kernel_row(repeats):
    """The row of the forward kernel."""
    pairs = [(1e9 * ours, 1e9 * bound) for ours, bound in harness.fresh(kernel_seconds, repeats)]
    peer = "bound: 2 sqrt and 1/10 log, bare loops"
    return harness.time_row(
        "one evaluation, 3840 points, 325 segments", pairs, peer_name=peer, unit="ns", limit_ratio=LIMIT_KERNEL
    )


def threads_row(case, path, probe, candidates, repeats):
    """The row of two threads: its peer is one thread."""
    measured = harness.fresh(our_sampling, path, probe, candidates, 0, 2, repeats)
    one, two = measured["seconds_per_candidate"]
    pairs = [(1000 * b, 1000 * a) for a, b in zip(one, two, strict=True)]
    peer = f"one thread; a bare loop gains {statistics.median(measured['gains']):.2f}"
    return harness.time_row(case, pairs, peer_name=peer, unit="ms a pose", limit_ratio=LIMIT_THREADS)


def compilation_row(path, temporary):
    """The row of the first call in a new checkout: numba compiles, as its cache is empty."""
    os.environ["NUMBA_CACHE_DIR"] = str(temporary)
    try:
        seconds = harness.fresh(our_sampling, path, "Neuronexus-32", 1, 0)["first_call"]
    finally:
        del os.environ["NUMBA_CACHE_DIR"]
    return harness.own_row("first call in a new checkout", seconds, "s", None)


def measure(model_id, folder, mechanisms, python, size):
    """Return the rows of one model: candidates on each probe, the first call, two threads."""
    with tempfile.TemporaryDirectory() as temporary:
        path, mearec_currents = Path(temporary, "currents.h5"), Path(temporary, "mearec")
        segments = harness.fresh(save_currents, folder, mechanisms, path)
        save_for_mearec(path, mearec_currents, folder.name)
        job = {
            "scripts": harness.SCRIPTS,
            "folder": folder,
            "mechanisms": harness.WORK / "mechanisms-mearec",
            "currents": mearec_currents,
        }
        rows = {}
        for probe, (ours, peer, in_threads, repeats) in size.items():
            pairs = pairs_of_candidates(path, probe, python, job, segments, ours=ours, peer=peer, repeats=repeats)
            case = f"{probe}, {model_id}, {segments} segments"
            print(f"{case}: {repeats} pairs", flush=True)
            rows[probe] = harness.time_row(case, pairs, peer_name=PEER, unit="ms a pose", limit_ratio=LIMIT_RATIO)
            rows[f"{probe}, threads"] = threads_row(f"two threads: {case}", path, probe, in_threads, 3 * repeats)
        return rows | {"first call": compilation_row(path, Path(temporary, "numba"))}


def pairs_of_candidates(path, probe, python, job, segments, *, ours, peer, repeats):
    """Return pairs of ms a pose; `ours` and `peer` are how many candidates each side tries in one process."""

    def allenrec():
        return 1000 * harness.fresh(our_sampling, path, probe, ours, 0)["seconds_per_candidate"][0][0]

    def mearec():
        result = harness.run_peer(python, "mearec_eap.py", job | {"probe": probe, "candidates": peer, "seed": next(seeds)})
        if (result["segments"], result["candidates"]) != (segments, peer):
            raise RuntimeError(f"not the same work: {result}, but ours has {segments} segments")
        return 1000 * result["seconds_per_candidate"]

    seeds = iter(range(repeats))
    return harness.paired(allenrec, mearec, repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one model, one or two pairs")
    quick = parser.parse_args().quick
    python = harness.peer_environment("mearec")
    folders = harness.fetch_models(["473863510"] if quick else harness.MODELS)
    mechanisms = harness.compile_for(folders)
    # One core for both, in all processes from here on; threads that are asked for come on top
    os.environ.update(harness.ONE_THREAD)
    # Candidates of ours, of the peer's, in threads (as many as a cell needs of which few are accepted), and pairs
    size = {"Neuronexus-32": (4000, 50, 16000, 5), "Neuropixels-384": (2000, 8, 2000, 3)}
    if quick:
        size = {"Neuronexus-32": (4000, 20, 16000, 2), "Neuropixels-384": (1000, 3, 1000, 1)}
    rows = [kernel_row(100 if quick else 1000)]
    measured = [measure(m, folders[m], mechanisms[m], python, size) for m in folders]
    for probe in size:
        some = [of_model[probe] for of_model in measured]
        rows += [*some, harness.median_row(f"{probe}, median of the models", some)]
        some = [of_model[f"{probe}, threads"] for of_model in measured]
        rows += [*some, harness.median_row(f"two threads: {probe}, median of the models", some)]
    rows.append(measured[0]["first call"])
    harness.report(
        "eap",
        rows,
        packages=("numpy", "numba", "scipy"),
        peer_python=python,
        peer_packages=("MEArec", "MEAutility", "LFPy", "LFPykit", "neuron", "numpy"),
    )


if __name__ == "__main__":
    main()
