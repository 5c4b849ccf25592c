"""Hybrid recordings: units on a real recording, against SpikeInterface's own injection and noise levels."""

import json
import os
import pickle
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import spikeinterface as si
import spikeinterface.extractors as se
import yaml
from made_library import made_library
from pydantic import ValidationError
from spikeinterface.core import Motion, NumpyRecording, NumpySorting, Templates, get_noise_levels
from spikeinterface.core.generate import InjectTemplatesRecording
from spikeinterface.generation import generate_hybrid_recording
from support import ROOT

import allenrec
from allenrec.common.compression import one_compressing_thread
from allenrec.common.errors import UserError
from allenrec.common.probe_names import recording_of
from allenrec.common.real_recordings import open_recording, open_sorting
from allenrec.probes import load_probe
from allenrec.recordings.formats.binary import write_binary
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.formats.register import load_writer
from allenrec.recordings.formats.zarr import COMPRESSORS
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.traces.background import open_background
from allenrec.recordings.traces.blocks import spikes_only
from allenrec.settings import load_settings
from allenrec.settings.input_files import file_digests, input_files
from allenrec.settings.libraries import Library
from allenrec.settings.recordings import Background, Recording, UnitSelection
from allenrec.settings.recordings.formats import EXPORTED_FORMATS

FS, LENGTHS, T_STARTS = 30000.0, (40000, 25001), (12.5, 100.0)
WRITERS = {entry.path: load_writer(entry.name) for entry in EXPORTED_FORMATS}


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """A drifting library of cells around 32 contacts, at 32 kHz."""
    return made_library(tmp_path_factory.mktemp("library") / "templates.h5", "Neuronexus-32", 5000)


def real(probe, dtype="int16", lengths=LENGTHS, t_starts=T_STARTS, gains=0.195, offsets=0.0):
    """Return a recording of noise, whose channels differ, as it comes from an amplifier."""
    rng, n_channels = np.random.default_rng(1), probe.get_contact_count()
    level = np.linspace(5, 15, n_channels) / np.abs(gains)
    middle = -np.asarray(offsets) / gains
    traces = [middle + level * rng.standard_normal((length, n_channels)) for length in lengths]
    kind = np.dtype(dtype)
    traces = [(np.rint(part) if kind.kind in "iu" else part).astype(kind) for part in traces]
    recording = NumpyRecording(traces, FS, t_starts=list(t_starts))
    recording.set_probe(probe)
    recording.set_channel_gains(gains)
    recording.set_channel_offsets(offsets)
    return recording


def saved(recording, folder, kind="binary"):
    """Save a recording in some format; return its path."""
    path = folder / {"binary": "real", "zarr": "real.zarr"}[kind]
    recording.save(folder=path, format=kind, verbose=False)
    return path


def hybrid(library, background, path=None, spiketrains=None, templates=None, name="mixed", **signal):
    """Plan a hybrid recording; write it to a path, if there is one."""
    settings = Recording.model_validate(
        {
            "library": "made",
            "background": background if isinstance(background, dict) else {"recording": str(background)},
            "spiketrains": {"n_exc": 4, "n_inh": 2, "f_exc": 30.0, **(spiketrains or {})},
            "templates": {"min_dist": 10.0, "max_amp": 1e4, **(templates or {})},
            "recordings": signal,
        }
    )
    plan = plan_recording(library, settings, seed=0, name=name)
    recording = GeneratedRecording(plan, library, settings, {"config": {"recording": name}}, threads=2)
    if path is not None:
        write_mearec(path, recording)
    return recording


def counts_of_units(plan, segments=LENGTHS):
    """Return the traces of units in each segment, computed alone, as counts of the background that are not rounded."""
    bounds = np.cumsum([0, *segments])
    parts = [spikes_only(plan, a, b) / plan.background.gains for a, b in pairwise(bounds)]
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("dtype", "gains", "offsets"),
    [
        ("int16", 0.195, 0.0),
        ("int16", np.linspace(0.1, 2.34, 32), 0.0),
        ("uint16", 0.195, -6389.76),
        ("int16", -0.5, np.linspace(-3, 3, 32)),
        ("int32", 0.01, 0.0),
        (">i2", 0.195, 0.0),
        ("float32", 1.0, 0.0),
        ("float64", 1e6, 0.0),
    ],
)
def test_hybrid_minus_background_is_the_units_to_the_rounding_in_the_same_type(units, tmp_path, dtype, gains, offsets):
    before = real(units.probe, dtype, gains=gains, offsets=offsets)
    recording = hybrid(units, saved(before, tmp_path), tmp_path / "recording.h5")
    with read_recording(tmp_path / "recording.h5") as written:
        samples, traces = written.samples[()], written.traces[:]
        assert samples.dtype == np.dtype(dtype).newbyteorder("=") and not written.clipped_samples.any()
        assert np.array_equal(recording.samples[30000:50000], samples[30000:50000])
        after, truth = written.to_spikeinterface()
        for segment in range(2):
            scaled = after.get_traces(segment, return_in_uV=True)
            assert after.get_start_time(segment) == T_STARTS[segment] and len(scaled) == LENGTHS[segment]
            first = segment * LENGTHS[0]
            np.testing.assert_allclose(traces[first : first + len(scaled)], scaled, rtol=1e-4, atol=2e-3)
        assert truth.get_num_segments() == 2
    background = np.concatenate([before.get_traces(segment) for segment in range(2)])
    expected = counts_of_units(recording.plan)
    assert np.abs(expected).max() * np.min(np.abs(gains)) > 50  # µV
    added = samples.astype(float) - background
    rounding = 0.5 if np.dtype(dtype).kind in "iu" else 1e-5 * np.abs(background).max()
    np.testing.assert_allclose(added, expected, atol=rounding * 1.001)


