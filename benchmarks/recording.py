"""Recordings: whole ones, written to disk, against MEArec and against SpikeInterface's generator; bare rates; memory.

One library of three models serves both us and MEArec; the same numbers of units, rates, modulation, noise and filter.
Ours: open the library, plan, compute on two threads, write. MEArec: `gen_recordings`, as it comes, which is one job, and with
two jobs, of which each filters what the other has filtered already, and `save_recording_generator`. SpikeInterface:
`generate_ground_truth_recording`, saved as binary with two jobs; it has templates of its own, white noise, and no filter.
Imports and compilation are in none of them.

Limits: 8 times MEArec on 32 channels; on 384, 30 times MEArec, 6 times real time, and twice SpikeInterface; two threads 1.7
times one (beside it, how much they gain on filtering and copying alone); on one thread, a channel-sample at most 1.5 times
what drawing, filtering and writing it takes, each alone; peak memory below 1.5 GB, and the same for 10 minutes as for one
within 10 %; with `--hour`, for an hour as well. A random second of a recording in memory on 384 channels: 0.5 s.

`--against FOLDER` does nothing of this. It runs the job of a recording of ten minutes on 32 channels here and in another
checkout, in turn, and compares processor time and time. Limit: 3 % more processor time. Snakemake samples processor time, and
may miss the last seconds of a job on a loaded machine, so the comparison needs a quiet one.
"""

import argparse
import csv
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import eap
import harness

SECONDS = 60.0
CASES = {"Neuronexus-32": (10,), "Neuropixels-384": (50, 150)}
LIMITS = {"Neuronexus-32": 8, "Neuropixels-384": 30}
LIMIT_SPIKEINTERFACE, LIMIT_REAL_TIME, LIMIT_THREADS, LIMIT_BARE = 2, 6, 1.7, 1 / 1.5
LIMIT_GB, LIMIT_GROWTH, LIMIT_SECOND = 1.5, 1.1, 0.5
#: MEArec tells types by parts of their names, so that its own are used
TYPES = {"473863510": "PC", "473863035": "PC", "472912177": "BC"}
N_TEMPLATES = 100
#: What makes a long recording small on the disk
SMALL = {"recordings": {"noise_level": 0.0, "dtype": "int16"}, "compression": "lzf"}
#: The recording of `--against`, and the limit of its ratio
JOB = "benchmark"
JOB_CONFIG = {"library": "neuronexus", "spiketrains": {"duration": 600.0}, "templates": {"min_dist": 10.0}}
LIMIT_JOB = 1 / 1.03
#: Numbers in which bare rates are measured: a block of ours
BLOCK_SAMPLES = 2**15


def settings_of(n_units, duration):
    """The configuration, in names that MEArec has as well."""
    n_inh = n_units // 5
    return {
        "spiketrains": {"duration": duration, "n_exc": n_units - n_inh, "n_inh": n_inh},
        "cell_types": {"excitatory": ["PC"], "inhibitory": ["BC"]},
        # MEArec's limits (50 and 500 uV) would leave a handful of the basket cell's templates
        "templates": {"min_dist": 5.0, "min_amp": 30.0, "max_amp": 500.0, "upsample": 8},
        "recordings": {"modulation": "electrode", "noise_level": 10.0},
    }


def build_library(probe, folders, mechanisms, path):
    """Write a library of three models."""
    from allenrec.libraries.concatenate import concatenate_libraries

    with tempfile.TemporaryDirectory() as temporary:
        parts = []
        for model_id, cell_type in TYPES.items():
            currents = Path(temporary, f"{model_id}-currents.h5")
            harness.fresh(eap.save_currents, folders[model_id], mechanisms[model_id], currents)
            parts.append(Path(temporary, f"{model_id}.h5"))
            harness.fresh(_build_cell, currents, model_id, cell_type, probe, parts[-1])
        concatenate_libraries(parts, path)


