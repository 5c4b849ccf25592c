"""The intracellular file: what is written is read back, under the names that later stages and other programs know."""

import json
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest
from support import add_checksums

from allenrec.common.errors import DamagedFile, UserError
from allenrec.intracellular.intracellular_file import (
    Currents,
    CurrentsInfo,
    read_currents,
    resting_potential,
    summary,
    write_currents,
)
from allenrec.models.metadata import CellFacts
from allenrec.settings.models import Intracellular


@pytest.fixture
def currents():
    """A cell of three segments with two stored spikes, found in the second of two runs."""
    rng = np.random.default_rng(0)
    info = CurrentsInfo(
        model_id="123",
        specimen_id="7",
        cell_type="spiny",
        facts=CellFacts(specimen_id="7", layer="2/3", flags="does not return to rest"),
        model_kind="perisomatic",
        axon="stub",
        celsius=34.0,
        v_init=-80.0,
        settings=Intracellular(delay=2.0, dt=0.05, cut_out=(1.0, 3.0)),
        versions={"neuron": "9.0.2"},
        digests={"mechanisms": "0" * 64},
    )
    return Currents(
        info=info,
        amplitude=0.2,
        start=rng.normal(size=(3, 3)),
        end=rng.normal(size=(3, 3)),
        diameter=rng.uniform(1, 2, 3),
        section=np.array(["soma", "axon", "dend"], dtype=object),
        imem=rng.normal(size=(2, 3, 80)).astype(np.float32),
        spike_vmem=rng.normal(size=(2, 80)).astype(np.float32),
        spike_times=np.array([12.5, 40.0]),
        vmem=np.array([-80.0, -79.0, -78.0, 0.0], dtype=np.float32),
        time=np.arange(4, dtype=np.float32),
        search_amplitude=np.array([0.1, 0.2]),
        search_n_spikes=np.array([0, 3]),
        recorded_amplitude=np.array([0.15]),
        recorded_cell_spikes=np.array([4.5]),
        recorded_model_spikes=np.array([5]),
        rheobase=np.array([0.09, 0.11, 0.13]),
    )


def test_file_is_read_back_as_it_was_written(currents, tmp_path):
    write_currents(tmp_path / "currents.h5", currents)
    found = read_currents(tmp_path / "currents.h5")
    assert found.info == currents.info and found.amplitude == currents.amplitude
    for field in fields(currents):
        value = getattr(currents, field.name)
        if isinstance(value, np.ndarray):
            assert getattr(found, field.name).dtype == value.dtype, field.name
            np.testing.assert_array_equal(getattr(found, field.name), value)


def test_attributes_have_their_fixed_names_and_json(currents, tmp_path):
    """The layout of the file is a contract with other programs."""
    write_currents(tmp_path / "currents.h5", currents)
    with h5py.File(tmp_path / "currents.h5") as file:
        attributes = dict(file.attrs)
    assert attributes["model_id"] == "123" and attributes["amplitude"] == 0.2 and attributes["dt"] == 0.05
    assert set(attributes) == {
        *("model_id", "specimen_id", "cell_type", "facts", "model_kind", "axon", "celsius", "v_init", "amplitude", "dt"),
        *("stimulus", "versions", "digests"),
    }
    assert attributes["stimulus"] == (
        '{"sim_time": 1.0, "spike_dt": 0.00390625, "delay": 2.0, "target_spikes": [3, 50], "cut_out": [1.0, 3.0], '
        '"threshold": -30.0, "onset": 0.05, "min_upstroke": 20.0, "min_height": 2.0, "usable_upstroke": 70.0, '
        '"usable_peak": -18.0, "start_amplitude": 0.2, "max_runs": 20}'
    )
    assert list(json.loads(attributes["facts"])) == [
        *("specimen_id", "specimen_name", "dendrite_type", "apical", "area", "layer", "line", "species", "model_kind"),
        *("explained_variance", "flags"),
    ]


