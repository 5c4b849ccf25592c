"""The formats of recordings: each is opened by the reader that people use and compared with the recording itself."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import probeinterface
import pynwb
import pytest
import spikeinterface
import spikeinterface.extractors
from format_readers import READERS
from small_recording import write_recording
from support import ROOT, run_python

from allenrec.common.compression import one_compressing_thread
from allenrec.common.errors import UserError
from allenrec.common.files import require_space
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.library_file import read_library
from allenrec.recordings.formats.binary import write_binary
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.nwb import times_of_samples, write_nwb
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.register import load_writer
from allenrec.recordings.formats.spikeinterface_adapter import as_recording
from allenrec.recordings.formats.zarr import COMPRESSORS, write_zarr
from allenrec.recordings.generated_recording import GeneratedRecording, provenance
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.tick_grid import split_ticks
from allenrec.settings.libraries import Library
from allenrec.settings.recordings import Recording
from allenrec.settings.recordings.formats import EXPORTED_FORMATS, FORMATS

#: The file or folder of every format that is written from the generated one, and its writer
WRITERS = {entry.path: load_writer(entry.name) for entry in EXPORTED_FORMATS}
NAMES = {entry.path: entry.name for entry in EXPORTED_FORMATS}


def make(path, library, **changed):
    """Write a recording; return it as it is computed."""
    base = {
        "library": "test",
        "spiketrains": {"duration": 3.3, "n_exc": 3, "n_inh": 2},
        "templates": {"min_dist": 10.0},
        "recordings": {"chunk_duration": 1.0},
    }
    merged = {**base, **{k: base[k] | v if isinstance(v, dict) else v for k, v in changed.items()}}
    settings = Recording.model_validate(merged)
    plan = plan_recording(library, settings, seed=0, name="test")
    origin = provenance(settings.model_dump(mode="json"), seed=0, name="test", digests={"library": "0" * 64})
    recording = GeneratedRecording(plan, library, settings, origin)
    write_mearec(path, recording, compression=settings.compression)
    return recording


@pytest.fixture(scope="module", params=["float32", "int16"])
def written(request, library, tmp_path_factory):
    """The folder that holds a recording in all formats, and the recording, open."""
    folder = tmp_path_factory.mktemp("formats")
    integers = {"dtype": "int16", "gain": 0.25} if request.param == "int16" else {}
    make(folder / "recording.h5", library, recordings=integers)
    with read_recording(folder / "recording.h5") as recording:
        for name, write in WRITERS.items():
            write(folder / name, recording)
        yield folder, recording


def extractors(folder, name):
    """Return a recording and its ground truth, as SpikeInterface opens them."""
    return READERS[name](folder / name)


@pytest.mark.parametrize("name", [entry.path for entry in FORMATS.values()])
def test_samples_and_gains_are_those_of_the_recording(name, written):
    folder, recording = written
    loaded, _ = extractors(folder, name)
    assert loaded.get_dtype() == recording.samples.dtype and loaded.sampling_frequency == recording.sampling_frequency
    assert np.array_equal(loaded.get_traces(), recording.samples[()])
    np.testing.assert_allclose(loaded.get_traces(return_in_uV=True), recording.traces[()], rtol=1e-6)
    assert np.array_equal(loaded.get_channel_offsets(), np.zeros(32))
    if name in ("binary", "recording.zarr"):
        assert loaded.is_filtered() and loaded.get_annotation("provenance") == recording.provenance


@pytest.mark.parametrize("name", list(WRITERS))
def test_spikes_and_units_are_those_of_the_recording(name, written):
    folder, recording = written
    _, sorting = extractors(folder, name)
    assert sorting.get_num_units() == 5 and sorting.sampling_frequency == recording.sampling_frequency
    for unit, nearest in zip(sorting.unit_ids, recording.spike_trains, strict=True):
        assert np.array_equal(sorting.get_unit_spike_train(unit), nearest)
    for column in recording.units:
        np.testing.assert_array_equal(sorting.get_property(column), recording.units[column], err_msg=column)
    assert {"cell_type", "model_id", "specimen_id", "x", "y", "z", "amplitude", "snr", "snr_filtered", "template_id"} <= set(
        sorting.get_property_keys()
    )


@pytest.mark.parametrize("fs", [30_000.0, 32_000.0, 24_414.0625, 20_000 / 3, 44_100.123, 1000 / 3, 1e6])
@pytest.mark.parametrize("n_phases", [1, 2, 3, 8, 10])
def test_times_in_nwb_are_rounded_to_the_same_samples(fs, n_phases):
    """The rounding is that of SpikeInterface's reader. No time moves by more than a few of its last bits."""
    ticks = np.random.default_rng(0).integers(0, int(3600 * fs * n_phases), 20_000)
    ticks[:1000] = (2 * np.arange(1000) + 1) * n_phases // 2  # halfway, from the begin of the recording
    times, samples = ticks / (fs * n_phases), split_ticks(ticks, n_phases)[0]
    found = times_of_samples(times, samples, fs)
    assert np.array_equal(np.round(found * fs), samples)
    assert (np.abs(found - times) <= 4 * np.spacing(times)).all()