def _build_cell(currents, model_id, cell_type, probe, path):
    from allenrec.intracellular.intracellular_file import read_currents
    from allenrec.libraries.build import build_cell_library
    from allenrec.settings.libraries import Library

    found = read_currents(currents)
    found = replace(found, info=replace(found.info, model_id=model_id, digests={}, versions={}))
    cell = {"model_id": model_id, "cell_type": cell_type}
    build_cell_library(path, found, cell, Library(probe=probe, n=N_TEMPLATES), name="benchmark", seed=0, threads=2)


def our_recording(library, n_units, duration, threads, folder, changes=None):
    """Write a recording; return seconds, peak memory of the process (GB), and how many values it has."""
    _write_ours(library, n_units, 1.0, threads, Path(folder, "warm.h5"), changes)  # numba compiles
    begin = time.perf_counter()
    plan = _write_ours(library, n_units, duration, threads, Path(folder, "recording.h5"), changes)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"seconds": seconds, "peak_gb": peak, "values": plan.n_channels * plan.n_samples}


def _write_ours(library, n_units, duration, threads, path, changes=None):
    from allenrec.libraries.library_file import open_library
    from allenrec.recordings.formats.mearec import write_mearec
    from allenrec.recordings.generated_recording import GeneratedRecording
    from allenrec.recordings.plan import plan_recording
    from allenrec.settings.recordings import Recording

    asked = {"library": "benchmark"} | settings_of(n_units, duration)
    for block, values in (changes or {}).items():
        asked[block] = asked.get(block, {}) | values if isinstance(values, dict) else values
    settings = Recording.model_validate(asked)
    with open_library(library) as opened:
        plan = plan_recording(opened, settings, seed=0, name="benchmark", threads=threads)
        write_mearec(path, GeneratedRecording(plan, opened, settings, {"config": {}}, threads))
    return plan