def test_a_spike_at_the_end_of_a_segment_does_not_go_on_in_the_next(units, tmp_path):
    recording = hybrid(units, saved(real(units.probe, "float32", gains=1.0), tmp_path))
    plan = recording.plan
    for unit in range(6):
        plan.ticks[unit] = np.array([LENGTHS[0] - 1, LENGTHS[0] + 5000]) * plan.n_phases
        plan.gains[unit] = np.ones((2, 1), dtype=np.float32)
    traces = spikes_only(plan, 0, plan.n_samples)
    assert np.abs(traces[LENGTHS[0] - 10 : LENGTHS[0]]).max() > 50
    assert not traces[LENGTHS[0] : LENGTHS[0] + 4000].any()
    # The same in whatever pieces it is computed
    assert np.array_equal(spikes_only(plan, 39990, 40010), traces[39990:40010])


def peer_inputs(plan, probe):
    """Return templates and spikes as SpikeInterface's injection takes them: whole samples, and one shape for each unit."""
    templates = np.moveaxis(plan.unfiltered_templates, 1, 2)
    trains = [[], []]
    for unit, ticks in enumerate(plan.ticks):
        samples = ticks // plan.n_phases
        plan.ticks[unit] = samples * plan.n_phases
        for segment, part in enumerate(plan.segments.split(samples)):
            trains[segment].append(part)
    sorting = NumpySorting.from_unit_dict([dict(enumerate(part)) for part in trains], FS)
    return templates, sorting


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_spikeinterface_injects_the_same(units, tmp_path, dtype):
    """It truncates each spike to whole counts on its own, so the sums of integers differ by a count for each spike there."""
    gain = 0.195 if dtype == "int16" else 1.0
    before = real(units.probe, dtype, gains=gain)
    recording = hybrid(units, saved(before, tmp_path), modulation="none")
    plan = recording.plan
    templates, sorting = peer_inputs(plan, units.probe)
    injected = InjectTemplatesRecording(sorting, templates / gain, nbefore=plan.peak, parent_recording=before)
    spikes = NumpyRecording([np.zeros((length, 32), np.float32) for length in LENGTHS], FS)
    present = InjectTemplatesRecording(sorting, np.ones(templates.shape, np.float32), plan.peak, parent_recording=spikes)
    for segment, first in enumerate((0, LENGTHS[0])):
        ours = recording.samples[first : first + LENGTHS[segment]].astype(float)
        theirs = injected.get_traces(segment).astype(float)
        assert np.abs(theirs - before.get_traces(segment)).max() * gain > 50
        bound = present.get_traces(segment) + 0.51 if dtype == "int16" else 0.02  # of the low rank of our templates
        assert (np.abs(ours - theirs) <= bound).all()
    hybrid_of_peer, _ = generate_hybrid_recording(
        before,
        sorting,
        Templates(templates, FS, plan.peak, True, None, None, None, before.get_probe()),
        amplitude_factor=np.ones(sorting.to_spike_vector().size),
        seed=0,
    )
    assert np.array_equal(hybrid_of_peer.get_traces(0), injected.get_traces(0))


def test_clipped_samples_are_counted_and_stay_at_the_end_of_the_range(units, tmp_path):
    before = real(units.probe, "int16", gains=0.002)
    recording = hybrid(units, saved(before, tmp_path), tmp_path / "recording.h5")
    background = np.concatenate([before.get_traces(segment) for segment in range(2)]).astype(float)
    wanted = np.rint(background + counts_of_units(recording.plan))
    with read_recording(tmp_path / "recording.h5") as written:
        samples = written.samples[()]
        beyond = (wanted > 32767) | (wanted < -32768)
        assert beyond.any() and np.array_equal(written.clipped_samples, beyond.sum(axis=0))
        assert set(samples[beyond]) <= {-32768, 32767}
        np.testing.assert_allclose(samples[~beyond], wanted[~beyond], atol=1.001)
    assert np.array_equal(recording.clipped_samples, beyond.sum(axis=0))