@pytest.mark.parametrize("name", ["binary", "recording.zarr"])
def test_locations_of_units_are_in_the_frame_of_the_contacts(name, written):
    """The axes y and z lie in the plane of this probe; x is the distance from it."""
    folder, recording = written
    loaded, sorting = extractors(folder, name)
    assert np.array_equal(sorting.get_property("gt_unit_locations"), recording.units[["y", "z", "x"]])
    assert np.array_equal(loaded.get_channel_locations(), recording.channel_positions[:, 1:])


@pytest.mark.parametrize("name", ["binary", "recording.zarr"])
def test_any_contacts_arrive_exactly(name, currents, library, tmp_path):
    """The probe has rectangles and circles, one of them turned, on two shanks, in a file of probeinterface."""
    probe = probeinterface.Probe(name="two", model_name="two")
    half = np.sqrt(0.5)
    probe.set_contacts(
        [[0.0, 0.0], [0.0, 20.0], [40.0, 0.0], [40.0, 20.0]],
        shapes=["rect", "circle", "square", "rect"],
        shape_params=[{"width": 4.0, "height": 9.0}, {"radius": 5.0}, {"width": 6.0}, {"width": 3.0, "height": 12.0}],
        plane_axes=np.array([np.eye(2)] * 3 + [[[half, half], [-half, half]]]),
        shank_ids=["a", "a", "b", "b"],
    )
    probeinterface.write_probeinterface(tmp_path / "two.json", probe)
    settings = Library(probe=str(tmp_path / "two.json"), n=10, xlim=(10.0, 30.0))
    cell = {"model_id": "473863510", "specimen_id": "1", "cell_type": "spiny"}
    build_cell_library(tmp_path / "l.h5", currents["473863510"], cell, settings, name="two", seed=0)
    make(tmp_path / "r.h5", read_library(tmp_path / "l.h5"), spiketrains={"n_exc": 1, "n_inh": 0, "duration": 0.5})
    with read_recording(tmp_path / "r.h5") as recording:
        WRITERS[name](tmp_path / name, recording)
        write_nwb(tmp_path / "r.nwb", recording)
    loaded = spikeinterface.load(tmp_path / name).get_probe()
    assert np.array_equal(loaded.contact_positions, probe.contact_positions)
    assert list(loaded.contact_shapes) == list(probe.contact_shapes) and list(loaded.shank_ids) == list(probe.shank_ids)
    np.testing.assert_allclose(loaded.contact_plane_axes, probe.contact_plane_axes)
    for mine, theirs in zip(loaded.contact_shape_params, probe.contact_shape_params, strict=True):
        assert mine.items() >= theirs.items()
    assert pynwb.validate(path=str(tmp_path / "r.nwb")) == []
    with pynwb.NWBHDF5IO(tmp_path / "r.nwb", "r") as file:
        electrodes = file.read().electrodes.to_dataframe()
        assert list(electrodes["contact_shape"]) == list(probe.contact_shapes)
        assert list(electrodes["contact_width"]) == [4.0, 10.0, 6.0, 3.0]
        assert [group.name for group in electrodes["group"]] == ["shanka", "shanka", "shankb", "shankb"]


