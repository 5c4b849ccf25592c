"""The ground truth in every format, through the readers that people use: motion, amplitudes, shanks, templates, subject."""

import json

import numpy as np
import probeinterface
import pynwb
import pytest
import spikeinterface
import spikeinterface.extractors
from made_library import made_library
from spikeinterface.core import Motion, Templates
from spikeinterface.sortingcomponents.motion import interpolate_motion

from allenrec.common.errors import UserError
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.nwb import write_nwb
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.register import load_writer
from allenrec.recordings.generated_recording import GeneratedRecording, provenance
from allenrec.recordings.plan import plan_recording
from allenrec.settings import load_settings
from allenrec.settings.recordings import Nwb, Recording
from allenrec.settings.recordings.formats import EXPORTED_FORMATS

SHANKS = ["left"] * 32 + ["right"] * 32


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A drifting library on two dense shanks, whose names are not numbers, and whose contacts have names."""
    folder = tmp_path_factory.mktemp("library")
    probe = probeinterface.Probe(ndim=2, name="two", model_name="two")
    y, x = np.divmod(np.arange(32), 2)
    places = np.concatenate([np.c_[16 * x, 20 * y - 150], np.c_[16 * x + 40, 20 * y - 150]])
    probe.set_contacts(places, shapes="circle", shape_params={"radius": 5}, shank_ids=SHANKS)
    probe.set_contact_ids([f"e{k}" for k in range(64)][::-1])
    probeinterface.write_probeinterface(folder / "two.json", probe)
    return made_library(folder / "l.h5", str(folder / "two.json"), 3000)


def make(path, library, mode="rigid", direction=(0, 0, 1), only=None, **signal):
    """Write a recording of four units that drift, or only of the one that is a row of the library."""
    moving = {"drifting": True, "drift_mode_speed": "slow", "slow_drift_velocity": 600.0, "drift_mode_probe": mode}
    settings = Recording.model_validate(
        {
            "library": "made",
            "spiketrains": {"duration": 6.0, "n_exc": 2 if only is None else 1, "n_inh": 2 if only is None else 0, "f_exc": 10},
            "templates": {"min_dist": 1.0} | ({} if only is None else {"template_ids": [only]}),
            "recordings": {**moving, "preferred_dir": list(direction), **signal},
        }
    )
    plan = plan_recording(library, settings, seed=1, name="moving")
    origin = provenance(settings.model_dump(mode="json"), seed=1, name="moving", digests={})
    recording = GeneratedRecording(plan, library, settings, origin)
    write_mearec(path, recording)
    return recording


@pytest.fixture(scope="module", params=["rigid", "non-rigid"])
def written(request, library, tmp_path_factory):
    """The folder that holds a recording in all formats, the recording, open, and the same as it is computed."""
    folder = tmp_path_factory.mktemp("formats")
    generated = make(folder / "recording.h5", library, request.param)
    with read_recording(folder / "recording.h5") as recording:
        for entry in EXPORTED_FORMATS:
            load_writer(entry.name)(folder / entry.path, recording)
        yield folder, recording, generated


@pytest.mark.parametrize("name", ["binary", "recording.zarr"])
def test_motion_amplitudes_and_templates_lie_in_the_folders_of_spikeinterface(name, written):
    """SpikeInterface's own `load` opens motion and templates; amplitudes are in the order of its vector of spikes."""
    folder, recording, _ = written
    sorting = spikeinterface.load(folder / name / {"binary": "sorting"}.get(name, "sorting.zarr"))
    motion, expected = spikeinterface.load(folder / name / "motion"), recording.motion()
    assert isinstance(motion, Motion) and motion == expected and np.ptp(motion.displacement[0]) > 3
    templates = spikeinterface.load(folder / name / "templates.zarr")
    assert isinstance(templates, Templates) and templates == recording.templates()
    amplitudes, spikes = np.load(folder / name / "spike_amplitudes.npy"), sorting.to_spike_vector()
    assert len(amplitudes) == len(spikes) > 20
    for unit, own in enumerate(recording.amplitudes):
        assert np.array_equal(amplitudes[spikes["unit_index"] == unit], own)


