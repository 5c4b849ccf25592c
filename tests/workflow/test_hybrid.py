"""Units on a real recording, from the configuration to the files; the errors that are known before anything runs."""

import shutil

import numpy as np
import spikeinterface
import yaml
from spikeinterface.core import NumpyRecording
from workflow.snake import jobs_of_dry_run, snakemake

from allenrec.probes import load_probe
from allenrec.recordings.formats.recording_file import read_recording


def save_real(folder, fs=30000.0):
    """Save a recording of noise on Neuronexus-32 in two segments, as SpikeInterface's folder."""
    rng = np.random.default_rng(0)
    parts = [np.rint(rng.normal(scale=40, size=(length, 32))).astype(np.int16) for length in (30000, 20000)]
    recording = NumpyRecording(parts, fs, t_starts=[0.0, 10.0])
    recording.set_probe(load_probe("Neuronexus-32", 1).layout)
    recording.set_channel_gains(0.195)
    recording.set_channel_offsets(0.0)
    recording.save(folder=folder, verbose=False, progress_bar=False)
    return recording


def test_a_hybrid_recording_is_made_once_and_again_when_its_background_changes(finished, tmp_path):
    """One run of the recording in two formats, and a third of its time for each look at what would run (in all a minute)."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    before = save_real(folder / "real")

    def configure(**changes):
        background = {"recording": "real"} | changes.pop("background", {})
        hybrid = {"like": "demo", "spiketrains": {"duration": 30.0}, "format": ["mearec", "binary"]}
        hybrid |= {"background": background, "templates": {"snr": [3, 30]}} | changes
        (folder / "change.yaml").write_text(yaml.safe_dump({"recordings": {"hybrid": hybrid}}))

    configure()
    run = ("--cores", "2", "results/recordings/hybrid/binary", "--configfile", "change.yaml")
    result = snakemake(folder, *run)
    assert result.returncode == 0, result.stderr
    made = folder / "results" / "recordings" / "hybrid"
    after = spikeinterface.load(made / "binary")
    assert after.get_num_segments() == 2 and after.get_start_time(1) == 10.0 and after.dtype == np.int16
    with read_recording(made / "recording.h5") as recording:
        assert np.array_equal(after.get_traces(1), recording.samples[30000:])
        assert set(recording.provenance["digests"]) == {"library", "background.recording"}
        assert ((recording.units["snr"] > 2.9) & (recording.units["snr"] < 31)).all()
        near = np.abs(recording.samples[:30000].astype(int) - before.get_traces(0)).max(axis=1)
        train = recording.spike_trains[0]
        assert (near[train[train < 30000]] > 20).all() and np.median(near) < 20
    log = (folder / "results" / "logs" / "generate_recording" / "hybrid.log").read_text()
    assert "real: 1.66667 s, noise from 7." in log
    assert jobs_of_dry_run(folder, *run[2:]) == set()
    # The time of a folder does not change with a file in it; what stands in it does
    traces = next((folder / "real").glob("traces_cached_seg1.raw"))
    content = np.fromfile(traces, np.int16)
    content[:100] += 1
    content.tofile(traces)
    assert jobs_of_dry_run(folder, *run[2:]) >= {"generate_recording", "export_binary"}

    for changes, message in (
        (
            {"recordings": {"fs": 32000}},
            "config: recordings.hybrid.recordings.fs: 32000 Hz, but real has 30000 Hz; leave fs out",
        ),
        ({"background": {"recording": "nothing"}}, "config: recordings.hybrid.background.recording: no such file 'nothing'"),
        ({"background": {"duration": 99.0}}, "real: has 1.66667 s, of which background.duration wants 99 s"),
    ):
        configure(**changes)
        # A dry run says the same, and not that there is nothing to make
        result = snakemake(folder, *run, "--dry-run")
        assert result.returncode == 1 and f"error: {message}" in result.stderr
        assert "Nothing is to be made" not in result.stderr