def test_snr_is_that_of_the_noise_that_spikeinterface_measures(units, tmp_path):
    before = real(units.probe)
    recording = hybrid(units, saved(before, tmp_path), tmp_path / "recording.h5")
    theirs = get_noise_levels(before, return_in_uV=True, random_slices_kwargs={"seed": 3})
    largest = np.abs(recording.plan.unfiltered_templates).max(axis=2)
    np.testing.assert_allclose(recording.units["snr"], (largest / theirs).max(axis=1), rtol=0.05)
    with read_recording(tmp_path / "recording.h5") as written:
        np.testing.assert_allclose(written.noise_levels, np.linspace(5, 15, 32), rtol=0.05)
        np.testing.assert_allclose(written.noise_levels, theirs, rtol=0.05)


def test_segments_of_a_few_samples_do_not_change_the_noise(units, tmp_path):
    recording = hybrid(units, saved(real(units.probe, lengths=(*LENGTHS, 3), t_starts=(*T_STARTS, 300.0)), tmp_path))
    np.testing.assert_allclose(recording.plan.background.noise_levels, np.linspace(5, 15, 32), rtol=0.05)


def test_a_dead_channel_takes_no_part_in_the_snr(units, tmp_path):
    """Its noise is 0, and templates reach every channel, so that all ratios would be infinite."""
    before = real(units.probe)
    for segment in range(2):
        before.get_traces(segment)[:, 5] = 0
    recording = hybrid(units, saved(before, tmp_path), tmp_path / "recording.h5", templates={"snr": [3, 15]})
    live = np.arange(32) != 5
    theirs = get_noise_levels(before, return_in_uV=True, random_slices_kwargs={"seed": 3})[live]
    largest = np.abs(recording.plan.unfiltered_templates).max(axis=2)[:, live]
    np.testing.assert_allclose(recording.units["snr"], (largest / theirs).max(axis=1), rtol=0.05)
    with read_recording(tmp_path / "recording.h5") as written:
        assert written.noise_levels[5] == 0 and (written.noise_levels[live] > 4).all()


@pytest.fixture(scope="module")
def exported(units, tmp_path_factory):
    """The folder of a hybrid recording with known units, in all formats, made from a zarr folder."""
    folder = tmp_path_factory.mktemp("exported")
    before = real(units.probe, "uint16", offsets=-6389.76)
    trains = [{"a": [100, 39000], "b": [20000]}, {"a": [5], "b": [24000, 25000]}]
    known = NumpySorting.from_unit_dict([{unit: np.array(t) for unit, t in part.items()} for part in trains], FS)
    known.save(folder=folder / "known")
    background = {"recording": str(saved(before, folder, "zarr")), "sorting": str(folder / "known")}
    hybrid(units, background, folder / "recording.h5")
    with read_recording(folder / "recording.h5") as recording:
        for path, write in WRITERS.items():
            write(folder / path, recording)
    return folder, before


@pytest.mark.filterwarnings("ignore:The extractor is not serializable")
@pytest.mark.parametrize("path", ["binary", "recording.zarr"])
def test_folders_of_segments_have_the_bytes_that_spikeinterface_writes_itself(exported, path, tmp_path):
    folder, _ = exported
    with read_recording(folder / "recording.h5") as recording, one_compressing_thread():
        kind = {"format": "zarr", "compressor": COMPRESSORS["zstd"]} if path.endswith("zarr") else {"format": "binary"}
        recording.to_spikeinterface()[0].save(**kind, folder=tmp_path / path, chunk_duration="1s", n_jobs=1, verbose=False)
    theirs = [file for file in (tmp_path / path).rglob("*") if file.is_file()]
    for file in theirs:
        assert (folder / path / file.relative_to(tmp_path / path)).read_bytes() == file.read_bytes(), file
    assert len(theirs) > 5


