"""The recorded outcome of a job whose model failed for a known reason.

Such a job ends well. Its output file exists and holds the failure instead of a result, later jobs of the model pass it on, and
libraries are made without the model.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import TextIOBase
from pathlib import Path
from typing import Any

from .errors import DamagedFile, Unavailable, UserError, not_valid, require_own
from .files import read_json, write_json

#: Key of a JSON file, or attribute of an HDF5 file, that holds a failure
KEY = "failed"
#: The names of a job's inputs that are outcomes of other jobs of the model; other inputs may be files of the user
OUTCOMES = ("model", "mechanisms", "currents", "poses")


@dataclass(frozen=True)
class Failure:
    """A model that failed: the stage (the name of its rule), and the reason in one line."""

    model: str
    stage: str
    reason: str

    def __str__(self) -> str:
        return f"model {self.model} failed in {self.stage}: {self.reason}"


def write_failure(path: str | Path, failure: Failure) -> None:
    """Write a file that holds a failure, whole or not at all: JSON or HDF5, as the ending of its name says."""
    if Path(path).suffix == ".json":
        write_json(path, {KEY: asdict(failure)}, checked=True)
        return
    from .hdf5 import hdf5_written_beside  # loads NumPy, which must not happen before `job_log` has begun

    with hdf5_written_beside(path) as file:
        file.attrs[KEY] = json.dumps(asdict(failure))


def failure_of(path: str | Path) -> Failure | None:
    """Return the failure that a file holds, or None if it holds something else, is missing, or cannot be read.

    A file that is damaged, or that this user may not read, is no failure of a model. The job that reads it as a result reports
    what is wrong with it.
    """
    try:
        return read_failure(path)
    except (DamagedFile, OSError):
        return None


def read_failure(path: str | Path) -> Failure | None:
    """Return the failure that a file holds, or None if it holds something else or is missing.

    Raises
    ------
    DamagedFile
        If the file is damaged, or if it holds the failure of another model than the one that its path names.
    """
    if not Path(path).exists():
        return None
    if Path(path).suffix == ".json":
        try:
            content = read_json(path, "JSON")
            failure = Failure(**content[KEY]) if KEY in content else None
        except PermissionError:
            raise
        except (OSError, TypeError) as error:
            raise not_valid(path, "JSON", error) from None
    else:
        from .hdf5 import CheckedHdf5  # loads NumPy, see above

        with CheckedHdf5(path, "result") as file, file.checked():
            failure = Failure(**json.loads(file.attrs[KEY])) if KEY in file.attrs else None
    if failure is not None:
        require_own(path, "result", f"model {failure.model}", f"model {_model_of(Path(path))}")
    return failure


def _model_of(path: Path) -> str:
    """Return the model whose outcome a path is: `<model>.json` and `<model>.h5`, or `neuronal_model_<model>/verified.json`."""
    return path.parent.name.removeprefix("neuronal_model_") if path.name == "verified.json" else path.stem


def without_failures(paths: Iterable[str]) -> tuple[list[str], list[Failure]]:
    """Return those of the files of several models that hold results, and the failures that the others hold.

    Raises
    ------
    UserError
        If no model is left. It names the reasons.
    """
    outcomes = {path: read_failure(path) for path in paths}
    failures = [failure for failure in outcomes.values() if failure is not None]
    if outcomes and len(failures) == len(outcomes):
        raise UserError(f"no model is left: {'; '.join(map(str, failures))}")
    return [path for path, failure in outcomes.items() if failure is None], failures


@contextmanager
def recorded_outcome(snakemake: Any, stage: str, terminal: TextIOBase) -> Iterator[None]:
    """Turn the failure of a model into the outcome of its job.

    If one of the job's inputs holds a failure, the job's output gets the same one, and the script ends here. A `UserError` in
    the block becomes a failure of this stage. Errors of the environment (`OSError`, `Unavailable`, `DamagedFile`) and errors in
    the code are no outcomes: they fail the job.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The job. It has the wildcard `model` and one output file.
    stage : str
        The name of the rule, as it is called where the workflow is defined.
    terminal : text stream
        Where one line says that the model failed; see `allenrec.common.job_log.job_log`.
    """
    outcomes = [path for name in OUTCOMES for path in snakemake.input.get(name, ())]
    failure = next(filter(None, map(read_failure, outcomes)), None)
    if failure is not None:
        print(f"passed on: {failure}")
        write_failure(snakemake.output[0], failure)
        sys.exit(0)
    try:
        yield
    except (Unavailable, DamagedFile):
        raise
    except UserError as error:
        model = snakemake.wildcards.model
        failure = Failure(model, stage, str(error).removeprefix(f"model {model}: "))
        for stream in (sys.stdout, terminal):
            # One write: `print` takes two, and the lines of other jobs come between
            stream.write(f"{failure}\n")
            stream.flush()
        write_failure(snakemake.output[0], failure)
