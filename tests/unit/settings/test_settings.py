"""The configuration: mistakes end in one line that names key, value and what is allowed; good ones are filled in."""

import copy
import json
import re
import typing

import jsonschema
import pydantic
import pytest
import yaml
from support import ROOT

from allenrec.common.errors import UserError
from allenrec.common.probe_names import probe_names
from allenrec.settings import Settings, load_settings
from allenrec.settings.base import Block
from allenrec.settings.libraries import Library
from allenrec.settings.recordings import Recording
from allenrec.settings.recordings.formats import FORMATS

BASE = {"libraries": {"lib": {"probe": "Neuronexus-32"}}, "recordings": {"rec": {"library": "lib"}}}
LIB, TRAINS, TYPES = "libraries/lib/", "recordings/rec/spiketrains/", "recordings/rec/cell_types/"
TEMPLATES, SIGNAL = "recordings/rec/templates/", "recordings/rec/recordings/"
NAN, INF = float("nan"), float("inf")


def changed(*changes):
    """`BASE` with values put at paths, as in ("libraries/lib/n", 3)."""
    config = copy.deepcopy(BASE)
    for path, value in changes:
        *blocks, key = path.split("/")
        place = config
        for block in blocks:
            place = place.setdefault(block, {})
        place[key] = value
    return config


def message(config):
    """What a person reads; always one line of plain words."""
    with pytest.raises(UserError) as caught:
        load_settings(config)
    text = str(caught.value)
    assert text.splitlines() == [text], "not one line"
    assert text.startswith("config: ")
    for jargon in ("Input", "Tuple", "Dictionary", "List ", "Keys", "validation", "pydantic", "Value error"):
        assert jargon not in text
    return text


#: Path, what it stands among (a known key that must be listed), and the key that was meant, if one is near
UNKNOWN_KEYS = [
    ("sed", "recordings", "seed"),
    ("libary", "libraries", "libraries"),  # codespell:ignore
    ("models/source", "axon", "sources"),
    ("intracellular/sim_tme", "max_runs", "sim_time"),
    (LIB + "probes", "min_amp", "probe"),
    (LIB + "quux", "min_amp", None),
    ("recordings/rec/spiketrain", "cell_types", "spiketrains"),
    (TRAINS + "durations", "n_exc", "duration"),
    (TYPES + "excitatori", "inhibitory", "excitatory"),
    (TEMPLATES + "mindist", "pad_len", "min_dist"),
    (SIGNAL + "noise_levels", "chunk_duration", "noise_level"),
    (SIGNAL + "sead", "chunk_duration", None),
]


@pytest.mark.parametrize(("path", "known", "meant"), UNKNOWN_KEYS, ids=[case[0] for case in UNKNOWN_KEYS])
def test_unknown_key_is_named_with_the_known_ones(path, known, meant):
    text = message(changed((path, 1)))
    assert f"config: {path.replace('/', '.')}: unknown key" in text and known in text.split("known are ")[1]
    assert (f"did you mean {meant!r}?" in text) if meant else ("did you mean" not in text)