@pytest.mark.parametrize("path", ["binary", "recording.zarr"])
def test_spikeinterface_opens_segments_gains_and_known_units(exported, path):
    folder, before = exported
    ending = ".zarr" if path.endswith("zarr") else ""
    after, truth = si.load(folder / path), si.load(folder / path / f"sorting{ending}")
    known = si.load(folder / path / f"known_units{ending}")
    assert after.dtype == before.dtype and list(known.unit_ids) == ["a", "b"]
    assert np.allclose(after.get_channel_offsets(), -6389.76) and np.allclose(after.get_channel_gains(), 0.195)
    assert known.get_unit_spike_train("a", segment_index=1).tolist() == [5]
    with read_recording(folder / "recording.h5") as recording:
        assert recording.known_units["b"].tolist() == [20000, 64000, 65000]
        for segment, first in enumerate((0, LENGTHS[0])):
            assert after.get_start_time(segment) == T_STARTS[segment]
            rows = recording.samples[first : first + LENGTHS[segment]]
            assert np.array_equal(after.get_traces(segment), rows)
            for unit, train in enumerate(recording.spike_trains):
                inside = train[(train >= first) & (train < first + LENGTHS[segment])] - first
                assert np.array_equal(truth.get_unit_spike_train(unit, segment_index=segment), inside)


def test_nwb_has_a_series_for_each_segment_and_times_of_the_session(exported):
    folder, _ = exported
    with read_recording(folder / "recording.h5") as recording:
        trains, samples, traces = recording.spike_trains, recording.samples[()], recording.traces[:]
    for segment, name in enumerate(("ElectricalSeries", "ElectricalSeries2")):
        series = f"acquisition/{name}"
        after = se.read_nwb_recording(folder / "recording.nwb", electrical_series_path=series)
        first = segment * LENGTHS[0]
        assert np.array_equal(after.get_traces(), samples[first : first + LENGTHS[segment]])
        assert after.get_start_time() == T_STARTS[segment]
        scaled = traces[first : first + LENGTHS[segment]]
        np.testing.assert_allclose(after.get_traces(return_in_uV=True), scaled, atol=2e-3)
        truth = se.read_nwb_sorting(folder / "recording.nwb", electrical_series_path=series)
        for unit, train in zip(truth.unit_ids, trains, strict=True):
            inside = train[(train >= first) & (train < first + LENGTHS[segment])] - first
            found = truth.get_unit_spike_train(unit)
            assert set(inside) <= set(found)


@pytest.mark.parametrize("kind", ["nwb", "json"])
def test_what_we_write_and_raw_files_are_backgrounds_as_well(exported, units, tmp_path, kind):
    folder, _ = exported
    if kind == "nwb":
        source = {"recording": str(folder / "recording.nwb"), "extractor": "read_nwb_recording"}
        source["arguments"] = {"electrical_series_path": "acquisition/ElectricalSeries2"}
    else:
        first = real(units.probe).select_segments(1)
        first.get_traces().tofile(tmp_path / "raw.bin")
        source = {
            "extractor": "read_binary",
            "arguments": {"file_paths": str(tmp_path / "raw.bin"), "sampling_frequency": FS, "dtype": "int16"}
            | {"num_channels": 32, "gain_to_uV": 0.195, "offset_to_uV": 0.0},
        }
    recording = hybrid(units, source)
    assert recording.samples.shape == (LENGTHS[1], 32)
    assert recording.samples.dtype == (np.uint16 if kind == "nwb" else np.int16)
    background = recording.plan.background
    assert background.segments.t_starts.tolist() == [T_STARTS[1] if kind == "nwb" else 0.0]
    np.testing.assert_allclose(background.offsets, -6389.76 if kind == "nwb" else 0.0)
    added = recording.samples[: LENGTHS[1]].astype(float) - background.read(0, LENGTHS[1])
    np.testing.assert_allclose(added, counts_of_units(recording.plan, [LENGTHS[1]]), atol=0.501)


@pytest.mark.parametrize("relative", [False, True, "other"])
def test_a_json_file_is_opened_wherever_it_lies_beside_what_it_names(units, tmp_path, relative, monkeypatch):
    """SpikeInterface itself wants to be told the folder in which relative paths begin."""
    recording = real(units.probe)
    recording.save(folder=tmp_path / "data" / "real", verbose=False, progress_bar=False)
    (tmp_path / "named").mkdir()
    described = tmp_path / "named" / "real.json"
    base = {False: None, True: True, "other": tmp_path / "data"}[relative]
    si.load(tmp_path / "data" / "real").dump_to_json(described, relative_to=base)
    monkeypatch.chdir(tmp_path)
    if relative == "other":
        with pytest.raises(UserError, match=r"named/real\.json: .*if they are relative, begin in named$"):
            open_recording("named/real.json")
        return
    opened = open_recording("named/real.json")
    assert np.array_equal(opened.get_traces(segment_index=0), recording.get_traces(segment_index=0))


def test_a_background_in_zarr_gives_the_samples_of_one_in_a_folder(units, tmp_path):
    before = real(units.probe, lengths=(12000, 4000))
    binary, zarr = (hybrid(units, saved(before, tmp_path, kind)) for kind in ("binary", "zarr"))
    assert np.array_equal(zarr.samples[:16000], binary.samples[:16000])
    assert zarr.plan.segments.t_starts.tolist() == list(T_STARTS)


