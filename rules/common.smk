# What all stages share: the validated configuration, the cell table, wildcards and helpers. No rules here.

import csv
import os
import re
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))

# nrnivmodl and pip of this environment are found also where it is not activated, in remote jobs too.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))

import yaml

from allenrec.errors import UserError
from allenrec.files import written_beside
from allenrec.query import answered_cells
from allenrec.settings import load_settings, probe_names
from allenrec.tables import check_cell_type_column

#: Whether the target is the question itself, which may have no answer yet; the engine does not know its targets this early.
to_be_asked = "query" in sys.argv[1:]

try:
    if " " in sys.executable:  # Snakemake does not quote it
        raise UserError(f"{sys.executable}: Snakemake needs a path without spaces; move the environment to one")
    settings = load_settings(config)
    rows = answered_cells(
        settings.cells.model_dump(),
        settings.models.kind,
        settings.models.allen.model_dump(exclude={"parallel"}),
        to_be_asked=to_be_asked or not workflow.is_main_process,
    )
    check_cell_type_column(rows, settings.cell_type_column)
    cells = {row["model_id"]: row for row in rows if row["model_id"] not in settings.models.leave_out}
    if rows and not cells:
        raise UserError("config: models.leave_out: no model of the cell table is left")
except UserError as error:
    sys.exit(f"error: {error}")

# When this run began and how many models it has to fetch: download jobs draw the progress of all of them.
unfetched = [model for model in cells if not os.path.exists(f"allen_models/neuronal_model_{model}/verified.json")]
os.environ.setdefault("ALLENREC_DOWNLOADS", f"{time.time()} {len(unfetched)}")


wildcard_constraints:
    model="[0-9]+",
    library="|".join(settings.libraries),
    recording="|".join(settings.recordings) or "none",


def block(settings):
    """A block of the configuration as plain values, for `params`: a job runs again when what it uses changes, and only then."""
    return settings.model_dump(mode="json")


def code(*modules):
    """Library modules that a job runs, and all that they import, as inputs: it runs again when their content changes."""
    package = SCRIPTS / "allenrec"
    found, queue = set(), [package / f"{module}.py" for module in modules]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue += imported_modules(path)
    return sorted(os.path.relpath(path) for path in found)


def imported_modules(path):
    """The modules of the library that one of them imports; all its imports are relative."""
    for dots, module, names in re.findall(r"^\s*from (\.+)([\w.]*) import ([\w, ]+)", path.read_text(), re.MULTILINE):
        folder = path.parents[len(dots) - 1]
        candidates = [module] if module else [name.strip() for name in names.split(",")]
        for candidate in candidates:
            target = folder.joinpath(*candidate.split("."))
            yield target / "__init__.py" if target.is_dir() else target.with_suffix(".py")