#: Path, value, and what the message must say is allowed
BAD_VALUES = [
    # wrong types
    ("seed", "1", "an integer"),
    ("seed", True, "an integer"),
    ("seed", None, "an integer"),
    ("cells", 5, "the path of a cell table or a block of keys"),
    ("models", None, "a block of keys"),
    ("models", ["bmtk"], "a block of keys"),
    ("models/sources", "bmtk", "a list"),
    ("libraries", None, "a block of keys"),
    ("libraries", ["lib"], "a block of keys"),
    ("libraries/lib", "Neuronexus-32", "a block of keys"),
    ("recordings", "rec", "a block of keys"),
    ("recordings/rec/spiketrains", [30], "a block of keys"),
    ("intracellular/dt", "0.03", "a number"),
    ("intracellular/dt", True, "a number"),
    ("intracellular/threshold", None, "a number"),
    ("intracellular/target_spikes", 5, "a list"),
    ("intracellular/max_runs", 20.0, "an integer"),
    (LIB + "probe", 32, "a string"),
    (LIB + "n", "50", "an integer"),
    (LIB + "n", 50.0, "an integer"),
    (LIB + "n", True, "an integer"),
    (LIB + "xlim", 10, "a list"),
    (LIB + "xlim", {"low": 10}, "a list"),
    (LIB + "check_eap_shape", "yes", "a boolean"),
    (LIB + "check_eap_shape", 1, "a boolean"),
    (LIB + "sigma", "0.3", "a number or a list"),
    (LIB + "image_factor", None, "'auto' or a number"),
    (TRAINS + "duration", "30 s", "a number"),
    (TRAINS + "duration", [30], "a number"),
    (TRAINS + "n_exc", 5.5, "an integer"),
    (TYPES + "excitatory", "spiny", "a list"),
    (TYPES + "inhibitory", None, "a list"),
    (SIGNAL + "filter_cutoff", "300", "a number or a list"),
    (SIGNAL + "filter", "true", "a boolean"),
    # out of range
    ("seed", -1, "greater than or equal to 0"),
    ("intracellular/dt", 0, "greater than or equal to 0.001"),
    ("intracellular/dt", 0.2, "less than or equal to 0.1"),
    ("intracellular/max_runs", 0, "greater than 0"),
    (LIB + "n", 0, "greater than 0"),
    (LIB + "min_amp", -1, "greater than or equal to 0"),
    (LIB + "ncontacts", 2000, "less than or equal to 1000"),
    (LIB + "sigma", 0, "greater than or equal to 0.0001"),
    (LIB + "image_factor", 3, "'auto' or less than or equal to 2"),
    (TRAINS + "duration", 0, "greater than 0"),
    (TRAINS + "n_inh", -1, "greater than or equal to 0"),
    (TEMPLATES + "upsample", 1000, "less than or equal to 256"),
    (SIGNAL + "filter_order", 0, "greater than or equal to 1"),
    (SIGNAL + "chunk_duration", 0, "greater than or equal to 0.01"),
    (SIGNAL + "gain", 0, "greater than or equal to 0.000001"),
    (SIGNAL + "adc_bit_depth", 1, "greater than or equal to 2"),
    (SIGNAL + "lsb", 0, "greater than 0"),
    # not a number
    ("intracellular/dt", NAN, "a finite number"),
    (LIB + "overhang", INF, "a finite number"),
    (SIGNAL + "noise_level", NAN, "a finite number"),
    # wrong lengths and empty lists
    ("models/sources", [], "at least 1"),
    ("recordings/rec/format", [], "at least 1"),
    ("libraries", {}, "at least 1"),
    ("intracellular/target_spikes", [3], "a list of 2"),
    ("intracellular/target_spikes", [3, 4, 5], "a list of 2"),
    (LIB + "xlim", [10], "a list of 2"),
    (LIB + "xlim", [], "a list of 2"),
    (LIB + "sigma", [0.3, 0.3], "a list of 3"),
    (TEMPLATES + "pad_len", [3, 3, 3], "a list of 2"),
    (SIGNAL + "filter_cutoff", [300], "a list of 2"),
    # unknown choices
    ("models/axon", "cut", "'auto', 'stub', 'truncated' or 'keep'"),
    (SIGNAL + "dtype", "uint16", "'float32', 'int16' or 'int32'"),
    ("recordings/rec/compression", "blosc", "'none', 'lzf' or 'gzip'"),
    (LIB + "rot", "3d", "'norot', 'xrot', 'yrot', 'zrot', '3drot' or 'physrot'"),
    (LIB + "source", "sphere", "'line'"),
    (LIB + "on_shortfall", "ignore", "'take' or 'fail'"),
    (TRAINS + "process", "uniform", "'poisson', 'gamma' or 'burst' or a block of keys"),
    (TRAINS + "process", {"spiny": "uniform"}, "'poisson', 'gamma' or 'burst'"),
    (TRAINS + "rates", 5, "a list or a block of keys"),
    (TRAINS + "rates", {"spiny": [5, 1, 2]}, "a list"),
    (TRAINS + "types", "EEI", "a list"),
    (TRAINS + "burst_share", 1.5, "less than or equal to 1"),
    (TRAINS + "rate_modulation", "square", "'none', 'sinusoid' or 'random-walk'"),
    (TRAINS + "rate_modulation_period", 0.1, "greater than or equal to 1"),
    (TRAINS + "t_start", -1, "greater than or equal to 0"),
    (TEMPLATES + "max_similarity", 0, "greater than 0"),
    (TEMPLATES + "overlap_threshold", 1.1, "less than or equal to 1"),
    (TEMPLATES + "template_ids", 3, "a list"),
    (SIGNAL + "sync_rate", 0.6, "less than or equal to 0.5"),
    (SIGNAL + "angle_tol", 190, "less than or equal to 180"),
    (SIGNAL + "noise_mode", "loud", "'uncorrelated'"),
    (SIGNAL + "noise_level_at", "both", "'raw' or 'filtered'"),
    (SIGNAL + "noise_half_distance", 0, "greater than or equal to 0.01"),
    (SIGNAL + "far_neurons_n", 0, "greater than 0"),
    (SIGNAL + "far_neurons_exc_inh_ratio", 4.0, "less than or equal to 1"),
    (SIGNAL + "bursting_units", 3, "a list"),
    (SIGNAL + "n_burst_spikes", 0, "greater than 0"),
    (SIGNAL + "filter_mode", "both", "'filtfilt' or 'lfilter'"),
]


def ids(cases):
    """Readable names of parametrized cases: path and value."""
    return [f"{case[0]}={case[1]!r}".replace(" ", "") for case in cases]


