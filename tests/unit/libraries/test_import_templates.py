"""Templates that others have made, as a library for recordings: SpikeInterface's zarr folders and MEArec's files."""

import h5py
import MEArec
import numpy as np
import pandas as pd
import probeinterface
import pytest
import zarr
from pydantic import ValidationError
from small_recording import write_templates
from spikeinterface.core import Templates

from allenrec.common.errors import UserError
from allenrec.common.files import write_table
from allenrec.libraries.import_templates import import_library
from allenrec.libraries.library_file import read_library
from allenrec.libraries.spikeinterface_templates import write_templates as export_templates
from allenrec.libraries.table import template_table
from allenrec.libraries.template_files import count_contacts
from allenrec.recordings.in_memory import generate
from allenrec.settings import load_settings
from allenrec.settings.libraries import Library

#: Sampling rate, Hz, samples before the spike and in all, as in SpikeInterface's database
FS, BEFORE, N_T = 30000.0, 90, 240


def real_templates(n=6, *, sources=None, **changes):
    """Return templates of monopoles in front of a Neuropixels-like probe, SpikeInterface's `Templates`, and where they are."""
    probe = probeinterface.generate_multi_columns_probe(num_columns=2, num_contact_per_column=20, xpitch=32, ypitch=20)
    probe.set_contact_ids([f"e{k}" for k in range(40)])
    rng = np.random.default_rng(0)
    sources = rng.uniform([0, 60, 15], [32, 320, 40], (n, 3)) if sources is None else sources
    away = np.linalg.norm(np.c_[probe.contact_positions, np.zeros(40)] - sources[:, None], axis=2)
    spike = -np.exp(-(((np.arange(N_T) - BEFORE) / 5) ** 2)) + 0.3 * np.exp(-(((np.arange(N_T) - BEFORE - 15) / 9) ** 2))
    samples = np.float32(2000 / away[:, None, :] * spike[:, None])
    return Templates(samples, FS, BEFORE, **{"probe": probe} | changes), sources


def imported(folder, source, **settings):
    """Return the library of the templates in a folder or file, and what the log says."""
    chosen = Library.model_validate({"templates": str(source), **settings})
    outcome = import_library(folder / "library.h5", chosen, name="real", digests={"templates": "0" * 64})
    return read_library(folder / "library.h5"), outcome


def test_templates_of_spikeinterface_are_taken_as_they_are(tmp_path):
    """Samples, rate, the sample of the spike and the probe are those of the folder; positions are near to the true ones."""
    templates, sources = real_templates()
    templates.to_zarr(tmp_path / "real.zarr")
    library, outcome = imported(tmp_path, tmp_path / "real.zarr")
    again = library.to_spikeinterface()
    assert np.array_equal(again.templates_array, templates.templates_array)
    assert (again.sampling_frequency, again.nbefore, library.peak_sample) == (FS, BEFORE, BEFORE)
    assert np.array_equal(again.probe.contact_positions, templates.probe.contact_positions)
    assert list(again.probe.contact_ids) == list(templates.probe.contact_ids)
    # In front of a flat probe, its x and y are our y and z.
    assert np.abs(library.locations - sources[:, [2, 0, 1]]).max() < 5
    assert set(library.celltypes) == {"unknown"} and "6 unknown; positions estimated by SpikeInterface" in outcome
    assert library.provenance["digests"] == {"templates": "0" * 64}
    assert set(library.cells["licence"]) == {"the terms of real.zarr"}
    assert count_contacts(tmp_path / "real.zarr") == count_contacts(tmp_path / "library.h5") == 40


@pytest.mark.parametrize(("fs", "before"), [(20000.0, 41), (24414.0625, 29), (30000.0, 90), (32000.0, 77), (48000.0, 7)])
def test_the_sample_of_the_spike_is_exact_at_any_rate(tmp_path, fs, before):
    templates, _ = real_templates(1)
    Templates(templates.templates_array, fs, before, probe=templates.probe).to_zarr(tmp_path / "real.zarr")
    library, _ = imported(tmp_path, tmp_path / "real.zarr")
    again = library.to_spikeinterface()
    assert library.peak_sample == again.nbefore == before and again.sampling_frequency == pytest.approx(fs, rel=1e-12)


