"""The configuration: every mistake is one line that names the key, the value and what is allowed."""

import copy

import MEAutility
import pytest
import yaml
from support import ROOT

from allenrec.errors import UserError
from allenrec.settings import Block, load_settings, probe_names

GOOD = {"libraries": {"probe32": {"probe": "Neuronexus-32"}}, "recordings": {"demo": {"library": "probe32"}}}
LIBRARY, DEMO = "libraries.probe32", "recordings.demo"


def changed(key, value):
    """The good configuration with one dotted key set."""
    config = copy.deepcopy(GOOD)
    block = config
    *path, last = key.split(".")
    for part in path:
        block = block.setdefault(part, {})
    block[last] = value
    return config


#: Key, value, the key that the message names where it is another one, and words that the message must have
BAD = [
    ("colour", 1, None, ["unknown key", "libraries", "seed"]),
    ("librarys", {}, None, ["unknown key", "did you mean 'libraries'"]),
    ("models.source", ["bmtk"], None, ["unknown key", "did you mean 'sources'"]),
    ("intracellular.simtime", 1, None, ["unknown key", "did you mean 'sim_time'"]),
    (f"{LIBRARY}.min_ampl", 30, None, ["unknown key", "did you mean 'min_amp'"]),
    (f"{LIBRARY}.drifting", True, None, ["unknown key", "known are"]),
    (f"{DEMO}.spiketrains.nexc", 3, None, ["unknown key", "did you mean 'n_exc'"]),
    (f"{DEMO}.templates.mindist", 3, None, ["unknown key", "did you mean 'min_dist'"]),
    (f"{DEMO}.recordings.noise", 3, None, ["unknown key", "noise_level"]),
    (f"{DEMO}.cell_types.exc", ["spiny"], None, ["unknown key", "excitatory"]),
    ("cells", 3, None, ["3", "string"]),
    ("seed", -1, None, ["-1", "greater than or equal to 0"]),
    ("seed", "zero", None, ["'zero'", "integer"]),
    ("seed", True, None, ["True", "integer"]),
    ("seed", 1.5, None, ["1.5", "integer"]),
    ("models", ["bmtk"], None, ["a block of keys"]),
    ("models.sources", [], None, ["at least 1"]),
    ("models.sources", ["ftp"], "models.sources.0", ["'ftp'", "'local' or 'bmtk'"]),
    ("models.axon", "none", None, ["'none'", "'auto', 'stub', 'truncated' or 'keep'"]),
    ("intracellular", None, None, ["a block of keys"]),
    ("intracellular.sim_time", 0, None, ["greater than 0"]),
    ("intracellular.sim_time", 0.01, None, ["must exceed delay + cut_out, 0.017 s"]),
    ("intracellular.dt", 0.5, None, ["0.5", "less than or equal to 0.1"]),
    ("intracellular.target_spikes", [50, 3], None, ["[lowest, highest]"]),
    ("intracellular.target_spikes", [0, 3], None, ["1 or more"]),
    ("intracellular.target_spikes", [3], None, ["[3]", "a list of 2"]),
    ("intracellular.cut_out", [2, -5], "intracellular.cut_out.1", ["-5", "greater than 0"]),
    ("intracellular.max_runs", 0, None, ["greater than 0"]),
    ("libraries", {}, None, ["at least 1"]),
    ("libraries", [{"probe": "tetrode"}], None, ["a block of keys"]),
    ("libraries.a b", {"probe": "tetrode"}, None, ["letters, digits"]),
    ("libraries.empty", {}, "libraries.empty.probe", ["missing"]),
    (f"{LIBRARY}.probe", "Neuronexus-31", None, ["'Neuronexus-31'", *MEAutility.return_mea_list()]),
    (f"{LIBRARY}.n", 0, None, ["greater than 0"]),
    (f"{LIBRARY}.n", "50", None, ["'50'", "integer"]),
    (f"{LIBRARY}.n", 10.5, None, ["10.5", "integer"]),
    (f"{LIBRARY}.rot", "physical", None, ["'norot', 'xrot', 'yrot', 'zrot' or '3drot'"]),
    (f"{LIBRARY}.xlim", [80, 10], None, ["[lowest, highest]"]),
    (f"{LIBRARY}.ylim", [1, 2, 3], None, ["at most 2"]),
    (f"{LIBRARY}.zlim", 30, None, ["30", "a list"]),
    (f"{LIBRARY}.overhang", -1, None, ["greater than or equal to 0"]),
    (f"{LIBRARY}.min_amp", float("nan"), None, ["nan", "finite"]),
    (f"{LIBRARY}.check_eap_shape", "yes", None, ["'yes'", "boolean"]),
    (f"{LIBRARY}.ncontacts", 0, None, ["greater than 0"]),
    (f"{LIBRARY}.sigma", 0, None, ["greater than 0"]),
    (f"{LIBRARY}.sigma", [0.3, 0.3], None, ["a number or a list of 3"]),
    (f"{LIBRARY}.image_factor", 3, None, ["'auto' or less than or equal to 2"]),
    (f"{LIBRARY}.on_shortfall", "ignore", None, ["'take' or 'fail'"]),
    (f"{DEMO}.library", "other", None, ["'other'", "probe32"]),
    ("recordings.empty", {}, "recordings.empty.library", ["missing"]),
    (f"{DEMO}.spiketrains.duration", 0, None, ["greater than 0"]),
    (f"{DEMO}.spiketrains.n_exc", -1, None, ["greater than or equal to 0"]),
    (f"{DEMO}.spiketrains.ref_per", 60, f"{DEMO}.spiketrains.f_inh", ["30 Hz", "60 ms"]),
    (f"{DEMO}.spiketrains.process", "regular", None, ["'poisson' or 'gamma'"]),
    (f"{DEMO}.cell_types.excitatory", "spiny", None, ["'spiny'", "a list"]),
    (f"{DEMO}.cell_types.excitatory", ["aspiny"], None, ["'aspiny'", "inhibitory"]),
    (f"{DEMO}.cell_types.inhibitory", [], None, ["empty", "n_inh"]),
    (f"{DEMO}.templates.min_amp", 500, None, ["below max_amp, 300"]),
    (f"{DEMO}.recordings.noise_mode", "pink", None, ["'uncorrelated'"]),
    (f"{DEMO}.recordings.filter_cutoff", 16000, None, ["16000 Hz", "half the sampling rate"]),
    (f"{DEMO}.recordings.filter_cutoff", [6000, 300], None, ["[lowest, highest]"]),
    (f"{DEMO}.recordings.fs", 10000.0, f"{DEMO}.recordings.filter_cutoff", ["6000 Hz", "5000 Hz"]),
    (f"{DEMO}.recordings.filter_order", 11, None, ["less than or equal to 10"]),
    (f"{DEMO}.recordings.chunk_duration", 0, None, ["greater than 0"]),
]