@pytest.mark.parametrize(("path", "value", "allowed"), BAD_VALUES, ids=ids(BAD_VALUES))
def test_bad_value_is_named_with_what_is_allowed(path, value, allowed):
    text = message(changed((path, value)))
    begin = f"config: {path.replace('/', '.')}: {value!r} must be "
    assert text.startswith(begin) and allowed in text.removeprefix(begin)


#: Path, value, and what the message must hold of it and of the key that it contradicts
CONTRADICTIONS = [
    ("intracellular/target_spikes", [50, 3], r"\b50, 3\b.*\[lowest, highest\]"),
    ("intracellular/target_spikes", [0, 3], r"\b0, 3\b.*1 or more"),
    ("intracellular/cut_out", [0.001, 5], r"0\.001.*dt"),
    ("intracellular/sim_time", 0.005, r"0\.005\b.*delay.*cut_out.*0\.017 s"),
    (LIB + "xlim", [80, 10], r"80.*\[lowest, highest\]"),
    (LIB + "ylim", [7, 7], r"7.*\[lowest, highest\]"),
    (TEMPLATES + "zlim", [5, -5], r"-5.*\[lowest, highest\]"),
    (SIGNAL + "filter_cutoff", [6000, 300], r"6000.*\[lowest, highest\]"),
    (SIGNAL + "filter_cutoff", [300, 16000], r"16000 Hz .*below half the sampling rate, 16000 Hz"),
    (SIGNAL + "filter_cutoff", 20000, r"20000 Hz .*below half the sampling rate, 16000 Hz"),
    (TRAINS + "f_exc", 480, r"480\b.*refractory period of 2 ms"),
    (TRAINS + "f_inh", 480, r"480\b.*refractory period of 2 ms"),
    (TRAINS + "rates", {"spiny": 460}, r"460\b.*refractory period of 2 ms"),
    (TRAINS + "rates", [5, 6], r"5\.0, 6\.0\b.*each of the 7 units"),
    (TRAINS + "rates", [0.1] * 7, r"0\.1\b.*min_rate, 0\.5 Hz"),
    (TRAINS + "rates", {"spny": 5}, r"'spny'.*cell_types, which have spiny, aspiny, sparsely spiny"),
    (TRAINS + "process", {"spny": "gamma"}, r"'spny'.*cell_types, which have spiny, aspiny, sparsely spiny"),
    (TRAINS + "types", ["E", "I"], r"'E', 'I'.*as many as the list of rates"),
    (TRAINS + "t_start", 30, r"30\b.*duration, 30 s"),
    (TRAINS + "burst_spikes", [5, 2], r"5, 2\b.*\[fewest, most\], 2 or more"),
    (TRAINS + "file_units", ["3"], r"'3'.*needs a file"),
    (TRAINS + "file", "missing.csv", r"no such file 'missing\.csv'"),
    (TRAINS + "file", "trains.txt", r"'trains\.txt' must end in \.csv, \.npz, \.nwb"),
    (TEMPLATES + "template_ids", [3, 3], r"3, 3\b.*twice"),
    (TEMPLATES + "template_ids", [3, 4], r"2 templates.* n_exc \+ n_inh is 7"),
    (TEMPLATES + "n_overlap_pairs", 22, r"22 is more than 7 units have, 21"),
    (SIGNAL + "preferred_dir", [0, 0, 0], r"0\.0, 0\.0, 0\.0\b.*must not be zero"),
    (SIGNAL + "gain", 0.5, "0.5 is for integers; set dtype to int16"),
    (SIGNAL + "lsb", 1, "1 is for integers"),
    (TEMPLATES + "min_amp", 400, r"400\b.*max_amp, 300"),
    (TYPES + "excitatory", ["spiny", "aspiny"], r"'aspiny'.*inhibitory"),
    (TYPES + "excitatory", [], r"empty.*n_exc"),
    (TYPES + "inhibitory", [], r"empty.*n_inh"),
    (SIGNAL + "far_neurons_min_amp", 10, r"10\b.*far_neurons_max_amp, 10"),
    (SIGNAL + "far_neurons_library", "quiet", r"'quiet'.*`libraries`, which has lib"),
    (SIGNAL + "shape_mod", True, r"True.*bursting"),
    (SIGNAL + "n_bursting", 8, r"8 .*7 units"),
    (SIGNAL + "bursting_units", [0, 7], r"0, 7\b.*7 units"),
    ("recordings/rec/library", "neuropixels", r"'neuropixels'.*`libraries`, which has lib"),
]


