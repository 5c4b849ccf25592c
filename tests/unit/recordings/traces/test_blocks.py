"""The contributions of units and spikes in a file, against the recording that they make together."""

from dataclasses import replace

import MEArec
import numpy as np
import pytest

from allenrec.common.errors import UserError
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording, recording_size
from allenrec.recordings.traces.blocks import piece, samples, spike_amplitudes, spikes_only
from allenrec.settings.recordings import Recording


def settings(**signal):
    return Recording.model_validate(
        {
            "library": "test",
            "spiketrains": {"duration": 3.0, "n_exc": 3, "n_inh": 2},
            "templates": {"min_dist": 10.0},
            "recordings": {"modulation": "electrode", "bursting": True, "shape_mod": True} | signal,
        }
    )


@pytest.fixture(scope="module")
def written(library, tmp_path_factory):
    path = tmp_path_factory.mktemp("traces") / "recording.h5"
    chosen = settings(spike_traces="all", extract_waveforms=True)
    plan = plan_recording(library, chosen, seed=0, name="test")
    write_mearec(path, GeneratedRecording(plan, library, chosen, {"config": {}}, threads=2))
    return path, plan, chosen


def test_traces_of_units_and_noise_are_the_recording(written):
    path, plan, _ = written
    noise = piece(replace(plan, ticks=[ticks[:0] for ticks in plan.ticks]), 0, plan.n_samples)
    with read_recording(path) as recording:
        alone = [traces[()] for traces in recording.unit_traces]
        np.testing.assert_allclose(sum(alone) + noise, recording.traces[()], atol=1e-4)  # µV
        assert all(np.abs(traces).max() > 20 for traces in alone)
        # Between spikes there is nothing, instead of the tails of the filter, which no compression makes small
        for traces in (*alone, recording.spike_traces[()]):
            assert (traces == 0).any() and np.abs(traces[traces != 0]).min() > 9e-7
        on_peak = np.stack([traces[:, c] for traces, c in zip(alone, recording.units["peak_channel"], strict=True)], axis=1)
        np.testing.assert_allclose(recording.spike_traces[()], on_peak, atol=1e-4)


@pytest.mark.parametrize("signal", [{}, {"filter": False}, {"dtype": "int16"}, {"filter_mode": "lfilter", "noise_level": 0.0}])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e37])
def test_samples_that_are_not_finite_are_an_error(signal, wrong, library, tmp_path):
    """A gain that is not finite, or too large for float32, ends in one line, and nothing is written."""
    chosen = settings(**signal)
    plan = plan_recording(library, chosen, seed=0, name="test")
    samples(plan, 0, 4000)
    gains = [np.full((len(plan.ticks[0]), plan.n_channels), wrong, dtype=np.float32), *plan.gains[1:]]
    recording = GeneratedRecording(replace(plan, gains=gains), library, chosen, {"config": {}})
    with pytest.raises(UserError, match=r"^traces: \d+ of \d+ numbers are not finite; noise_level[^\n]*$"):
        write_mearec(tmp_path / "recording.h5", recording)
    assert not list(tmp_path.iterdir())


def test_size_that_was_foretold_holds_what_is_written(written, library):
    path, plan, chosen = written
    n_spikes = sum(map(len, plan.ticks))
    with read_recording(path) as recording:
        stored = [recording.samples, recording.spike_traces, *recording.unit_traces, *recording.waveforms]
        assert recording_size(library, chosen, n_spikes) == sum(dataset.size * dataset.dtype.itemsize for dataset in stored)
    assert recording_size(library, settings(), n_spikes) == plan.n_samples * plan.n_channels * 4


def test_mearec_reads_waveforms_and_spike_traces(written):
    path, plan, _ = written
    loaded = MEArec.load_recordings(path)
    assert loaded.spike_traces.shape == (plan.n_samples, 5)
    with read_recording(path) as recording:
        for unit, (mine, train) in enumerate(zip(recording.waveforms, recording.spike_trains, strict=True)):
            assert mine.shape == (len(train), 32, 80)
            assert np.array_equal(loaded.spiketrains[unit].waveforms, mine[()])
            inside = (train > 20) & (train < plan.n_samples - 80)
            for k in np.flatnonzero(inside):
                assert np.array_equal(mine[k], recording.traces[train[k] - 16 : train[k] + 64].T)


