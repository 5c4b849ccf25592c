"""MEArec's own parameter files: pasted, and converted."""

from importlib.resources import files

import pytest
import yaml

from allenrec.common.errors import UserError
from allenrec.settings import load_settings
from allenrec.settings.mearec import convert, convert_files

FOLDER = files("MEArec") / "default_params"
TEMPLATES, RECORDINGS = (str(FOLDER / f"{name}_params.yaml") for name in ("templates", "recordings"))
#: The keys of MEArec's files that have no counterpart in the same block
OF_TEMPLATES = {"sim_time", "target_spikes", "cut_out", "dt", "delay", "weights", "seed", "timeout"}
OF_RECORDINGS = {"n_jitters", "smooth_percent", "smooth_strength", "overlap"}


def read(path):
    with open(path) as file:
        return yaml.safe_load(file)


def test_pasted_files_are_refused_with_all_their_keys_at_once():
    pasted = {"libraries": {"a": read(TEMPLATES)}, "recordings": {"b": {"library": "a"} | read(RECORDINGS)}}
    with pytest.raises(UserError) as refused:
        load_settings(pasted)
    message = str(refused.value)
    assert "\n" not in message and message.count("convert_mearec --config file=") == 1
    assert all(key in message for key in OF_TEMPLATES | OF_RECORDINGS)
    assert "libraries.a.sim_time, target_spikes, cut_out, dt, delay: it stands in `intracellular`" in message


def test_converted_files_are_a_configuration_with_all_their_values():
    text = convert_files([TEMPLATES, RECORDINGS])
    settings = load_settings(yaml.safe_load(text))
    assert settings.stands_alone and not yaml.safe_load(convert_files([RECORDINGS])).get("stands_alone")
    theirs, library, recording = read(TEMPLATES), settings.libraries["mearec"], settings.recordings["mearec"]
    for key in set(theirs) - {"weights", "seed", "timeout"}:
        block = settings.intracellular if key in OF_TEMPLATES else library
        assert _plain(getattr(block, key)) == theirs[key], key
    movement = recording.recordings.drift_dicts[0]
    for name in ("spiketrains", "templates", "recordings"):
        for key, value in read(RECORDINGS)[name].items():
            if key not in OF_RECORDINGS:
                block = getattr(recording, name)
                assert _plain(getattr(block if hasattr(block, key) else movement, key)) == value, key
    assert settings.recordings["mearec"].seeds.model_dump() == {"drift": None} | {
        ours: read(RECORDINGS)["seeds"][theirs]
        for ours, theirs in (("units", "templates"), ("spikes", "spiketrains"), ("gains", "convolution"), ("noise", "noise"))
    }
    comments = [line for line in text.splitlines() if line.startswith("#")]
    for key in (*OF_RECORDINGS, "weights", "timeout", "cell_types"):
        assert any(f"{key}: " in line for line in comments), key


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def test_seed_of_the_templates_becomes_the_seed():
    assert convert({"seed": 5, "n": 3}) == ({"intracellular": {}, "libraries": {"mearec": {"n": 3}}, "seed": 5}, [])


def test_recording_without_template_parameters_has_a_library_that_is_there():
    text = convert_files([RECORDINGS], "neuronexus")
    assert yaml.safe_load(text)["recordings"]["mearec"]["library"] == "neuronexus"
    assert "config/bbp.yaml" in convert_files([TEMPLATES])


def test_seeds_of_a_recording_have_our_names():
    (config, left_out) = convert({"spiketrains": {}, "seeds": {"templates": 3, "convolution": 4, "noise": None}})
    assert config["recordings"]["mearec"]["seeds"] == {"units": 3, "gains": 4, "noise": None} and left_out == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("- 1", "holds no parameters of MEArec"),
        ("", "holds no parameters of MEArec"),
        ("rot: norot\nrot: 3drot\n", "line 2: the key 'rot' is in line 1 already"),
        ("n: 010\n", "line 1: YAML reads 010 in eights"),
        ("a: &a [1, *a]\n", "*a is within &a itself"),
        ("a: é".encode("latin-1"), "not text in UTF-8 (byte 4)"),
        ("a: [", "not YAML"),
        ("probe: Neuronexus-32\nmin_amp: loud", "libraries.mearec.min_amp: 'loud' must be a number"),
        ("spiketrains: {n_exc: -1}", "recordings.mearec.spiketrains.n_exc: -1 must be"),
        ("probe: Neuronexus-32\nmin_ampl: 3", "min_ampl: unknown key; did you mean 'min_amp'?"),
    ],
)
def test_what_is_no_file_of_mearec_is_refused_in_one_line(content, message, tmp_path):
    path = tmp_path / "theirs.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"theirs\.yaml") as refused:
        convert_files([str(path)])
    assert message in str(refused.value) and "\n" not in str(refused.value)