@pytest.mark.parametrize(("path", "value", "expected"), CONTRADICTIONS, ids=ids(CONTRADICTIONS))
def test_contradiction_is_named_with_both_sides(path, value, expected):
    text = message(changed((path, value)))
    begin = f"config: {path.replace('/', '.')}: "
    assert text.startswith(begin) and re.search(expected, text.removeprefix(begin))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"process": "burst", "burst_interval": 2}, r"burst_interval: 2\.0 must exceed the refractory period, 2 ms"),
        ({"process": "burst", "f_exc": 280}, r"f_exc: 280\.0 gives .* of 2 ms and bursts with intervals of 5 ms"),
        ({"rate_modulation": "sinusoid", "rate_modulation_depth": 1}, r"rate_modulation_depth: 1\.0 must be below 1"),
        ({"rates": [5, 20], "types": ["E", "I"], "n_exc": 3}, r"types: \['E', 'I'\] .*n_exc, 3, and n_inh, 1"),
        ({"file": "config/cells.tsv", "file_units": ["3", "3"]}, r"file_units: \['3', '3'\] must not name a unit twice"),
        ({"file": "config/cells.tsv", "t_start": 1}, r"t_start: 1\.0 must not stand beside file"),
    ],
    ids=str,
)
def test_contradiction_within_the_trains(changes, expected):
    assert re.search(expected, message(changed(*((TRAINS + key, value) for key, value in changes.items()))))


def test_mearecs_rates_with_types_are_units():
    """In MEArec the types are ignored; here they say how many units there are of each kind, excitatory ones first."""
    config = changed((TRAINS + "rates", [20, 5, 6]), (TRAINS + "types", ["I", "E", "E"]))
    trains = load_settings(config).recordings["rec"].spiketrains
    assert (trains.n_exc, trains.n_inh, trains.rates) == (2, 1, [5.0, 6.0, 20.0])
    assert type(trains).model_validate(trains.model_dump()) == trains


REAL = "recordings/rec/background"
FAR = (SIGNAL + "noise_mode", "far-neurons")
#: Several values that contradict each other, and the message
CLASHES = [
    ([(SIGNAL + "noise_level_at", "filtered"), (SIGNAL + "filter", False)], "noise_level_at: 'filtered' must be 'raw' where"),
    ([FAR, (SIGNAL + "noise_color", True)], "noise_color: True must be false with far-neurons"),
    ([FAR], "far_neurons_max_amp: 10 µV leaves nothing of lib, whose min_amp is 30 µV; make a library with a lower one"),
    (
        [FAR, (LIB + "min_amp", 5), (SIGNAL + "far_neurons_max_amp", 40)],
        "far_neurons_max_amp: 40 µV is above templates.min_amp, 30",
    ),
    (
        [FAR, ("libraries/far", {"probe": "tetrode", "min_amp": 0}), (SIGNAL + "far_neurons_library", "far")],
        "far_neurons_library: 'far' is on tetrode, the units are on Neuronexus-32",
    ),
    ([(SIGNAL + "noise_color", True), (SIGNAL + "color_peak", 16000)], "color_peak: 16000 Hz must be below half the sampling"),
    (
        [(SIGNAL + "shape_stretch", 30), (SIGNAL + "shape_widening", 0.5)],
        "shape_widening: 0.5 must not stand beside shape_stretch",
    ),
    (
        [(REAL, {"recording": "x"}), (SIGNAL + "filter", True)],
        "filter: True cannot stand beside background: nothing is",
    ),
    (
        [(REAL, {"recording": "x"}), (SIGNAL + "noise_level", 5)],
        "noise_level: 5.0 cannot stand beside background: a",
    ),
    ([(REAL, {"recording": "x"}), (SIGNAL + "dtype", "int16")], "dtype: 'int16' cannot stand beside background: samples keep"),
    (
        [(REAL, {"recording": "x", "motion": "m"}), (SIGNAL + "drifting", False)],
        "drifting: background.motion moves the units; leave out drifting",
    ),
    (
        [(SIGNAL + "bursting", True), (SIGNAL + "n_bursting", 1), (SIGNAL + "bursting_units", [0])],
        "n_bursting: 1 must not stand beside bursting_units",
    ),
]


@pytest.mark.parametrize(("changes", "expected"), CLASHES, ids=[case[1].split(":")[0] for case in CLASHES])
def test_clash_of_several_values_is_named(changes, expected):
    assert message(changed(*changes)).startswith(f"config: recordings.rec.recordings.{expected}")


@pytest.mark.parametrize(("key", "instead"), [("sigma", "sigma_tissue"), ("image_factor", "sigma_glass")])
def test_a_slice_has_its_own_conductivities(key, instead):
    text = message(changed((LIB + "medium", {"kind": "slice"}), (LIB + key, 1.5)))
    assert text.startswith(f"config: libraries.lib.{key}: 1.5 does not go with a slice; set medium.{instead} instead")


def test_a_background_says_how_long_it_is():
    text = message(changed((REAL, {"recording": "x"}), ("recordings/rec/spiketrains", {"duration": 60})))
    assert text.startswith("config: recordings.rec.spiketrains.duration: 60 cannot stand beside background")
    assert text.endswith("write background.duration: 60")
    text = message(changed((REAL, {"recording": "x", "duration": 60.0}), ("recordings/rec/spiketrains", {"duration": 60})))
    assert text == "config: recordings.rec.background.recording: no such file 'x'"