def test_a_file_of_nwb_needs_no_extractor_but_says_which_series_it_has(exported):
    """Two segments are two series."""
    folder, _ = exported
    with pytest.raises(UserError, match=r"read_nwb_recording cannot open it .*acquisition/ElectricalSeries2") as error:
        open_background(Background(recording=str(folder / "recording.nwb")))
    assert "\n" not in str(error.value)


def test_the_digest_is_that_of_the_samples_in_any_format(units, tmp_path):
    before = real(units.probe)
    paths = [saved(before, tmp_path, kind) for kind in ("binary", "zarr")]
    digests = {open_background(Background(recording=str(path))).digest() for path in paths}
    assert len(digests) == 1
    other = real(units.probe, gains=0.2)
    assert open_background(Background(recording=str(saved(other, tmp_path / "other")))).digest() not in digests


def test_a_part_of_a_background(units, tmp_path):
    path = saved(real(units.probe), tmp_path)
    recording = hybrid(units, {"recording": str(path), "duration": 1.5})
    assert recording.plan.segments.lengths.tolist() == [40000, 5000] and recording.duration == 1.5
    assert all((train < 45000).all() for train in recording.spike_trains)


def test_in_memory_it_is_the_same_as_in_the_file(units, tmp_path):
    path = saved(real(units.probe, t_starts=(0.0, 10.0)), tmp_path)
    settings = {"background": {"recording": str(path)}, "templates": {"max_amp": 1e4, "min_dist": 10.0}}
    lazy, truth = allenrec.generate(units, settings | {"spiketrains": {"n_exc": 4, "n_inh": 2, "f_exc": 30.0}}, name="mixed")
    hybrid(units, path, tmp_path / "recording.h5")
    with read_recording(tmp_path / "recording.h5") as recording:
        write_binary(tmp_path / "binary", recording)
        assert np.array_equal(lazy.get_traces(1), recording.samples[LENGTHS[0] :])
    after = si.load(tmp_path / "binary")
    assert np.array_equal(after.get_traces(1), lazy.get_traces(1)) and after.dtype == lazy.dtype == np.int16
    assert [after.get_start_time(k) for k in range(2)] == [lazy.get_start_time(k) for k in range(2)] == [0.0, 10.0]
    assert len(truth.unit_ids) == 6


@pytest.mark.parametrize("on_background", [True, False])
def test_units_are_chosen_by_their_snr(units, tmp_path, on_background):
    wanted = {"snr": [4, 9]}
    if on_background:
        recording = hybrid(units, saved(real(units.probe), tmp_path), templates=wanted | {"max_amp": 1e6})
    else:
        settings = {"library": "made", "templates": {"min_dist": 10.0, **wanted}, "spiketrains": {"duration": 1.0}}
        settings["recordings"] = {"noise_level": 20.0, "noise_level_at": "filtered"}
        recording = GeneratedRecording(
            plan_recording(units, Recording.model_validate(settings), seed=0, name="a"), units, None, {}
        )
    snr = recording.units["snr"]
    assert (snr > 3.9).all() and (snr < 9.1).all() and len(snr) >= 6
    assert units.amplitudes.max() > 20 * 15  # µV; there are others to choose from


def test_motion_of_the_background_moves_units_on_its_clock_and_at_its_depths(units, tmp_path):
    """The motion of each segment has times of its own, and depths whose origin is that of the background."""
    before = real(units.probe)
    shifted = before.get_probe().copy()
    shifted.move([100.0, 2000.0])
    shifted.set_device_channel_indices(np.arange(32))
    before.set_probe(shifted)
    times = [np.arange(t, t + 1.4, 0.1) for t in T_STARTS]
    depths = np.array([1900.0, 2000.0, 2100.0])
    displacement = [np.outer(np.sin(at), [1.0, 2.0, 3.0]) * 5 for at in times]
    motion = Motion(displacement, times, depths, direction="y")
    motion.save(tmp_path / "motion")
    path = saved(before, tmp_path)
    background = {"recording": str(path), "motion": str(tmp_path / "motion")}
    recording = hybrid(units, background, tmp_path / "recording.h5", templates={"zlim": [-90, 90]})
    for unit, row in enumerate(recording.units.itertuples()):
        samples = recording.plan.ticks[unit] / recording.plan.n_phases
        for segment, first in enumerate((0, LENGTHS[0])):
            mine = (samples >= first - 0.5) & (samples < first + LENGTHS[segment] - 0.5)
            at = T_STARTS[segment] + (samples[mine] - first) / FS
            expected = motion.get_displacement_at_time_and_depth(at, np.full(len(at), row.z + 2000.0), segment_index=segment)
            np.testing.assert_allclose(recording.plan.unit_drift.displacements[unit][mine], expected, atol=0.05)
    assert max(np.abs(some).max() for some in recording.plan.unit_drift.displacements) > 5
    with read_recording(tmp_path / "recording.h5") as written:
        assert written.drift is not None


