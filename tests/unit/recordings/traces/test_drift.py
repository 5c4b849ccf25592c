"""Drift: movements against MEArec's, SpikeInterface's and analytic ones; traces against spikes that say where they were."""

import hashlib
from dataclasses import replace

import MEArec.drift_tools
import numpy as np
import pandas as pd
import pytest
from spikeinterface.core.motion import Motion

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
from allenrec.recordings.traces.drift import (
    Drift,
    DriftingCells,
    Movement,
    design_drift,
    fast_drift,
    random_walk,
    read_motion,
    slow_drift,
)
from allenrec.recordings.traces.far_neurons import choose_far_neurons
from allenrec.recordings.traces.noise_parts import NoiseInputs
from allenrec.recordings.traces.paths import paths_of
from allenrec.settings.recordings import Drift as DriftSettings
from allenrec.settings.recordings import DriftingUnits, Recording

STEPS = np.arange(-30, 31, 2.0)  # µm
WIDTH = 25.0  # µm, of the potential along the probe
DT, PEAK, N_T = 2.0**-5, 64, 224


def waveform(times):
    """A spike (ms) with nothing above a few kHz."""
    return -np.exp(-0.5 * (times / 0.15) ** 2) + 0.3 * np.exp(-0.5 * ((times - 0.6) / 0.3) ** 2)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Eight cells along a probe, each a Gaussian in depth, at 31 steps 2 µm apart."""
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


@pytest.mark.parametrize("shape", ["triangular", "sine"])
def test_slow_drift_is_that_of_mearec(shape):
    locations = np.zeros((1, 31, 3))
    locations[0, :, 2] = np.linspace(0, 60, 31)
    name = "triangluar" if shape == "triangular" else shape
    theirs = MEArec.drift_tools.generate_drift_dict_from_params(
        template_locations=locations, duration=600, drift_fs=100, slow_drift_amplitude=20, slow_drift_waveform=name
    )
    ours = slow_drift(np.arange(60_000) / 100, 20.0, 5 / 60, shape)
    np.testing.assert_allclose(ours, theirs["drift_vector_um"], atol=1e-3)
    assert ours[0] == 0 and ours[1] < 0


def test_jumps_come_when_they_should_and_stay_in_reach():
    times = np.arange(100_000) / 100
    course = fast_drift(np.random.default_rng(0), times, 10.0, (5.0, 20.0), 25.0)
    moved = np.flatnonzero(np.diff(course)) + 1
    assert np.array_equal(moved, np.arange(1000, 100_000, 1000))
    jumps = np.abs(np.diff(course))[moved - 1]
    assert jumps.min() >= 5 and jumps.max() <= 20 and np.abs(course).max() <= 25 and course[0] == 0


def test_a_random_walk_moves_as_far_as_asked_for_and_is_reflected():
    times = np.arange(200_000) / 100
    free = random_walk(np.random.default_rng(1), times, 2.0, 1e5)
    a_second = np.diff(free[::100])
    # The variance of 1999 independent normal numbers is known to 3.2 % (one standard deviation)
    assert abs(a_second.var() / 4.0 - 1) < 4 * np.sqrt(2 / len(a_second))
    walled = random_walk(np.random.default_rng(1), times, 2.0, 10.0)
    assert np.abs(walled).max() <= 10 and np.abs(walled).max() > 9.9
    steps = np.abs(np.diff(walled)) - np.abs(np.diff(free))
    assert (steps < 1e-9).all() and np.mean(np.abs(steps) < 1e-9) > 0.95  # the same walk, but where it is reflected
    assert np.abs(np.histogram(walled, 4, (-10, 10))[0] / len(walled) - 0.25).max() < 0.15  # it is everywhere


def test_motion_of_spikeinterface_and_a_table_say_the_same(tmp_path):
    times, depths = np.arange(0.5, 20, 1.0), np.array([0.0, 100.0, 250.0])
    displacement = 10 * np.sin(times / 3)[:, np.newaxis] * np.array([1.0, 0.5, -0.2])
    motion = Motion([displacement], [times], depths)
    motion.save(tmp_path / "motion")
    grid = np.stack(np.meshgrid(times, depths, indexing="ij"), axis=-1).reshape(-1, 2)
    table = pd.DataFrame(grid, columns=["time_s", "depth_um"]).assign(displacement_um=displacement.ravel())
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "motion.csv", index=False)
    for path in ("motion", "motion.csv"):
        for ours, theirs in zip(read_motion(tmp_path / path), (times, depths, displacement), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)
    units = np.array([30.0, 100.0, 200.0])
    file = DriftSettings(drift_mode_speed="file", drift_file=str(tmp_path / "motion.csv"))
    cells = DriftingCells(depths=units, drifts=np.ones(3, bool), reach=50)
    drift = design_drift((0,), DriftingUnits(drift_dicts=[file], drift_fs=10), 20, cells)
    at = np.array([1.5, 7.5, 12.5, 18.5])  # where the file has values
    for unit, depth in enumerate(units):
        theirs = motion.get_displacement_at_time_and_depth(at, np.full(4, depth))
        np.testing.assert_allclose(drift.displacement(unit, at), theirs, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time_s,depth_um\n0,0\n", "no column 'displacement_um'"),
        ("time_s,depth_um,displacement_um\n0,0,much\n", "line 2: displacement_um 'much' is not a number"),
        ("time_s,depth_um,displacement_um\n0,0,1\n0,0,2\n", "line 3: this time and depth stand there twice"),
        ("time_s,depth_um,displacement_um\n0,0,1\n1,50,2\n", "at every depth"),
        ("time_s,depth_um,displacement_um\n", "every time needs"),
        ("", "cannot be read as a table"),
    ],
)
def test_a_bad_drift_file_is_named(text, says, tmp_path):
    (tmp_path / "drift.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        read_motion(tmp_path / "drift.csv")


def test_a_folder_that_is_no_motion_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        read_motion(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        read_motion(tmp_path / "nothing.csv")


def test_movements_add_up_begin_and_end():
    movements = [
        DriftSettings(slow_drift_amplitude=10, t_start_drift=5, t_end_drift=30),
        DriftSettings(drift_mode_speed="random-walk", random_walk_limit=5),
    ]
    cells = DriftingCells(depths=np.array([0.0, 100.0]), drifts=np.array([True, True]), reach=30.0)
    both = design_drift((0,), DriftingUnits(drift_dicts=movements, drift_fs=100), 60, cells)
    slow = design_drift((0,), DriftingUnits(drift_dicts=movements[:1], drift_fs=100), 60, cells)
    np.testing.assert_allclose(both.of_unit(0) - slow.of_unit(0), both.movements[1].time_courses[:, 0])
    course = slow.of_unit(1)
    assert not course[:501].any() and course[501] < 0
    assert (course[3000:] == course[3000]).all() and np.isclose(course[3000], -25 * 5 / 60)  # 5 µm/min


def test_non_rigid_drift_depends_on_depth():
    depths = np.array([0.0, 50.0, 100.0])

    def factors(**changes):
        movement = DriftSettings(drift_mode_probe="non-rigid", slow_drift_amplitude=10, **changes)
        cells = DriftingCells(depths=depths, drifts=np.ones(3, bool), reach=30.0)
        drift = design_drift((0,), DriftingUnits(drift_dicts=[movement], drift_fs=10), 60, cells)
        return [drift.of_unit(unit)[100] / drift.movements[0].time_courses[100, 0] for unit in range(3)]

    np.testing.assert_allclose(factors(), [1, 0.75, 0.5])
    np.testing.assert_allclose(factors(non_rigid_linear_direction=-1, non_rigid_linear_min_factor=0), [0, 0.5, 1])
    step = {"non_rigid_gradient_mode": "step", "non_rigid_step_factors": (0.25, 1.0)}
    np.testing.assert_allclose(factors(**step), [1, 1, 0.25])
    np.testing.assert_allclose(factors(**step, non_rigid_step_depth_boundary=20.0), [1, 0.25, 0.25])


def test_paths_follow_the_direction_however_they_were_drawn():
    locations = np.zeros((2, 5, 3))
    locations[0, :, 2] = [-20, -10, 0, 10, 20]
    locations[1, :, 2] = [8, 4, 0, -4, -8]
    paths = paths_of(locations, 2, np.array([0.0, 0.0, 1.0]))
    assert paths.reach == 8
    np.testing.assert_allclose(paths.steps(0, [-20, 0, 5, 15]), [0, 2, 2.5, 3.5])
    np.testing.assert_allclose(paths.steps(1, [-8, 2]), [0, 2.5])
    assert list(paths.order[1]) == [4, 3, 2, 1, 0]


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
    """Against the formula; halfway between steps of 2 µm, a Gaussian of 25 µm is 1 / 1250 lower, at most."""
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
    """Where each spike was, µm: the centre of its Gaussian along the probe, from the logarithms of its troughs."""
    depths = []
    for sample in train:
        trough = traces[sample]
        loud = trough < 0.2 * trough.min()
        parabola = np.polyfit(positions[loud, 2], np.log(-trough[loud]), 2)
        depths.append(-0.5 * parabola[1] / parabola[0])
    return np.array(depths)


def alone(train, all_trains, margin=700):
    """The spikes of a train that no other spike is near."""
    others = np.sort(np.concatenate(all_trains))
    near = np.searchsorted(others, train + margin) - np.searchsorted(others, train - margin)
    return near == 1


def test_a_drift_of_a_file_is_in_the_traces_and_in_the_ground_truth(library, tmp_path):
    """Spikes tell by themselves where they were, to a twentieth of the grid's step."""
    times = np.linspace(0, 20, 41)
    table = [(t, d, (20 if d == 0 else 10) * np.sin(t / 4)) for t in times for d in (0.0, 400.0)]
    pd.DataFrame(table, columns=["time_s", "depth_um", "displacement_um"]).to_csv(tmp_path / "drift.csv", index=False)
    chosen = settings({"drift_mode_speed": "file", "drift_file": str(tmp_path / "drift.csv")})
    plan = plan_recording(library, chosen, seed=0, name="test")
    write_mearec(tmp_path / "recording.h5", GeneratedRecording(plan, library, chosen, {"config": {}}))
    _, _, displacement = read_motion(tmp_path / "drift.csv")
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
    """Their spikes tell where they were, to the nearest step of a path, which is at most 1 µm off; beyond it they stay."""
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


def test_displacements_between_times_are_straight_lines():
    drift = Drift(np.array([0.0, 1.0, 2.0]), (Movement(np.array([[0.0], [4.0], [2.0]]), np.array([[1.0, 0.5]])),))
    np.testing.assert_allclose(drift.displacement(1, np.array([0.25, 1.5])), [0.5, 1.5])