def test_sparse_templates_are_zero_where_they_are_not_defined(tmp_path):
    templates, _ = real_templates()
    mask = np.zeros((6, 40), dtype=bool)
    for unit, channel in enumerate(templates.get_main_channels(peak_sign="neg")):
        mask[unit, max(0, channel - 6) : channel + 7] = True
    templates.to_sparse(mask).to_zarr(tmp_path / "sparse.zarr")
    library, _ = imported(tmp_path, tmp_path / "sparse.zarr")
    expected = np.where(mask[:, None], templates.templates_array, 0)
    assert np.array_equal(library.to_spikeinterface().templates_array, expected)
    assert count_contacts(tmp_path / "sparse.zarr") == 40


def test_table_of_the_public_database_gives_types_positions_and_metadata(tmp_path):
    """Its rows are found by dataset and template_index, in any order; the columns become metadata of units."""
    templates, _ = real_templates()
    (tmp_path / "database").mkdir()
    templates.to_zarr(tmp_path / "database" / "000409_probe00.zarr")
    table = pd.DataFrame(
        {
            "dataset": ["000409_probe00.zarr"] * 6 + ["other.zarr"] * 3,
            "template_index": [5, 4, 3, 2, 1, 0, 0, 1, 2],
            "best_channel_index": range(9),
            "brain_area": ["CA1", "CA1", "VISp5", "VISp5", "VISp5", None, "LP", "LP", "LP"],
            "depth_along_probe": np.arange(9) * 20.0,
        }
    )
    table.to_csv(tmp_path / "database" / "templates.csv", index=False)
    library, outcome = imported(tmp_path, tmp_path / "database" / "000409_probe00.zarr", cell_type_column="brain_area")
    assert library.celltypes.tolist() == ["unknown", "VISp5", "VISp5", "VISp5", "CA1", "CA1"]
    assert library.cells["depth_along_probe"].tolist() == [100, 80, 60, 40, 20, 0]
    assert "3 VISp5" in outcome and "estimated" in outcome
    table.assign(x_um=20.0, y_um=table["template_index"], z_um=3.0).to_csv(tmp_path / "places.csv", index=False)
    places = {"templates_table": str(tmp_path / "places.csv")}
    library, outcome = imported(tmp_path, tmp_path / "database" / "000409_probe00.zarr", **places)
    assert library.locations.tolist() == [[20, k, 3] for k in range(6)] and "from its table" in outcome


def test_columns_in_the_folder_itself(tmp_path):
    """Folders of the database have `brain_area` and `best_channels` beside the templates."""
    templates, _ = real_templates()
    templates.to_zarr(tmp_path / "real.zarr")
    group = zarr.open_group(str(tmp_path / "real.zarr"), mode="r+")
    group.create_dataset("brain_area", data=np.array(["CA1", "CA3"] * 3))
    group.create_dataset("best_channels", data=np.arange(6))
    for name, values in zip(("x_um", "y_um", "z_um"), np.arange(18.0).reshape(3, 6), strict=True):
        group.create_dataset(name, data=values)
    library, outcome = imported(tmp_path, tmp_path / "real.zarr", cell_type_column="brain_area")
    assert library.celltypes.tolist() == ["CA1", "CA3"] * 3 and library.cells["best_channels"].tolist() == list(range(6))
    assert np.array_equal(library.locations, np.arange(18.0).reshape(3, 6).T) and "from its table" in outcome


