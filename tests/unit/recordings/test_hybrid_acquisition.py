"""Backgrounds as SpikeGLX and Open Ephys write them, read by SpikeInterface's extractors."""

import re

import numpy as np
import pytest
import spikeinterface.extractors as se
import yaml
from acquisition_folders import (
    BOARD,
    FS,
    INTAN_GAIN,
    NEUROPIXELS_GAIN,
    PROBE_STREAM,
    four_shanks,
    write_neuropixels_settings,
    write_open_ephys,
    write_spikeglx,
)
from made_library import made_library

from allenrec.common.errors import UserError
from allenrec.probes import load_probe
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.traces.background import open_background
from allenrec.recordings.traces.blocks import spikes_only
from allenrec.settings.libraries import Library
from allenrec.settings.recordings import Background, Recording

#: Samples of each segment, and the number of the first sample since the acquisition began
LENGTHS, FIRST = (12000, 2500), (3000, 90000)
NODE = "Record Node 101#"
SPIKEGLX = {"extractor": "read_spikeglx", "arguments": {"stream_id": "imec0.ap"}}
#: YAML reads `stream_id: 0` as a number
OPEN_EPHYS = {"extractor": "read_openephys", "arguments": {"stream_id": 0}}


def samples(n, n_channels, gain):
    """Return noise of 10 µV as counts, (n, n_channels) int16."""
    return np.rint(np.random.default_rng(n).normal(scale=10 / gain, size=(n, n_channels))).astype(np.int16)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folders of each system by its name, which nobody changes, and the samples of their segments."""
    root = tmp_path_factory.mktemp("acquisition")
    glx, board, full = samples(LENGTHS[0], 32, NEUROPIXELS_GAIN), samples(LENGTHS[0], 32, INTAN_GAIN), samples(3000, 384, 2.34)
    short = [part[: LENGTHS[1]][::-1] for part in (glx, board)]
    for segment, part in enumerate((glx, short[0])):
        write_spikeglx(root / "triggers", part, FIRST[segment], trigger=segment)
        write_spikeglx(root / "triggers", part[::12], FIRST[segment] // 12, trigger=segment, stream="lf")
        write_spikeglx(root / "gates", part, FIRST[segment], gate=segment)
    write_spikeglx(root / "full", full)
    for segment, part in enumerate((board, short[1])):
        write_open_ephys(root / "board", part, FIRST[segment], recording=segment + 1, adc=8)
        write_open_ephys(root / "experiments", part, FIRST[segment], experiment=segment + 1)
    write_open_ephys(root / "neuropixels", full, stream=PROBE_STREAM)
    write_neuropixels_settings(root / "neuropixels")
    return root, {"triggers": [glx, short[0]], "gates": [glx, short[0]], "board": [board, short[1]], "full": [full]}


def background_of(folders, name, **values):
    """Return the block of a background."""
    return {"recording": str(folders[0] / name)} | (SPIKEGLX if name in ("triggers", "gates", "full") else OPEN_EPHYS) | values


@pytest.fixture(scope="module")
def libraries(folders, tmp_path_factory):
    """Libraries on the probe of a recording, and on a probe that is given."""
    folder = tmp_path_factory.mktemp("libraries")
    own = Library.model_validate({"probe": background_of(folders, "triggers")}).probe
    return {
        "own": made_library(folder / "own.h5", own, 5000),
        "given": made_library(folder / "given.h5", "Neuronexus-32", 5000),
    }


def hybrid(library, background):
    """Return a hybrid recording of six units."""
    settings = Recording.model_validate(
        {
            "library": "made",
            "background": background,
            "spiketrains": {"n_exc": 4, "n_inh": 2, "f_exc": 30.0},
            "templates": {"min_dist": 10.0, "max_amp": 1e4},
        }
    )
    plan = plan_recording(library, settings, seed=0, name="mixed")
    return GeneratedRecording(plan, library, settings, {"config": {"recording": "mixed"}}, threads=2)


@pytest.mark.parametrize(
    ("name", "library", "gain"),
    [("triggers", "own", NEUROPIXELS_GAIN), ("gates", "own", NEUROPIXELS_GAIN), ("board", "given", INTAN_GAIN)],
)
def test_units_on_it_keep_type_gain_times_and_segments(folders, libraries, tmp_path, name, library, gain):
    recording = hybrid(libraries[library], background_of(folders, name))
    write_mearec(tmp_path / "recording.h5", recording)
    before = np.concatenate(folders[1][name])
    with read_recording(tmp_path / "recording.h5") as written:
        after, _ = written.to_spikeinterface()
        counts = written.samples[()]
        np.testing.assert_allclose(written.noise_levels, 10.0, rtol=0.1)
        assert not written.clipped_samples.any()
    assert after.dtype == counts.dtype == np.int16 and np.allclose(after.get_channel_gains(), gain)
    assert [after.get_num_samples(k) for k in range(2)] == list(LENGTHS)
    np.testing.assert_allclose([after.get_start_time(k) for k in range(2)], np.array(FIRST) / FS, rtol=1e-12)
    bounds = np.cumsum([0, *LENGTHS])
    expected = np.concatenate([spikes_only(recording.plan, bounds[k], bounds[k + 1]) for k in range(2)]) / gain
    assert np.abs(expected).max() * gain > 50  # µV
    np.testing.assert_allclose(counts.astype(float) - before, expected, atol=0.501)


def test_samples_at_the_end_of_the_range_are_clipped_and_counted(libraries, tmp_path):
    at_end = np.full((6000, 32), -32760, dtype=np.int16)
    write_spikeglx(tmp_path, at_end)
    recording = hybrid(libraries["own"], {"recording": str(tmp_path)} | SPIKEGLX)
    wanted = at_end + np.rint(spikes_only(recording.plan, 0, 6000) / NEUROPIXELS_GAIN)
    write_mearec(tmp_path / "recording.h5", recording)
    with read_recording(tmp_path / "recording.h5") as written:
        assert written.clipped_samples.sum() > 0
        assert np.array_equal(written.clipped_samples, (wanted < -32768).sum(axis=0))
        assert written.samples[()].min() == -32768


@pytest.mark.parametrize("name", ["full", "neuropixels"])
def test_the_probe_of_neuropixels_is_that_of_both_systems(folders, name):
    """384 channels in four columns; the sync channel is none of them."""
    named = Library.model_validate({"probe": background_of(folders, name)}).probe
    found = load_probe(named, 1).layout.contact_positions
    column, row = np.arange(384) % 4, np.arange(384) // 2
    expected = np.column_stack([np.array([16, 48, 0, 32])[column], 20 * row])
    np.testing.assert_allclose(found - found.mean(axis=0), expected - expected.mean(axis=0))
    background = open_background(Background.model_validate(background_of(folders, name)))
    assert np.array_equal(background.read(100, 200), folders[1]["full"][0][100:200])
    np.testing.assert_allclose(background.gains, NEUROPIXELS_GAIN)


def test_both_systems_have_the_digest_of_the_same_samples(folders):
    blocks = [Background.model_validate(background_of(folders, name)) for name in ("full", "neuropixels")]
    assert len({open_background(block).digest() for block in blocks}) == 1


def test_channels_of_a_board_have_no_place_so_a_probe_must_be_given(folders):
    named = Library.model_validate({"probe": background_of(folders, "board")}).probe
    with pytest.raises(UserError, match=r"has no probes; .* write the name or file of a probe .* order of the 32 channels"):
        load_probe(named, 1)
    # The inputs of the converter, in volts, are a stream of their own
    adc = se.read_openephys(folders[0] / "board", stream_name=f"{NODE}{BOARD}_ADC")
    assert adc.get_num_channels() == 8


def test_a_library_that_does_not_fit_is_answered_with_the_probe_to_write(folders, libraries):
    with pytest.raises(UserError, match=r"has 384 channels; write `(probe: .*)` in a library") as error:
        hybrid(libraries["given"], background_of(folders, "full"))
    written = re.search("`(.*)`", str(error.value))[1]
    assert load_probe(Library.model_validate(yaml.safe_load(written)).probe, 1).n_contacts == 384
    adc = background_of(folders, "board", arguments={"stream_id": 1})
    with pytest.raises(UserError, match=r"32 contacts, but .* has 8 channels; it has no probe, so a library needs one whose"):
        hybrid(libraries["given"], adc)


def test_gates_and_triggers_are_segments_in_the_order_of_the_run(tmp_path):
    """A trigger 10 comes after a trigger 2."""
    order = [(0, 2), (0, 10), (1, 2), (1, 10)]
    parts = {key: samples(300 + k, 32, 1) for k, key in enumerate(order)}
    for gate, trigger in reversed(order):
        write_spikeglx(tmp_path, parts[gate, trigger], 1000 * (10 * gate + trigger), trigger=trigger, gate=gate)
    background = open_background(Background.model_validate({"recording": str(tmp_path)} | SPIKEGLX))
    assert background.segments.lengths.tolist() == [300, 301, 302, 303]
    np.testing.assert_allclose(background.segments.t_starts, np.array([2, 10, 12, 20]) * 1000 / FS)
    assert np.array_equal(background.read(0, 1206), np.concatenate(list(parts.values())))


def test_each_probe_of_a_run_and_its_lfp_are_streams_of_their_own(tmp_path):
    ap, lf = samples(300, 32, 1), samples(25, 32, 1)
    write_spikeglx(tmp_path, ap)
    write_spikeglx(tmp_path, ap[::-1], probe=1)
    write_spikeglx(tmp_path, lf, probe=1, stream="lf")
    for stream, expected, fs in (("imec0.ap", ap, FS), ("imec1.ap", ap[::-1], FS), ("imec1.lf", lf, 2500.0)):
        values = {"recording": str(tmp_path), "extractor": "read_spikeglx", "arguments": {"stream_id": stream}}
        background = open_background(Background.model_validate(values))
        assert background.fs == fs and np.array_equal(background.read(0, len(expected)), expected)


def test_shanks_of_neuropixels_two_are_groups_of_the_hybrid(tmp_path):
    write_spikeglx(tmp_path, samples(9000, 384, 0.76), **four_shanks())
    values = {"recording": str(tmp_path)} | SPIKEGLX
    library = made_library(tmp_path / "library.h5", Library.model_validate({"probe": values}).probe, 5000)
    recording = hybrid(library, values)
    write_mearec(tmp_path / "recording.h5", recording)
    with read_recording(tmp_path / "recording.h5") as written:
        after, _ = written.to_spikeinterface()
    before = open_background(Background.model_validate(values)).recording
    np.testing.assert_allclose(after.get_channel_gains(), before.get_channel_gains())
    assert after.get_channel_groups().tolist() == np.repeat(np.arange(4), 96).tolist()
    places = [found.get_channel_locations() - found.get_channel_locations().mean(axis=0) for found in (after, before)]
    np.testing.assert_allclose(*places, atol=1e-3)


def test_record_nodes_and_experiments_of_open_ephys_are_chosen_by_their_names(tmp_path):
    parts = {(node, experiment): samples(200 + node + experiment, 32, 1) for node in (101, 105) for experiment in (1, 2)}
    for (node, experiment), part in parts.items():
        write_open_ephys(tmp_path, part, 5000 * experiment, experiment=experiment, adc=3, node=node)
    for (node, experiment), part in parts.items():
        arguments = {"stream_name": f"Record Node {node}#{BOARD}", "experiment_name": f"experiment{experiment}"}
        values = {"recording": str(tmp_path), "extractor": "read_openephys", "arguments": arguments}
        background = open_background(Background.model_validate(values))
        assert np.array_equal(background.read(0, len(part)), part) and background.n_samples == len(part)
        np.testing.assert_allclose(background.segments.t_starts, [5000 * experiment / FS])


def test_samples_that_open_ephys_lost_are_one_line(tmp_path):
    numbers = write_open_ephys(tmp_path, samples(300, 32, 1), 700).with_name("sample_numbers.npy")
    np.save(numbers, 700 + np.arange(300) + 60 * (np.arange(300) >= 150))
    with pytest.raises(
        UserError, match=r"sample_numbers.npy: number 910 follows on 849; .* cut the recording at sample 150 \("
    ) as error:
        open_background(Background.model_validate({"recording": str(tmp_path)} | OPEN_EPHYS))
    assert "\n" not in str(error.value)


#: What a message must say, the folder, and the values of its `background` that are wrong
MISTAKES = {
    r"stream_id imec1.ap is not in \['imec0.ap', 'imec0.lf'": ("triggers", {"arguments": {"stream_id": "imec1.ap"}}),
    r"several streams.*'imec0.ap', 'imec0.lf'": ("triggers", {"arguments": {}}),
    r"no argument stream; its arguments are stream_id, stream_name": ("triggers", {"arguments": {"stream": "imec0.ap"}}),
    r"no such function; did you mean read_spikeglx\?": ("triggers", {"extractor": "read_spikeGLX"}),
    r"SpikeInterface has not saved it\); .*`extractor: read_spikeglx`": ("triggers", {"extractor": None, "arguments": {}}),
    r"has not saved it\); .*`extractor: read_openephys`": ("board", {"extractor": None, "arguments": {}}),
    r"No 'structure.oebin'": ("triggers", {"extractor": "read_openephys"}),
    r"No appropriate combination of .meta and .bin": ("board", {"extractor": "read_spikeglx", "arguments": {}}),
    r"stream_name ap is not in \['Record Node 101#Acq": ("board", {"arguments": {"stream_name": "ap"}}),
    r"stream_id 7 is not in \['0', '1'\]": ("board", {"arguments": {"stream_id": 7}}),
    r"no argument stream; its arguments are experiment_name, stream_id": ("board", {"arguments": {"stream": "0"}}),
    r"Multiple experiments found: \['experiment1', 'experiment2'\]": ("experiments", {}),
    r"several streams; write `arguments: {stream_name: ...}` with one of \['Record Node 101#Acq": ("board", {"arguments": {}}),
    r"'experiment3' not found.*\['experiment1', 'experiment2'\]": (
        "experiments",
        {"arguments": {"experiment_name": "experiment3"}},
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_in_the_configuration_is_one_line_that_says_what_there_is(folders, message):
    name, values = MISTAKES[message]
    with pytest.raises(UserError, match=message) as error:
        open_background(Background.model_validate(background_of(folders, name, **values)))
    assert "\n" not in str(error.value) and "np.str_" not in str(error.value)


def cut(n_bytes):
    """Return a function that takes the last bytes of a file away."""
    return lambda file: file.write_bytes(file.read_bytes()[:-n_bytes])


def without(ending):
    """Return a function that deletes the file of the same name with another ending."""
    return lambda file: file.with_suffix(ending).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without(".meta"), r"run_g0_t1.imec0.ap.bin: no run_g0_t1.imec0.ap.meta beside it; copy it there"),
        (without(".bin"), r"run_g0_t1.imec0.ap.meta: no run_g0_t1.imec0.ap.bin beside it; copy it there"),
        (cut(66), r"run_g0_t1.imec0.ap.bin: cut short; has 19734 of the 19800 bytes"),
        (cut(1), "ends within a sample; it is cut short"),
        (lambda file: write_spikeglx(file.parents[2], samples(300, 32, 1), trigger=1, nSavedChans=None), "lacks 'nSavedChans'"),
    ],
)
def test_files_of_spikeglx_that_are_missing_or_cut_short_are_named(tmp_path, damage, message):
    """Neo would pass over them, and units would go into the rest."""
    write_spikeglx(tmp_path, samples(300, 32, 1), trigger=0)
    damage(write_spikeglx(tmp_path, samples(300, 32, 1), 90000, trigger=1))
    with pytest.raises(UserError, match=message) as error:
        open_background(Background.model_validate({"recording": str(tmp_path)} | SPIKEGLX))
    assert "\n" not in str(error.value)


def test_a_file_of_spikeglx_is_no_folder_and_a_crashed_run_is_taken_as_it_is(tmp_path):
    file = write_spikeglx(tmp_path, samples(300, 32, 1), fileSizeBytes=None, firstSample=None)
    with pytest.raises(UserError, match=r"takes a folder, not a file; write a folder, such as .*run_g0_imec0$"):
        open_background(Background.model_validate({"recording": str(file)} | SPIKEGLX))
    # Also the .meta of a stream that was not copied may be there
    write_spikeglx(tmp_path, samples(25, 32, 1), stream="lf").unlink()
    assert open_background(Background.model_validate({"recording": str(tmp_path)} | SPIKEGLX)).n_samples == 300


@pytest.mark.parametrize(("n_bytes", "message"), [(64, r"continuous.dat: cut short; has 299 of the 300"), (1, "cut short")])
def test_files_of_open_ephys_that_are_cut_short_are_named(tmp_path, n_bytes, message):
    cut(n_bytes)(write_open_ephys(tmp_path, samples(300, 32, 1)))
    with pytest.raises(UserError, match=message) as error:
        open_background(Background.model_validate({"recording": str(tmp_path)} | OPEN_EPHYS))
    assert "\n" not in str(error.value)
