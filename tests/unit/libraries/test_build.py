"""The library of one cell on one probe: bins, limits, mean spikes, given poses and drift, each against its definition."""

import MEArec
import numpy as np
import pytest

from allenrec.common.errors import UserError
from allenrec.libraries.acceptance import aligned
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.concatenate import concatenate_libraries
from allenrec.libraries.contacts import contacts_of
from allenrec.libraries.eap import eap, spike_currents
from allenrec.libraries.library_file import open_library, poses_of, read_library
from allenrec.libraries.medium import Medium
from allenrec.libraries.poses import Geometry, Poses, place, read_poses
from allenrec.libraries.sampling import share_behind
from allenrec.libraries.table import template_table
from allenrec.probes import load_probe
from allenrec.settings.libraries import Library

MODEL = "473863510"
GRID = {"drifting": True, "drift_grid": {"z": [-40.0, 20.0], "step": 20.0}}


@pytest.fixture
def build(currents, tmp_path):
    """Build the library of a real cell; return it in memory."""

    def make(name="a", model=MODEL, cell_type="spiny", given=None, threads=1, cell=None, **changes):
        settings = Library(**{"probe": "Neuronexus-32"} | ({"n": 6} if given is None else {}) | changes)
        row = {"model_id": model, "specimen_id": "1", "cell_type": cell_type} | (cell or {})
        path = tmp_path / f"{name}.h5"
        build_cell_library(path, currents[model], row, settings, name="t", seed=0, given=given, threads=threads)
        return read_library(path)

    make.folder = tmp_path
    return make


def nearest(library):
    return np.linalg.norm(library.positions[:, np.newaxis] - library.channel_positions, axis=2).min(axis=1)


def test_bins_of_amplitude_are_filled_evenly_and_a_larger_library_begins_with_the_smaller(build):
    edges = [30, 40, 55, 500]
    small, large = (build(name=str(n), n=n, bins={"of": "amplitude", "edges": edges}) for n in (8, 12))
    assert np.histogram(large.amplitudes, edges)[0].tolist() == [4, 4, 4]
    assert np.histogram(small.amplitudes, edges)[0].tolist() == [3, 3, 2]
    assert np.array_equal(np.searchsorted(edges, large.amplitudes, side="right") - 1, np.tile([0, 1, 2], 4))
    assert np.array_equal(small.templates, large.templates[:8])


def test_bins_of_distance_are_filled_evenly(build):
    library = build(n=9, min_amp=10.0, bins={"of": "distance", "edges": [15, 25, 35, 50]})
    assert np.histogram(nearest(library), [15, 25, 35, 50])[0].tolist() == [3, 3, 3]


def test_bin_that_nothing_falls_into_leaves_the_others_full(build):
    library = build(n=4, max_iterations=50, bins={"of": "amplitude", "edges": [30, 1000, 2000]})
    assert len(library.templates) == 2 and library.cells["n_candidates"][0] == 200


def test_least_distance_to_contacts(build):
    assert nearest(build("free", n=30)).min() < 20
    assert nearest(build("far", n=30, min_distance=20.0)).min() >= 20


def test_share_of_the_membrane_behind_the_plane(build, currents):
    """Counted in small pieces of every segment, turned by hand."""
    library = build(n=10, max_behind=0.2, min_amp=20.0)
    cell = currents[MODEL]
    pieces = cell.start + (np.arange(20) + 0.5)[:, np.newaxis, np.newaxis] / 20 * (cell.end - cell.start)
    area = cell.diameter * np.linalg.norm(cell.end - cell.start, axis=1)
    geometry = Geometry(cell.start, cell.end, cell.diameter)
    for position, rotation in zip(library.positions, library.rotations, strict=True):
        x = place(pieces.reshape(-1, 3), rotation, position)[:, 0].reshape(20, -1)
        by_hand = ((x < 0).mean(axis=0) * area).sum() / area.sum()
        assert by_hand < 0.25
        pose = Poses(position[np.newaxis], rotation[np.newaxis], np.zeros(1, int))
        assert share_behind(pose, geometry, library.channel_positions)[0] == pytest.approx(by_hand, abs=0.05)
        mirrored = Poses(pose.positions * [-1, 1, 1], pose.rotations, pose.spikes)
        assert share_behind(mirrored, geometry, library.channel_positions)[0] < 1