def test_a_short_recording_has_one_thread(tmp_path):
    """20 units in a minute are short; more of either are not, nor is one on a background, whose length is not known here."""
    for n_exc, duration, threads in ((15, 60.0, 1), (25, 60.0, 4), (15, 600.0, 4)):
        trains = {"n_exc": n_exc, "n_inh": 5, "duration": duration}
        assert Recording.model_validate({"library": "a", "spiketrains": trains}).threads == threads
    assert Recording.model_validate({"library": "a", "background": {"recording": str(tmp_path)}}).threads == 4


def test_snr_needs_noise():
    text = message(changed((TEMPLATES + "snr", [3, 15]), (SIGNAL + "noise_level", 0)))
    assert text == "config: recordings.rec.templates.snr: [3.0, 15.0] needs noise, but recordings.noise_level is 0"


def test_stretched_templates_need_points():
    text = message(changed((SIGNAL + "bursting", True), (SIGNAL + "shape_mod", True), (TEMPLATES + "upsample", 4)))
    assert text.startswith("config: recordings.rec.templates.upsample: 4 must be 8 or more with shape_mod")


@pytest.mark.parametrize("name", ["bad name", "..", "-n", "a{b}", "a.b", "é", "", "a/b"])
@pytest.mark.parametrize("block", ["libraries", "recordings"])
def test_names_that_cannot_be_files_are_refused(block, name):
    """Names are wildcards and folders."""
    config = copy.deepcopy(BASE)
    config[block][name] = next(iter(BASE[block].values()))
    assert message(config) == f"config: {block}.{name}: {name!r} must be a name of letters, digits, - and _"


@pytest.mark.parametrize(("path", "key"), [("libraries/lib", "probe"), ("recordings/rec", "library")])
def test_required_keys(path, key):
    assert message(changed((path, {}))) == f"config: {path.replace('/', '.')}.{key}: missing"


FORMAT_NAMES = " or ".join(", ".join(map(repr, FORMATS)).rsplit(", ", 1))
BAD_ELEMENTS = [
    ("models/sources", ["bmtk", "alen"], "models.sources.1: 'alen'", "'bmtk'"),
    (
        "recordings/rec/format",
        ["hdf5"],
        "recordings.rec.format.0: 'hdf5'",
        FORMAT_NAMES,
    ),
    ("models/allen", {"url": "brain-map.org"}, "models.allen.url: 'brain-map.org'", "http"),
    ("intracellular/target_spikes", [3.0, 50], "intracellular.target_spikes.0: 3.0", "an integer"),
    ("intracellular/cut_out", [2, -5], "intracellular.cut_out.1: -5", "greater than 0"),
    (LIB + "xlim", ["10", 80], "libraries.lib.xlim.0: '10'", "a number"),
    (LIB + "xlim", [True, 80], "libraries.lib.xlim.0: True", "a number"),
    (LIB + "xlim", [10, NAN], "libraries.lib.xlim.1: nan", "a finite number"),
    (LIB + "sigma", [0.3, 0.3, -1], "libraries.lib.sigma.2: -1", "greater than or equal to 0.0001"),
    (TYPES + "excitatory", ["spiny", 1], "recordings.rec.cell_types.excitatory.1: 1", "a string"),
    (SIGNAL + "filter_cutoff", [300, "6000"], "recordings.rec.recordings.filter_cutoff.1: '6000'", "a number"),
]


@pytest.mark.parametrize(("path", "value", "key", "allowed"), BAD_ELEMENTS, ids=ids(BAD_ELEMENTS))
def test_element_of_a_list_is_named(path, value, key, allowed):
    text = message(changed((path, value)))
    assert text.startswith(f"config: {key} must be ") and allowed in text.split("must be ")[1]


@pytest.mark.parametrize("name", ["tuple1", "literal", "constrained-layer"])
def test_names_like_those_of_pydantic_stay_in_the_key(name):
    text = message(changed((f"libraries/{name}", {"probe": "Neuronexus-32", "n": "many"})))
    assert text.startswith(f"config: libraries.{name}.n: ")


@pytest.mark.parametrize("key", [1, None, "a\nb"])
def test_keys_that_are_no_words(key):
    """YAML makes `1:` a number and `~:` nothing."""
    shown = repr(key).strip("'")
    text = message({**BASE, key: 1})
    assert shown in text and "known are cell_type_column, cells, " in text
    text = message(changed(("libraries/lib", {"probe": "Neuronexus-32", key: 1})))
    assert text.startswith("config: libraries.lib.") and shown in text and "known are beta_distr_params, " in text
    text = message({"libraries": {key: {"probe": "Neuronexus-32"}}})
    assert text.startswith("config: libraries.") and shown in text


def test_nothing_at_all():
    assert message({}) == "config: libraries: missing"


def test_unknown_probe_lists_those_of_meautility():
    from MEAutility import return_mea_list

    assert probe_names() == sorted(return_mea_list())
    text = message(changed((LIB + "probe", "Neuronexus32")))
    assert text.startswith("config: libraries.lib.probe: 'Neuronexus32' is not a probe")
    assert text.split("known are ")[1].split(", ") == sorted(return_mea_list())


