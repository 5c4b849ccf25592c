"""Movements against MEArec's, SpikeInterface's and analytic ones."""

import MEArec.drift_tools
import numpy as np
import pandas as pd
import pytest
from spikeinterface.core.motion import Motion

from allenrec.common.errors import UserError
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
from allenrec.settings.recordings import Drift as DriftSettings
from allenrec.settings.recordings import DriftingUnits


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
        for ours, theirs in zip(read_motion(tmp_path / path)[0], (times, depths, displacement), strict=True):
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
        ("time_s,depth_um,displacement_um\n0,1,2,3\n", "its rows have more values, between commas, than its header"),
        ("time_s,time_s,depth_um,displacement_um\n0,0,1,2\n", "column 'time_s' is there twice"),
    ],
)
def test_a_bad_drift_file_is_named(text, says, tmp_path):
    (tmp_path / "drift.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        read_motion(tmp_path / "drift.csv")


BAD_MOTION = {
    "displacement_seg0": (np.zeros((2, 2)), "at every depth"),
    "temporal_bins_s_seg0": (np.array([0.0, 2.0, 1.0]), "times must be finite numbers that increase"),
    "spatial_bins_um": (np.array([0.0, np.nan]), "depths must be finite numbers that increase"),
    "displacement_seg0 ": (np.full((3, 2), "a"), "is not a folder that"),
    "temporal_bins_s_seg0 ": (None, "is not a folder that"),
}


@pytest.mark.parametrize("name", BAD_MOTION)
def test_a_motion_that_does_not_fit_itself_is_one_line(name, tmp_path):
    """An array of a saved motion is another one; None: its file is empty."""
    Motion([np.zeros((3, 2))], [np.arange(3.0)], np.array([0.0, 20.0])).save(tmp_path / "motion")
    array, says = BAD_MOTION[name]
    file = tmp_path / "motion" / f"{name.strip()}.npy"
    if array is None:
        file.write_bytes(b"")
    else:
        np.save(file, array)
    with pytest.raises(UserError, match=says) as error:
        read_motion(tmp_path / "motion")
    assert "\n" not in str(error.value)


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


def test_displacements_between_times_are_straight_lines():
    drift = Drift(np.array([0.0, 1.0, 2.0]), (Movement(np.array([[0.0], [4.0], [2.0]]), np.array([[1.0, 0.5]])),))
    np.testing.assert_allclose(drift.displacement(1, np.array([0.25, 1.5])), [0.5, 1.5])
