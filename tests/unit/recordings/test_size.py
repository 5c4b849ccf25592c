"""The size of recordings before they are made; `test_blocks` holds it against a file."""

from allenrec.recordings.size import describe_studies
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
    lines = list(describe_studies(expand_recordings(config)[1], load_settings(config), {"near": 32, "far": 4}.__getitem__))
    million = 50 * 20_000
    assert million == 1e6
    assert lines == [
        f"study noise: 20 recordings, {20 * 32 * 4 / 1000:.1f} GB on disk without compression",
        f"study small: 2 recordings, {2 * 2 * (32 + 4)} MB on disk without compression",
    ]
