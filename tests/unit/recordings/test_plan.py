"""Recordings: the ground truth against the traces, and both against MEArec's, Neo's and SpikeInterface's readers."""

from dataclasses import replace

import MEArec
import neo.io
import numpy as np
import pandas as pd
import pytest
import spikeinterface.extractors
from scipy import signal

from allenrec.common.errors import UserError
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.traces.blocks import block_length, blocks, spikes_only
from allenrec.recordings.traces.gains import BurstDecay, burst_gains
from allenrec.recordings.traces.low_rank import waveforms_of
from allenrec.settings.recordings import Recording
from allenrec.waveforms.features import FEATURES, filtered_name, waveform_features


def settings(**blocks_changed):
    base = {
        "library": "test",
        "spiketrains": {"duration": 4.0, "n_exc": 3, "n_inh": 2},
        "templates": {"min_dist": 10.0},
        "recordings": {"chunk_duration": 1.0},
    }
    return Recording.model_validate({**base, **{k: base.get(k, {}) | v for k, v in blocks_changed.items()}})


def make(path, library, chosen, name="test", seed=0, threads=1):
    plan = plan_recording(library, chosen, seed=seed, name=name)
    write_mearec(path, GeneratedRecording(plan, library, chosen, {"config": {}}, threads))
    return plan


@pytest.fixture(scope="module")
def written(library, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "recording.h5"
    return path, make(path, library, settings())


def test_spikeinterface_reads_what_was_written(written):
    path, _ = written
    recording, sorting = spikeinterface.extractors.read_mearec(path)
    assert recording.sampling_frequency == 32000
    assert recording.get_num_channels() == 32 and recording.get_num_samples() == 128000
    with read_recording(path) as ours:
        assert np.array_equal(recording.get_traces(0, 1000, 2000), ours.traces[1000:2000])
        assert np.array_equal(recording.get_traces(start_frame=0, end_frame=10, return_in_uV=True), ours.traces[:10])
        # Its positions are those in the plane of the probe, y and z.
        assert np.allclose(recording.get_channel_locations(), ours.channel_positions[:, 1:])
        assert sorting.get_num_units() == len(ours.units) == 5
        for unit, times, nearest in zip(sorting.unit_ids, ours.spike_times, ours.spike_trains, strict=True):
            frames = sorting.get_unit_spike_train(unit)
            assert len(frames) == len(times)
            assert np.abs(frames - times * 32000).max() <= 1  # it rounds down
            assert np.abs(nearest - times * 32000).max() <= 0.5


def test_neo_reads_what_was_written(written):
    path, _ = written
    segment = neo.io.MEArecIO(filename=str(path)).read_segment()
    with read_recording(path) as ours:
        (traces,) = segment.analogsignals
        assert float(traces.sampling_rate) == 32000 and traces.shape == (128000, 32)
        assert len(segment.spiketrains) == 5
        for train, times in zip(segment.spiketrains, ours.spike_times, strict=True):
            np.testing.assert_allclose(train.rescale("s").magnitude, times, atol=1e-9)


def test_mearec_reads_what_was_written(written, library):
    path, plan = written
    loaded = MEArec.load_recordings(path)
    assert loaded.recordings.shape == (128000, 32)
    assert np.array_equal(loaded.template_ids, plan.template_ids)
    assert np.array_equal(loaded.original_templates, library.templates[plan.template_ids])
    assert [t.annotations["cell_type"] for t in loaded.spiketrains] == ["E", "E", "E", "I", "I"]
    assert [t.annotations["mtype"] for t in loaded.spiketrains] == list(library.celltypes[plan.template_ids])
    for train, ticks in zip(loaded.spiketrains, plan.ticks, strict=True):
        assert np.array_equal(train.times.magnitude, ticks / plan.ticks_per_second)


def test_units_keep_their_types_and_limits(written, library):
    path, plan = written
    assert list(plan.units["bintype"]) == ["E", "E", "E", "I", "I"]
    assert list(plan.units["cell_type"]) == ["spiny"] * 3 + ["aspiny"] * 2
    assert (plan.units["amplitude"] > 30).all() and (plan.units["amplitude"] < 300).all()
    assert list(plan.units["layer"]) == ["5"] * 5
    mine = library.features.iloc[plan.template_ids].reset_index(drop=True)
    assert np.array_equal(plan.units["amplitude"], mine["amplitude_uV"])
    assert np.array_equal(plan.units["peak_channel"], mine["peak_contact"])
    shape = list(FEATURES[2:])
    with read_recording(path) as recording:
        pd.testing.assert_frame_equal(recording.units[shape], mine[shape])
    for train in plan.ticks:
        assert np.diff(train).min() >= 0.002 * plan.ticks_per_second


QUIET = {"noise_level": 0.0, "filter": False, "chunk_duration": 1.0}


@pytest.mark.parametrize("modulation", ["none", "template", "electrode"])
def test_trace_without_noise_is_the_sum_of_the_templates_at_their_times(modulation, library, tmp_path):
    """The sum is made here from the file alone, with a shift in the frequency domain for the time between samples. The bound
    is the rounding of float32 sums, of hundreds of µV."""
    path = tmp_path / "recording.h5"
    make(path, library, settings(recordings=QUIET | {"modulation": modulation}))
    with read_recording(path) as recording:
        n = len(recording.traces)
        gains = [recording.file[f"spiketrains/{unit}/gains"][()] for unit in range(len(recording.units))]
        n_t = recording.unfiltered_templates.shape[2]
        margin = 2 * n_t
        expected = np.zeros((n + 2 * margin, 32))
        for unit, (template, times) in enumerate(zip(recording.unfiltered_templates, recording.spike_times, strict=True)):
            spectrum = np.fft.rfft(template, axis=-1)
            frequencies = np.fft.rfftfreq(n_t)
            for time, gain in zip(times, gains[unit], strict=True):
                sample = int(np.floor(time * 32000 + 0.5))
                shift = time * 32000 - sample
                shifted = np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequencies * shift), n_t, axis=-1)
                first = sample - recording.template_peak + margin
                expected[first : first + n_t] += gain * shifted.T
        difference = np.abs(recording.traces[()] - expected[margin : margin + n])
        # Outside of its window a template is silent; the shift by Fourier wraps what is there, which is below 0.01 µV.
        assert difference.max() < 0.01
        assert np.abs(expected).max() > 50


