"""Configuration files as people write them, and numbers that are text: held against YAML 1.2 and what a person means."""

import os
from pathlib import Path

import pytest
import yaml
from unit.settings.test_bounds import BASE

from allenrec.cells.table import read_cells
from allenrec.common.errors import UserError
from allenrec.settings import load_settings
from allenrec.settings.config_files import check_config_file

GOOD = """\
# comment: 1:30
libraries: &all
  "010": {probe: 'tetrode', n: 1_000, sigma: .3}
  b: {<<: {probe: tetrode}, xlim: [-1.5, +8e+1], note: "1:30", time: '2026-01-01'}
recordings: {rec: {library: b, spiketrains: {duration: 3e-1}}}
again: *all
seed: 0
"""

REFUSED = {
    "key twice": ("seed: 1\nlibraries: {}\nseed: 2\n", "line 3: the key 'seed' is in line 1 already"),
    "key twice in a line": ("a: {n: 1, n: 2}\n", "line 1: the key 'n' is in line 1 already"),
    "key twice, once in quotes": ("a:\n  n: 1\n  'n': 2\n", "line 3: the key 'n' is in line 2 already"),
    "key twice in a list": ("a:\n- n: 1\n- {n: 1, m: [], n: 2}\n", "line 3: the key 'n' is in line 3"),
    "key twice in JSON": ('{"a": {"n": 1, "n": 2}}', "the key 'n' is there twice"),
    "minutes": ("duration: 1:30\n", "line 1: YAML reads 1:30 in sixties"),
    "hours": ("a: [1:30:00.5]\n", "line 1: YAML reads 1:30:00.5 in sixties"),
    "leading zero": ("a: 1\nn: 010\n", "line 2: YAML reads 010 in eights"),
    "sign and leading zero": ("n: -017\n", "line 1: YAML reads -017 in eights"),
    "date": ("a: 2026-01-02\n", "line 1: YAML reads 2026-01-02 as a date"),
    "no date": ("a: 2026-13-45\n", "line 1: YAML reads 2026-13-45 as a date"),
    "too many digits": ("seed: " + "1" * 4000, "line 1: a number of 4000 digits"),
    "too many digits in JSON": ('{"seed": ' + "1" * 5000 + "}", "a number of 5000 digits"),
    "deep": ("a: " + "[" * 700 + "]" * 700, "nested more than 20 levels deep"),
    "deep blocks": ("".join(f"{' ' * k}a:\n" for k in range(700)), "nested more than 20 levels deep"),
    "deep JSON": ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested more than 20 levels deep"),
    "in itself": ("a: &a\n  b: [1, *a]\n", r"line 2: \*a is within &a itself"),
    "reference to nothing": ("a: *b\n", r"line 1: \*b names nothing"),
    "tag": ("a: !!python/name:os.system x\n", "line 1: the tag 'tag:yaml.org,2002:python/name:os.system' is not allowed"),
    "two documents": ("a: 1\n---\nb: 2\n", r"line 2: a second document"),
    "list in JSON": ("[1, 2]", ": a configuration begins with a key"),
    "text in JSON": ('"seed"', ": a configuration begins with a key"),
    "number in JSON": ("5", ": a configuration begins with a key"),
    "null in JSON": ("null", ": a configuration begins with a key"),
    "list": ("- a\n", "line 1: a configuration begins with a key"),
    "block as a key": ("{a: 1}: 2\n", "line 1: a block or a list cannot be a key"),
    "open bracket": ("a: [1\n", "not YAML: line 2: expected"),
    "tab": ("a:\n\tb: 1\n", "not YAML: line 2: found character"),
    "NUL": ("a: \0\n", "not YAML: "),
    "Latin-1": ("a: é\n".encode("latin-1"), r"not text in UTF-8 \(byte 4\)"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "not text in UTF-8"),
}


