"""What Snakemake compares to decide about reruns: one text a key, which a user can read."""

import pickle

import pytest
from snakemake.io import apply_wildcards

from allenrec.settings import load_settings
from allenrec.settings.job_params import job_params, row_params

CONFIG = {
    "libraries": {"first": {"probe": "tetrode"}, "second": {"probe": "tetrode", "n": {"spiny": 3}, "xlim": [10, 20.5]}},
    "recordings": {"demo": {"library": "first"}},
    "pathvars": {"results": "elsewhere"},
}


class Wildcards(dict):
    """What Snakemake passes to functions of params, as far as they use it."""


def texts(params, **wildcards):
    found = {name: text for name, text in params.items() if name != "settings"}
    return {
        name: apply_wildcards(text, wildcards) if isinstance(text, str) else text(Wildcards(wildcards))
        for name, text in found.items()
    }


@pytest.fixture
def settings():
    return load_settings(CONFIG)


def test_each_key_of_a_block_is_one_text(settings):
    params = job_params(settings, library="libraries.{library}", seed="seed")
    found = texts(params, library="second")
    assert len(found) == len(type(settings.libraries["first"]).model_fields) + 1
    assert found["library.n"] == 'libraries.second.n: {"spiny": 3}' and found["seed"] == "seed: 0"
    assert found["library.xlim"] == "libraries.second.xlim: [10.0, 20.5]"
    assert found["library.bins"] == "libraries.second.bins: null"


def test_two_configurations_differ_in_the_texts_of_their_keys_only(settings):
    noise = {"recordings": {"noise_level": 5.0}, "spiketrains": {"n_exc": 3}}
    other = load_settings(CONFIG | {"recordings": {"demo": {"library": "first"} | noise}})
    before, after = (
        texts(job_params(some, recording="recordings.{recording}"), recording="demo") for some in (settings, other)
    )
    assert {before[name]: after[name] for name in before if before[name] != after[name]} == {
        "recordings.demo.spiketrains.n_exc: 5": "recordings.demo.spiketrains.n_exc: 3",
        "recordings.demo.recordings.noise_level: 10.0": "recordings.demo.recordings.noise_level: 5.0",
    }


def test_keys_that_are_not_used_have_no_text(settings):
    params = job_params(settings, recording="recordings.{recording}", unused=["recording.format"])
    assert "recording.format" not in params and "recording.compression" in params
    assert params["settings"](Wildcards(recording="demo")).recording.format == ["mearec"]


def test_the_whole_configuration_has_all_names_but_no_folders(settings):
    found = texts(job_params(settings, config="")).values()
    assert "libraries.first.n: 50" in found and 'libraries.second.n: {"spiny": 3}' in found
    assert "recordings.demo.spiketrains.duration: 30.0" in found and "seed: 0" in found
    assert not any("pathvars" in text or "elsewhere" in text for text in found)


def test_names_may_have_dots(settings):
    """Recordings of a study have the values of their factors in their names."""
    study = {"library": "first", "grid": {"recordings.noise_level": [5, 5.5]}}
    settings = load_settings(CONFIG | {"recordings": {"s": study, "s-noise_level": {"library": "first"}}})
    found = texts(job_params(settings, recording="recordings.{recording}"), recording="s-noise_level=5.5")
    assert found["recording.recordings.noise_level"] == "recordings.s-noise_level=5.5.recordings.noise_level: 5.5"
    assert 'recordings.s-noise_level=5.5.library: "first"' in texts(job_params(settings, config="")).values()


def test_text_with_braces_is_never_taken_for_wildcards(settings):
    """Snakemake replaces what stands in braces in a plain text, but not in what a function returns."""
    params = job_params(settings, seed="seed", n="libraries.second.n", library="libraries.{library}")
    assert params["seed"] == "seed: 0" and callable(params["n"]) and callable(params["library.n"])
    assert params["n"](Wildcards()) == 'libraries.second.n: {"spiny": 3}'
    alike = {"libraries": {key: {"probe": "tetrode", "n": {"spiny": 3}} for key in ("first", "second")}}
    assert callable(job_params(load_settings(alike), library="libraries.{library}")["library.n"])


def test_what_all_names_have_in_common_is_one_plain_text(settings):
    """Snakemake fills in the wildcards of a text sooner than it calls a function."""
    params = job_params(settings, library="libraries.{library}")
    assert params["library.probe"] == 'libraries.{library}.probe: "tetrode"' and callable(params["library.xlim"])


def test_values_of_many_names_are_not_compared_at_the_start():
    """It took 8 s for 400 recordings, at every start."""
    many = {f"r{number}": {"library": "first"} for number in range(400)}
    params = job_params(load_settings(CONFIG | {"recordings": many}), recording="recordings.{recording}")
    assert callable(params["recording.compression"])
    assert texts(params, recording="r7")["recording.library"] == 'recordings.r7.library: "first"'


def test_the_script_gets_the_blocks_themselves(settings):
    values = job_params(settings, library="libraries.{library}", axon="models.axon")["settings"](Wildcards(library="second"))
    assert pickle.loads(pickle.dumps(values)).library == settings.libraries["second"] and values.axon == "auto"


def test_rows_are_one_text_each():
    rows = {"47": {"model_id": "47", "cell_type": "{odd}"}, "11": {"model_id": "11", "cell_type": "µ"}}
    params = row_params(rows)
    assert params["rows"](None).by_name == rows
    assert params["row 47"](None) == 'row 47: {"model_id": "47", "cell_type": "{odd}"}' and "µ" in params["row 11"](None)