def test_recording_of_real_templates(tmp_path):
    """SpikeInterface finds the templates in a recording of them without noise, at the spikes that it is told."""
    templates, _ = real_templates()
    templates.to_zarr(tmp_path / "real.zarr")
    library, _ = imported(tmp_path, tmp_path / "real.zarr")
    settings = {
        "spiketrains": {"duration": 4.0, "n_exc": 2, "n_inh": 0, "f_exc": 4},
        "cell_types": {"excitatory": ["unknown"], "inhibitory": []},
        "templates": {"min_amp": 0, "max_amp": 1e5, "min_dist": 0, "upsample": 1},
        "recordings": {"noise_level": 0, "filter": False, "modulation": "none"},
    }
    recording, sorting = generate(library, settings)
    assert recording.sampling_frequency == FS and recording.get_num_channels() == 40
    traces = recording.get_traces()
    for unit in sorting.unit_ids:
        row = sorting.get_unit_property(unit, "template_id")
        other = np.concatenate([sorting.get_unit_spike_train(u) for u in sorting.unit_ids if u != unit])
        alone = [t for t in sorting.get_unit_spike_train(unit) if np.abs(other - t).min() > 2 * N_T and N_T < t < 4 * FS - N_T]
        for spike in alone[:5]:
            cut = traces[spike - BEFORE + 30 : spike - BEFORE + N_T - 30]
            assert np.abs(cut - templates.templates_array[row, 30:-30]).max() < 0.02 * np.abs(cut).max()
        assert alone


def test_library_of_ours_is_the_same_after_a_way_through_spikeinterface(tmp_path):
    """Templates go by the zarr folder, and cell types, positions and models by the table beside it."""
    write_templates(tmp_path / "own.h5")
    own = read_library(tmp_path / "own.h5")
    export_templates(tmp_path / "templates.zarr", own)
    write_table(tmp_path / "templates.csv", template_table(tmp_path / "own.h5"))
    library, _ = imported(tmp_path, tmp_path / "templates.zarr")
    assert library.peak_sample == own.peak_sample and library.dt == own.dt
    for name in ("templates", "locations", "rotations", "celltypes", "model_ids"):
        assert np.array_equal(getattr(library, name), getattr(own, name)), name


def test_table_has_the_columns_of_the_public_database(library_path):
    """They are those that the database makes of the templates with numpy: best channel, amplitude from peak to peak, depth."""
    table, library = template_table(library_path), read_library(library_path)
    samples = np.ptp(library.to_spikeinterface().templates_array, axis=1)
    rows, best = np.arange(len(samples)), table["best_channel_index"].to_numpy()
    assert (samples[rows, best] >= 0.9 * samples.max(axis=1)).all()
    assert table["amplitude_uv"].to_numpy() == pytest.approx(samples[rows, best], rel=0.01)
    assert np.array_equal(table["depth_along_probe"], library.probe.contact_positions[best, 1])
    assert np.array_equal(table["template_index"], rows) and set(table["dataset"]) == {"templates.zarr"}
    others = {"probe", "probe_manufacturer", "brain_area", "noise_level_uv", "signal_to_noise_ratio", "spikes_per_unit"}
    assert others | {"dataset_path"} <= set(table) and set(table["probe"]) == {"Neuronexus-32"}