@pytest.mark.parametrize(
    ("dtype", "bits", "lsb", "key"),
    [
        ("int16", 16, None, None),
        ("int16", 12, 16, None),
        ("int32", 32, 1, None),
        ("int16", None, 2**15, None),
        ("int16", 17, None, "adc_bit_depth: 17"),
        ("int16", 12, 17, "adc_bit_depth: 12"),
        ("int16", None, 2**15 + 1, "lsb: 32769"),
    ],
)
def test_range_of_the_converter_must_fit_into_its_integers(dtype, bits, lsb, key):
    config = changed((SIGNAL + "dtype", dtype), (SIGNAL + "adc_bit_depth", bits), (SIGNAL + "lsb", lsb))
    if key is None:
        assert load_settings(config)
    else:
        assert message(config).startswith(f"config: recordings.rec.recordings.{key} is more than int16 holds")


def test_cutoff_is_held_against_the_rate_of_the_recording_or_else_of_the_library():
    """The library has a sample each dt: at 0.05 ms, 20 kHz."""
    assert load_settings(changed((SIGNAL + "filter_cutoff", [300, 9999]), ("intracellular/dt", 0.05)))
    assert "10000 Hz" in message(changed((SIGNAL + "filter_cutoff", [300, 10001]), ("intracellular/dt", 0.05)))
    assert "7500 Hz" in message(changed((SIGNAL + "filter_cutoff", [300, 8000]), (SIGNAL + "fs", 15000)))