def test_noise_free_trace_equals_the_upsampled_templates_exactly(library):
    """The sum of the upsampled templates in double precision differs by no more than the rounding of float32."""
    plan = plan_recording(library, settings(recordings=QUIET), seed=0, name="test")
    expected = np.zeros((plan.n_samples + 2000, 32))
    upsampled = map(waveforms_of, plan.upsampled.temporal.astype(float), plan.upsampled.spatial)
    for ticks, gains, waveforms in zip(plan.ticks, plan.gains, upsampled, strict=True):
        for tick, gain in zip(ticks, gains, strict=True):
            sample, phase = divmod(tick + 8, 16)
            first = sample - plan.peak + 1000
            expected[first : first + waveforms.shape[1]] += gain * waveforms[phase]
    traces = np.concatenate([block.copy() for block in blocks(plan)])
    bound = 4 * np.finfo(np.float32).eps * np.abs(expected).max()
    assert np.abs(traces - expected[1000 : 1000 + plan.n_samples]).max() < bound


def test_spike_is_where_the_ground_truth_says(library):
    """The lowest sample of the peak channel around each isolated spike is the nearest sample to its time."""
    plan = plan_recording(library, settings(recordings=QUIET, spiketrains={"n_exc": 1, "n_inh": 0}), seed=3, name="x")
    traces = spikes_only(plan, 0, plan.n_samples)
    channel = plan.units["peak_channel"][0]
    samples = np.round(plan.ticks[0] / 16).astype(int)
    samples = samples[(samples > 300) & (samples < plan.n_samples - 300)]
    assert len(samples) > 5
    for sample in samples:
        window = traces[sample - 10 : sample + 11, channel]
        assert abs(np.argmin(window) - 10) <= 1


