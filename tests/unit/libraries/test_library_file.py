"""Libraries: read back, joined, tabulated, and opened by MEArec."""

import tracemalloc

import h5py
import MEArec
import MEAutility
import numpy as np
import pandas as pd
import pytest
from support import add_checksums

from allenrec.common.errors import UserError
from allenrec.common.files import write_table
from allenrec.libraries.build import build_cell_library
from allenrec.libraries.concatenate import concatenate_libraries
from allenrec.libraries.library_file import PER_TEMPLATE, ROWS, read_library
from allenrec.libraries.table import template_table
from allenrec.settings.libraries import Library
from allenrec.waveforms.as_recorded import features_both_ways
from allenrec.waveforms.features import FEATURES, FILTERED_FEATURES


def test_mearec_loads_the_library_and_makes_a_recording_of_it(library_path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # MEArec keeps its parameters there
    loaded = MEArec.load_templates(library_path, return_h5_objects=False)
    ours = read_library(library_path)
    assert np.array_equal(loaded.templates, ours.templates)
    assert np.array_equal(loaded.locations, ours.locations)
    assert np.array_equal(loaded.rotations, ours.rotations)
    assert list(loaded.celltypes) == ["spiny"] * 80 + ["aspiny"] * 40
    assert loaded.info["params"]["dt"] == 2**-5 and list(loaded.info["params"]["cut_out"]) == [2, 5]
    probe = MEAutility.return_mea(info=loaded.info["electrodes"])
    assert np.array_equal(probe.positions, ours.channel_positions)

    params = MEArec.get_default_recordings_params()
    params["spiketrains"].update(n_exc=2, n_inh=1, duration=2, seed=0)
    params["cell_types"] = {"excitatory": ["spiny"], "inhibitory": ["aspiny"]}
    params["templates"].update(min_amp=30, min_dist=10)
    params["recordings"].update(chunk_duration=0)
    recording = MEArec.gen_recordings(params=params, templates=str(library_path), verbose=False)
    assert recording.recordings.shape == (64000, 32)
    assert len(recording.spiketrains) == 3


def test_library_says_where_each_template_comes_from(library, currents):
    assert library.templates.dtype == np.float32 and library.templates.shape == (120, 32, 224)
    assert list(library.model_ids[[0, 40, 119]]) == ["473863510", "473863035", "472912177"]
    assert (library.candidates >= 1).all()
    for cell in library.cells.itertuples():
        mine = library.model_ids == cell.model_id
        assert cell.n_templates == mine.sum() == 40
        assert cell.acceptance_rate == pytest.approx(40 / cell.n_candidates)
        assert library.candidates[mine].sum() == cell.n_candidates
        assert library.spike_indices[mine].max() < len(currents[cell.model_id].imem)
        assert cell.layer == "5"
    assert library.provenance["seed"] == 0
    assert library.provenance["config"]["probe"] == "Neuronexus-32"
    assert set(library.provenance["digests"]) == set(library.cells["model_id"])


def test_table_has_a_row_a_template_with_its_cell(library_path, tmp_path):
    library = read_library(library_path)
    write_table(tmp_path / "templates.csv", template_table(library_path))
    table = pd.read_csv(tmp_path / "templates.csv", dtype={"model_id": str})
    assert len(table) == 120
    assert list(table["model_id"]) == list(library.model_ids)
    assert table["amplitude_uV"].to_numpy() == pytest.approx(-library.templates.min(axis=(1, 2)), rel=1e-5)
    assert (table["distance_um"] <= table["x_um"] + 200).all() and (table["distance_um"] >= 0.99 * table["x_um"]).all()
    assert set(table.columns) >= {
        "cell_type",
        "layer",
        "specimen_id",
        "peak_contact",
        "candidates",
        *FEATURES,
        *FILTERED_FEATURES,
    }
    assert table["peak_contact"].tolist() == library.templates.min(axis=2).argmin(axis=1).tolist()
    for name in (*FEATURES, *FILTERED_FEATURES):
        assert table[name].to_numpy() == pytest.approx(library.features[name].to_numpy(), rel=1e-5, nan_ok=True)


def test_features_are_those_of_the_templates_beside_them(library_path):
    library = read_library(library_path)
    rows = [3, 39, 40, 119]
    again = features_both_ways(library.templates[rows], library.channel_positions, library.dt)
    pd.testing.assert_frame_equal(again, library.features.iloc[rows].reset_index(drop=True))


def test_table_and_joining_need_no_memory_for_the_templates(currents, tmp_path):
    """A table of 10 GB of templates is made, and 80 MB are joined, which takes two blocks."""
    small, _ = build(currents, tmp_path)
    huge = grown(small, tmp_path / "huge.h5", 500, 23_000)
    large = grown(small, tmp_path / "large.h5", 200, 230)
    tracemalloc.start()
    try:
        assert len(template_table(huge)) == 500
        assert tracemalloc.get_traced_memory()[1] < 5e6
        tracemalloc.reset_peak()
        concatenate_libraries([large, large], tmp_path / "joined.h5")
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    with h5py.File(tmp_path / "joined.h5") as file:
        assert file["templates"].shape == (400, 230, 224) and file["features/spread_um"].shape == (400,)


def grown(source, path, n, n_contacts):
    """Copy a cell's file with more templates and contacts, which hold zeros and take no room on the disk."""
    with h5py.File(source) as old, h5py.File(path, "w") as file:
        for name in old:
            if name not in PER_TEMPLATE and name not in ("features", "channel_positions"):
                old.copy(name, file)
        file["channel_positions"] = np.zeros((n_contacts, 3))
        for name in ROWS:
            rows = np.resize(old[name][()], n) if old[name].ndim == 1 else np.zeros((n, *old[name].shape[1:]))
            if name == "templates":
                file.create_dataset(name, (n, n_contacts, 224), "float32", chunks=(1, n_contacts, 224), compression="gzip")
            else:
                file.create_dataset(name, data=rows, dtype=old[name].dtype)
    add_checksums(path)
    return path


def build(currents, folder, name="a", **changes):
    path = folder / f"{name}.h5"
    settings = Library(**{"probe": "tetrode", "n": 5, "min_amp": 20.0} | changes)
    cell = {"model_id": "473863510", "specimen_id": "1", "cell_type": "spiny"}
    return path, build_cell_library(path, currents["473863510"], cell, settings, name="t", seed=0)


def test_shortfall_is_taken_or_fails_as_configured(currents, tmp_path):
    few = {"n": 50, "max_iterations": 1, "min_amp": 25.0}
    path, outcome = build(currents, tmp_path, **few)
    library = read_library(path)
    assert 0 < len(library.templates) < 50
    assert f"{len(library.templates)} of 50 templates from 50 poses" in outcome
    with pytest.raises(UserError, match=r"model 473863510.*on_shortfall"):
        build(currents, tmp_path, name="b", on_shortfall="fail", **few)
    assert not (tmp_path / "b.h5").exists() and not list(tmp_path.glob(".*"))


def test_cell_without_a_template_is_joined_and_a_library_without_any_fails(currents, tmp_path):
    empty, _ = build(currents, tmp_path, name="empty", n=2, max_iterations=1, min_amp=1e5)
    some, _ = build(currents, tmp_path, name="some")
    concatenate_libraries([empty, some], tmp_path / "both.h5")
    assert len(read_library(tmp_path / "both.h5").templates) == 5
    with pytest.raises(UserError, match="no cell gave a template"):
        concatenate_libraries([empty], tmp_path / "none.h5")
    assert not (tmp_path / "none.h5").exists()


def test_image_factor_follows_the_kind_of_probe_and_can_be_set(currents, tmp_path):
    """A tetrode is a wire (1), the same pose in a plane gives twice the amplitude."""
    wire = read_library(build(currents, tmp_path, min_amp=0.0)[0])
    plane = read_library(build(currents, tmp_path, name="b", min_amp=0.0, image_factor=2.0)[0])
    assert float(wire.params["image_factor"]) == 1.0
    np.testing.assert_allclose(plane.templates, 2 * wire.templates, rtol=1e-5, atol=1e-5)


def test_files_are_the_same_to_the_byte_each_time(currents, tmp_path):
    first, second = build(currents, tmp_path)[0], build(currents, tmp_path, name="b")[0]
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "missing", "not ours", "no features"])
def test_damaged_file_is_named_and_not_used(damage, currents, tmp_path):
    path, _ = build(currents, tmp_path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "missing":
        path.unlink()
    else:
        with h5py.File(path, "a") as file:
            del file["candidates" if damage == "not ours" else "features/spread_um"]
        add_checksums(path)
    for use in (read_library, template_table, lambda p: concatenate_libraries([p], tmp_path / "joined.h5")):
        expected = r"a\.h5: there is no such template file" if damage == "missing" else r"a\.h5 is not a valid template file"
        with pytest.raises(UserError, match=expected):
            use(path)
    assert not (tmp_path / "joined.h5").exists()


@pytest.mark.parametrize("drift", [{}, {"drifting": True, "drift_steps": 3}])
def test_joined_templates_are_those_of_the_cells(drift, currents, tmp_path):
    """Compressed data is copied as it is; a part that is compressed otherwise, value by value."""
    parts = [build(currents, tmp_path, name=name, n=n, **drift)[0] for name, n in (("a", 3), ("b", 4))]
    with h5py.File(parts[1], "a") as file:
        plain = file["templates"][()]
        del file["templates"]
        file.create_dataset("templates", data=plain)
    add_checksums(parts[1])
    concatenate_libraries([*parts, parts[0]], tmp_path / "joined.h5")
    libraries = [read_library(part) for part in (*parts, parts[0])]
    library = read_library(tmp_path / "joined.h5")
    np.testing.assert_array_equal(library.templates, np.concatenate([part.templates for part in libraries]))
    np.testing.assert_array_equal(library.locations, np.concatenate([part.locations for part in libraries]))
    pd.testing.assert_frame_equal(library.features, pd.concat([part.features for part in libraries], ignore_index=True))


def test_damaged_templates_are_not_copied(currents, tmp_path):
    """A single wrong byte in the compressed data of the last template."""
    path, _ = build(currents, tmp_path)
    with h5py.File(path) as file:
        chunk = file["templates"].id.get_chunk_info(4)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.h5 is not a valid template file"):
        concatenate_libraries([path], tmp_path / "joined.h5")
    assert not (tmp_path / "joined.h5").exists()