def test_a_motion_on_another_clock_is_refused(units, tmp_path):
    """Such as one whose times count from the start of each segment: its last displacement would hold throughout."""
    at = np.arange(0, 1.4, 0.1)
    Motion([at[:, np.newaxis]] * 2, [at] * 2, np.array([0.0])).save(tmp_path / "motion")
    background = {"recording": str(saved(real(units.probe), tmp_path)), "motion": str(tmp_path / "motion")}
    with pytest.raises(UserError, match=r"motion of segment 0 is from 0 to 1.3 s, but the segment from 12.5 to 13.8"):
        hybrid(units, background)


def test_known_units_are_not_counted_as_false(exported):
    from allenrec.evaluation.sorting import compare

    folder, _ = exported
    with read_recording(folder / "recording.h5") as recording:
        known = recording.known_units
        found = {0: recording.spike_trains[0], 1: known["a"], 2: known["b"], 3: np.array([11, 222, 3333])}
        segments = recording.segments
        parts = [{unit: segments.split(train)[segment] for unit, train in found.items()} for segment in range(2)]
        performance, counts = compare(recording, NumpySorting.from_unit_dict(parts, FS))
    assert counts.n_sorted == 4 and counts.n_false_units == 1
    assert len(performance) == 6 and performance["accuracy"].tolist()[0] == 1.0 and performance["sorted_unit"][0] == "0"


BAD = {
    "no such file or folder": {"recording": "{folder}/nothing"},
    "cannot open it .*; name the function": {"recording": "{folder}/text.txt"},
    "has no such function": {"recording": "{folder}/text.txt", "extractor": "read_nothing"},
    "does not say what a sample is in µV; write background.gain_to_uV": {"recording": "{folder}/no_gains"},
    "of which background.duration wants 1000 s": {"recording": "{folder}/real", "duration": 1000.0},
    "holds a .*, not a sorting": {"recording": "{folder}/real", "sorting": "{folder}/real"},
    "is it complete.*a chunk of zarr has 50 bytes": {"recording": "{folder}/cut.zarr"},
    "1 of the . chunks of traces_seg1 are not there; is it complete": {"recording": "{folder}/hole.zarr"},
    "pickle can run any program": {"recording": "{folder}/code.pkl"},
    "cached.pkl: a pickle can run any program": {"recording": "{folder}/old"},
    "quality.npy: holds objects of Python": {"recording": "{folder}/objects"},
    "other.npy: not a file of numpy": {"recording": "{folder}/disguised"},
    "'this.that.X' is no class of SpikeInterface's": {"recording": "{folder}/foreign.json"},
    "'spikeinterface.core.load' is no class of SpikeInterface's": {"recording": "{folder}/function.json"},
    "objects/properties/quality.npy: holds": {"recording": "{folder}/elsewhere.json"},
    "coded.zarr: SpikeInterface.s load cannot open it": {"recording": "{folder}/coded.zarr"},
    "params.py, line 2: is run as a program": {"recording": "{folder}/real", "sorting": "{folder}/phy"},
    "up/../objects/properties/quality.npy: holds": {"recording": "{folder}/up"},
    "the folder of a sorter or an analyzer": {"recording": "{folder}/analyzer"},
    "read_klusta: runs its files": {"recording": "{folder}/real", "extractor": "read_klusta"},
    "channel 3: not a finite number; replace NaN": {"recording": "{folder}/holes/real"},
    "spike at sample -5, outside": {"recording": "{folder}/real", "sorting": "{folder}/before"},
    "spike at sample 10000000, outside": {"recording": "{folder}/real", "sorting": "{folder}/beyond"},
    "spikes at nan Hz": {"recording": "{folder}/real", "sorting": "{folder}/no_rate"},
    "unit 'a' is there twice": {"recording": "{folder}/real", "sorting": "{folder}/twice"},
    "sorting cannot be read": {"recording": "{folder}/real", "sorting": "{folder}/no_unit"},
}


class Code:
    """What makes a file when its pickle is read."""

    def __reduce__(self):
        return os.mkdir, ("was_run",)


