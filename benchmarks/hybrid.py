"""Hybrid recordings: units on 384 channels x 60 s of int16, written to disk with two jobs, against SpikeInterface's
`generate_hybrid_recording` with the same templates and spikes.

Each run is a process of its own. The time of the clock counts imports, plan and writing; processor time is that of the process
and of those that it starts, and hardly depends on what else the machine does.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import harness
import numpy as np

PROBE, FS, GAIN = "Neuropixels-384", 30000.0, 0.195
JOBS = 2


def make_background(folder, duration):
    """Save a recording of white noise, int16, as SpikeInterface's folder; return its path."""
    from spikeinterface.core import NumpyRecording

    from allenrec.probes import load_probe

    probe = load_probe(PROBE, 1).layout
    rng, second = np.random.default_rng(0), int(FS)
    noise = np.rint(rng.normal(scale=10 / GAIN, size=(second, probe.get_contact_count()))).astype(np.int16)
    path = folder / "raw.dat"
    with open(path, "wb") as file:
        for k in range(duration):
            np.roll(noise, 997 * k, axis=0).tofile(file)
    traces = np.memmap(path, np.int16, "r", shape=(duration * second, noise.shape[1]))
    recording = NumpyRecording(traces, FS)
    recording.set_probe(probe)
    recording.set_channel_gains(GAIN)
    recording.set_channel_offsets(0.0)
    recording.save(folder=folder / "background", verbose=False, progress_bar=False)
    path.unlink()
    return folder / "background"


