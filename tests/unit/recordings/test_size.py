"""The size of recordings before they are made, held against files of all formats; see `test_blocks` as well."""

import numpy as np
import pytest
from small_recording import write_recording
from spikeinterface.core import NumpyRecording

from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.register import load_writer
from allenrec.recordings.size import describe_studies, recording_sizes
from allenrec.recordings.traces import blocks
from allenrec.settings import load_settings, sizes
from allenrec.settings.recordings import Recording
from allenrec.settings.recordings.formats import FORMATS, GENERATED_FORMAT
from allenrec.settings.sizes import estimates
from allenrec.settings.studies import expand_recordings


def test_studies_are_described_by_number_and_disk():
    """Float samples take 4 bytes, integers 2; each format holds all samples."""
    base = {"library": "near", "spiketrains": {"duration": 50.0}, "recordings": {"fs": 20_000.0}}
    config = {
        "libraries": {"near": {"probe": "Neuronexus-32"}, "far": {"probe": "tetrode"}},
        "recordings": {
            "plain": base,
            "noise": {"like": "plain", "grid": {"recordings.noise_level": [5, 10]}, "replicates": {"n": 10}},
            "small": {
                "like": "plain",
                "format": ["mearec", "zarr"],
                "grid": {"library": ["near", "far"]},
                "recordings": {"dtype": "int16"},
            },
        },
    }
    settings = load_settings(config)
    sizes = recording_sizes(settings, list(settings.recordings), {"near": 32, "far": 4}.__getitem__)
    lines = list(describe_studies(expand_recordings(config)[1], dict(zip(settings.recordings, sizes, strict=True)).__getitem__))
    million = 50 * 20_000
    assert million == 1e6
    assert lines == [
        f"study noise: 20 recordings, {20 * 32 * 4 / 1000:.1f} GB on disk without compression",
        f"study small: 2 recordings, {2 * 2 * (32 + 4)} MB on disk without compression",
    ]


@pytest.mark.parametrize(
    ("dtype", "duration", "expected"), [("int16", None, 2 * 3000 * 4 * 2), ("float64", 0.05, 2 * 1500 * 4 * 8)]
)
def test_a_hybrid_recording_has_the_size_of_its_background(tmp_path, dtype, duration, expected):
    """Whatever `spiketrains.duration` and `recordings.dtype` are by default; two formats hold all samples."""
    real = NumpyRecording([np.zeros((1000, 4), dtype), np.zeros((2000, 4), dtype)], 30000.0)
    real.set_channel_gains(1.0)
    real.set_channel_offsets(0.0)
    real.save(folder=tmp_path / "real", verbose=False)
    background = {"recording": str(tmp_path / "real"), "duration": duration}
    hybrid = {"library": "near", "background": background, "format": ["mearec", "binary"]}
    settings = load_settings({"libraries": {"near": {"probe": "tetrode"}}, "recordings": {"hybrid": hybrid}})
    assert list(recording_sizes(settings, ["hybrid"], {"near": 4}.__getitem__)) == [expected]
    # Only a guess is possible if it cannot be opened; the run itself says why
    (tmp_path / "real" / "binary.json").unlink()
    (tmp_path / "real" / "si_folder.json").unlink()
    assert next(recording_sizes(settings, ["hybrid"], {"near": 4}.__getitem__)) > expected


#: Settings of the signal, the compression, and how many times larger a file may be than the estimate, which is the least
WRITTEN = {
    "floats": ({}, "none", 1.1),
    "integers": ({"dtype": "int16"}, "none", 1.2),
    "long integers": ({"dtype": "int32"}, "none", 1.1),
    "gzip": ({}, "gzip", 1.5),
    "lzf": ({}, "lzf", 1.5),
    "compressed integers": ({"dtype": "int16"}, "gzip", 3.5),
    "fine integers": ({"dtype": "int16", "gain": 0.1}, "gzip", 2.5),
    "coarse integers": ({"dtype": "int16", "gain": 1.0, "lsb": 16}, "gzip", np.inf),
    "no noise": ({"noise_level": 0.0}, "gzip", np.inf),
    "a range": ({"dtype": "int16", "adc_bit_depth": 10}, "lzf", np.inf),
    "traces of units": ({"spike_traces": "all"}, "none", 3.0),
    "waveforms": ({"extract_waveforms": True}, "none", 1.3),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_estimate_is_the_least_that_files_take(kind, tmp_path):
    signal, compression, times = WRITTEN[kind]
    trains = {"duration": 8.0, "f_exc": 20.0, "f_inh": 20.0}
    written = write_recording(
        tmp_path / "recording.h5", probe="Neuronexus-32", spiketrains=trains, compression=compression, **signal
    )
    zarr_compression = "none" if compression == "none" else "zstd"
    for entry in FORMATS.values():
        settings = written.model_copy(update={"format": [entry.name], "zarr_compression": zarr_compression})
        path = tmp_path / entry.path
        if entry is not GENERATED_FORMAT:
            with read_recording(tmp_path / "recording.h5") as recording:
                load_writer(entry.name)(path, recording, **entry.options_of(settings))
        size = sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
        least = recording_estimate(settings)
        assert least.disk <= size <= max(times * least.disk, 1e6) or (times == np.inf and least.disk <= size), entry.name


def recording_estimate(settings):
    """Return the estimate of a recording of 32 channels in an otherwise ordinary configuration."""
    whole = load_settings({"libraries": {"small": {"probe": "Neuronexus-32"}}, "recordings": {"small": {"library": "small"}}})
    whole = whole.model_copy(update={"recordings": {"small": settings}})
    (found,) = [part for part in estimates(whole, 1, lambda library: 32) if part.key == "recordings.small"]
    return found


def test_memory_is_that_of_a_block_whatever_the_length():
    """A long recording on many channels is computed in blocks; `chunk_duration` takes no memory."""
    assert sizes.BLOCK == blocks.BLOCK
    settings = Recording.model_validate({"library": "small", "spiketrains": {"duration": 1e4}})
    short = settings.model_copy(update={"recordings": settings.recordings.model_copy(update={"chunk_duration": 0.01})})
    assert recording_estimate(settings).memory == recording_estimate(short).memory < 100e6


def test_only_the_format_of_mearec_has_the_traces_of_units():
    config = {"libraries": {"near": {"probe": "tetrode"}}, "recordings": {"plain": {"library": "near"}}}
    sizes_of = []
    for formats in (["mearec"], ["binary"], ["mearec", "binary"]):
        config["recordings"]["plain"] |= {"format": formats, "recordings": {"spike_traces": "all"}}
        sizes_of += recording_sizes(load_settings(config), ["plain"], {"near": 4}.__getitem__)
    assert sizes_of[0] > 2 * sizes_of[1] and sizes_of[2] == sizes_of[0] + sizes_of[1]
