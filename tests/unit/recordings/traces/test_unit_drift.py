"""Traces of drifting units and far neurons, against spikes that show where they were."""

import hashlib
from dataclasses import replace

import MEArec
import numpy as np
import pandas as pd
import pytest

from allenrec.common.errors import UserError
from allenrec.libraries.from_arrays import library_from_arrays, template_rows
from allenrec.libraries.library_file import read_library
from allenrec.probes import load_probe
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.tick_grid import split_ticks
from allenrec.recordings.traces.blocks import blocks, piece, spikes_only
from allenrec.recordings.traces.drift import read_motion, slow_drift
from allenrec.recordings.traces.far_neurons import choose_far_neurons
from allenrec.recordings.traces.noise_parts import NoiseInputs
from allenrec.settings.recordings import Recording

STEPS = np.arange(-30, 31, 2.0)  # µm


WIDTH = 25.0  # µm, of the potential along the probe


DT, PEAK, N_T = 2.0**-5, 64, 224


def waveform(times):
    """Return a spike (times in ms) with nothing above a few kHz."""
    return -np.exp(-0.5 * (times / 0.15) ** 2) + 0.3 * np.exp(-0.5 * ((times - 0.6) / 0.3) ** 2)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Return a library of eight cells along a probe, each a Gaussian in depth, at 31 steps 2 µm apart."""
    probe = load_probe("Neuronexus-32", 1)
    z = np.linspace(*np.percentile(probe.positions[:, 2], [15, 85]), 8)
    locations = np.zeros((8, len(STEPS), 3))
    locations[..., 0], locations[..., 2] = 20.0, z[:, np.newaxis] + STEPS
    spike = waveform((np.arange(N_T) - PEAK) * DT)
    distance = probe.positions[:, 2] - locations[..., 2, np.newaxis]
    templates = 100 * np.exp(-0.5 * (distance / WIDTH) ** 2)[..., np.newaxis] * spike
    path = tmp_path_factory.mktemp("drift") / "templates.h5"
    rows = template_rows(locations, ["spiny"] * 4 + ["aspiny"] * 4)
    library_from_arrays(path, np.float32(templates), rows, probe, dt=DT, cut_out=(2.0, 5.0), centre=15)
    return read_library(path)


def settings(*movements, duration=20.0, **signal):
    quiet = {"noise_level": 0.0, "filter": False, "modulation": "none", "drifting": True}
    return Recording.model_validate(
        {
            "library": "test",
            "spiketrains": {"duration": duration, "n_exc": 3, "n_inh": 3},
            "templates": {"min_dist": 1.0},
            "recordings": quiet | ({"drift_dicts": list(movements)} if movements else {}) | signal,
        }
    )


def test_at_a_step_and_a_sample_a_moving_spike_is_its_template(library):
    chosen = settings()
    plan = plan_recording(library, chosen, seed=0, name="test")
    unit = 2
    plan = replace(plan, ticks=[np.array([1000 * plan.n_phases]) if u == unit else t[:0] for u, t in enumerate(plan.ticks)])
    ones = [np.ones((len(t), 1), np.float32) for t in plan.ticks]
    displacements = [np.full(len(t), 6.0, dtype=np.float32) for t in plan.ticks]
    plan = replace(plan, gains=ones, unit_drift=replace(plan.unit_drift, displacements=displacements))
    traces = spikes_only(plan, 0, 2000)
    template = library.templates[plan.template_ids[unit], 15 + 3]
    np.testing.assert_allclose(traces[1000 - PEAK : 1000 - PEAK + N_T], template.T, atol=1e-3)  # µV, of 100


def test_a_spike_between_steps_and_samples_is_where_it_belongs(library):
    """The traces follow the formula. Halfway between steps of 2 µm, a Gaussian of 25 µm is at most 1 / 1250 lower."""
    plan = plan_recording(library, settings(), seed=0, name="test")
    unit, shift = 4, 5  # of 16 points a sample
    ticks = [np.array([1000 * plan.n_phases + shift]) if u == unit else t[:0] for u, t in enumerate(plan.ticks)]
    gains = [np.full((len(t), 1), 0.5, np.float32) for t in ticks]
    displacements = [np.full(len(t), -7.0, dtype=np.float32) for t in ticks]
    plan = replace(plan, ticks=ticks, gains=gains, unit_drift=replace(plan.unit_drift, displacements=displacements))
    traces = spikes_only(plan, 0, 2000)
    times = (np.arange(2000) - 1000 - shift / plan.n_phases) * DT
    distance = library.channel_positions[:, 2] - plan.units["z"][unit] + 7.0
    expected = 50 * np.exp(-0.5 * (distance / WIDTH) ** 2) * waveform(times)[:, np.newaxis]
    near = np.abs(times) < 1.5
    np.testing.assert_allclose(traces[near], expected[near], atol=50 / 1250)


def depths_of_spikes(traces, train, positions):
    """Return the depth of each spike, µm: the centre of its Gaussian along the probe, from the logarithms of its troughs."""
    depths = []
    for sample in train:
        trough = traces[sample]
        large = trough < 0.2 * trough.min()
        parabola = np.polyfit(positions[large, 2], np.log(-trough[large]), 2)
        depths.append(-0.5 * parabola[1] / parabola[0])
    return np.array(depths)


def alone(train, all_trains, margin=700):
    """Return which spikes of a train have no other spike near them."""
    others = np.sort(np.concatenate(all_trains))
    near = np.searchsorted(others, train + margin) - np.searchsorted(others, train - margin)
    return near == 1


def test_a_drift_of_a_file_is_in_the_traces_and_in_the_ground_truth(library, tmp_path):
    """The depths of spikes in the traces are those of the file, to a twentieth of the grid's step."""
    times = np.linspace(0, 20, 41)
    table = [(t, d, (20 if d == 0 else 10) * np.sin(t / 4)) for t in times for d in (0.0, 400.0)]
    pd.DataFrame(table, columns=["time_s", "depth_um", "displacement_um"]).to_csv(tmp_path / "drift.csv", index=False)
    chosen = settings({"drift_mode_speed": "file", "drift_file": str(tmp_path / "drift.csv")})
    plan = plan_recording(library, chosen, seed=0, name="test")
    write_mearec(tmp_path / "recording.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    _, _, displacement = read_motion(tmp_path / "drift.csv")[0]
    n_alone = 0
    with read_recording(tmp_path / "recording.h5") as recording:
        stored = recording.file["drift/displacements"]
        assert np.array_equal(recording.file["drift/times"], np.arange(2001) / 100)
        for unit, (train, exact) in enumerate(zip(recording.spike_trains, recording.spike_times, strict=True)):
            home = recording.units["z"][unit]
            expected = np.array([np.interp(exact, times, one) for one in displacement.T])
            expected = expected[0] + (expected[1] - expected[0]) * np.clip(home / 400, 0, 1)
            on_grid = np.interp(exact, recording.file["drift/times"], stored[:, unit])
            np.testing.assert_allclose(on_grid, expected, atol=0.02)
            free = alone(train, recording.spike_trains)
            found = depths_of_spikes(recording.traces, train[free], recording.channel_positions)
            np.testing.assert_allclose(found - home, expected[free], atol=0.1)
            n_alone += free.sum()
    assert n_alone > 50


def test_rigid_drift_moves_all_units_alike(library, tmp_path):
    chosen = settings(
        {"slow_drift_amplitude": 20.0, "slow_drift_velocity": 120.0},
        {"drift_mode_speed": "fast", "fast_drift_period": 5.0, "fast_drift_min_jump": 2.0, "fast_drift_max_jump": 4.0},
    )
    plan = plan_recording(library, chosen, seed=1, name="test")
    courses = np.array([plan.unit_drift.drift.of_unit(unit) for unit in range(6)])
    assert (courses == courses[0]).all() and np.ptp(courses) > 15
    traces = spikes_only(plan, 0, plan.n_samples)
    trains = [split_ticks(ticks, plan.n_phases)[0] for ticks in plan.ticks]
    for unit, train in enumerate(trains):
        free = alone(train, trains)
        found = depths_of_spikes(traces, train[free], library.channel_positions)
        times = plan.ticks[unit][free] / plan.ticks_per_second
        np.testing.assert_allclose(found - plan.units["z"][unit], plan.unit_drift.drift.displacement(0, times), atol=0.1)


@pytest.mark.parametrize("probe_mode", ["rigid", "non-rigid"])
def test_far_neurons_drift_with_the_units(library, probe_mode):
    """Spikes come from the nearest step of a path, which is at most 1 µm off; beyond its path a neuron stays at the end."""
    movement = {"slow_drift_amplitude": 59.0, "slow_drift_velocity": 1200.0, "drift_mode_probe": probe_mode}
    far = {"noise_level": 10.0, "noise_mode": "far-neurons", "far_neurons_n": 4, "far_neurons_max_amp": 1000.0}
    chosen = settings(movement, **far)
    plan = plan_recording(library, chosen, seed=0, name="test")
    inputs = NoiseInputs((0, "recording", "test"), chosen, library.channel_positions, library, plan.grid, plan.unit_drift)
    neurons = choose_far_neurons(inputs)  # not yet at noise_level
    noise = np.zeros((plan.n_samples, plan.n_channels), dtype=np.float32)
    neurons.add_to(noise, 0)
    noise += neurons.mean
    drawn = [neurons.spikes(block) for block in range(plan.n_samples // 2**13)]
    samples, neurons = (np.concatenate(some) for some in zip(*drawn, strict=True))
    free = alone(samples, [samples])
    home = library.locations[:, 15, 2]
    found = depths_of_spikes(noise, samples[free], library.channel_positions)
    course = slow_drift(samples[free] / plan.fs, 59.0, 20.0, "triangular")
    lowest, highest = home[plan.template_ids].min(), home[plan.template_ids].max()
    ends = np.interp(home, [lowest, highest], [1.0, 0.5]) if probe_mode == "non-rigid" else np.ones(len(home))
    for neuron in range(4):
        mine = neurons[free] == neuron
        off = found[mine, np.newaxis] - course[mine, np.newaxis] * ends - home
        assert mine.sum() > 5 and np.abs(off).max(axis=0).min() < 1.2


def test_far_neurons_of_a_library_that_does_not_drift_stay(library, library_path):
    far = {"noise_mode": "far-neurons", "far_neurons_n": 4, "far_neurons_max_amp": 1000.0}
    still = read_library(library_path)
    plan = plan_recording(library, settings(noise_level=10.0, **far), seed=0, name="test", far_library=still)
    assert plan.noise.source.moved is None and plan.unit_drift is not None


def test_as_many_units_drift_as_asked_for_and_the_others_stay(library):
    plan = plan_recording(library, settings(n_drifting=2), seed=0, name="test")
    moves = [np.ptp(plan.unit_drift.drift.of_unit(unit)) > 0 for unit in range(6)]
    assert sum(moves) == 2


def test_pieces_of_a_drifting_recording_do_not_depend_on_where_they_begin(library):
    chosen = settings({"drift_mode_speed": "random-walk"}, noise_level=5.0, filter=True, modulation="electrode", duration=8.0)
    plan = plan_recording(library, chosen, seed=0, name="test")
    whole = np.concatenate([block.copy() for block in blocks(plan)])
    assert (
        hashlib.sha256(whole).digest()
        == hashlib.sha256(np.concatenate([block.copy() for block in blocks(plan, threads=3)])).digest()
    )
    np.testing.assert_allclose(piece(plan, 70_000, 75_000), whole[70_000:75_000], atol=1e-3)


def test_readers_open_a_drifting_recording(library, tmp_path):
    chosen = settings({"slow_drift_amplitude": 20.0}, duration=4.0)
    plan = plan_recording(library, chosen, seed=0, name="test")
    write_mearec(tmp_path / "recording.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    loaded = MEArec.load_recordings(tmp_path / "recording.h5")
    assert loaded.recordings.shape == (128_000, 32) and loaded.template_locations.shape == (6, 31, 3)
    (drift,) = loaded.drift_list
    np.testing.assert_allclose(drift["drift_vector_um"], plan.unit_drift.drift.of_unit(0))
    assert drift["drift_steps"] == 31 and drift["drift_fs"] == 100


def test_what_cannot_drift_is_refused(library, library_path):
    with pytest.raises(UserError, match=r"unit 0 drifts from -40 to .* its templates reach from -30 to 30 µm"):
        plan_recording(library, settings({"slow_drift_amplitude": 80.0, "slow_drift_velocity": 600.0}), seed=0, name="test")
    with pytest.raises(UserError, match=r"recordings.test: drifting needs a library"):
        plan_recording(read_library(library_path), settings(), seed=0, name="test")