def test_waveforms_at_the_ends_are_filled_with_zeros(library, tmp_path):
    chosen = settings(extract_waveforms=True, dtype="int16")
    plan = plan_recording(library, chosen, seed=0, name="test")
    ends = np.array([3, plan.n_samples - 5]) * plan.n_phases
    plan = replace(
        plan,
        ticks=[ends] * 5,
        gains=[np.ones((2, 1), np.float32)] * 5,
        widening_factors=[None] * 5,
        bends=[None] * 5,
        bursts=[-np.ones(2, dtype=int)] * 5,
        overlap_labels=[np.array(["NO", "NO"])] * 5,
    )
    write_mearec(tmp_path / "r.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    with read_recording(tmp_path / "r.h5") as recording:
        early, late = recording.waveforms[0][()]
        assert early.dtype == np.int16 and not early[:, :13].any() and np.array_equal(early[:, 13:], recording.samples[:67].T)
        assert not late[:, 21:].any() and np.array_equal(late[:, :21], recording.samples[-21:].T)


def test_amplitudes_are_the_troughs_of_isolated_spikes(library):
    """Amplitudes are those in the traces, to 1 %: samples of wider spikes miss the trough by a little."""
    chosen = settings(noise_level=0.0, filter=False)
    plan = plan_recording(library, chosen, seed=0, name="test")
    every = np.sort(np.concatenate(plan.ticks))
    traces, n_isolated = spikes_only(plan, 0, plan.n_samples), 0
    for unit, ticks in enumerate(plan.ticks):
        isolated = np.searchsorted(every, ticks + 420 * 16) - np.searchsorted(every, ticks - 420 * 16) == 1
        isolated &= (ticks > 500 * 16) & (ticks < (plan.n_samples - 500) * 16)
        samples, channel = np.rint(ticks[isolated] / 16).astype(int), plan.units["peak_channel"][unit]
        found = -np.array([traces[sample - 30 : sample + 30, channel].min() for sample in samples])
        np.testing.assert_allclose(spike_amplitudes(plan, unit, slice(None), plan.gains[unit][:])[isolated], found, rtol=0.01)
        n_isolated += isolated.sum()
    assert n_isolated > 20


def test_amplitudes_are_in_the_file(written):
    path, plan, _ = written
    with read_recording(path) as recording:
        for unit, amplitudes in enumerate(recording.amplitudes):
            assert (
                np.array_equal(amplitudes, spike_amplitudes(plan, unit, slice(None), plan.gains[unit][:]))
                and amplitudes.shape == plan.ticks[unit].shape
            )
            share = amplitudes / recording.units["amplitude"][unit]
            assert 0.2 < share.min() and share.max() < 1.3  # bursts lessen them


def test_bursting_units_have_parameters_of_their_own(library):
    lists = {"exp_decay": [0.1, 0.5], "n_burst_spikes": [3, 10], "max_burst_duration": [50.0, 100.0]}
    plan = plan_recording(library, settings(bursting_units=[4, 1], **lists), seed=0, name="test")
    for unit, decay, count, duration in ((4, 0.1, 3, 50.0), (1, 0.5, 10, 100.0)):
        single = settings(bursting_units=[unit], exp_decay=decay, n_burst_spikes=count, max_burst_duration=duration)
        alone = plan_recording(library, single, seed=0, name="test")
        assert np.array_equal(plan.gains[unit][:], alone.gains[unit][:])
        assert np.array_equal(plan.widening_factors[unit], alone.widening_factors[unit])
    with pytest.raises(UserError, match=r"recordings.exp_decay: 2 values for 5 bursting units"):
        plan_recording(library, settings(exp_decay=[0.1, 0.5]), seed=0, name="test")