@pytest.mark.parametrize("ours", [False, True])
def test_file_of_mearec(tmp_path, ours):
    """Everything in a file of MEArec is taken, also where it has no extras of ours; with steps it drifts."""
    write_templates(tmp_path / "own.h5", probe="Neuronexus-32")
    own = read_library(tmp_path / "own.h5")
    if ours:
        source = tmp_path / "own.h5"
    else:
        source = tmp_path / "mearec.h5"
        loaded = MEArec.load_templates(tmp_path / "own.h5", return_h5_objects=False)
        MEArec.save_template_generator(loaded, source, verbose=False)
        with h5py.File(source) as file:
            assert "probe" not in file and "features" not in file
    library, outcome = imported(tmp_path, source)
    for name in ("templates", "locations", "rotations", "celltypes", "channel_positions"):
        assert np.array_equal(getattr(library, name), getattr(own, name)), name
    assert library.peak_sample == 32 and library.dt == own.dt and "4 spiny, 4 aspiny" in outcome
    assert np.array_equal(library.probe.contact_positions, own.probe.contact_positions)
    with pytest.raises(UserError, match=r"libraries.real.drifting: the templates of .* have no steps along a path"):
        imported(tmp_path, source, drifting=True)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("locations", lambda values: values[:-1], r"own\.h5: locations of shape \(7, 3\), but the templates need \(8, 3\)"),
        ("locations", lambda values: values * np.nan, r"own\.h5: locations have numbers that are not finite"),
        ("rotations", lambda values: values[:, :2], r"own\.h5: rotations of shape \(8, 2\), but the templates need \(8, 3\)"),
        ("celltypes", lambda values: values[:3], r"own\.h5: cell types of shape \(3,\), but the templates need \(8,\)"),
        ("templates", lambda values: values[0], r"own\.h5: templates of 2 dimensions; they must have 3, or 4"),
        ("templates", lambda values: values[:, :5], r"own\.h5: templates on 5 channels, but the probe has 32 contacts"),
        ("templates", lambda values: values.astype("S8"), r"own\.h5: cannot be read as a template file of MEArec"),
    ],
)
def test_files_of_mearec_that_do_not_fit_together_are_one_line(tmp_path, name, change, message):
    write_templates(tmp_path / "own.h5", probe="Neuronexus-32")
    with h5py.File(tmp_path / "own.h5", "r+") as file:
        values = file[name][()]
        del file[name]
        file[name] = change(values)
    with pytest.raises(UserError, match=message) as caught:
        imported(tmp_path, tmp_path / "own.h5")
    assert "\n" not in str(caught.value)


def test_drifting_file_of_mearec(tmp_path):
    write_templates(tmp_path / "own.h5")
    with h5py.File(tmp_path / "own.h5", "r+") as file:
        for name in ("templates", "locations"):
            values = np.repeat(file[name][()][:, None], 5, axis=1) + np.arange(5).reshape(1, 5, *[1] * (file[name].ndim - 1))
            del file[name]
            file[name] = values
    moving, _ = imported(tmp_path, tmp_path / "own.h5", drifting=True)
    assert moving.drifting and moving.centre == 2 and moving.locations.shape == (8, 5, 3)
    still, _ = imported(tmp_path, tmp_path / "own.h5")
    assert not still.drifting and np.array_equal(still.templates, moving.templates[:, 2])


