# What all stages share: the validated configuration, the cell table, wildcards and helpers. No rules here.

import ast
import functools
import hashlib
import os
import re
import sys
import time
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))

# nrnivmodl and pip of this environment are found also where it is not activated, in remote jobs too.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))

from allenrec.errors import UserError
from allenrec.processes import in_words
from allenrec.query import answered_cells
from allenrec.settings import load_settings
from allenrec.settings.libraries import probe_names
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
    if "evaluate" in sys.argv[1:] and workflow.is_main_process and not workflow.deployment_settings.deployment_method:
        from allenrec.evaluation import sorters_python

        sorters_python()  # says how to install them, before anything is simulated
except UserError as error:
    sys.exit(f"error: {error}")

# When this run began and how many models it has to fetch: download jobs draw the progress of all of them.
unfetched = [model for model in cells if not os.path.exists(f"allen_models/neuronal_model_{model}/verified.json")]
os.environ.setdefault("ALLENREC_DOWNLOADS", f"{time.time()} {len(unfetched)}")


wildcard_constraints:
    model="[0-9]+",
    library="|".join(settings.libraries),
    recording="|".join(settings.recordings) or "none",
    sorter="|".join(settings.evaluation.sorters),


def block(settings):
    """A block of the configuration as plain values, for `params`: a job runs again when what it uses changes, and only then."""
    return settings.model_dump(mode="json")


def code(*parts):
    """A digest of what a job runs, for `params`: it runs again when the content changes. Parts are modules of the library, which
    count with all that they import, and other files of it or folders of them, such as captions. As inputs they would be most
    of what the engine has to look after, for each job anew."""
    package = SCRIPTS / "allenrec"
    found, queue = set(), []
    for path in (package / part for part in parts):
        if path.is_dir():
            found |= {file for file in path.iterdir() if file.is_file() and file.suffix != ".py"}
        elif path.suffix:
            found.add(path)
        else:
            queue.append(path.with_suffix(".py"))
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue += imported_modules(path)
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(f"{path.relative_to(package)} {content_of(path)}".encode())
    return digest.hexdigest()[:16]


@functools.cache
def content_of(path):
    return path.read_text(encoding="utf-8")


@functools.cache
def imported_modules(path):
    """The modules of the library that one of them imports; all its imports are relative."""
    found = []
    relative = [node for node in ast.walk(ast.parse(content_of(path))) if isinstance(node, ast.ImportFrom) and node.level]
    for node in relative:
        folder = path.parents[node.level - 1]
        for candidate in [node.module] if node.module else [name.name for name in node.names]:
            target = folder.joinpath(*candidate.split("."))
            found.append(target / "__init__.py" if target.is_dir() else target.with_suffix(".py"))
    return found


def figures_at(folder, *names):
    """Outputs where figures are drawn: each of them, also for `snakemake --report`, and `captions`, the text beside each."""
    kind = folder.split("/")[0]
    pictures = {
        name: report(
            ensure(f"results/figures/{folder}/{name}.png", non_empty=True),
            caption=f"../scripts/allenrec/figures/captions/{kind}/{name}.rst",
            category=kind.capitalize(),
            subcategory=folder.split("/", 1)[1],
            labels={"figure": name.replace("_", " ")},
        )
        for name in names
    }
    return pictures | {"captions": [f"results/figures/{folder}/{name}.txt" for name in names]}


def asked_for():
    """What a report shows, where it is there, and names, where it is missing."""
    return {
        "results": "results",
        "models_folder": "allen_models",
        "models": list(cells),
        "libraries": list(settings.libraries),
        "recordings": list(settings.recordings),
        "left_out": settings.models.leave_out,
    }


#: The report of a run in which jobs failed
REPORT_SO_FAR = "results/report_so_far.html"


def report_what_is_there():
    """After a failed job, the report of the rest: it names what is missing. Only where a report was to be written."""
    if not any(job.rule.name == "write_report" for job in workflow.dag.needrun_jobs()):
        return
    try:
        from allenrec.report.page import write_report

        write_report(REPORT_SO_FAR, **asked_for(), citation_file="CITATION.cff")
        # An older one would be taken for that of this run
        Path("results/report.html").unlink(missing_ok=True)
    except (ImportError, OSError, UserError) as error:  # an environment without its packages, a full disk
        print(f"There is no report of what is there: {in_words(error)}")
    else:
        print(f"{REPORT_SO_FAR} shows what there is, and names what is missing.")


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
    """What a recording follows from; how it is written anew does not belong to it."""
    recording = block(settings.recordings[wildcards.recording])
    return {key: value for key, value in recording.items() if key not in ("format", "zarr_compression")}


def library_of_recording(wildcards):
    return f"results/libraries/{settings.recordings[wildcards.recording].library}/templates.h5"


def library_of_far_neurons(wildcards):
    """The library of far neurons, where a recording has one of their own."""
    signal = settings.recordings[wildcards.recording].recordings
    own = signal.noise_mode == "far-neurons" and signal.far_neurons_library
    return f"results/libraries/{own}/templates.h5" if own else []


def trains_of_recording(wildcards):
    """The file with the spike trains of a recording, where they are given; its content decides about reruns."""
    return settings.recordings[wildcards.recording].spiketrains.file or []


def drifting_recordings():
    """The recordings whose units drift."""
    return [name for name, recording in settings.recordings.items() if recording.recordings.drifting]


def formats_of_recordings():
    """Where all recordings are, in the formats that were asked for."""
    places = {"mearec": "recording.h5", "binary": "binary", "zarr": "recording.zarr", "nwb": "recording.nwb"}
    return [
        f"results/recordings/{name}/{places[format]}"
        for name, recording in settings.recordings.items()
        for format in recording.format
    ]


def recordings_where(kept):
    """The names, as a pattern, of the recordings whose HDF5 file is kept, or of those where it is not."""
    return "|".join(name for name, recording in settings.recordings.items() if ("mearec" in recording.format) == kept) or "none"