def test_motion_and_amplitudes_in_nwb(written):
    """The processing module `ecephys` holds all that a `Motion` needs, and the displacement of each unit."""
    folder, recording, _ = written
    motion = recording.motion()
    assert pynwb.validate(path=str(folder / "recording.nwb")) == []
    with pynwb.NWBHDF5IO(folder / "recording.nwb", "r") as file:
        content = file.read()
        found, units = content.processing["ecephys"], content.units
        series = found["Motion"]
        np.testing.assert_allclose(series.data[:] * series.conversion, 1e-6 * motion.displacement[0], rtol=1e-6)
        times = series.starting_time + np.arange(len(series.data)) / series.rate
        np.testing.assert_allclose(times, motion.temporal_bins_s[0], atol=1e-9)
        if len(motion.spatial_bins_um) > 1:
            assert np.array_equal(found["MotionSpatialBins"]["center"][:], motion.spatial_bins_um)
        assert np.array_equal(found["UnitDisplacement"].data[:], recording.drift.displacements)
        for unit, own in enumerate(recording.amplitudes):
            assert np.array_equal(units["spike_amplitudes"][unit], own)


@pytest.mark.parametrize("name", ["binary", "recording.zarr", "recording.nwb", "to_spikeinterface"])
def test_shanks_are_groups_and_contacts_keep_their_ids(name, written):
    """In MEArec's layout there are no shanks, so its reader cannot know them; `to_spikeinterface` does."""
    folder, recording, generated = written
    if name == "to_spikeinterface":
        (loaded, _), (computed, _) = recording.to_spikeinterface(), generated.to_spikeinterface()
        assert np.array_equal(computed.get_channel_groups(), loaded.get_channel_groups())
    elif name == "recording.nwb":
        loaded = spikeinterface.extractors.read_nwb_recording(folder / name)
    else:
        loaded = spikeinterface.load(folder / name)
    groups, ids = loaded.get_channel_groups(), [f"e{k}" for k in range(64)][::-1]
    expected = [f"shank{shank}" for shank in SHANKS] if name == "recording.nwb" else [0] * 32 + [1] * 32
    assert list(groups) == expected and len(loaded.split_by("group")) == 2
    assert list(loaded.get_property("contact_id") if name == "recording.nwb" else loaded.get_probe().contact_ids) == ids


def test_templates_are_those_in_the_traces(library, tmp_path):
    """A spike alone, without noise, is the template of SpikeInterface's `Templates` at `nbefore`, filtered or not."""
    still = {"drifting": False, "noise_level": 0.0, "modulation": "none"}
    for filtered in (True, False):
        path = tmp_path / f"{filtered}.h5"
        make(path, library, filter=filtered, **still)
        with read_recording(path) as recording:
            templates, (traces, _) = recording.templates(), recording.to_spikeinterface()
            assert np.array_equal(
                recording.templates(filtered=False).templates_array.swapaxes(1, 2), recording.unfiltered_templates
            )
            assert np.array_equal(templates.get_channel_locations(), traces.get_channel_locations())
            exact = [np.abs(t * 32_000 - s) for t, s in zip(recording.spike_times, recording.spike_trains, strict=True)]
            unit, spike = max(
                ((u, s) for u, train in enumerate(recording.spike_trains) for s in train if 400 < s < 190_000),
                key=lambda at: min(
                    np.abs(np.setdiff1d(np.concatenate(recording.spike_trains), [at[1]]) - at[1]).min(),
                    1e6 * (exact[at[0]][list(recording.spike_trains[at[0]]).index(at[1])] < 0.07),
                ),
            )
            window = slice(templates.nbefore - 30, templates.nbefore + 60)
            cut = traces.get_traces(start_frame=spike - 30, end_frame=spike + 60)
            largest = np.abs(cut).max()
            assert np.abs(cut - templates.templates_array[unit, window]).max() < 0.03 * largest
            assert recording.units["amplitude"][unit] == pytest.approx(
                -recording.templates(filtered=False).templates_array[unit].min(), rel=0.01
            )


def depths_of_spikes(recording, spikes):
    """Return the depth, µm, at which each spike is seen: the centre of mass of the squared troughs."""
    y, found = recording.get_channel_locations()[:, 1], []
    for spike in spikes:
        cut = recording.get_traces(start_frame=spike - 1, end_frame=spike + 2)
        found.append(np.average(y, weights=cut.min(axis=0) ** 4))
    return np.array(found)