@pytest.mark.parametrize(("key", "value", "named", "words"), BAD, ids=[f"{key}={value}" for key, value, _, _ in BAD])
def test_mistake_is_one_line_that_names_it(key, value, named, words):
    with pytest.raises(UserError) as caught:
        load_settings(changed(key, value))
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"config: {named or key}: ")
    for word in words:
        assert word in message


def test_missing_libraries_are_named():
    with pytest.raises(UserError, match="config: libraries: missing"):
        load_settings({})


def test_good_configurations_pass_and_get_defaults():
    settings = load_settings(GOOD)
    assert settings.libraries["probe32"].min_amp == 30 and settings.recordings["demo"].spiketrains.duration == 30
    for key, value in [
        (f"{LIBRARY}.sigma", [0.3, 0.3, 0.45]),
        (f"{LIBRARY}.xlim", None),
        (f"{LIBRARY}.image_factor", 1),
        (f"{DEMO}.recordings.filter_cutoff", 300),
        (f"{DEMO}.recordings.fs", 24414.0625),
        (f"{DEMO}.spiketrains.n_exc", 0),
        ("recordings", {}),
    ]:
        load_settings(changed(key, value))


def test_default_configuration_is_valid():
    load_settings(yaml.safe_load((ROOT / "config" / "config.yaml").read_text()))


def test_probe_names_are_those_of_meautility():
    assert probe_names() == MEAutility.return_mea_list()


def test_every_key_is_described():
    for block in Block.__subclasses__():
        for name, field in block.model_fields.items():
            assert field.description and field.description.endswith("."), f"{block.__name__}.{name}"


def test_settings_cannot_be_changed_later():
    settings = load_settings(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 1