GOOD = {
    "no recordings": [("recordings", {})],
    "whole numbers for numbers": [("intracellular/sim_time", 2), (LIB + "xlim", [10, 80]), (TRAINS + "duration", 1)],
    "limits switched off": [(LIB + "xlim", None), (TEMPLATES + "xlim", None), (LIB + "ylim", [-1e3, 1e3])],
    "anisotropic tissue": [(LIB + "sigma", [0.3, 0.3, 0.4])],
    "a number between 1 and 2": [(LIB + "image_factor", 1.5)],
    "a whole number that may be a word": [(LIB + "image_factor", 2)],
    "high-pass": [(SIGNAL + "filter_cutoff", 300.0), (SIGNAL + "fs", 20000)],
    "no filter, so no cut-off to be too high": [(SIGNAL + "filter", False), (SIGNAL + "fs", 1000)],
    "noise only": [(TRAINS + "n_exc", 0), (TRAINS + "n_inh", 0), (TYPES + "excitatory", []), (TYPES + "inhibitory", [])],
    "no refractory period, whatever the rate": [(TRAINS + "f_exc", 1000), (TRAINS + "ref_per", 0)],
    "other cell types": [(TYPES + "excitatory", ["L5 PC"]), (TYPES + "inhibitory", ["aspiny", "PV"])],
    "odd names": [("libraries/0-x_Y", {"probe": "tetrode"}), ("recordings/7", {"library": "0-x_Y"})],
    "far neurons of their own": [
        FAR,
        ("libraries/far", {"probe": "Neuronexus-32", "min_amp": 1}),
        (SIGNAL + "far_neurons_library", "far"),
    ],
    "far neurons that are too quiet for units": [FAR, (LIB + "min_amp", 1)],
    "one source": [("models/sources", ["local"])],
    "a large seed": [("seed", 2**64)],
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_good_unusual_configuration_keeps_its_values(changes):
    dumped = load_settings(changed(*changes)).model_dump(mode="json")
    for path, value in changes:
        found = dumped
        for key in path.split("/"):
            found = found[key]
        assert found == value or found.items() >= value.items()


def test_every_probe_is_accepted():
    for probe in probe_names():
        assert load_settings(changed((LIB + "probe", probe))).libraries["lib"].probe == probe


def test_defaults_are_filled_in():
    """Held against the contract: section 3 names these values."""
    settings = load_settings(changed((TRAINS + "n_exc", 3)))
    assert (
        settings.cells.table == "config/cells.tsv"
        and settings.cells.query is None
        and settings.seed == 0
        and settings.models.axon == "auto"
    )
    run = settings.intracellular
    assert (run.sim_time, run.dt, run.delay, run.target_spikes, run.cut_out) == (1, 0.03125, 10, (3, 50), (2, 5))
    assert (settings.libraries["lib"].n, settings.libraries["lib"].rot) == (50, "3drot")
    recording = settings.recordings["rec"]
    assert (recording.spiketrains.n_exc, recording.spiketrains.n_inh, recording.spiketrains.duration) == (3, 2, 30)
    assert recording.cell_types.excitatory == ["spiny"] and recording.cell_types.inhibitory == ["aspiny", "sparsely spiny"]


def test_settings_survive_their_own_dump_and_do_not_change():
    """Jobs get the dump through Snakemake's `params`, as JSON."""
    settings = load_settings(changed((LIB + "sigma", [0.3, 0.3, 0.4]), (SIGNAL + "filter_cutoff", 300.0)))
    dumped = json.loads(json.dumps(settings.model_dump(mode="json")))
    assert load_settings(dumped) == settings
    with pytest.raises(pydantic.ValidationError):
        settings.seed = 1


def test_configuration_that_is_checked_is_not_changed():
    config = changed((LIB + "xlim", [10, 80]))
    before = copy.deepcopy(config)
    load_settings(config)
    assert config == before


def test_default_configuration_is_valid():
    """By the settings, and by the JSON schema that editors use."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    settings = load_settings(config)
    assert list(settings.recordings) == ["demo"] and settings.libraries["neuronexus"].probe == "Neuronexus-32"
    schema = json.loads((ROOT / "config" / "schema.json").read_text())
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError, match="'sed' was unexpected"):
        jsonschema.validate(config | {"sed": 1}, schema)


def blocks_of(block):
    """A block and all that are in it, each once."""
    yield block
    for field in block.model_fields.values():
        for part in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Block):
                yield from blocks_of(part)


def test_every_key_has_a_description():
    blocks = list(blocks_of(Settings))
    assert {Settings, Library, Recording} < set(blocks)
    for block in blocks:
        for key, field in block.model_fields.items():
            assert field.description and field.description.endswith("."), f"{block.__name__}.{key}"


def test_units_that_no_template_can_be_are_refused():
    """A recording that takes only what is quieter than its library has."""
    config = {
        "libraries": {"lib": {"probe": "tetrode", "min_amp": 50.0}},
        "recordings": {"rec": {"library": "lib", "templates": {"min_amp": 10.0, "max_amp": 50.0}}},
    }
    with pytest.raises(UserError, match=r"config: recordings\.rec\.templates\.max_amp: 50 µV .* lib, whose min_amp is 50 µV"):
        load_settings(config)


BAD_LIBRARIES = {
    "n of no type": ({"n": {}}, "libraries.lib.n: {} must be an integer or at least 1 long"),
    "n below zero": ({"n": {"spiny": -1}}, "libraries.lib.n: {'spiny': -1} must be"),
    "bins below min_amp": (
        {"bins": {"of": "amplitude", "edges": [20, 40, 60]}},
        "lib.min_amp: 30.0 must not exceed the first of bins",
    ),
    "bins that do not increase": (
        {"bins": {"of": "distance", "edges": [40, 40, 60]}},
        "lib.bins.edges: [40.0, 40.0, 60.0] must",
    ),
    "grid without drift": ({"drift_grid": {"z": [-2, 2]}}, "lib.drifting: False must be true where there is a drift_grid"),
    "grid without zero": ({"drifting": True, "drift_grid": {"z": [1, 3]}}, "lib.drift_grid.z: [1.0, 3.0] must hold 0"),
    "grid along two axes": (
        {"drifting": True, "drift_grid": {"z": [-2, 2], "x": [0, 2]}},
        "one of them must be given, not x and z",
    ),
    "even number of steps": ({"drift_steps": 30}, "lib.drift_steps: 30 must be odd"),
    "paths that nothing holds": ({"min_drift": 95, "drift_zlim": [30, 40]}, "lib.min_drift: 95.0 is longer than any path"),
    "poses and their number": ({"poses": "x.csv", "n": 3}, "lib.poses: 'x.csv' gives the poses, so n cannot be met"),
    "no file of poses": ({"poses": "x.csv"}, "lib.poses: no such file 'x.csv'"),
    "poses from nowhere": ({"poses_from": "b"}, "lib.poses_from: 'b' is not in `libraries`: lib"),
    "poses from itself": ({"poses_from": "lib"}, "lib.poses_from: goes round in a circle, lib from lib"),
    "a key of MEArec": ({"timeout": None}, "lib.timeout: MEArec's key, but not one here: limits are counted in candidates"),
    "a key of another block": ({"dt": 0.03}, "lib.dt: MEArec's key, but not one here: it stands in `intracellular`"),
}


def test_keys_of_a_movement_may_stand_as_mearecs_do():
    keys = {"drift_mode_speed": "fast", "fast_drift_period": 7.0, "non_rigid_step_factors": None}

    def movements(signal):
        settings = load_settings({**BASE, "recordings": {"rec": {"library": "lib", "recordings": {"sdrand": 0.1} | signal}}})
        return settings.recordings["rec"].recordings.drift_dicts

    assert movements(keys) == movements({"drift_dicts": [keys]})
    assert movements(keys)[0].fast_drift_period == 7


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (
            {"drift_dicts": [{}], "slow_drift_velocity": 5.0},
            "slow_drift_velocity: MEArec's key, but not one here: it stands in",
        ),
        ({"slow_drift_velocity": -5.0}, "drift_dicts.0.slow_drift_velocity: -5.0 must be"),
        ({"overlap": True}, "overlap: MEArec's key, but not one here: every spike has its overlap label"),
    ],
)
def test_keys_of_mearecs_recordings_that_cannot_stand_are_answered(signal, expected):
    text = message({**BASE, "recordings": {"rec": {"library": "lib", "recordings": signal}}})
    assert text.startswith(f"config: recordings.rec.recordings.{expected}") and "\n" not in text


@pytest.mark.parametrize("name", BAD_LIBRARIES)
def test_library_that_cannot_be_is_named(name):
    change, expected = BAD_LIBRARIES[name]
    text = message({"libraries": {"lib": {"probe": "tetrode"} | change}})
    assert text.startswith("config: libraries.lib") and expected in text and "\n" not in text


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {"drifting": True}, "libraries.b.drift_grid: missing; a, where its poses are from, does not drift"),
        ({"spike": "mean"}, {}, "libraries.b.spike: 'random', but a, where its poses are from, has 'mean'"),
    ],
)
def test_library_that_does_not_fit_the_one_it_has_its_poses_from(first, second, expected):
    libraries = {"a": {"probe": "tetrode"} | first, "b": {"probe": "tetrode", "poses_from": "a"} | second}
    assert message({"libraries": libraries}) == f"config: {expected}"


def test_merged_configuration_is_a_configuration():
    """What is saved with the results, all defaults filled in, may be used again."""
    libraries = {
        "a": {"probe": "tetrode"},
        "b": {"probe": "tetrode", "poses_from": "a", "drifting": True, "drift_grid": {"z": [-4, 4]}},
    }
    settings = load_settings({"libraries": libraries, "cells": {"query": {"layer": 5}}})
    assert load_settings(settings.model_dump(mode="json")) == settings


BAD_CELLS = {
    "unknown key": ({"query": {"layr": "5"}}, "cells.query.layr: unknown key; did you mean 'layer'?"),
    "kind": ({"query": {"kind": "all-active"}}, "cells.query.kind: 'all-active' must be 'perisomatic', 'all active' or 'best'"),
    "fraction of a layer": ({"query": {"layer": 4.5}}, "cells.query.layer: 4.5 must be a string or a list"),
    "nothing": ({"query": {"line": []}}, "cells.query.line: [] must be a string or at least 1 long"),
    "no question": ({"table": "x.tsv"}, "cells.query: missing"),
    "variance": (
        {"query": {"min_explained_variance": 70}},
        "cells.query.min_explained_variance: 70 must be less than or equal to 1",
    ),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_question_that_cannot_be_is_named(name):
    cells, expected = BAD_CELLS[name]
    assert message(BASE | {"cells": cells}).startswith(f"config: {expected}")


@pytest.mark.parametrize(
    "models",
    [
        {"allen": "https://me:secret@host"},
        {"allen": {"url": "ftp://me:secret@host"}},
        {"allen": {"url": ["https://me:secret@host"]}},
        {"allen": {"url": "https://me:sec/re@t secret@host", "timeout": -1}},
        {"sources": ["https://me:secret@host"]},
    ],
    ids=str,
)
def test_password_is_in_no_message(models):
    with pytest.raises(UserError) as caught:
        load_settings(BASE | {"models": models})
    assert "secret" not in str(caught.value) and "me:" not in str(caught.value)


def test_login_is_taken_out_of_the_address_and_decoded():
    allen = load_settings(BASE | {"models": {"allen": {"url": "https://me:a%40b@host:8080/site"}}}).models.allen
    assert allen.url == "https://host:8080/site" and allen.login == ("me", "a@b")
    assert load_settings(BASE).models.allen.login is None


@pytest.mark.parametrize("key", [1, True, None, 1.5])
def test_name_that_yaml_reads_as_something_else_is_one_line(key):
    """YAML makes a truth value of `on`."""
    config = copy.deepcopy(BASE)
    config["recordings"][key] = next(iter(BASE["recordings"].values()))
    assert message(config) == f"config: recordings.{_key(key)}: {key!r} must be a name; put it in quotes"


def _key(key):
    return "1" if key is True else str(key)


@pytest.mark.parametrize("block", ["libraries", "recordings"])
def test_names_that_differ_in_case_only_are_refused(block):
    """They are one folder on some systems."""
    config = copy.deepcopy(BASE)
    name = next(iter(BASE[block]))
    config[block][name.upper()] = BASE[block][name]
    assert message(config) == f"config: {block}.{name.upper()}: differs from {name!r} in case only; choose another name"


@pytest.mark.parametrize("folder", ["a{b}c", "<results>", "a<models>", "~", "~/x", "config", "config/", "./config"])
def test_folders_that_mean_something_else_are_refused(folder):
    assert message({**BASE, "pathvars": {"results": folder}}).startswith(f"config: pathvars.results: {folder!r} must ")


def test_folder_where_a_file_is_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/results"):
        for key in ("results", "models"):
            text = message({**BASE, "pathvars": {key: folder}})
            assert text == f"config: pathvars.{key}: {folder!r} cannot be a folder, because {tmp_path / 'file'} is a file"