def test_nwb_is_valid_and_tells_what_it_is(written):
    folder, recording = written
    assert pynwb.validate(path=str(folder / "recording.nwb")) == []
    with pynwb.NWBHDF5IO(folder / "recording.nwb", "r") as file:
        content = file.read()
        traces, units = content.acquisition["ElectricalSeries"], content.units.to_dataframe()
        volts = traces.data[:1000] * traces.conversion + traces.offset
        np.testing.assert_allclose(1e6 * volts, recording.traces[:1000], rtol=1e-6)
        assert np.array_equal(content.electrodes.to_dataframe()[["x", "y", "z"]], recording.channel_positions)
        for times, exact in zip(units["spike_times"], recording.spike_times, strict=True):
            # Some are moved by their last bits, so that readers round them to our samples.
            assert (np.abs(times - exact) <= 4 * np.spacing(exact)).all()
        expected = np.moveaxis(recording.filtered_templates, 1, 2)
        np.testing.assert_allclose(1e6 * np.stack(units["waveform_mean"]), expected, rtol=1e-6)
        assert content.units.resolution == 1 / (16 * 32000)
        assert "noncommercial" in content.experiment_description and len(content.related_publications) == 2
        assert json.dumps(recording.provenance, sort_keys=True) in content.data_collection


def contents(path):
    """Return the bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.read_bytes()
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def spikeinterface_writes(recording, kind, path, **options):
    """Let SpikeInterface write a recording in pieces of a second."""
    with one_compressing_thread():
        as_recording(recording).save(format=kind, folder=path, chunk_duration="1s", n_jobs=1, verbose=False, **options)


@pytest.mark.parametrize("name", list(WRITERS))
def test_same_recording_gives_the_same_bytes_anywhere(name, written, tmp_path):
    """Another process writes it again, from a file in another place: no path, date or random id is in it."""
    folder, _ = written
    shutil.copy(folder / "recording.h5", tmp_path / "moved.h5")
    run_python("import json" + WRITE, NAMES[name], tmp_path / "moved.h5", tmp_path / name)
    assert contents(tmp_path / name) == contents(folder / name)
    assert not [p for p in tmp_path.rglob("*") if "part" in p.name]


@pytest.mark.filterwarnings("ignore:The extractor is not serializable")
@pytest.mark.parametrize("kind, compression", [("binary", "none"), *(("zarr", compression) for compression in COMPRESSORS)])
def test_folders_have_the_bytes_that_spikeinterface_writes_itself(kind, compression, written, tmp_path):
    """The traces are ours, all else is SpikeInterface's. The last chunk is not a whole one."""
    recording = written[1]
    assert len(recording.samples) % 32000 and len(recording.samples) % recording.samples.chunks[0]
    compressor = {"compressor": COMPRESSORS[compression]} if kind == "zarr" else {}
    spikeinterface_writes(recording, kind, tmp_path / "theirs.zarr", **compressor)
    load_writer(kind)(tmp_path / "ours.zarr", recording, compression=compression)
    theirs, ours = contents(tmp_path / "theirs.zarr"), contents(tmp_path / "ours.zarr")
    assert len(theirs) > 5 and {file: ours[file] for file in theirs} == theirs


@pytest.mark.filterwarnings("ignore:The extractor is not serializable")
def test_zarr_is_smaller_than_with_the_compressor_of_spikeinterface(written, tmp_path):
    folder, recording = written
    spikeinterface_writes(recording, "zarr", tmp_path / "theirs.zarr")
    ours, theirs = (
        sum(file.stat().st_size for file in (path / "traces_seg0").iterdir())
        for path in (folder / "recording.zarr", tmp_path / "theirs.zarr")
    )
    assert ours < 0.95 * theirs


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_zarr_has_the_same_bytes_with_any_number_of_threads(compression, written, tmp_path):
    _, recording = written
    for threads in (1, 2, 5):
        write_zarr(tmp_path / f"{threads}.zarr", recording, compression=compression, threads=threads)
    one, *more = (contents(tmp_path / f"{threads}.zarr") for threads in (1, 2, 5))
    assert all(other == one for other in more)


def test_a_zarr_folder_must_be_called_so(written, tmp_path):
    with pytest.raises(UserError, match=r"traces: the name of a zarr folder must end in \.zarr, as in .*traces\.zarr$"):
        write_zarr(tmp_path / "traces", written[1])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module", params=[{}, {"dtype": "int16", "gain": 0.5, "adc_bit_depth": 6, "filter": False}])
def computed(request, library, tmp_path_factory):
    """A recording as it is computed, the file that it was written to, and whether samples are clipped."""
    path = tmp_path_factory.mktemp("computed") / "r.h5"
    return make(path, library, recordings=request.param), path, bool(request.param)


@pytest.mark.parametrize("name", list(WRITERS))
def test_recording_that_is_computed_gives_the_bytes_of_its_file(name, computed, tmp_path):
    """Every format can be written without the file: samples, ground truth, clipped samples and filter are the same."""
    generated, path, clipped = computed
    (tmp_path / "direct").mkdir()
    with read_recording(path) as recording:
        assert recording.clipped_samples.any() == clipped
        WRITERS[name](tmp_path / name, recording)
    WRITERS[name](tmp_path / "direct" / name, generated)
    assert contents(tmp_path / "direct" / name) == contents(tmp_path / name)