def test_part_behind_the_plane_acts_as_if_mirrored_at_it(currents):
    """Such parts may count fully, because a source and its mirror image are equally far from every point of the plane."""
    cell, probe = currents[MODEL], load_probe("Neuronexus-32", 10)
    imem = spike_currents(cell.imem)[1]
    placed = Geometry(cell.start, cell.end, cell.diameter).placed(np.array([0.3, 1.0, 2.0]), np.array([15.0, 0, 0]))
    medium = Medium(image_factor=2.0)
    through = eap(imem, placed, probe.points, medium)
    behind = (placed.start + placed.end)[:, 0] < 0
    for points in (placed.start, placed.end):
        points[behind] *= [-1, 1, 1]
    np.testing.assert_allclose(eap(imem, placed, probe.points, medium), through, atol=1e-3)


def test_mean_spike(build, currents):
    library = build(spike="mean")
    cell, probe = currents[MODEL], load_probe("Neuronexus-32", 10)
    placed = Geometry(cell.start, cell.end, cell.diameter).placed(library.rotations[0], library.positions[0])
    mean = (cell.imem.astype(float) - cell.imem[:, :, :1]).mean(axis=0)
    expected = eap(mean.astype(np.float32), placed, contacts_of(probe), Medium(image_factor=2.0))
    np.testing.assert_allclose(library.templates[0], aligned(expected, 64), atol=2e-3)
    assert set(library.spike_indices) == {-1}


def test_number_for_each_cell_type(build):
    assert len(build("b", n={"spiny": 3, "aspiny": 5}).templates) == 3
    assert len(build("c", n={"spiny": 0}).templates) == 0
    with pytest.raises(UserError, match=r"libraries.t.n: no number for cell type 'Pvalb' \(model 473863510\)"):
        build("d", n={"spiny": 3}, cell_type="Pvalb")


def test_physrot_turns_the_apical_dendrite_along_the_probe(build, currents):
    library = build(n=12, rot="physrot", tilt=0.2)
    cell = currents[MODEL]
    apical = cell.section == "apic"
    length = np.linalg.norm(cell.end - cell.start, axis=1)[apical]
    for rotation in library.rotations:
        middle = place(0.5 * (cell.start + cell.end)[apical], rotation, np.zeros(3))
        centroid = (length[:, np.newaxis] * middle).sum(axis=0)
        assert centroid[2] / np.linalg.norm(centroid) >= np.cos(0.2) - 1e-9
    tabled = build("tabled", n=3, rot="physrot", tilt=0.0, cell={"rotation_angle_zaxis": "1.5707963"})
    for rotation in tabled.rotations:  # the table says that the pia lies towards x
        np.testing.assert_allclose(place(np.array([[1.0, 0, 0]]), rotation, np.zeros(3)), [[0, 0, 1]], atol=1e-6)
    with pytest.raises(UserError, match="rotation_angle_zaxis 'up' is not a number"):
        build("bad", rot="physrot", cell={"rotation_angle_zaxis": "up"})


def test_poses_of_another_library_show_the_same_neurons(build, currents):
    """On the same probe they give the same templates; on another probe all poses are kept, above `min_amp` or not."""
    first = build("first")
    given = poses_of(build.folder / "first.h5")
    again = build("again", given=given, poses_from="first")
    assert np.array_equal(again.templates, first.templates)
    other = build("other", given=given, probe="tetrode", poses_from="first")
    for name in ("locations", "rotations", "spike_indices", "model_ids"):
        assert np.array_equal(getattr(other, name), getattr(first, name))
    assert other.templates.shape == (6, 4, 224) and other.amplitudes.min() < 30


def test_paths_of_another_library_are_taken_with_its_poses(build):
    """The displacements may be those of a grid that does not have zero in its middle."""
    first = build("first", **GRID)
    again = build("again", given=poses_of(build.folder / "first.h5"), poses_from="first", drifting=True)
    assert again.centre == first.centre == 2
    assert np.array_equal(again.templates, first.templates) and np.allclose(again.locations, first.locations)


