# What all stages share: the validated configuration, the cell table, wildcards and helpers. No rules here.

import os
import re
import sys
import time
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir).parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

# nrnivmodl and pip of this environment are found also where it is not activated, in remote jobs too.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))

from allenrec.common.code_digest import code_digest
from allenrec.common.errors import UserError
from allenrec.cells.query import load_cell_table
from allenrec.settings import load_settings
from allenrec.common.probe_names import probe_names
from allenrec.cells.table import check_cell_type_column

#: Whether the target is the question itself, which may have no answer yet; the engine does not know its targets this early.
query_pending = "query" in sys.argv[1:]

try:
    if " " in sys.executable:  # Snakemake does not quote it
        raise UserError(f"{sys.executable}: Snakemake needs a path without spaces; move the environment to one")
    settings = load_settings(config)
    rows = load_cell_table(settings.cells, settings.models, query_pending=query_pending or not workflow.is_main_process)
    check_cell_type_column(rows, settings.cell_type_column)
    cells = {row.model_id: row.columns() for row in rows if row.model_id not in settings.models.leave_out}
    if rows and not cells:
        raise UserError("config: models.leave_out: no model of the cell table is left")
    if "evaluate" in sys.argv[1:] and workflow.is_main_process and not workflow.deployment_settings.deployment_method:
        from allenrec.evaluation.tables import sorters_python

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


def code(script, *modules):
    """A digest of what a job runs, for `params`: the job runs again when its code changes (see `code_digest`)."""
    return code_digest(SCRIPTS, script, *modules)


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
        print(f"There is no report of what is there: {error}")
    else:
        print(f"{REPORT_SO_FAR} shows what there is, and names what is missing.")


def mem_mb(base):
    """Memory that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def runtime(base):
    """Minutes that grow with each attempt."""
    return lambda wildcards, attempt: base * attempt


def user_model_files(wildcards):
    """Return the files that the user put into a model folder. They are checked again when they change."""
    from allenrec.models.sources.register import rule_inputs

    return [str(path) for path in rule_inputs(f"allen_models/neuronal_model_{wildcards.model}")]


def source_settings():
    """Return the settings of the sources of models, as their fetches depend on them."""
    from allenrec.models.sources.register import rule_params

    return rule_params(settings.models)


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
