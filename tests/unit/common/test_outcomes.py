"""A model that failed for a known reason leaves a file that says so; all other errors fail the job."""

import io
import json
from types import SimpleNamespace

import h5py
import pytest
from support import run_python

from allenrec.common.errors import DamagedFile, Unavailable, UserError
from allenrec.common.files import write_json
from allenrec.common.outcomes import Failure, failure_of, read_failure, recorded_outcome, without_failures, write_failure

FAILURE = Failure("4711", "simulate_spikes", "NEURON stops: “Ih” says no")


def job(tmp_path, output="out.h5", **inputs):
    """Return what a script gets of its job."""
    return SimpleNamespace(
        input={name: [str(tmp_path / path)] for name, path in inputs.items()},
        output=[str(tmp_path / output)],
        wildcards=SimpleNamespace(model="4711"),
    )


@pytest.mark.parametrize("name", ["4711.json", "4711.h5"])
def test_a_failure_is_read_back_as_it_was_written(name, tmp_path):
    write_failure(tmp_path / name, FAILURE)
    assert failure_of(tmp_path / name) == FAILURE
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_format_is_the_key_failed(tmp_path):
    write_failure(tmp_path / "a.json", FAILURE)
    write_failure(tmp_path / "a.h5", FAILURE)
    expected = {"model": "4711", "stage": "simulate_spikes", "reason": FAILURE.reason}
    content = json.loads((tmp_path / "a.json").read_text())
    assert content == {"failed": expected, "sha256": content["sha256"]} and len(content["sha256"]) == 64
    with h5py.File(tmp_path / "a.h5") as file:
        assert json.loads(file.attrs["failed"]) == expected and not list(file)


def test_results_missing_files_and_damaged_files_are_no_failures(tmp_path):
    (tmp_path / "result.json").write_text('{"digest": "abc", "notes": []}')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "other.json").write_text('{"failed": {"what": 1}}')
    (tmp_path / "cut.json").write_text('{"failed": ')
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF")
    with h5py.File(tmp_path / "result.h5", "w") as file:
        file.attrs["attributes"] = "{}"
    names = ("result.json", "list.json", "other.json", "cut.json", "cut.h5", "result.h5", "none.json", "none.h5")
    assert [failure_of(tmp_path / name) for name in names] == [None] * len(names)


@pytest.mark.parametrize("output", ["4711.h5", "4711.json"])
def test_a_mistake_becomes_the_outcome_with_one_line_on_the_terminal(output, tmp_path, capfd):
    terminal = io.StringIO()
    with recorded_outcome(job(tmp_path, output), "compute_eaps", terminal):
        raise UserError("model 4711: no pose is loud enough")
    failure = Failure("4711", "compute_eaps", "no pose is loud enough")
    assert failure_of(tmp_path / output) == failure
    line = "model 4711 failed in compute_eaps: no pose is loud enough\n"
    assert terminal.getvalue() == line == capfd.readouterr().out


ERRORS = [Unavailable("no server"), DamagedFile("cut short"), OSError(28, "full"), ValueError("a bug")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_other_errors_fail_the_job_and_leave_no_outcome(error, tmp_path):
    terminal = io.StringIO()
    with pytest.raises(type(error)) as caught, recorded_outcome(job(tmp_path), "compute_eaps", terminal):
        raise error
    assert caught.value is error and not list(tmp_path.iterdir()) and terminal.getvalue() == ""


def test_a_failure_among_the_inputs_is_passed_on_and_nothing_runs(tmp_path):
    write_json(tmp_path / "model.json", {}, checked=True)
    write_failure(tmp_path / "4711.json", FAILURE)
    inputs = {"model": "model.json", "mechanisms": "4711.json", "files": "probe.yaml"}
    terminal, ran = io.StringIO(), False
    with (
        pytest.raises(SystemExit) as end,
        recorded_outcome(job(tmp_path, "4711.h5", **inputs), "compute_eaps", terminal),
    ):
        ran = True
    assert end.value.code == 0 and not ran and terminal.getvalue() == ""
    assert failure_of(tmp_path / "4711.h5") == FAILURE


def test_files_of_the_user_among_the_inputs_are_no_outcomes(tmp_path):
    """A fit or a probe is JSON as well, with whatever keys, and may be broken; the script itself reads it."""
    (tmp_path / "4711.json").write_text('{"failed": {"model": "4711", "stage": "x", "reason": "y"}}')
    (tmp_path / "fit.json").write_text("{")
    for name in ("4711.json", "fit.json"):
        with recorded_outcome(job(tmp_path, files=name), "download_model", io.StringIO()):
            (tmp_path / "out.h5").write_text("ran")
        assert (tmp_path / "out.h5").read_text() == "ran"


@pytest.mark.parametrize("name", ["4712.json", "4712.h5", "neuronal_model_4712/verified.json"])
def test_failure_of_another_model_is_not_believed(name, tmp_path):
    write_failure(tmp_path / name, FAILURE)
    expected = r"4712.*is not a valid result file \(it is that of model 4711, not of model 4712\); delete it and run again"
    with pytest.raises(DamagedFile, match=expected):
        read_failure(tmp_path / name)
    (tmp_path / name).rename(tmp_path / f"4711{(tmp_path / name).suffix}")
    assert read_failure(tmp_path / f"4711{(tmp_path / name).suffix}") == FAILURE


def test_a_job_that_ends_well_leaves_what_it_wrote(tmp_path):
    write_json(tmp_path / "model.json", {}, checked=True)
    with recorded_outcome(job(tmp_path, "out.json", model="model.json"), "download_model", io.StringIO()):
        (tmp_path / "out.json").write_text('{"sound": true}')
    assert (tmp_path / "out.json").read_text() == '{"sound": true}'


def test_files_with_results_are_told_from_failures_in_their_order(tmp_path):
    paths = [str(tmp_path / name) for name in ("b.json", "4711.json", "c.json")]
    for path in paths[::2]:
        write_json(path, {"notes": []}, checked=True)
    write_failure(paths[1], FAILURE)
    assert without_failures(paths) == ([paths[0], paths[2]], [FAILURE])
    assert without_failures([]) == ([], [])


def test_no_model_left_is_one_line_with_all_reasons(tmp_path):
    other = Failure("12", "download_model", "not there")
    write_failure(tmp_path / "4711.json", FAILURE)
    write_failure(tmp_path / "12.json", other)
    with pytest.raises(UserError) as caught:
        without_failures([str(tmp_path / "4711.json"), str(tmp_path / "12.json")])
    assert str(caught.value) == f"no model is left: {FAILURE}; {other}"


def test_importing_the_module_loads_no_numpy():
    """Numbers of threads of NumPy's libraries are set by `job_log`, after this import."""
    assert run_python("import json, sys, allenrec.common.outcomes\nprint(json.dumps('numpy' in sys.modules))") is False