def test_table_of_a_library_is_a_table_of_poses(build):
    first = build("first")
    table = template_table(build.folder / "first.h5")
    table.to_csv(build.folder / "poses.csv", index=False)
    poses = read_poses(build.folder / "poses.csv", MODEL)
    again = build("again", given=(poses, np.zeros((6, 1, 3))), poses=str(build.folder / "poses.csv"))
    assert np.array_equal(again.templates, first.templates)
    wrong = Poses(poses.positions, poses.rotations, poses.spikes + 1000)
    with pytest.raises(UserError, match=r"model 473863510: a given pose has spike 10\d\d; stored are 0 to"):
        build("wrong", given=(wrong, np.zeros((6, 1, 3))))


def test_drifting_library_has_the_static_one_at_its_centre(build):
    static = build("static")
    for name, changes in {"grid": GRID, "path": {"drifting": True, "drift_steps": 5}}.items():
        library = build(name, threads=2 if name == "grid" else 1, **changes)
        n_steps, centre = library.templates.shape[1], library.centre
        assert (n_steps, centre) == ((4, 2) if name == "grid" else (5, 2))
        assert library.drifting and library.locations.shape == (6, n_steps, 3)
        same = np.isin(library.positions, static.positions).all(axis=1)
        assert same.sum() >= 5  # a pose without a good path is passed over
        rows = [int(np.flatnonzero((static.positions == p).all(axis=1))[0]) for p in library.positions[same]]
        assert np.array_equal(library.at_centre(np.flatnonzero(same)), static.templates[rows])
        assert library.features.equals(build("again", given=poses_of(build.folder / f"{name}.h5")).features)
    displaced = library.locations - library.positions[:, np.newaxis]
    assert np.linalg.norm(displaced[:, -1] - displaced[:, 0], axis=1).min() >= 30


def test_rigid_grid_is_the_same_for_all_cells(build):
    a, b = build("a", **GRID), build("b", model="473863035", **GRID)
    concatenate_libraries([build.folder / "a.h5", build.folder / "b.h5"], build.folder / "both.h5")
    both = read_library(build.folder / "both.h5")
    displaced = both.locations - both.positions[:, np.newaxis]
    np.testing.assert_allclose(displaced - displaced[:1], 0, atol=1e-9)
    assert displaced[0, :, 2].tolist() == [-40, -20, 0, 20]
    assert np.array_equal(both.templates, np.concatenate([a.templates, b.templates]))


def test_ends_of_paths_are_above_min_amp_and_within_bounds_if_asked(build):
    few = {"drifting": True, "drift_steps": 3, "n": 4}
    library = build(check_for_drift_amp=True, drift_within_bounds=True, **few)
    assert -library.templates[:, [0, -1]].min(axis=(2, 3)).max() >= 25  # aligned to the centre, a little is lost
    contacts = library.channel_positions
    z = library.locations[:, [0, -1], 2]
    assert z.min() > contacts[:, 2].min() - 30 and z.max() < contacts[:, 2].max() + 30


def test_mearec_reads_a_drifting_library(build):
    ours = build("drifting", **GRID)
    loaded = MEArec.load_templates(build.folder / "drifting.h5", return_h5_objects=False)
    assert np.array_equal(loaded.templates, ours.templates) and np.array_equal(loaded.locations, ours.locations)
    assert loaded.info["params"]["drifting"] and loaded.info["params"]["drift_steps"] == 4


def test_open_library_reads_what_is_asked_for(build):
    ours = build("drifting", **GRID)
    with open_library(build.folder / "drifting.h5") as library:
        assert np.array_equal(library.at_centre([4, 1]), ours.templates[[4, 1], 2])


def test_cell_without_spikes_has_no_templates(build, currents, monkeypatch):
    from dataclasses import replace

    silent = replace(currents[MODEL], imem=currents[MODEL].imem[:0])
    monkeypatch.setitem(currents, MODEL, silent)
    for name, changes in {"plain": {}, "mean": {"spike": "mean"}, "grid": GRID}.items():
        library = build(name, **changes)
        assert len(library.templates) == 0 and library.cells["n_templates"][0] == 0
