"""Bounds of numbers, and sizes: what no experiment needs and no machine can compute is refused before anything runs."""

import copy
import json
import re

import pytest
from support import ROOT

from allenrec.common.errors import UserError
from allenrec.settings import load_settings
from allenrec.settings.sizes import check_sizes

BASE = {"libraries": {"lib": {"probe": "Neuronexus-32"}}, "recordings": {"rec": {"library": "lib"}}}
LIB, TRAINS = "libraries/lib/", "recordings/rec/spiketrains/"
TEMPLATES, SIGNAL = "recordings/rec/templates/", "recordings/rec/recordings/"


def changed(path, value):
    """`BASE` with a value at a path, as in "libraries/lib/n"."""
    config = copy.deepcopy(BASE)
    *blocks, key = path.split("/")
    place = config
    for block in blocks:
        place = place.setdefault(block, {})
    place[key] = value
    return config


def numbers(schema, path=""):
    """Each number in a JSON schema, with its path."""
    if isinstance(schema, dict):
        if schema.get("type") in ("number", "integer") and not {"const", "enum"} & schema.keys():
            yield path, schema
        for key, inner in schema.items():
            yield from numbers(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for place, inner in enumerate(schema):
            yield from numbers(inner, f"{path}/{place}")


def test_every_number_of_the_schema_has_two_bounds():
    found = dict(numbers(json.loads((ROOT / "config" / "schema.json").read_text())))
    assert len(found) > 80
    unbounded = [
        path
        for path, number in found.items()
        if not ({"minimum", "exclusiveMinimum"} & number.keys() and {"maximum", "exclusiveMaximum"} & number.keys())
    ]
    assert unbounded == []


#: Values that made results wrong, ended in tracebacks of jobs, or would never have ended
IMPOSSIBLE = [
    ("seed", 10**3999),
    ("intracellular/dt", 1e-9),
    ("intracellular/sim_time", 1e300),
    ("intracellular/cut_out", [1e-300, 1e9]),
    ("intracellular/threshold", 1e5),
    ("intracellular/start_amplitude", 1e-300),
    ("intracellular/target_spikes", [3, 10**12]),
    ("intracellular/max_runs", 10**9),
    ("models/allen", {"timeout": 1e-300}),
    ("models/allen", {"retries": 10**9}),
    (LIB + "n", 1_000_000_000),
    (LIB + "n", {"spiny": 10**300}),
    (LIB + "sigma", 1e-300),
    (LIB + "sigma", [0.3, 0.3, 1e300]),
    (LIB + "xlim", [-1e300, 1e300]),
    (LIB + "beta_distr_params", [1e-300, 5]),
    (LIB + "max_iterations", 10**12),
    (LIB + "drift_steps", 1_000_001),
    (LIB + "drift_grid", {"z": [-10, 10], "step": 1e-12}),
    (LIB + "drift_grid", {"z": [-1e5, 1e5], "step": 0.01}),
    (TRAINS + "duration", 1e305),
    (TRAINS + "n_exc", 10**10),
    (TRAINS + "f_exc", 1e-300),
    (TRAINS + "f_inh", 1e300),
    (TRAINS + "min_rate", 1e-300),
    (TRAINS + "rates", {"spiny": [5, 1e300]}),
    (TRAINS + "gamma_shape", 1e-300),
    (TRAINS + "burst_spikes", [2, 1_000_000_000]),
    (TRAINS + "burst_shape", 1e-300),
    (TRAINS + "rate_modulation_depth", 1e300),
    (TEMPLATES + "pad_len", [3, 1e300]),
    (TEMPLATES + "template_ids", [10**30]),
    (SIGNAL + "fs", 1),
    (SIGNAL + "fs", 1e300),
    (SIGNAL + "filter_cutoff", [1e-300, 6000]),
    (SIGNAL + "filter_cutoff", 1e-300),
    (SIGNAL + "filter_cutoff", [1000, 1000.001]),
    (SIGNAL + "noise_level", 1e39),
    (SIGNAL + "noise_half_distance", 1e-300),
    (SIGNAL + "color_q", 1e300),
    (SIGNAL + "far_neurons_n", 10**12),
    (SIGNAL + "mrand", 1e300),
    (SIGNAL + "sdrand", 1e39),
    (SIGNAL + "exp_decay", [1e300]),
    (SIGNAL + "drift_fs", 1e300),
    (SIGNAL + "fast_drift_period", 1e-300),
    (SIGNAL + "preferred_dir", [1e-300, 0, 0]),
    (SIGNAL + "gain", 1e-300),
    (SIGNAL + "chunk_duration", 1e-300),
]


@pytest.mark.parametrize(("path", "value"), IMPOSSIBLE, ids=[f"{path}={str(value)[:20]}" for path, value in IMPOSSIBLE])
def test_impossible_number_is_one_line(path, value):
    with pytest.raises(UserError) as caught:
        load_settings(changed(path, value))
    text = str(caught.value)
    assert len(text.splitlines()) == 1 and re.match(rf"config: {path.replace('/', '.')}\b", text.replace("drift_dicts.0.", ""))
    assert len(text) < 500


GIGABYTE = 1e9


@pytest.mark.parametrize(
    ("path", "value", "disk", "memory", "expected"),
    [
        # 1e6 templates of 3 models, 32 contacts, 64 + 160 samples of 4 bytes, of which compression leaves half: 43 GB
        (LIB + "n", 1_000_000, 40 * GIGABYTE, None, r"libraries\.lib: takes about 43\.0 GB, but the disk of .*lower n"),
        # 1e6 s at 32 kHz on 32 contacts, 4 bytes: 4.1 TB
        (TRAINS + "duration", 1e6, 4e12, None, r"recordings\.rec: takes about 4\.1 TB, .* shorten duration"),
        (SIGNAL + "chunk_duration", 1e4, 4e12, None, None),
        (TRAINS + "n_exc", 1_000_000, 4e12, 8 * GIGABYTE, r"recordings\.rec: takes about .* of memory, but this machine"),
        (LIB + "n", 50, GIGABYTE, GIGABYTE, None),
        # The templates of one cell, 32 contacts, 64 + 160 samples of 4 bytes: 28.7 GB
        (LIB + "n", 1_000_000, 4e12, 8 * GIGABYTE, r"libraries\.lib: takes about 28\.7 GB of memory, .*; lower n$"),
        # 16 phases of matrices from 224 + 32,000 samples to 224 + 64,000, 8 bytes, which are copied once: 530 GB
        (TEMPLATES + "pad_len", [1000, 1000], 4e12, 8 * GIGABYTE, r"rec: takes about 5\d\d\.\d GB of memory.*pad_len"),
        # 999 of 30 s at 32 kHz on 32 contacts, 4 bytes: 123 GB
        ("recordings/rec/replicates", {"n": 999}, 100 * GIGABYTE, None, r"config: recordings: takes about 122\.8 GB.*fewer"),
        # 30 s are 122.9 MB; what 7 units add is compressed: 55 spikes a second of 13 ms leave half of 87.9 MB
        (SIGNAL + "spike_traces", "all", 0.15 * GIGABYTE, None, r"recordings\.rec: takes about 166\.8 MB"),
        # A block of the traces is 32768 samples of 4 bytes on 32 contacts, however long the recording is
        (SIGNAL + "chunk_duration", 1e6, 4e12, 0.1 * GIGABYTE, None),
        (TRAINS + "rates", {"spiny": 9, "aspiny": 9}, 4e12, 8 * GIGABYTE, None),
    ],
)
def test_size_is_estimated_before_anything_runs(tmp_path, monkeypatch, path, value, disk, memory, expected):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"total": disk}))
    settings = load_settings(changed(path, value))

    def check():
        check_sizes(settings, 3, lambda probe: 32, tmp_path / "results", memory=memory)

    if expected is None:
        check()
    else:
        with pytest.raises(UserError, match=expected):
            check()


def test_contacts_are_counted_only_where_they_matter(tmp_path):
    """Loading a probe takes half a second, which every start of the workflow would pay."""
    check_sizes(load_settings(BASE), 3, lambda probe: pytest.fail("counted"), tmp_path, memory=8 * GIGABYTE)