@pytest.mark.filterwarnings("ignore:lzf compression may not be available")
@pytest.mark.parametrize("compression", ["none", "lzf", "gzip"])
def test_compressed_traces_are_the_same(compression, library, tmp_path):
    integers = {"dtype": "int16", "gain": 0.25}
    make(tmp_path / "r.h5", library, recordings=integers, compression=compression)
    make(tmp_path / "chunks.h5", library, recordings=integers | {"chunk_duration": 0.2}, compression=compression)
    with read_recording(tmp_path / "r.h5") as recording, read_recording(tmp_path / "chunks.h5") as other:
        assert recording.samples.compression == (None if compression == "none" else compression)
        write_nwb(tmp_path / "r.nwb", recording, compression=compression)
        write_zarr(tmp_path / "r.zarr", recording, compression="none" if compression == "none" else "zstd")
        samples = recording.samples[()]
        assert np.array_equal(other.samples[()], samples)
        assert other.samples.id.get_storage_size() == recording.samples.id.get_storage_size()
    loaded, _ = spikeinterface.extractors.read_mearec(tmp_path / "r.h5")
    assert np.array_equal(loaded.get_traces(), samples)
    with pynwb.NWBHDF5IO(tmp_path / "r.nwb", "r") as file:
        data = file.read().acquisition["ElectricalSeries"].data
        assert data.compression == (None if compression == "none" else compression)
        assert np.array_equal(data[()], samples)
    assert np.array_equal(spikeinterface.load(tmp_path / "r.zarr").get_traces(), samples)
    size = sum(file.stat().st_size for file in (tmp_path / "r.zarr" / "traces_seg0").iterdir())
    assert (size > 0.95 * samples.nbytes) == (compression == "none")


def test_integers_are_the_floats_rounded(library, tmp_path):
    make(tmp_path / "f.h5", library)
    make(tmp_path / "i.h5", library, recordings={"dtype": "int16", "adc_bit_depth": 12, "lsb": 2})
    with read_recording(tmp_path / "f.h5") as floats, read_recording(tmp_path / "i.h5") as integers:
        assert floats.gain_to_uV == 1.0 and floats.samples.dtype == np.float32 and not floats.clipped_samples.any()
        assert integers.samples.dtype == np.int16 and (integers.samples[()] % 2 == 0).all()
        assert not integers.clipped_samples.any()
        assert np.abs(integers.traces[()] - floats.traces[()]).max() <= integers.gain_to_uV * (1 + 1e-3)
        # Templates are in µV either way.
        assert np.array_equal(integers.unfiltered_templates, floats.unfiltered_templates)


def test_clipped_samples_are_counted_and_stored(library, tmp_path):
    make(tmp_path / "f.h5", library)
    make(tmp_path / "i.h5", library, recordings={"dtype": "int16", "gain": 0.5, "adc_bit_depth": 6})
    with read_recording(tmp_path / "f.h5") as floats, read_recording(tmp_path / "i.h5") as integers:
        steps = np.rint(floats.traces[()] / 0.5)
        expected = ((steps < -32) | (steps > 31)).sum(axis=0)
        assert expected.sum() > 100 and np.array_equal(integers.clipped_samples, expected)
        assert integers.samples[()].min() == -32 and integers.samples[()].max() == 31
        write_binary(tmp_path / "binary", integers)
    assert spikeinterface.load(tmp_path / "binary").get_annotation("clipped_samples") == expected.tolist()


def test_recording_without_units(library, tmp_path):
    make(tmp_path / "r.h5", library, spiketrains={"n_exc": 0, "n_inh": 0, "duration": 0.5})
    with read_recording(tmp_path / "r.h5") as recording:
        for name, write in WRITERS.items():
            write(tmp_path / name, recording)
        for name in ("binary", "recording.zarr"):
            loaded, sorting = extractors(tmp_path, name)
            assert sorting.get_num_units() == 0 and np.array_equal(loaded.get_traces(), recording.samples[()])
    assert pynwb.validate(path=str(tmp_path / "recording.nwb")) == []