def test_currents_of_a_cell_that_does_not_fire_are_written_and_read(currents, tmp_path):
    """It has no spikes, so that there is nothing to be chunked."""
    nothing = {"imem": np.zeros((0, 3, 80)), "spike_vmem": np.zeros((0, 80)), "spike_times": np.zeros(0)}
    silent = replace(currents, **nothing, search_n_spikes=np.array([0, 0]))
    write_currents(tmp_path / "silent.h5", silent)
    with h5py.File(tmp_path / "silent.h5") as file:
        assert file["spikes/imem"].shape == (0, 3, 80) and file["segments/end"].shape == (3, 3)
    settings = currents.info.settings
    assert read_currents(tmp_path / "silent.h5").search_flags(settings) == ["does not fire"]
    assert replace(silent, search_n_spikes=np.array([0, 2])).search_flags(settings) == ["no usable spikes"]
    weak = np.interp(np.arange(100), [0, 40, 55, 99], [-80, -70, -20, -80])  # samples of 0.05 ms: 67 mV/ms at most
    failed = "no action potentials: peaks at -20 mV, upstroke 67 mV/ms"
    assert replace(silent, search_n_spikes=np.array([0, 2]), vmem=weak).search_flags(settings) == [failed]
    assert currents.search_flags(settings) == []


def test_summary_describes_the_accepted_run(currents):
    assert currents.accepted_run == 1 and resting_potential(currents) == -78.0
    expected = {"axon": "stub", "n_segments": 3, "rest_mV": -78.0, "amplitude_nA": 0.2, "n_spikes": 3, "n_stored_spikes": 2}
    expected |= {"model_and_recorded_spikes": "0.15: 5 (4.5)", "rheobase_nA": 0.13, "recorded_rheobase_nA": 0.11}
    found = summary(currents)
    assert {key: found[key] for key in expected} == expected
    assert np.isnan([found[key] for key in set(found) - set(expected)]).all()  # this trace has no spikes


def test_summary_has_the_shape_of_the_stored_spikes(currents):
    """Two of three Gaussian spikes are stored, 80 and 90 mV high. The greatest slope is height / sigma e^(-1/2)."""
    dt, sigma, places, heights = 0.05, 0.4, (5.0, 12.5, 40.0), (50.0, 80.0, 90.0)
    time = np.arange(0, 60, dt)
    vmem = -70 + sum(h * np.exp(-0.5 * ((time - t) / sigma) ** 2) for t, h in zip(places, heights, strict=True))
    found = summary(replace(currents, vmem=vmem, time=time))
    assert found["spike_peak_mV"] == pytest.approx(15.0)
    assert found["spike_upstroke_mV_per_ms"] == pytest.approx(85 / sigma * np.exp(-0.5), rel=0.01)
    assert found["spike_half_width_ms"] == pytest.approx(2.3548 * sigma, rel=0.01)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:3000])


def change(function):
    def damage(path):
        with h5py.File(path, "r+") as file:
            function(file)
        add_checksums(path)

    return damage


DAMAGES = {
    "cut short": cut_short,
    "no attribute": change(lambda file: file.attrs.pop("stimulus")),
    "no JSON": change(lambda file: file.attrs.update(facts="{")),
    "unknown fact": change(lambda file: file.attrs.update(facts='{"colour": "red"}')),
    "step out of bounds": change(lambda file: file.attrs.update(dt=-1.0)),
    "no dataset": change(lambda file: file.pop("spikes/imem")),
    "NaN in currents": change(lambda file: file["spikes/imem"].write_direct(np.full((2, 3, 80), np.nan, np.float32))),
    "another shape": change(lambda file: (file.pop("spikes/times"), file.create_dataset("spikes/times", data=[1.0]))),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_file_is_one_line_that_says_what_to_do(currents, tmp_path, damage):
    path = tmp_path / "currents.h5"
    write_currents(path, currents)
    damage(path)
    with pytest.raises(DamagedFile, match=r"is not a valid intracellular file .*; delete it and run again") as caught:
        read_currents(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_missing_file_is_not_called_damaged(tmp_path):
    with pytest.raises(DamagedFile, match=r"gone\.h5: there is no such intracellular file; run the workflow to make it$"):
        read_currents(tmp_path / "gone.h5")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["imem", "spike_vmem", "vmem", "end", "diameter"])
def test_numbers_that_are_not_finite_are_not_written(field, wrong, currents, tmp_path):
    values = getattr(currents, field).copy()
    values.flat[-1] = wrong
    with pytest.raises(UserError, match=rf"model 123: \w+/\w+: 1 of {values.size} numbers are not finite"):
        write_currents(tmp_path / "currents.h5", replace(currents, **{field: values}))
    assert list(tmp_path.iterdir()) == []
