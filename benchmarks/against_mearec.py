"""What a sorter makes of our recordings and of MEArec's: same library, same units, same configuration, same sorter.

Our workflow makes the library of the default configuration. From its file our generator and MEArec's own one make recordings of
the same units (our choice, handed to MEArec as `template_ids`); each draws its own spikes, gains and noise, and filters. A
sorter in an environment of its own gets both. Whoever made a file, it is read, sorted and measured by the same lines
(`sort_recordings.py`): accuracy, precision and recall a unit, signal-to-noise ratios as they are in the traces, and time. Units
of all recordings are pooled. `ratio` is ours over MEArec's for scores and SNR, which ought to be 1 where both are right, and
MEArec's over ours for times. Limit: our units with an SNR above 5 have a mean accuracy of 0.9.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness
import notebook

PEER = "MEArec 1.11.0"
LEAST_ACCURACY, SNR = 0.9, 5.0
FULL = notebook.FULL | {"recordings": 4}
QUICK = notebook.QUICK | {"n": 30, "duration": 10, "min_dist": 25, "recordings": 1}
#: Both generators' defaults differ here; the values are the default configuration's.
SIGNAL = {"noise_level": 10, "filter_cutoff": [300, 6000], "modulation": "template", "sdrand": 0.05, "filter": True}


def make_library(folder, size):
    """Make the library of a size in a working copy; return its path."""
    folder.mkdir()
    notebook.working_copy(folder, harness.fetch_models(size["cells"]))
    arguments = notebook.configure(folder, size)
    command = [sys.executable, "-m", "snakemake", "--cores", str(notebook.CORES), "library", *arguments]
    harness.run_quietly(command, cwd=folder)
    return folder / "results" / "libraries" / "neuronexus" / "templates.h5"


def blocks_of(size):
    """The blocks of a recording that both generators understand."""
    trains = {key: size[key] for key in ("duration", "n_exc", "n_inh")}
    templates = {"min_dist": size["min_dist"], "min_amp": 30, "max_amp": 300}
    return {"spiketrains": trains, "templates": templates, "recordings": SIGNAL}


def our_recording(library, path, blocks, seed):
    """Make a recording; return the units that it has and the seconds from file to file, compiled before."""
    from allenrec.libraries.library_file import open_library
    from allenrec.recordings.formats.mearec import write_mearec
    from allenrec.recordings.generated_recording import GeneratedRecording
    from allenrec.recordings.plan import plan_recording
    from allenrec.settings.recordings import Recording

    settings = Recording.model_validate({"library": "neuronexus", **blocks})
    for _ in range(2):  # the first one compiles, or reads what was compiled
        start = time.perf_counter()
        with open_library(library) as opened:
            plan = plan_recording(opened, settings, seed=seed, name="benchmark")
            write_mearec(path, GeneratedRecording(plan, opened, settings, {"config": {}}))
        seconds = time.perf_counter() - start
    return [int(k) for k in plan.template_ids], seconds


def make_both(python, library, folder, blocks, seed):
    """Make a recording with both; return the paths (ours, MEArec's) and the seconds of each."""
    paths = [folder / f"{who}-{seed}.h5" for who in ("ours", "mearec")]
    ids, seconds = harness.fresh(our_recording, library, paths[0], blocks, seed)
    job = {"library": library, "recording": paths[1], "settings": blocks, "template_ids": ids, "seed": seed}
    theirs = harness.run_peer(python, "mearec_units.py", job, environment=harness.ONE_THREAD)["seconds"]
    print(f"recording {seed}: ours {seconds:.1f} s, MEArec {theirs:.1f} s", flush=True)
    return paths, (seconds, theirs)


def sorted_by(python, sorter, paths):
    """Run the sorter on recordings, in one process; return a dict for each, see `sort_recordings.py`."""
    job = json.dumps({"sorter": sorter, "recordings": [str(path) for path in paths]})
    result = subprocess.run([python, harness.HERE / "sort_recordings.py", job], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{result.stderr[-5000:]}\n{sorter}: exit code {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def pooled(results, key):
    """A measure of all units of all recordings."""
    return [value for result in results for value in result["units"][key]]


def loud(results):
    """The accuracies of units that a sorter is expected to find."""
    pairs = zip(pooled(results, "accuracy"), pooled(results, "snr"), strict=True)
    return [accuracy for accuracy, snr in pairs if snr > SNR]


def row(case, ours, peer, unit="", *, limit=None, ratio=True):
    """A row of a measure of which more is better, or of one that is just a count."""
    values = {"case": case, "ours": ours, "peer": peer, "peer_name": PEER, "unit": unit}
    return values | {"ratio": ours / peer if ratio and peer else None, "limit": limit, "limit_ratio": None}


def rows_of(ours, theirs, times):
    """The table, from what the sorter made of our recordings and MEArec's, and the pairs of seconds that these took."""
    mean = statistics.mean
    rows = [
        row(f"{key}, mean", mean(pooled(ours, key)), mean(pooled(theirs, key))) for key in ("accuracy", "precision", "recall")
    ]
    rows.append(row(f"accuracy, units with SNR > {SNR:g}", mean(loud(ours)), mean(loud(theirs)), limit=LEAST_ACCURACY))
    well = [sum(value >= 0.8 for value in pooled(results, "accuracy")) for results in (ours, theirs)]
    rows.append(row(f"units with accuracy >= 0.8, of {len(pooled(ours, 'accuracy'))}", *well, "units"))
    for key, what in (("n_sorted", "sorted units"), ("n_false", "false ones among them")):
        rows.append(row(what, *(sum(result[key] for result in results) for results in (ours, theirs)), "units", ratio=False))
    rows.append(row("SNR in the traces, mean", mean(pooled(ours, "snr")), mean(pooled(theirs, "snr"))))
    rows.append(row("noise in the traces", *(mean(result["noise"] for result in results) for results in (ours, theirs)), "µV"))
    pairs = [(a["seconds"], b["seconds"]) for a, b in zip(ours, theirs, strict=True)]
    for case, both in (("generating and writing", times), ("sorting", pairs)):
        rows.append(harness.time_row(case, both, peer_name=PEER, unit="s", limit_ratio=None))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one cell, one recording of 10 s, the sorter `simple`")
    parser.add_argument("--library", type=Path, help="templates.h5 that is there already, instead of a new one")
    parser.add_argument("--sorter", help="of SpikeInterface; spykingcircus2, or with --quick simple, unless said otherwise")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    sorter = arguments.sorter or ("simple" if arguments.quick else "spykingcircus2")
    mearec = harness.peer_environment("mearec")
    sorters = harness.peer_environment("evaluation", harness.ROOT / "requirements-evaluation.lock")
    with tempfile.TemporaryDirectory() as temporary:
        library = arguments.library or make_library(Path(temporary, "run"), size)
        seeds = range(size["recordings"])
        made = [make_both(mearec, library, Path(temporary), blocks_of(size), seed) for seed in seeds]
        # In turn, so that a change of the machine's speed meets both
        results = sorted_by(sorters, sorter, [path for paths, _ in made for path in paths])
    for who, found in (("ours", results[::2]), ("MEArec", results[1::2])):
        print(f"{who}: {json.dumps(found)}", flush=True)
    rows = rows_of(results[::2], results[1::2], [times for _, times in made])
    harness.report(
        "against_mearec",
        [{**row, "case": f"{sorter}: {row['case']}"} for row in rows],
        packages=("numpy", "numba", "scipy", "h5py"),
        peer_python=mearec,
        peer_packages=("MEArec", "MEAutility", "numpy"),
    )


if __name__ == "__main__":
    main()