@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 0, -1)])
def test_positive_displacement_means_what_spikeinterface_means(direction, library, tmp_path):
    """With our motion, SpikeInterface's interpolation of traces holds a unit still; with its opposite it moves twice as far."""
    z, beside = library.positions[:, 2], np.linalg.norm(library.positions[:, :2] - [0, 8], axis=1)
    row = min(range(0, 60, 2), key=lambda row: beside[row] + 1000 * (abs(z[row]) > 90))
    make(tmp_path / "r.h5", library, direction=direction, only=row, noise_level=0.0, modulation="none", filter=False)
    with read_recording(tmp_path / "r.h5") as ours:
        (recording, _), motion, spikes = ours.to_spikeinterface(), ours.motion(), ours.spike_trains[0]
        opposite = Motion([-motion.displacement[0]], [motion.temporal_bins_s[0]], motion.spatial_bins_um)
        moved = motion.get_displacement_at_time_and_depth(spikes / 32_000, np.zeros(len(spikes)))
        slope = {}
        for name, used in {"none": None, "ours": motion, "opposite": opposite}.items():
            options = {"border_mode": "force_extrapolate", "spatial_interpolation_method": "kriging"}
            corrected = recording if used is None else interpolate_motion(recording.astype("float32"), used, **options)
            slope[name] = np.polyfit(moved, depths_of_spikes(corrected, spikes), 1)[0]
        assert slope["none"] == pytest.approx(1, abs=0.2), slope
        assert slope["ours"] == pytest.approx(0, abs=0.2), slope
        assert slope["opposite"] == pytest.approx(2, abs=0.3), slope


def test_locations_of_units_are_along_the_probe_and_in_front_of_it(written):
    """The axes of `gt_unit_locations` are those of channel locations, and the distance from the probe."""
    _, recording, _ = written
    _, sorting = recording.to_spikeinterface()
    assert np.array_equal(sorting.get_property("gt_unit_locations"), recording.units[["y", "z", "x"]])
    assert set(recording.units.columns) <= set(sorting.get_property_keys())


def test_subject_and_session_in_nwb(library, tmp_path):
    """Settings say who it was; where they do not, the cells of the units do if they agree."""
    generated = make(tmp_path / "r.h5", library)
    units = generated.units.assign(species="Mus musculus", area=["VISp", "VISp", "VISl", "VISp"], age="P56")
    generated.plan.units[units.columns] = units
    said = Nwb(subject_id="M1", sex="F", experimenter=["Cajal, Santiago"], session_start_time="2025-03-01T12:00:00+01:00")
    for name, metadata in (("default", None), ("said", said)):
        write_nwb(tmp_path / f"{name}.nwb", generated, metadata=metadata)
        with pynwb.NWBHDF5IO(tmp_path / f"{name}.nwb", "r") as file:
            content = file.read()
            subject = content.subject
            assert (subject.species, subject.age) == ("Mus musculus", "P56")
            assert set(content.electrodes["location"][:]) == {"unknown"} and content.session_id == "moving"
            assert (subject.subject_id, subject.sex) == (("M1", "F") if metadata else ("simulated", "U"))
            assert content.session_start_time.isoformat() == (
                said.session_start_time if metadata else "2000-01-01T00:00:00+00:00"
            )
            assert (content.experimenter or ()) == (("Cajal, Santiago",) if metadata else ())


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"age": "90 days"}, "age: '90 days' must be written as in 'P90D'"),
        ({"species": "mouse"}, "species: 'mouse' must be written as in 'Mus musculus'"),
        ({"sex": "female"}, "sex: 'female' must be 'M', 'F', 'U' or 'O'"),
        ({"session_start_time": "yesterday"}, "session_start_time: 'yesterday' must be written as in '2025-03-01T12:00:00"),
    ],
)
def test_metadata_of_nwb_that_are_wrong_are_one_line(block, message):
    config = {"libraries": {"a": {"probe": "tetrode"}}, "recordings": {"r": {"library": "a", "nwb": block}}}
    with pytest.raises(UserError, match=r"^config: recordings\.r\.nwb") as caught:
        load_settings(config)
    assert message in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_nwbinspector_finds_nothing_to_mend(library, tmp_path):
    """No critical finding and no violation of best practice, with the metadata that only a person can know."""
    inspector = pytest.importorskip("nwbinspector")
    said = Nwb(species="Mus musculus", age="P90D", location="VISp", experimenter=["Cajal, Santiago"], institution="Madrid")
    for mode in ("rigid", "non-rigid"):
        make(tmp_path / f"{mode}.h5", library, mode)
        with read_recording(tmp_path / f"{mode}.h5") as recording:
            write_nwb(tmp_path / f"{mode}.nwb", recording, metadata=said)
        findings = list(inspector.inspect_nwbfile(nwbfile_path=tmp_path / f"{mode}.nwb"))
        # Features that no unit has are empty columns, as in all other formats.
        left = [finding for finding in findings if finding.check_function_name != "check_col_not_nan"]
        assert left == [], json.dumps([f"{finding.check_function_name}: {finding.message}" for finding in left])