FAR = {"noise_mode": "far-neurons", "far_neurons_n": 30, "far_neurons_max_amp": 60.0}
KINDS = {
    "both ways": {},
    "causal": {"filter_mode": "lfilter"},
    "correlated": {"noise_mode": "distance-correlated", "noise_color": True},
    "far neurons": FAR,
    "bursts": {"bursting": True, "shape_mod": True},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_sample_depends_on_chunks_or_threads(kind, library, tmp_path, monkeypatch):
    monkeypatch.setattr("allenrec.recordings.traces.blocks.BLOCK_VALUES", 2**20)  # several blocks in a short recording
    contents = []
    for chunk, threads in ((0.3, 1), (1.7, 2), (100.0, 3)):
        path = tmp_path / f"{chunk}.h5"
        make(path, library, settings(recordings={"chunk_duration": chunk} | kind), threads=threads)
        with read_recording(path) as recording:
            contents.append(recording.traces[()])
    assert np.array_equal(contents[0], contents[1]) and np.array_equal(contents[0], contents[2])


def test_filter_has_no_seams(library):
    """Away from the ends, the recording equals SciPy's filter over the whole unfiltered recording."""
    raw = plan_recording(library, settings(recordings={"filter": False}), seed=0, name="test")
    filtered = plan_recording(library, settings(), seed=0, name="test")
    sections = signal.butter(3, (300, 6000), btype="bandpass", fs=32000, output="sos")
    whole = np.concatenate([block.copy() for block in blocks(raw)]).astype(float)
    expected = signal.sosfiltfilt(sections, whole, axis=0)
    ours = np.concatenate([block.copy() for block in blocks(filtered)])
    assert np.abs(ours - expected)[3000:-3000].max() < 1e-3
    assert ours[:50].std() == pytest.approx(ours[3000:-3000].std(), rel=0.3)  # no transient at the start


@pytest.mark.parametrize("kind", [{}, {"noise_color": True, "noise_mode": "distance-correlated"}, FAR], ids=str)
@pytest.mark.parametrize("at", ["raw", "filtered"])
def test_noise_has_its_level_in_the_recording(kind, at, library):
    """The level is measured without units; the SNR of units uses it.

    The number of spikes of the loudest far neuron, a few hundred in 100 s, leaves the level of its contact uncertain by 2 %.
    """
    chosen = {"noise_level": 8.0, "noise_level_at": at, **kind}
    plan = plan_recording(
        library, settings(spiketrains={"n_exc": 0, "n_inh": 0, "duration": 100.0}, recordings=chosen), seed=0, name="test"
    )
    found = np.concatenate([block.copy() for block in blocks(plan, 2)]).std(axis=0, dtype=float)
    np.testing.assert_allclose(found, plan.noise.filtered, rtol=0.05)
    assert getattr(plan.noise, at) == pytest.approx(8.0)
    plan = plan_recording(library, settings(recordings=chosen), seed=0, name="test")
    loudest = np.abs(plan.filtered_templates).max(axis=2) / plan.noise.filtered
    np.testing.assert_allclose(plan.units["snr_filtered"], loudest.max(axis=1), rtol=1e-6)


def test_far_neurons_of_another_library(library, tmp_path):
    """Far neurons are no units: the file has as many units as were asked for."""
    chosen = settings(recordings=FAR)
    make(tmp_path / "r.h5", library, chosen)
    with read_recording(tmp_path / "r.h5") as recording:
        assert len(recording.units) == 5 and recording.file["info/spiketrains/n_exc"][()] == 3
    quiet = replace(library, templates=library.templates / 10, features=library.features.assign(amplitude_uV=1.0))
    own = plan_recording(library, chosen, seed=0, name="test")
    other = plan_recording(library, chosen, seed=0, name="test", far_library=quiet)
    assert len(own.noise.source.rates) == len(other.noise.source.rates) == 30
    np.testing.assert_allclose(other.noise.raw, own.noise.raw)  # at the level asked for, however quiet they are
    with pytest.raises(
        UserError, match=r"far neurons were requested, but their library has 0 of cell_types.excitatory \['spiny'\]"
    ):
        plan_recording(library, settings(recordings=FAR | {"far_neurons_max_amp": 10.0}), seed=0, name="test")


def test_bursting_units_have_the_gains_of_their_intervals(library, tmp_path):
    """Units are chosen by number or by index. The gain of a spike follows from its train alone, whatever the chunks."""
    busy = {"f_exc": 30.0, "st_exc": 0.0}
    plain = plan_recording(library, settings(spiketrains=busy), seed=0, name="test")
    signal = {"bursting": True, "bursting_units": [0, 2], "shape_mod": True}
    plan = make(tmp_path / "r.h5", library, settings(spiketrains=busy, recordings=signal))
    assert plan.units["bursting"].tolist() == [True, False, True, False, False]
    for unit in range(5):
        times = plan.ticks[unit] / plan.ticks_per_second * 1000
        bursts = burst_gains(times, BurstDecay(exp_decay=0.2, n_burst_spikes=10, max_burst_duration=100.0))
        if unit not in (0, 2):
            bursts[:] = 1
            assert plan.widening_factors[unit] is None
        else:
            assert bursts.min() < 0.8
            np.testing.assert_allclose(plan.widening_factors[unit], 2 - bursts)
        np.testing.assert_allclose(plan.gains[unit], plain.gains[unit] * bursts[:, np.newaxis], rtol=1e-6)
    with read_recording(tmp_path / "r.h5") as recording:
        assert np.array_equal(recording.file["spiketrains/0/stretches"], plan.widening_factors[0])
    some = [
        plan_recording(library, settings(recordings={"bursting": True, "n_bursting": n}), seed=0, name="test")
        for n in (1, 2, 5)
    ]
    assert [plan.units["bursting"].sum() for plan in some] == [1, 2, 5]
    assert (some[1].units["bursting"] >= some[0].units["bursting"]).all()


def test_wider_spikes_are_as_deep_as_their_gain_says(library):
    """Spikes of a bursting unit are wider in the traces, by the stored factor, and as deep as their gain says."""
    signal = QUIET | {"bursting": True, "shape_mod": True, "modulation": "none"}
    plan = plan_recording(
        library, settings(recordings=signal, spiketrains={"n_exc": 1, "n_inh": 0, "f_exc": 8.0}), seed=1, name="x"
    )
    traces = spikes_only(plan, 0, plan.n_samples)
    channel, amplitude = plan.units["peak_channel"][0], plan.units["amplitude"][0]
    template = plan.unfiltered_templates[0, channel]
    samples, gaps = np.round(plan.ticks[0] / 16).astype(int), np.diff(plan.ticks[0] / 16, append=np.inf)
    lonely = (gaps > 1000) & (np.diff(plan.ticks[0] / 16, prepend=-np.inf) > 1000) & (samples > 500)
    lonely &= samples < plan.n_samples - 500
    assert plan.widening_factors[0][lonely].max() > 1.1
    for spike in np.flatnonzero(lonely):
        window = traces[samples[spike] - 30 : samples[spike] + 60, channel]
        gain, factor = plan.gains[0][spike, 0], plan.widening_factors[0][spike]
        assert -window.min() == pytest.approx(gain * amplitude, rel=0.03)
        widths = [np.sum(w < w.min() / 2) for w in (window, template)]
        assert widths[0] == pytest.approx(factor * widths[1], abs=2)


def test_spikes_of_bursts_are_bent_as_mearec_bends_them(library, tmp_path):
    """With `shape_stretch`, spikes are bent by their mean gain, random part included; peaks stay and gains are kept."""
    signal = {"bursting": True, "n_bursting": 1, "shape_mod": True, "shape_stretch": 30.0, "modulation": "electrode"}
    plan = make(tmp_path / "r.h5", library, settings(spiketrains={"f_exc": 20.0, "f_inh": 20.0}, recordings=signal))
    (unit,) = np.flatnonzero(plan.units["bursting"])
    n_t, peak = plan.upsampled.n_t, plan.peak
    expected = np.clip(1 - plan.gains[unit][:].mean(axis=1), 0, None) * 30 * (n_t - 1 - peak) / (n_t - 1)
    np.testing.assert_allclose(plan.bends[unit], expected, atol=1e-5)
    assert plan.bends[unit].max() > 1 and plan.bends[(unit + 1) % 5] is None
    with read_recording(tmp_path / "r.h5") as recording:
        assert np.array_equal(recording.file[f"spiketrains/{unit}/stretches"], plan.widening_factors[unit])


def test_threads_stop_when_the_reader_does(library, monkeypatch):
    """No block is computed after the last one that was taken."""
    monkeypatch.setattr("allenrec.recordings.traces.blocks.BLOCK_VALUES", 2**20)
    plan = plan_recording(library, settings(), seed=0, name="test")
    started = []
    taken = blocks(plan, 1, lambda plan, start, stop, rows: started.append(start))
    next(taken)
    taken.close()
    assert len(started) == 1 < plan.n_samples / block_length(plan)


def test_another_unit_or_name_changes_what_it_should(library):
    base = plan_recording(library, settings(), seed=0, name="test")
    more = plan_recording(library, settings(spiketrains={"n_exc": 4}), seed=0, name="test")
    assert np.array_equal(np.delete(more.template_ids, 3), base.template_ids)
    for mine, theirs in zip(base.ticks, more.ticks[:3] + more.ticks[4:], strict=True):
        assert np.array_equal(mine, theirs)
    longer = plan_recording(library, settings(spiketrains={"duration": 8.0}), seed=0, name="test")
    other = plan_recording(library, settings(), seed=0, name="other")
    seeded = plan_recording(library, settings(), seed=1, name="test")
    assert np.array_equal(longer.template_ids, base.template_ids)
    for changed in (other, seeded):
        assert not np.intersect1d(changed.ticks[0], base.ticks[0]).size > 5


def test_global_generator_is_left_alone(library, tmp_path):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make(tmp_path / "r.h5", library, settings())
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_resampled_recording(library, tmp_path):
    plan = make(tmp_path / "r.h5", library, settings(recordings={"fs": 30000.0}))
    recording, sorting = spikeinterface.extractors.read_mearec(tmp_path / "r.h5")
    assert recording.sampling_frequency == 30000 and recording.get_num_samples() == 120000
    assert sorting.get_num_units() == len(plan.units)


def test_recording_without_units_is_noise(library, tmp_path):
    make(tmp_path / "r.h5", library, settings(spiketrains={"n_exc": 0, "n_inh": 0}, recordings={"filter": False}))
    recording, sorting = spikeinterface.extractors.read_mearec(tmp_path / "r.h5")
    assert sorting.get_num_units() == 0
    assert recording.get_traces().std() == pytest.approx(10, rel=0.01)
    with read_recording(tmp_path / "r.h5") as ours:
        assert len(ours.units) == 0 and ours.spike_trains == []


def test_request_that_cannot_be_met_says_so(library):
    with pytest.raises(UserError, match="99 excitatory units were requested"):
        plan_recording(library, settings(spiketrains={"n_exc": 99}), seed=0, name="test")


def test_damaged_file_is_named(written, tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(written[0].read_bytes()[:10000])
    with pytest.raises(UserError, match=r"broken\.h5 is not a valid recording file"):
        read_recording(broken)
    with pytest.raises(UserError, match=r"missing\.h5: there is no such recording file"):
        read_recording(tmp_path / "missing.h5")


@pytest.mark.parametrize(("filtered", "cutoff"), [(True, (300.0, 6000.0)), (True, 1000.0), (False, (300.0, 6000.0))])
def test_units_have_the_features_of_what_their_recording_shows(filtered, cutoff, library):
    """With the default filter they are those of the library; with another one, or none, those of the recorded templates."""
    plan = plan_recording(library, settings(recordings={"filter": filtered, "filter_cutoff": cutoff}), seed=0, name="shown")
    shown = waveform_features(plan.filtered_templates, library.channel_positions, 1000 / plan.fs)
    of_library = library.features.iloc[plan.template_ids]
    for name in ("trough_to_peak_ms", "half_width_ms", "pre_peak_to_trough_ratio"):
        units = plan.units[filtered_name(name)]
        assert units.tolist() == pytest.approx(shown[name].tolist(), nan_ok=True)
        by_default = np.isclose(units, of_library[filtered_name(name)], rtol=1e-3)
        assert by_default.all() if filtered and cutoff == (300.0, 6000.0) else not by_default.any()
    assert plan.units["amplitude_filtered"].tolist() == pytest.approx(shown["amplitude_uV"].tolist())
