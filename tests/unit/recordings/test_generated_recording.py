"""A recording that is computed when it is asked for, compared with its file."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.traces.blocks import block_length, n_blocks
from allenrec.settings.recordings import Recording


@pytest.fixture(scope="module")
def written(library, tmp_path_factory):
    """The same recording computed and in its file, open; it has several blocks."""
    path = tmp_path_factory.mktemp("generated") / "recording.h5"
    settings = {"library": "test", "spiketrains": {"duration": 10.0, "n_exc": 3, "n_inh": 2}, "templates": {"min_dist": 10.0}}
    settings = Recording.model_validate(settings)
    generated = GeneratedRecording(plan_recording(library, settings, seed=0, name="test"), library, settings, {"config": {}})
    write_mearec(path, generated)
    with read_recording(path) as recording:
        yield generated, recording


@pytest.mark.parametrize("threads", [1, 2])
def test_any_slice_is_that_of_the_file(threads, written):
    generated, recording = written
    generated = replace(generated, threads=threads)
    length, n = block_length(generated.plan), len(recording.samples)
    assert n_blocks(generated.plan) > 1 and generated.samples.shape == recording.samples.shape
    assert generated.samples.dtype == recording.samples.dtype and generated.samples.chunks == recording.samples.chunks
    for start, stop in [(0, n), (length - 100, length + 100), (n - 50, n), (n - 50, n + 50), (7, 7), (9, 8), (n, n + 1)]:
        assert np.array_equal(generated.samples[start:stop], recording.samples[start:stop])
    assert np.array_equal(generated.samples[100:2000:7, 3:9], recording.samples[100:2000:7, 3:9])
    assert np.array_equal(generated.samples[-1000:, [2, 5]], recording.samples[-1000:, [2, 5]])


@pytest.mark.parametrize("key", [0, slice(None, None, -1), ([1, 2],)])
def test_what_is_no_forward_slice_is_refused(written, key):
    generated, _ = written
    with pytest.raises(TypeError, match="forward slices"):
        generated.samples[key]


def test_ground_truth_is_that_of_the_file(written):
    generated, recording = written
    for name in ("spike_trains", "spike_times", "amplitudes"):
        pairs = zip(getattr(generated, name), getattr(recording, name), strict=True)
        assert all(np.array_equal(computed, read) and computed.dtype == read.dtype for computed, read in pairs), name
    assert generated.duration == recording.duration == 10.0 and generated.plane == recording.plane == "yz"
    assert generated.upsample == recording.upsample == 16 and recording.drift is None
    assert list(generated.units) == list(recording.units)
    computed, read = generated.filter_settings, recording.filter_settings
    assert (computed.order, *computed.cutoff, computed.mode) == (read.order, *read.cutoff, read.mode)


def test_names_in_the_file_are_those_of_the_layout(written):
    """A dataset that the layout does not name would be unknown to readers."""
    from allenrec.recordings.formats import layout

    _, recording = written
    names = {value.split("/")[0] for name, value in vars(layout).items() if name.isupper()}
    assert set(recording.file) <= names
    assert all(set(train) <= names for train in recording.file["spiketrains"].values())
    assert isinstance(recording.file[layout.TRACES], h5py.Dataset)
