"""For any change of a file of a model, the answer is one line or a model that NEURON can take."""

import json
import math
import shutil

import pytest

pytest.importorskip("hypothesis")

from fuzz.wild import changed, is_one_short_line
from hypothesis import given
from hypothesis import strategies as st

from allenrec.common.errors import UserError
from allenrec.models.archive import FIT, MORPHOLOGY, read_model
from allenrec.models.metadata import METADATA, cell_facts, read_metadata
from allenrec.models.recorded_sweeps import SWEEPS, read_recorded_steps

MODEL = "473863510"
TREE = [
    [1, 1, 0.0, 0.0, 0.0, 5.0, -1],
    [2, 3, 10.0, 0.0, 0.0, 1.0, 1],
    [3, 3, 20.0, 0.0, 0.0, 1.0, 2],
    [4, 4, 0.0, 9.0, 0.0, 1.0, 1],
]
SWEEP = {"stimulus_name": "Long Square", "stimulus_absolute_amplitude": 100.0, "stimulus_duration": 1.0, "num_spikes": 3}


@pytest.fixture(scope="module")
def folder(models_folder, tmp_path_factory):
    return shutil.copytree(
        models_folder / f"neuronal_model_{MODEL}", tmp_path_factory.mktemp("fuzz") / f"neuronal_model_{MODEL}"
    )


@pytest.fixture(scope="module")
def parts(folder):
    """The files as they were."""
    return {name: (folder / name).read_text(encoding="utf-8") for name in (FIT, MORPHOLOGY, METADATA)}


def answer(function, *arguments):
    try:
        return function(*arguments)
    except UserError as error:
        assert is_one_short_line(error)
        return None


def write_json(path, content):
    # Surrogates are written as escapes, and long numbers as text of digits.
    try:
        path.write_text(json.dumps(content), encoding="utf-8")
    except ValueError:
        path.write_text("{" + "9" * 5000 + "}", encoding="utf-8")


@given(data=st.data())
def test_any_change_of_a_fit(folder, parts, data):
    write_json(folder / FIT, data.draw(changed(json.loads(parts[FIT]))))
    (folder / METADATA).write_text(parts[METADATA], encoding="utf-8")
    model = answer(read_model, folder)
    if model is not None:
        assert 0 < model.axial_resistivity <= 1e6 and all(0 < value <= 1e6 for value in model.capacitance.values())
        assert all(math.isfinite(parameter.value) for parameter in model.parameters)


def test_id_of_any_length_is_a_short_line():
    """The search has found it."""
    for number in (10**400, 10**4000, "x" * 5000):
        assert answer(cell_facts, {"id": number, "specimen": 1}) is None


@given(data=st.data())
def test_any_change_of_the_metadata(folder, parts, data):
    (folder / FIT).write_text(parts[FIT], encoding="utf-8")
    write_json(folder / METADATA, data.draw(changed(json.loads(parts[METADATA]))))
    answer(read_model, folder)
    metadata = answer(read_metadata, folder)
    facts = None if metadata is None else answer(cell_facts, metadata)
    assert facts is None or all(isinstance(value, str) and "\0" not in value for value in facts.columns().values())


@given(rows=changed(TREE))
def test_any_change_of_a_morphology(folder, parts, rows):
    (folder / FIT).write_text(parts[FIT], encoding="utf-8")
    (folder / METADATA).write_text(parts[METADATA], encoding="utf-8")
    try:
        lines = [" ".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows]
    except ValueError:  # Python writes no number of more than 4300 digits
        return
    (folder / MORPHOLOGY).write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    answer(read_model, folder)
    (folder / MORPHOLOGY).write_text(parts[MORPHOLOGY], encoding="utf-8")


@given(sweeps=changed([SWEEP, dict(SWEEP)]))
def test_any_change_of_the_sweeps(tmp_path, sweeps):
    write_json(tmp_path / SWEEPS, sweeps)
    steps = answer(read_recorded_steps, tmp_path)
    assert steps is None or all(0 < step.amplitude <= 1000 and step.duration <= 1e6 for step in steps)
