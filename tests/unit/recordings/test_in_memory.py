"""Recordings in memory are those that the workflow writes."""

import numpy as np
import pytest
from made_library import made_library
from spikeinterface.sortingcomponents.motion.motion_interpolation import correct_motion_on_peaks
from threadpoolctl import threadpool_limits

import allenrec
from allenrec.common.errors import UserError
from allenrec.libraries.spikeinterface_templates import write_templates
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.settings.recordings import Recording

BLOCK = {
    "library": "made",
    "spiketrains": {"duration": 6.0, "n_exc": 2, "n_inh": 2},
    "templates": {"min_dist": 1.0},
    "recordings": {"drifting": True, "drift_mode_speed": "random-walk"},
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return made_library(tmp_path_factory.mktemp("library") / "l.h5", "Neuronexus-32", 3000)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_recording_in_memory_equals_the_file_of_the_workflow(dtype, library, tmp_path):
    """The settings of `load_settings` know the name of their recording; a block of the configuration is given its name."""
    block = BLOCK | {"recordings": BLOCK["recordings"] | {"dtype": dtype}}
    settings = allenrec.load_settings({"libraries": {"made": {"probe": "tetrode"}}, "recordings": {"demo": block}})
    chosen = settings.recordings["demo"]
    with threadpool_limits(1, user_api="blas"):  # as jobs have it
        plan = plan_recording(library, chosen, seed=7, name="demo")
        write_mearec(tmp_path / "r.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    made = [allenrec.generate(library, chosen, seed=7), allenrec.generate(library, block, seed=7, name="demo")]
    with read_recording(tmp_path / "r.h5") as ours:
        file, truth = ours.to_spikeinterface()
        for recording, sorting in made:
            assert recording.dtype == dtype and recording.get_num_samples() == 192_000
            for start, stop in ((0, 192_000), (100_000, 132_000), (191_990, 192_000)):
                traces = recording.get_traces(start_frame=start, end_frame=stop)
                assert np.array_equal(traces, ours.samples[start:stop])
                assert np.array_equal(traces, file.get_traces(start_frame=start, end_frame=stop))
            assert np.array_equal(recording.get_channel_locations(), file.get_channel_locations())
            assert np.array_equal(recording.get_channel_gains(), file.get_channel_gains())
            for unit, train in enumerate(ours.spike_trains):
                assert np.array_equal(sorting.get_unit_spike_train(unit), train)
                assert np.array_equal(truth.get_unit_spike_train(unit), train)
            assert sorting.get_property("cell_type").tolist() == ours.units["cell_type"].tolist()
            assert np.array_equal(sorting.get_property("gt_unit_locations"), truth.get_property("gt_unit_locations"))


@pytest.mark.parametrize(("mode", "direction"), [("rigid", [0, 0, 1]), ("non-rigid", [0, 0, 2]), ("rigid", [0, 0, -1])])
def test_motion_is_spikeinterfaces(mode, direction, library, tmp_path):
    """Peaks of units that move, minus the motion, are where the units are at rest: so SpikeInterface understands it.

    Where the movement differs with depth, a peak is given the depth of its unit at rest, to which the displacement belongs.
    """
    signal = BLOCK["recordings"] | {"drift_mode_probe": mode, "preferred_dir": direction, "noise_level": 0.0}
    chosen = Recording.model_validate(BLOCK | {"recordings": signal})
    plan = plan_recording(library, chosen, seed=2, name="m")
    write_mearec(tmp_path / "r.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    with read_recording(tmp_path / "r.h5") as ours:
        motion, (recording, _) = ours.motion(), ours.to_spikeinterface()
        times, drift = ours.drift.times[10:-10:7], np.sign(direction[2]) * ours.drift.displacements[10:-10:7]
        assert np.abs(drift).max() > 1 and motion.direction == "y"  # the z of the cells
        assert motion.displacement[0].shape == (len(ours.drift.times), 1 if mode == "rigid" else len(ours.units))
        for unit, rest in enumerate(ours.units["z"]):
            peaks = np.zeros(len(times), dtype=[("sample_index", "int64"), ("segment_index", "int64")])
            peaks["sample_index"] = np.round(times * 32_000)
            places = np.full(len(times), rest, dtype=[("x", float), ("y", float)])
            places["y"] += drift[:, unit] if mode == "rigid" else 0
            found = correct_motion_on_peaks(peaks, places, motion, recording)["y"]
            np.testing.assert_allclose(found, rest if mode == "rigid" else rest - drift[:, unit], atol=0.05)
    still = Recording.model_validate(BLOCK | {"recordings": {}})
    plan = plan_recording(library, still, seed=2, name="m")
    write_mearec(tmp_path / "still.h5", GeneratedRecording(plan, library, still, {"config": {}}))
    with read_recording(tmp_path / "still.h5") as ours:
        assert ours.motion() is None


def test_settings_that_are_wrong_are_one_line(library):
    with pytest.raises(UserError, match=r"^settings: spiketrains.duration: -1 must be greater than 0$"):
        allenrec.generate(library, {"spiketrains": {"duration": -1}})


def test_templates_of_a_library_in_spikeinterfaces_hands(library, tmp_path):
    from spikeinterface.core import Templates

    templates = library.to_spikeinterface([4, 17])
    assert templates.unit_ids.tolist() == [4, 17] and templates.sampling_frequency == 32_000 and templates.nbefore == 64
    assert np.array_equal(templates.templates_array[1].T, library.templates[17, library.centre])
    assert (templates.templates_array.min(axis=2).argmin(axis=1) == templates.nbefore).all()
    assert np.array_equal(templates.get_channel_locations(), library.probe.contact_positions)
    for name in ("a", "b"):
        write_templates(tmp_path / f"{name}.zarr", library)
    again = Templates.from_zarr(tmp_path / "a.zarr")
    files = [
        {file.name: file.read_bytes() for file in sorted((tmp_path / f"{name}.zarr").rglob("*")) if file.is_file()}
        for name in "ab"
    ]
    assert files[0] == files[1]
    assert np.allclose(again.probe.contact_positions, library.probe.contact_positions)
    assert again.num_units == len(library.celltypes) and again.is_in_uV
    assert np.array_equal(again.templates_array[[4, 17]], templates.templates_array)
    assert library.to_spikeinterface([]).num_units == 0
