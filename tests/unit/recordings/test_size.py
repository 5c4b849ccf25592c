"""The size of recordings before they are made; `test_blocks` holds it against a file."""

import numpy as np
import pytest
from spikeinterface.core import NumpyRecording

from allenrec.recordings.size import describe_studies, recording_sizes
from allenrec.settings import load_settings
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