WRITE = """
import os
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.register import load_writer
name, recording, path = sys.argv[1:]
message = None
try:
    with read_recording(recording) as recording:
        load_writer(name)(path, recording)
except OSError as error:
    message = str(error)
print(json.dumps(message), flush=True)
os._exit(0)  # HDF5 cannot close a file on a full disk and crashes when it tries again at the end
"""


@pytest.fixture
def small_disk(tmp_path):
    """The folder of a file system of 4 MB, less than the recording takes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_disk_that_is_too_small_is_refused_before_anything_is_written(small_disk, capsys):
    with pytest.raises(UserError, match=r"recording\.h5 takes 1\.0 GB, but only \d\.\d MB are free in .*disk; make room"):
        require_space(small_disk / "recordings" / "demo" / "recording.h5", 1_000_000_000)
    assert "recording.h5: about 1.0 GB; 4.2 MB are free" in capsys.readouterr().out
    require_space(small_disk / "recording.h5", 1_000_000_000, at_most=True)
    require_space(small_disk / "recording.h5", 12_345)
    assert capsys.readouterr().out.count("at most 1.0 GB") == 1
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("name", list(WRITERS))
def test_disk_that_fills_up_is_one_message_and_leaves_nothing(name, written, small_disk):
    folder, recording = written
    if recording.samples.dtype == np.int16:
        pytest.skip("would fit")
    message = run_python("import json" + WRITE, NAMES[name], folder / "recording.h5", small_disk / name)
    assert message == f"[Errno 28] No space left on device: {str(small_disk / name)!r}"
    assert list(small_disk.iterdir()) == []


@pytest.fixture(scope="module")
def long_recording(library, tmp_path_factory):
    """The file of a recording that takes some time to export."""
    path = tmp_path_factory.mktemp("long") / "r.h5"
    make(path, library, spiketrains={"duration": 20.0}, recordings={"filter": False, "noise_level": 0.0})
    return path


@pytest.mark.parametrize("name", list(WRITERS))
def test_killed_half_way_leaves_nothing_under_the_final_name(name, long_recording, tmp_path):
    scripts = str(ROOT / "scripts")
    code = f"import sys, json; sys.path.insert(0, {scripts!r})\n{WRITE}"
    folder = tmp_path / "out"
    command = [sys.executable, "-c", code, NAMES[name], long_recording, folder / name]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not [file for file in folder.rglob("*") if file.is_file() and file.stat().st_size > 10_000]:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    (left,) = folder.iterdir()
    assert left.name.startswith(f".{name}.part")
    with read_recording(long_recording) as recording:
        WRITERS[name](folder / name, recording)
        loaded, _ = extractors(folder, name)
        assert np.array_equal(loaded.get_traces(0, 1000, 2000), recording.samples[1000:2000])
    assert [path.name for path in folder.iterdir()] == [name]


def test_names_of_any_kind_of_shanks_and_contacts_are_kept(tmp_path):
    """NWB allows no "/" and ":" in names, and two shanks must not become one."""
    shanks, contacts = ["left/1", "left:1", "left_1", "left/1"], ["a/1", "b:2", "é", "4x"]
    layout = probeinterface.Probe(ndim=2, name="my/probe: A", model_name="x/y:z")
    layout.set_contacts([[0, 0], [0, 30], [200, 0], [200, 30]], shapes="circle", shape_params={"radius": 5}, shank_ids=shanks)
    layout.set_contact_ids(contacts)
    probeinterface.write_probeinterface(tmp_path / "probe.json", layout)
    write_recording(tmp_path / "recording.h5", probe=str(tmp_path / "probe.json"))
    with read_recording(tmp_path / "recording.h5") as recording:
        for name, write in WRITERS.items():
            write(tmp_path / name, recording)
        probes = [recording.probe, spikeinterface.load(tmp_path / "binary").get_probe()]
    probes.append(spikeinterface.load(tmp_path / "recording.zarr").get_probe())
    for probe in probes:
        assert probe.shank_ids.tolist() == shanks and probe.contact_ids.tolist() == contacts
    with pynwb.NWBHDF5IO(tmp_path / "recording.nwb", "r") as file:
        content = file.read()
        electrodes = content.electrodes.to_dataframe()
        assert electrodes["shank_id"].tolist() == shanks and electrodes["contact_id"].tolist() == contacts
        assert electrodes["group_name"].tolist() == ["shankleft_1", "shankleft_1_2", "shankleft_1_3", "shankleft_1"]
        assert [group.description for group in electrodes["group"]] == [f"shank {shank}" for shank in shanks]
        assert content.devices["x_y_z"].description == "simulated x/y:z"