def write_code(folder, real_folder):
    """Write recordings and sortings that run a program, if they are opened without care."""
    (folder / "code.pkl").write_bytes(pickle.dumps(Code()))
    (folder / "old").mkdir()
    (folder / "old" / "cached.pkl").write_bytes(pickle.dumps(Code()))
    for name in ("objects", "disguised"):
        shutil.copytree(real_folder, folder / name)
        (folder / name / "properties").mkdir(exist_ok=True)
    np.save(folder / "objects" / "properties" / "quality.npy", np.array([Code()], dtype=object))
    (folder / "disguised" / "properties" / "other.npy").write_bytes(pickle.dumps(Code()))
    described = {
        "foreign": ("this.that.X", {}),
        "function": ("spikeinterface.core.load", {"file_or_folder_or_dict": str(folder / "code.pkl")}),
        "elsewhere": ("spikeinterface.core.binaryfolder.BinaryFolderRecording", {"folder_path": str(folder / "objects")}),
    }
    shutil.copytree(real_folder, folder / "up")
    about = json.loads((folder / "up" / "si_folder.json").read_text())
    about |= {"relative_paths": True, "kwargs": {"folder_path": "../objects"}}
    (folder / "up" / "si_folder.json").write_text(json.dumps(about))
    (folder / "analyzer").mkdir()
    (folder / "analyzer" / "spikeinterface_info.json").write_text('{"object": "SortingAnalyzer"}')
    (folder / "analyzer" / "recording.pickle").write_bytes(pickle.dumps(Code()))
    for name, (of_class, arguments) in described.items():
        about = {"version": "0.103.0", "annotations": {}, "properties": {}, "relative_paths": False}
        about |= {"class": of_class, "module": "spikeinterface", "kwargs": arguments}
        (folder / f"{name}.json").write_text(json.dumps(about))
    (folder / "phy").mkdir()
    (folder / "phy" / "params.py").write_text("sample_rate = 30000.0\nx = __import__('os').mkdir('was_run')\n")
    for name in ("times", "clusters"):
        np.save(folder / "phy" / f"spike_{name}.npy", np.array([1, 2]))


def write_bad_sortings(folder):
    """Write sortings that do not go with the background, or that are damaged."""
    trains = {"before": [-5, 3], "beyond": [3, 10_000_000], "no_rate": [3], "twice": [3], "no_unit": [3]}
    for name, train in trains.items():
        parts = [{"a": np.array(train), "b": np.array([4])}] * 2
        NumpySorting.from_unit_dict(parts, np.nan if name == "no_rate" else FS).save(folder=folder / name)
    about = folder / "twice" / "numpysorting_info.json"
    about.write_text(about.read_text().replace('"b"', '"a"'))
    about = folder / "no_unit" / "spikes.npy"
    spikes = np.load(about)
    spikes["unit_index"] = 77
    np.save(about, spikes)


@pytest.fixture(scope="module")
def bad_backgrounds(units, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    saved(real(units.probe), folder)
    (folder / "text.txt").write_text("no recording")
    NumpyRecording([np.zeros((100, 32), np.int16)], FS).save(folder=folder / "no_gains", verbose=False)
    real(units.probe).save(folder=folder / "cut.zarr", format="zarr", verbose=False)
    for chunk in (folder / "cut.zarr").glob("traces_seg0/1.*"):
        chunk.write_bytes(chunk.read_bytes()[:50])
    real(units.probe).save(folder=folder / "hole.zarr", format="zarr", verbose=False)
    next((folder / "hole.zarr").glob("traces_seg1/0.*")).unlink()
    write_code(folder, folder / "real")
    real(units.probe).save(folder=folder / "coded.zarr", format="zarr", verbose=False)
    ids = folder / "coded.zarr" / "channel_ids"
    as_objects = {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}], "compressor": None, "fill_value": None}
    (ids / ".zarray").write_text(json.dumps(json.loads((ids / ".zarray").read_text()) | as_objects))
    (ids / "0").write_bytes(pickle.dumps(Code()))
    write_bad_sortings(folder)
    holes = real(units.probe, "float32", gains=1.0)
    holes.get_traces(1)[-40:, 3] = np.nan
    (folder / "holes").mkdir()
    saved(holes, folder / "holes")
    return folder


@pytest.mark.parametrize("message", BAD)
def test_a_background_that_cannot_be_used_is_named_in_one_line(units, bad_backgrounds, monkeypatch, tmp_path, message):
    monkeypatch.chdir(tmp_path)
    values = {
        key: value.format(folder=bad_backgrounds) if isinstance(value, str) else value for key, value in BAD[message].items()
    }
    with pytest.raises(UserError, match=message) as error:
        recording = hybrid(units, values)
        recording.samples[: len(recording.samples)]
    said = str(error.value)
    assert "\n" not in said and (str(bad_backgrounds) in said or said.startswith("extractor "))
    assert not Path("was_run").exists()