@pytest.mark.parametrize(("content", "expected"), REFUSED.values(), ids=REFUSED)
def test_file_that_would_be_misread_is_one_line(tmp_path, content, expected):
    path = tmp_path / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=expected) as caught:
        check_config_file(path)
    text = str(caught.value)
    assert text.startswith(str(path)) and len(text.splitlines()) == 1 and len(text) < len(str(path)) + 400


@pytest.mark.parametrize(
    "content", [GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), '{"seed": 1,\n\t"cells": "x"}', "a: 08\n"]
)
def test_file_that_is_read_as_it_is_meant_is_taken(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_text(content, encoding="utf-8", newline="")
    check_config_file(path)


def with_duration(value):
    return BASE | {"recordings": {"rec": {"library": "lib", "spiketrains": {"duration": value}}}}


@pytest.mark.parametrize(("text", "value"), [("3e-1", 0.3), ("1e3", 1000.0), ("1.5E2", 150.0), ("+.5e1", 5.0)])
def test_exponents_are_numbers_as_in_yaml_1_2(text, value):
    """PyYAML, of YAML 1.1, reads them as text."""
    assert yaml.safe_load(text) == text
    assert load_settings(with_duration(text)).recordings["rec"].spiketrains.duration == value


def test_text_of_the_command_line_counts_as_what_it_reads_as():
    """Snakemake makes text of everything inside `--config 'recordings={...}'`."""
    text = yaml.load(
        "{rec: {library: lib, spiketrains: {duration: 12.5, n_exc: 3, rates: {spiny: [5, 1], aspiny: 1e1}, t_start: 0},"
        " cell_types: {excitatory: [spiny, 5]}, templates: {xlim: [-10, 0], zlim: null, template_ids: [1, 2, 3, 4, 5]},"
        " recordings: {filter: false, filter_cutoff: 300, slow_drift_velocity: 7, exp_decay: [.5, 1]}}}".replace(
            "10, -0", "-10, 0"
        ),
        Loader=yaml.BaseLoader,
    )
    recording = load_settings({**BASE, "recordings": text}, {"recordings": text}).recordings["rec"]
    trains, signal = recording.spiketrains, recording.recordings
    assert (trains.duration, trains.n_exc, trains.rates) == (12.5, 3, {"spiny": (5, 1), "aspiny": 10})
    assert recording.cell_types.excitatory == ["spiny", "5"]
    assert (recording.templates.xlim, recording.templates.zlim) == ((-10, 0), None)
    assert (signal.filter, signal.filter_cutoff, signal.exp_decay) == (False, 300, [0.5, 1])
    assert signal.drift_dicts[0].slow_drift_velocity == 7


@pytest.mark.parametrize("text", ["1:30", "010", "0x10", "nan", "1" * 200, "1_000", "ten"])
def test_other_text_of_the_command_line_is_no_number(text):
    config = with_duration(text)
    with pytest.raises(UserError, match=r"^config: recordings\.rec\.spiketrains\.duration: '.* must be a number$"):
        load_settings(config, config)


def test_text_in_a_file_is_no_number():
    with pytest.raises(UserError, match="'12' must be a number"):
        load_settings(with_duration("12"), {"seed": 1})


def nested(levels):
    inside = 1
    for _ in range(levels):
        inside = {"a": inside}
    return inside


CIRCLE = {"probe": "tetrode"}
CIRCLE["n"] = CIRCLE
BOMB = [1] * 9
for _ in range(12):
    BOMB = [BOMB] * 9

FORMS = {
    "deep": ({"evaluation": {"parameters": nested(700)}}, "evaluation.parameters.a: nested more than 20 levels deep"),
    "circle": ({"libraries": {"lib": CIRCLE}}, "libraries.lib.n: nested more than 20 levels deep, or in itself"),
    "bomb": ({"evaluation": {"parameters": BOMB}}, "more than 100000 values"),
    "long text": ({"libraries": {"lib": {"probe": "x" * 5000}}}, "libraries.lib.probe: 'xxx"),
    "NUL": ({"cells": "cells\0.tsv"}, r"cells: 'cells\x00.tsv' must not have control characters"),
    "NUL in a path": ({"pathvars": {"results": "a\0"}}, "pathvars.results: "),
    "no folder": ({"pathvars": {"results": ""}}, "pathvars.results: '' must be text that is not empty"),
    "folder of 300 characters": ({"pathvars": {"models": "x" * 300}}, "pathvars.models: 'xxx"),
    "probe that cannot be a file": ({"libraries": {"lib": {"probe": "x" * 999}}}, "libraries.lib.probe: 'xxx"),
    "file that cannot be one": (
        {"libraries": {"lib": {"probe": "x" * 900 + ".json"}}},
        "libraries.lib.probe: no such file 'xxx",
    ),
    "half a character": ({"cells": "\ud800"}, r"cells: '\ud800' must not"),
    "long key": ({"x" * 5000: 1}, "xxx"),
    "long name": ({"libraries": {"x" * 300: {"probe": "tetrode"}}}, "libraries.xxx"),
    "long list": ({"models": {"sources": ["bmtk"] * 5000, "kind": 5}}, "models.kind: 5 must be"),
    "long list as a number": ({"seed": [12345] * 5000}, "seed: [12345, "),
}


@pytest.mark.parametrize(("change", "expected"), FORMS.values(), ids=FORMS)
def test_form_that_no_configuration_has_is_one_short_line(change, expected):
    with pytest.raises(UserError) as caught:
        load_settings(BASE | change)
    text = str(caught.value)
    assert text.startswith(f"config: {expected}") and len(text.splitlines()) == 1 and len(text) < 700


def test_value_of_a_message_has_200_characters_at_most():
    with pytest.raises(UserError) as caught:
        load_settings(BASE | {"seed": "x" * 900})
    assert 150 < str(caught.value).count("x") <= 200


@pytest.mark.parametrize("key", [1, True, None, 1.5])
def test_name_that_yaml_reads_as_something_else_needs_quotes(key):
    with pytest.raises(UserError, match=rf"config: libraries\.\S+: {key} must be a name; put it in quotes"):
        load_settings({"libraries": {key: {"probe": "tetrode"}}})


def bomb(line, n=8):
    """A small file that stands for a hundred million values."""
    return "k0: &k0 {a: 1, b: 2}\n" + "".join(line(f"k{k}", f"*k{k - 1}") for k in range(1, n + 1))


BOMBS = {
    "references": bomb(lambda key, ref: f"{key}: &{key} {{{', '.join(f'x{i}: {ref}' for i in range(9))}}}\n"),
    "lists": bomb(lambda key, ref: f"{key}: &{key} [{', '.join([ref] * 9)}]\n"),
    "merged": bomb(lambda key, ref: f"{key}: &{key} {{<<: [{', '.join([ref] * 9)}]}}\n"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_references_that_multiply_are_refused_before_they_are_built(tmp_path, kind):
    (tmp_path / "config.yaml").write_text(BOMBS[kind])
    with pytest.raises(UserError, match=r"config.yaml, line [67]: .* or more than 100000 values"):
        check_config_file(tmp_path / "config.yaml")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "\ufeff"])
def test_empty_file_is_one_line(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config.yaml: is empty; a configuration begins with a key"):
        check_config_file(tmp_path / "config.yaml")


def test_what_is_no_regular_file_is_not_read(tmp_path):
    """A pipe or a device may have no end."""
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path, tmp_path / "pipe.yaml", "/dev/zero"):
        with pytest.raises(UserError, match="regular file"):
            check_config_file(path)
        with pytest.raises(UserError, match="regular file"):
            read_cells(path)


def test_file_is_read_once(tmp_path, monkeypatch):
    path, read = tmp_path / "config.yaml", []
    path.write_text(GOOD)
    text = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, *arguments, **options: read.append(self) or text(self, encoding="utf-8")
    )
    check_config_file(path)
    assert read == [path]