def mem_mb(base):
    """Memory that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def runtime(base):
    """Minutes that grow with each attempt."""
    return lambda wildcards, attempt: base * attempt


def model_files_of_a_person(wildcards):
    """Files that a person put into a model folder; they are checked again when they change."""
    from allenrec.sources import files_of_a_person

    return [str(path) for path in files_of_a_person(f"allen_models/neuronal_model_{wildcards.model}")]


def probe_file(wildcards):
    """The file that the probe of a library is in, if it is in one; its content decides about reruns."""
    return settings.libraries[wildcards.library].probe_file or []


def poses_of_library(wildcards):
    """Where the poses of a library come from, if they are not sampled: a table, or the same model in another library."""
    library = settings.libraries[wildcards.library]
    if library.poses_from is not None:
        return f"results/libraries/{library.poses_from}/cells/{wildcards.model}.h5"
    return library.poses or []


def libraries_of_probes():
    """The libraries on each probe: on those of the configuration and, none as a rule, on those that MEAutility has."""
    probes = {library.probe for library in settings.libraries.values()} | set(probe_names())
    # By the numbers in the names, not by their digits
    in_order = sorted(probes, key=lambda name: re.sub(r"\d+", lambda number: number[0].zfill(6), name))
    return {probe: [name for name, library in settings.libraries.items() if library.probe == probe] for probe in in_order}


def library_settings(wildcards):
    return block(settings.libraries[wildcards.library])


def recording_settings(wildcards):
    return block(settings.recordings[wildcards.recording])


def library_of_recording(wildcards):
    return f"results/libraries/{settings.recordings[wildcards.recording].library}/templates.h5"


def library_of_far_neurons(wildcards):
    """The library of far neurons, where a recording has one of their own."""
    signal = settings.recordings[wildcards.recording].recordings
    own = signal.noise_mode == "far-neurons" and signal.far_neurons_library
    return f"results/libraries/{own}/templates.h5" if own else []


#: Rules that a library needs of each model
STAGES = ("download_model", "compile_mechanisms", "simulate_spikes", "compute_eaps")


def failed_models(workflow):
    """The models that failed in this run, each with the rule; of a group, those whose files are not there."""
    failed = {}
    for job in workflow.scheduler.failed:
        for part in job.jobs if job.is_group() else [job]:
            if part.rule.name in STAGES and not all(os.path.exists(path) for path in part.output):
                stage = failed.get(part.wildcards.model, part.rule.name)
                failed[part.wildcards.model] = min(stage, part.rule.name, key=STAGES.index)
    return failed


def finish_without_failed_models(workflow):
    """After a run that ended with errors: the same once more without the models that failed, so that all others have their
    libraries. Not where the run was broken off, or is to stop at the first error."""
    failed = failed_models(workflow)
    broken_off = workflow.scheduler.running or workflow.dag.ready_jobs or not workflow.execution_settings.keep_going
    if failed:
        note_left_out(failed)
    if broken_off or not failed or len(failed) == len(cells):
        return
    print(f"Going on without {len(failed)} of {len(cells)} models; results/left_out.csv says why.", file=sys.stderr, flush=True)
    without = os.path.abspath(".snakemake/without_failed_models.yaml")
    with open(without, "w", encoding="utf-8") as file:
        yaml.safe_dump(
            config | {"models": {**config.get("models", {}), "leave_out": [*settings.models.leave_out, *failed]}}, file
        )
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    arguments[end:end] = ["--nolock", "--configfile", without]
    subprocess.run([sys.executable, "-m", "snakemake", *arguments], cwd=workflow.workdir_init)


def note_left_out(failed=()):
    """Keep `results/left_out.csv`: which models are left out, where and why they failed. There is none where none is."""
    path = Path("results/left_out.csv")
    known = {}
    if settings.models.leave_out and path.exists():
        with open(path, encoding="utf-8", newline="") as file:
            known = {row["model_id"]: row for row in csv.DictReader(file) if row["model_id"] in settings.models.leave_out}
    known |= {model: {"model_id": model, "rule": failed[model], "why": why_it_failed(failed[model], model)} for model in failed}
    if not known:
        path.unlink(missing_ok=True)
        return
    with written_beside(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("model_id", "rule", "why"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(known.values())


def why_it_failed(rule, model):
    """The last line of the log of a failed job, which says why."""
    logs = [*Path(f"results/logs/{rule}").glob(f"{model}.log"), *Path(f"results/logs/{rule}").glob(f"*/{model}.log")]
    lines = [line for log in logs for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]]
    wrong = [line.removeprefix("error: ") for line in lines if line.startswith("error: ") or "Error" in line]
    return (wrong or ["its log does not say; it was killed, perhaps for memory or time"])[0]


def check_writable():
    """Say in one line that nothing can be written, before anything runs."""
    for folder in ("results", "allen_models"):
        path = Path(folder).absolute()
        existing = next(part for part in (path, *path.parents) if part.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            sys.exit(f"error: {existing}: no permission to write there, or a file system that is read-only")