def test_objects_that_nobody_reads_are_none_of_our_business(units, tmp_path, monkeypatch):
    """The folder of a sorter beside or within the data has arrays of objects, and so may the working folder."""
    path = saved(real(units.probe), tmp_path)
    phy = tmp_path / "phy"
    phy.mkdir()
    (phy / "params.py").write_text("sample_rate = 30000.0\n")
    for name in ("times", "clusters"):
        np.save(phy / f"spike_{name}.npy", np.array([1, 2]))
    (path / "kilosort4").mkdir()
    for folder in (phy, path, path / "kilosort4", tmp_path):
        np.save(folder / "ops.npy", np.array([{"n_chan": 32}], dtype=object))
    (path / "kilosort4" / "cached.pkl").write_bytes(pickle.dumps(Code()))
    monkeypatch.chdir(tmp_path)
    recording = hybrid(units, {"recording": str(path), "duration": 1.0})
    assert len(recording.samples) == int(FS)
    assert open_sorting(phy).get_unit_spike_train(unit_id=1).tolist() == [1]
    assert not Path("was_run").exists()


def test_a_background_that_does_not_fit_says_what_to_write(units, tmp_path):
    path = saved(real(units.probe), tmp_path)
    with pytest.raises(UserError, match=r"recordings.mixed.recordings.fs: 32000 Hz, but .* has 30000 Hz; leave fs out"):
        hybrid(units, path, fs=32000.0)
    fewer = saved(real(units.probe).select_channels(np.arange(16)), tmp_path / "fewer")
    with pytest.raises(UserError, match=r"made has 32 contacts, but .* has 16 channels; write `probe: {recording: "):
        hybrid(units, fewer)
    other = real(units.probe)
    turned = saved(other.select_channels(other.channel_ids[::-1]), tmp_path / "turned")
    with pytest.raises(UserError, match=r"contact \d+ of made lies .* µm away from channel \d+ of"):
        hybrid(units, turned)


def test_the_probe_of_a_recording_is_one_for_libraries(units, tmp_path):
    before = real(units.probe)
    path = saved(before, tmp_path)
    library = Library.model_validate({"probe": {"recording": str(path)}})
    assert Library.model_validate(library.model_dump(mode="json")) == library
    assert input_files(library) == {"probe": str(path)} and file_digests(library) == {}
    probe = load_probe(library.probe, 1)
    np.testing.assert_allclose(probe.layout.contact_positions, before.get_channel_locations())
    # A library on it fits the recording
    made = made_library(tmp_path / "templates.h5", library.probe, 5000)
    assert hybrid(made, path).samples.shape == (sum(LENGTHS), 32)
    raw = {"extractor": "read_binary", "arguments": {"file_paths": "a.bin", "num_channels": 4}}
    named = Library.model_validate({"probe": raw}).probe
    assert recording_of(named) == ("a.bin", "read_binary", {"num_channels": 4})
    with pytest.raises(UserError, match="the recording has no probes"):
        load_probe(f"recording:{saved(NumpyRecording([np.zeros((9, 4), np.int16)], FS), tmp_path / 'bare')}", 1)
    with pytest.raises(ValidationError, match=r"probe\.recording: missing"):
        Library.model_validate({"probe": {"extractor": "read_binary"}})


def test_the_recipe_of_the_docs_runs(tmp_path, monkeypatch):
    """docs/hybrid.md as a person copies it; made cells stand in for those of the workflow."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "hybrid.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:py|python|yaml|yml)\n(.*?)```", page, re.DOTALL)
    first, recipe, glx, board, without_gain, readers, study, last = blocks
    names = {}
    exec(first, names)
    settings = load_settings(yaml.safe_load(recipe))
    added = yaml.safe_load(study)
    added["recordings"]["hybrid"] = yaml.safe_load(recipe)["recordings"]["hybrid"]
    assert len(load_settings(yaml.safe_load(recipe) | added).recordings) == 1 + 10
    for system in (yaml.safe_load(block) for block in (glx, board)):
        Library.model_validate(system["libraries"]["on_real"])
        Background.model_validate(system["recordings"]["hybrid"]["background"])
    for line in [*readers.splitlines(), without_gain]:
        Background.model_validate(yaml.safe_load(line)["background"])
    made = made_library(tmp_path / "templates.h5", settings.libraries["on_real"].probe, 2000)
    chosen = settings.recordings["hybrid"].model_copy(update={"templates": UnitSelection(min_dist=0.0, snr=(3.0, 100.0))})
    folder = tmp_path / "results" / "recordings" / "hybrid"
    folder.mkdir(parents=True)
    plan = plan_recording(made, chosen, seed=0, name="hybrid")
    write_mearec(folder / "recording.h5", GeneratedRecording(plan, made, chosen, {"config": {}}))
    exec(last, names)
    np.testing.assert_allclose(names["added"], counts_of_units(plan, [250000]), atol=1e-3)