def make_library(path, n):
    """Write a library of `n` cells along the probe, whose spikes fall off with the distance."""
    from allenrec.libraries.from_arrays import library_from_arrays, template_rows
    from allenrec.probes import load_probe

    probe = load_probe(PROBE, 1)
    rng = np.random.default_rng(1)
    low, high = probe.positions.min(axis=0), probe.positions.max(axis=0)
    locations = rng.uniform(low, high, (n, 3)) + rng.uniform([15, 0, 0], [40, 0, 0], (n, 3))
    distance = np.linalg.norm(probe.positions - locations[:, np.newaxis], axis=-1)
    at = (np.arange(120) - 40) / FS * 1000
    spike = 0.3 * np.exp(-0.5 * ((at - 0.6) / 0.3) ** 2) - np.exp(-0.5 * (at / 0.15) ** 2)
    templates = np.float32((4000 / distance)[..., np.newaxis] * spike)
    rows = template_rows(locations, ["spiny", "aspiny"] * (n // 2))
    library_from_arrays(path, templates, rows, probe, dt=1000 / FS, cut_out=(4 / 3, 8 / 3))


def settings_of(background, n_units):
    """The settings of the recording: units that fire at 10 Hz, without gains of single spikes."""
    from allenrec.settings.recordings import Recording

    return Recording.model_validate(
        {
            "library": "made",
            "background": {"recording": str(background)},
            "spiketrains": {"n_exc": n_units // 2, "n_inh": n_units // 2, "f_exc": 10.0, "f_inh": 10.0, "st_inh": 1.0},
            "templates": {"min_dist": 0.0, "min_amp": 0.0, "max_amp": 1e4, "upsample": 1},
            "recordings": {"modulation": "none"},
        }
    )


def plan_of(folder, n_units, threads=1):
    from allenrec.libraries.library_file import read_library
    from allenrec.recordings.plan import plan_recording

    settings = settings_of(folder / "background", n_units)
    library = read_library(folder / "library.h5")
    return plan_recording(library, settings, seed=0, name="hybrid", threads=threads), library, settings


def ours(folder, n_units):
    """Make and write the recording; return seconds and processor seconds."""
    start = time.perf_counter()
    from allenrec.recordings.formats.mearec import write_mearec
    from allenrec.recordings.generated_recording import GeneratedRecording

    plan, library, settings = plan_of(folder, n_units, JOBS)
    write_mearec(folder / "recording.h5", GeneratedRecording(plan, library, settings, {"config": {}}, JOBS))
    return time.perf_counter() - start, processor_time()


def peer(folder, n_units):
    """The same by SpikeInterface, from templates and spikes that were saved before."""
    start = time.perf_counter()
    import spikeinterface.core as si
    from spikeinterface.generation import generate_hybrid_recording

    recording, found = si.load(folder / "background"), np.load(folder / "truth.npz")
    sorting = si.NumpySorting.from_samples_and_labels([found["samples"]], [found["labels"]], FS)
    templates = si.Templates(found["templates"], FS, int(found["peak"]), True, None, None, None, recording.get_probe())
    mixed, _ = generate_hybrid_recording(recording, sorting, templates, amplitude_factor=np.ones(len(found["samples"])), seed=0)
    mixed.save(folder=folder / "peer", n_jobs=JOBS, chunk_duration="1s", progress_bar=False, verbose=False)
    return time.perf_counter() - start, processor_time()


def processor_time():
    """Processor time of this process and of its children that have ended, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def prepare(folder, duration, n_units):
    """Make the background and the library, and save templates and spikes for the peer; this compiles the kernels as well."""
    make_background(folder, duration)
    make_library(folder / "library.h5", 2 * n_units)
    plan, _, _ = plan_of(folder, n_units)
    labels = np.repeat(np.arange(n_units), [len(ticks) for ticks in plan.ticks])
    samples = np.concatenate(plan.ticks)
    order = np.argsort(samples, kind="stable")
    np.savez(
        folder / "truth.npz",
        samples=samples[order],
        labels=labels[order],
        templates=np.moveaxis(plan.unfiltered_templates, 1, 2),
        peak=plan.peak,
    )
    return len(samples)


def largest_difference(folder):
    """Return the largest difference between both results, in counts; the peer truncates each spike on its own."""
    import spikeinterface.core as si

    from allenrec.recordings.formats.recording_file import read_recording

    theirs = si.load(folder / "peer").get_traces()
    with read_recording(folder / "recording.h5") as recording:
        rows = slice(0, min(len(theirs), 10 * int(FS)))
        return int(np.abs(recording.samples[rows].astype(int) - theirs[rows]).max())


def remove(folder):
    (folder / "recording.h5").unlink(missing_ok=True)
    shutil.rmtree(folder / "peer", ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 s instead of 60")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--units", type=int, default=50)
    arguments = parser.parse_args()
    duration = 5 if arguments.quick else 60
    os.environ.update(harness.ONE_THREAD)  # as jobs have it; both sides have two jobs
    with tempfile.TemporaryDirectory(dir=Path.cwd() if harness.WORK.exists() else None) as name:
        folder = Path(name)
        n_spikes = harness.fresh(prepare, folder, duration, arguments.units)

        def run(function):
            return harness.fresh(function, folder, arguments.units)

        run(ours)  # reads the background into memory, for both
        remove(folder)
        pairs = []
        for repeat in range(1 if arguments.quick else arguments.repeats):
            pairs += harness.paired(lambda: run(ours), lambda: run(peer), 1)
            if not repeat:
                difference = harness.fresh(largest_difference, folder)
            remove(folder)
    case = f"384 channels x {duration} s of int16, {arguments.units} units, {n_spikes} spikes"
    peer_name = "SpikeInterface's generate_hybrid_recording"
    rows = [
        harness.time_row(f"{case}: {what}", [(a[k], b[k]) for a, b in pairs], peer_name=peer_name, unit="s", limit_ratio=limit)
        for k, (what, limit) in enumerate((("written to disk, two jobs", 2), ("processor time", None)))
    ]
    rows.append(harness.own_row("largest difference between both", difference, "counts", None))
    harness.report("hybrid", rows, packages=("numpy", "numba", "h5py", "spikeinterface"))


if __name__ == "__main__":
    main()
