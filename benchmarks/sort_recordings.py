"""Runs in the environment of the sorters: one sorter on recordings in MEArec's layout, whoever wrote them. Started by
`against_mearec.py`.

Nothing of either generator is used: traces, spike times and contacts are read from the files as they are; signal-to-noise
ratios are those that SpikeInterface measures in the traces (mean waveform over the MAD of the noise); scores are its own, too.

The only argument is JSON: `sorter`, `recordings` (paths). Prints JSON on its last line: for each recording its `units` (lists
of accuracy, precision, recall, snr), the `noise` (µV, median of the channels), how many sorted units there are (`n_sorted`) and
how many of them are false (`n_false`), and the `seconds` of the sorter, which has compiled before.
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import probeinterface
import spikeinterface.core as si
from spikeinterface.comparison import compare_sorter_to_ground_truth
from spikeinterface.sorters import run_sorter


def read(path, folder):
    """Return a recording, as a binary folder that sorters can open, and its ground truth."""
    with h5py.File(path) as file:
        fs = float(file["info/recordings/fs"][()])
        recording = si.NumpyRecording([file["recordings"][()].astype("float32")], fs)
        positions = file["channel_positions"][()][:, 1:]
        trains = [file["spiketrains"][str(k)]["times"][()] for k in range(len(file["spiketrains"]))]
    probe = probeinterface.Probe(ndim=2)
    probe.set_contacts(positions, shapes="circle", shape_params={"radius": 7.5})
    probe.set_device_channel_indices(np.arange(len(positions)))
    recording.set_probe(probe)
    recording.set_channel_gains(1.0)
    recording.set_channel_offsets(0.0)
    recording.annotate(is_filtered=True)
    units = {k: np.round(times * fs).astype(np.int64) for k, times in enumerate(trains)}
    saved = recording.save(folder=folder, verbose=False, progress_bar=False)
    return saved, si.NumpySorting.from_unit_dict([units], fs)


def sort(sorter, recording, folder):
    """Return the sorting and the seconds that it took."""
    start = time.perf_counter()
    found = run_sorter(sorter, recording, folder=folder, verbose=False)
    return si.NumpySorting.from_sorting(found), time.perf_counter() - start


def measured(recording, truth):
    """Return the SNR of each unit and the median noise (µV)."""
    analyzer = si.create_sorting_analyzer(truth, recording, sparse=False)
    analyzer.compute({"random_spikes": {"seed": 0}, "templates": {}, "noise_levels": {}})
    analyzer.compute("quality_metrics", metric_names=["snr"])
    snr = analyzer.get_extension("quality_metrics").get_data()["snr"]
    return snr.astype(float).tolist(), float(np.median(analyzer.get_extension("noise_levels").get_data()))


def main():
    job = json.loads(sys.argv[1])
    results = []
    si.set_global_job_kwargs(n_jobs=1, progress_bar=False)
    with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(sys.stderr):
        for k, path in enumerate(job["recordings"]):
            recording, truth = read(path, Path(temporary, f"recording {k}"))
            if not results:  # it compiles
                sort(job["sorter"], recording, Path(temporary, "first"))
            found, seconds = sort(job["sorter"], recording, Path(temporary, f"sorted {k}"))
            comparison = compare_sorter_to_ground_truth(truth, found, exhaustive_gt=True)
            units = comparison.get_performance()[["accuracy", "precision", "recall"]].astype(float).to_dict("list")
            units["snr"], noise = measured(recording, truth)
            result = {"units": units, "noise": noise, "n_sorted": len(found.unit_ids), "seconds": seconds}
            results.append(result | {"n_false": len(comparison.get_false_positive_units())})
    print("\n" + json.dumps(results))


if __name__ == "__main__":
    main()