def spikeinterface_recording(n_channels, n_units, duration, folder):
    """Generate and save a recording of SpikeInterface's; return the seconds."""
    from probeinterface import generate_multi_columns_probe
    from spikeinterface.generation import generate_ground_truth_recording

    probe = generate_multi_columns_probe(num_columns=2, num_contact_per_column=n_channels // 2)
    probe.set_device_channel_indices(range(n_channels))

    def save(seconds, name):
        begin = time.perf_counter()
        recording, _ = generate_ground_truth_recording(
            durations=[seconds], sampling_frequency=32000.0, num_channels=n_channels, num_units=n_units, probe=probe, seed=0
        )
        recording.save(folder=Path(folder, name), n_jobs=2, chunk_duration="1s", progress_bar=False, verbose=False)
        return time.perf_counter() - begin

    save(2.0, "warm")
    return save(duration, "recording")


def bare_rates(n_channels, folder, repeats):
    """Return the nanoseconds a value that drawing, filtering and writing take, each alone and on one thread."""
    import numpy as np

    from allenrec.settings.recordings import Filter
    from allenrec.waveforms.filters import design_filter

    rng, bandpass = np.random.Generator(np.random.SFC64(0)), design_filter(32000, Filter())
    before, after = bandpass.margins
    block = np.empty((BLOCK_SAMPLES + before + after, n_channels), dtype=np.float32)

    def draw():
        rng.standard_normal(out=block, dtype=np.float32)

    def apply():
        bandpass.apply(block)

    def write():
        with open(Path(folder, "bare"), "wb") as file:
            file.write(block)

    rates = {}
    for name, work in (("draw", draw), ("filter", apply), ("write", write)):
        work()
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            work()
            times.append(time.perf_counter() - begin)
        rates[name] = 1e9 * sorted(times)[repeats // 2] / block.size
    return rates


def bare_threads(n_channels, repeats):
    """Return how much faster two threads filter, and copy, a block each than one thread both: what the memory allows."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from allenrec.settings.recordings import Filter
    from allenrec.waveforms.filters import design_filter

    bandpass = design_filter(32000, Filter())
    ours, theirs = (np.ones((2, BLOCK_SAMPLES, n_channels), dtype=np.float32) for _ in range(2))
    gains = {}
    for name, work in (("filter", lambda k: bandpass.apply(ours[k])), ("copy", lambda k: np.copyto(theirs[k], ours[k]))):
        seconds = {1: [], 2: []}
        for threads in (1, 1, 2) * repeats:
            with ThreadPoolExecutor(threads) as pool:
                begin = time.perf_counter()
                list(pool.map(work, (0, 1)))
                seconds[threads].append(time.perf_counter() - begin)
        gains[name] = statistics.median(seconds[1]) / statistics.median(seconds[2])
    return gains


def measure(probe, n_units, library, python, *, duration, repeats, against_mearec):
    """The rows of one case."""
    case = f"{probe}, {n_units} units, {duration:g} s"
    n_channels = int(probe.rsplit("-", 1)[1])

    def allenrec(threads=2):
        with tempfile.TemporaryDirectory() as folder:
            return harness.fresh(our_recording, library, n_units, duration, threads, folder)

    def mearec(n_jobs):
        with tempfile.TemporaryDirectory() as folder:
            job = {"library": library, "folder": folder, "n_jobs": n_jobs} | settings_of(n_units, duration)
            return harness.run_peer(python, "mearec_recording.py", job)

    def spikeinterface():
        with tempfile.TemporaryDirectory() as folder:
            return harness.fresh(spikeinterface_recording, n_channels, n_units, duration, folder)

    def seconds(result):
        return result["seconds"]

    print(case, flush=True)
    rows = []
    for n_jobs, name in ((0, "MEArec 1.11.0"), (2, "MEArec 1.11.0, 2 jobs")) if against_mearec else ():
        pairs = harness.paired(lambda: seconds(allenrec()), lambda jobs=n_jobs: seconds(mearec(jobs)), against_mearec)
        rows.append(harness.time_row(case, pairs, peer_name=name, unit="s", limit_ratio=LIMITS[probe]))
    if n_channels == 384:
        pairs = harness.paired(lambda: seconds(allenrec()), spikeinterface, repeats)
        name = "SpikeInterface, 2 jobs, no filter"
        rows.append(harness.time_row(case, pairs, peer_name=name, unit="s", limit_ratio=LIMIT_SPIKEINTERFACE))
        pairs = [(ours, duration) for ours, _ in pairs]
        rows.append(harness.time_row(case, pairs, peer_name="real time", unit="s", limit_ratio=LIMIT_REAL_TIME))
    one = [allenrec(1) for _ in range(repeats)]
    pairs = [(seconds(allenrec(2)), seconds(single)) for single in one]
    bare = harness.fresh(bare_threads, n_channels, 9)
    name = "one thread; bare gains: " + ", ".join(f"{what} {gain:.2f}" for what, gain in bare.items())
    rows.append(harness.time_row(f"two threads: {case}", pairs, peer_name=name, unit="s", limit_ratio=LIMIT_THREADS))
    with tempfile.TemporaryDirectory() as folder:
        bare = harness.fresh(bare_rates, n_channels, folder, 5)
    pairs = [(1e9 * single["seconds"] / single["values"], sum(bare.values())) for single in one]
    name = ", ".join(f"{what} {nanoseconds:.2f}" for what, nanoseconds in bare.items())
    rows.append(harness.time_row(f"one thread: {case}", pairs, peer_name=f"bare: {name}", unit="ns", limit_ratio=LIMIT_BARE))
    return rows


def memory_rows(library, minutes):
    """The rows of peak memory on 384 channels, for one minute and longer.

    More than ten minutes are without noise, in integers and compressed: so an hour, which would be 180 GB, is a few. What is
    held at once is the same.
    """
    rows, shortest = [], None
    for length in (1, *minutes):
        changes = SMALL if length > 10 else {}
        with tempfile.TemporaryDirectory(dir=".") as folder:
            peak = harness.fresh(our_recording, library, 150, 60.0 * length, 2, folder, changes)["peak_gb"]
        shortest = shortest or peak
        limit = LIMIT_GB if length == 1 else min(LIMIT_GB, LIMIT_GROWTH * shortest)
        rows.append(harness.own_row(f"peak memory, Neuropixels-384, 150 units, {length} min", peak, "GB", limit))
    return rows


def random_second(library, n_units):
    """Return the median time in s of a random second of a recording in memory, after its plan."""
    import numpy as np

    import allenrec

    recording, _ = allenrec.generate(allenrec.read_library(library), settings_of(n_units, 600.0), threads=2)
    fs, times = round(recording.sampling_frequency), []
    recording.get_traces(start_frame=0, end_frame=fs)  # numba loads what it has compiled
    for start in np.random.default_rng(0).integers(1, recording.get_num_samples() - fs, 20):
        begin = time.perf_counter()
        recording.get_traces(start_frame=start, end_frame=start + fs)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def run_job(root, config):
    """Run the job of a recording in a checkout, with the environment of its own if there is one. Return its row of Snakemake's
    table: `cpu_time` and `s` are its processor time and its time."""
    target = root / "results" / "recordings" / JOB / "recording.h5"
    target.unlink(missing_ok=True)
    own = root / ".venv" / "bin"
    folder = own if own.exists() else Path(sys.executable).parent
    variables = os.environ | {"PATH": os.pathsep.join([str(folder), os.environ["PATH"]])}
    command = [folder / "snakemake", "--cores", "2", "--configfile", config, "--", target.relative_to(root)]
    harness.run_quietly(command, cwd=root, env=variables)
    target.unlink()
    table = root / "results" / "benchmarks" / "rules" / "generate_recording" / f"{JOB}.tsv"
    return next(csv.DictReader(table.open(encoding="utf-8"), delimiter="\t"))


def compare_jobs(other, repeats):
    """Compare the job of a recording with that of another checkout."""
    with tempfile.TemporaryDirectory() as temporary:
        config = Path(temporary, "config.yaml")
        config.write_text(json.dumps({"recordings": {JOB: JOB_CONFIG}}))
        for root in (harness.ROOT, other):  # libraries, compiled kernels
            run_job(root, config)
        pairs = harness.paired(lambda: run_job(harness.ROOT, config), lambda: run_job(other, config), repeats)
    rows = []
    for column, what, limit in (("cpu_time", "processor time", LIMIT_JOB), ("s", "time", None)):
        times = [(float(ours[column]), float(theirs[column])) for ours, theirs in pairs]
        rows.append(harness.time_row(f"job of ten minutes, {what}", times, peer_name=other.name, unit="s", limit_ratio=limit))
    harness.report("recording_against", rows, packages=("numpy", "numba", "scipy", "h5py", "snakemake"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 s, 32 channels, one pair")
    parser.add_argument("--hour", action="store_true", help="memory for an hour as well")
    parser.add_argument("--no-mearec-384", action="store_true", help="leave out what takes most of the time")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    asked = parser.parse_args()
    if asked.against:
        compare_jobs(asked.against.resolve(), 1 if asked.quick else 5)
        return
    python = harness.peer_environment("mearec")
    folders = harness.fetch_models(list(TYPES))
    mechanisms = harness.compile_for(folders)
    os.environ.update(harness.ONE_THREAD)
    duration, repeats = (10.0, 1) if asked.quick else (SECONDS, 3)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for probe, numbers in CASES.items():
            if asked.quick and probe != "Neuronexus-32":
                continue
            library = Path(temporary, f"{probe}.h5")
            build_library(probe, folders, mechanisms, library)
            for n_units in numbers:
                large = probe == "Neuropixels-384"
                against = (0 if asked.no_mearec_384 else 1) if large else repeats
                common = {"duration": duration, "repeats": repeats, "against_mearec": against}
                rows += measure(probe, n_units, library, python, **common)
        if not asked.quick:
            rows += memory_rows(library, (10, 60) if asked.hour else (10,))
            second = harness.fresh(random_second, library, 150)
            rows.append(harness.own_row("a random second in memory, Neuropixels-384, 150 units", second, "s", LIMIT_SECOND))
    harness.report(
        "recording",
        rows,
        packages=("numpy", "numba", "scipy", "h5py", "spikeinterface"),
        peer_python=python,
        peer_packages=("MEArec", "numpy", "scipy"),
    )


if __name__ == "__main__":
    main()