def broken(tmp_path, change):
    """Write templates that cannot be used, and return the settings for them."""
    templates, _ = real_templates(3, **({"is_in_uV": False} if change == "counts" else {}))
    path = tmp_path / "real.zarr"
    if change == "no probe":
        templates = Templates(templates.templates_array, FS, BEFORE)
    if change == "not finite":
        templates.templates_array[0, 0, 0] = np.nan
    if change == "zeros":
        templates.templates_array[1] = 0
    if change.startswith("rate"):
        templates = Templates(templates.templates_array, float(change.split()[1]), 60, probe=templates.probe)
    if change == "peak":
        templates = Templates(templates.templates_array, FS, N_T + 1, probe=templates.probe)
    templates.to_zarr(path)
    if change == "damaged":
        (path / "templates_array" / ".zarray").write_text("{")
    if change == "rows":
        pd.DataFrame({"cell_type": ["a", "b"]}).to_csv(tmp_path / "templates.csv", index=False)
    if change == "type":
        pd.DataFrame({"area": ["a", "b", "c"]}).to_csv(tmp_path / "templates.csv", index=False)
    if change.startswith("table"):
        (tmp_path / "templates.csv").write_text(f"template_index,area\n0,a\n{change.split()[1]},b\n2,c\n")
    if change == "place":
        rows = {"x_um": [1, "far", 2], "y_um": 0, "z_um": 0}
        pd.DataFrame(rows).to_csv(tmp_path / "templates.csv", index=False)
    if change == "turn":
        rows = {"rotation_x_rad": [0.1, 2, "left"], "rotation_y_rad": 0, "rotation_z_rad": 0}
        pd.DataFrame(rows).to_csv(tmp_path / "templates.csv", index=False)
    return {
        "templates": str(path),
        **({"cell_type_column": "layer"} if change == "type" else {}),
        **({"probe": "tetrode"} if change == "other probe" else {}),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("counts", r"real\.zarr: templates are in counts of an ADC \(is_in_uV is false\); multiply them by the gain first"),
        ("no probe", r"real\.zarr: templates have no probe; name one with `probe`"),
        ("other probe", r"real\.zarr: templates on 40 channels, but the probe has 4 contacts"),
        ("not finite", r"real\.zarr: templates have numbers that are not finite"),
        ("zeros", r"real\.zarr: a template has zeros only"),
        ("rate -30000", r"real\.zarr: a sampling rate of -30000 Hz"),
        ("rate 1e300", r"real\.zarr: a sampling rate of 1e\+300 Hz; it must be between 1000 and 1e\+06"),
        ("rate nan", r"real\.zarr: a sampling rate of nan Hz"),
        ("peak", r"real\.zarr: 241 samples before the spike, which must lie within the 240 samples"),
        ("damaged", r"real\.zarr: cannot be read as SpikeInterface's Templates: "),
        ("rows", r"templates\.csv: 2 rows, but .*real\.zarr has 3 templates"),
        ("type", r"config: libraries\.real\.cell_type_column: 'layer' is not in the table of the templates, which has area"),
        ("table 1:30", r"templates\.csv: template_index must have each of 0 to 2 once"),
        ("table \0", r"templates\.csv is not a comma-separated table of templates: line 3 has a control character, '\\x00'"),
        ("place", r"templates\.csv: row 1 must have finite numbers in x_um, y_um, z_um"),
        ("turn", r"templates\.csv: row 2 must have finite numbers in rotation_x_rad, rotation_y_rad, rotation_z_rad"),
    ],
)
def test_templates_that_cannot_be_used_are_one_line(tmp_path, change, message):
    with pytest.raises(UserError, match=message) as caught:
        imported(tmp_path, **{"source": (settings := broken(tmp_path, change)).pop("templates")}, **settings)
    assert "\n" not in str(caught.value)


def config(library, **recording):
    """Return a configuration with a library and a recording of it."""
    return {"libraries": {"real": library}, "recordings": {"r": {"library": "real", **recording}}}


def test_settings_refuse_what_templates_cannot_do(tmp_path):
    """Each is one line that names the key, before anything runs."""
    templates, _ = real_templates(1)
    templates.to_zarr(tmp_path / "real.zarr")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "notes.txt").write_text("")
    real = {"templates": str(tmp_path / "real.zarr")}
    load_settings(config(real))
    for library, recording, message in [
        ({}, {}, "libraries.real.probe: missing"),
        ({"templates": "nowhere.zarr"}, {}, "libraries.real.templates: no such file 'nowhere.zarr'"),
        ({"templates": str(tmp_path / "empty.zarr")}, {}, "it has no templates_array"),
        ({"templates": str(tmp_path / "notes.txt")}, {}, "which ends in .h5 or .hdf5"),
        (real | {"n": 5, "rot": "norot"}, {}, "are read as they are, so n, rot cannot be met"),
        (
            real | {"drifting": True},
            {},
            "libraries.real.drifting: True cannot be met: SpikeInterface's templates have no",
        ),
        ({"probe": "tetrode", "cell_type_column": "x"}, {}, "libraries.real.cell_type_column: 'x' is of `templates` only"),
        (real, {"recordings": {"drifting": True}}, "recordings.r.recordings.drifting: the templates of real are read from a"),
    ]:
        with pytest.raises((UserError, ValidationError)) as caught:
            load_settings(config(library, **recording))
        assert message in str(caught.value) and "\n" not in str(caught.value)
