# Checks before a run, and messages and reports at its end. No rules here.

import atexit
import functools
import hashlib
from contextlib import suppress
from itertools import takewhile

from allenrec.cells.cell_types import check_cell_types
from allenrec.common.lifetime import WORKFLOW, hang_up_as_terminated
from allenrec.common.outcomes import failure_of
from allenrec.common.permissions import require_files, require_writable_place
from allenrec.common.processes import describe_exception

# Jobs end with this process, also if it is killed.
os.environ[WORKFLOW] = str(os.getpid())
hang_up_as_terminated()

#: Where this run works. When Python ends, Snakemake is back where it was started, which `--directory` makes another folder.
WORKS_IN = Path.cwd()
#: The folders of results, of models of the Allen Institute, and of other models
RESULTS, MODELS, CELL_MODELS = Path(rules.save_config.output[0]).parent, model_folder("0").parent, model_folder("_").parent
#: The report, and the report of a run in which jobs failed
REPORT = Path(rules.write_report.output[0])
REPORT_SO_FAR = REPORT.with_name("report_so_far.html")
#: Not empty if the report is part of this run: Snakemake calls the input functions of planned jobs only
report_is_wanted = []


@functools.cache
def with_known_cell_types(recording):
    """Return no files; end the run with one line if a recording has units of cell types that no cell has."""
    if IS_MAIN_RUN:
        with mistakes_in_one_line():
            check_cell_types([recording], cells, settings, model_folder)
    return []


@functools.cache
def with_fitting_background(recording):
    """Return no files; end the run with one line if a recording does not fit the real one that its units are added to."""
    chosen = settings.recordings[recording]
    library = settings.libraries[chosen.library]
    if IS_MAIN_RUN and chosen.background is not None:
        # These take too long for every start.
        from allenrec.libraries.template_files import read_templates
        from allenrec.probes import load_probe
        from allenrec.recordings.traces.background import open_background, require_fit

        with mistakes_in_one_line():
            background = open_background(chosen.background)
            probe = load_probe(library.probe, 1) if library.probe else read_templates(library.templates).probe
            contacts = probe.layout.contact_positions
            require_fit(background, chosen, contacts, f"config: recordings.{recording}")
    return []


@functools.cache
def with_counted_disk(recording):
    """Return no files; in a dry run, count the disk of a planned recording, because it is too late when Python ends."""
    if IS_MAIN_RUN and IS_DRY_RUN:
        disk_of_recording(recording)
    return []


def check_writable():
    """Stop with one line, before anything runs, if this run may not read a file, or write where it is to."""
    jobs = list(workflow.dag.needrun_jobs(exclude_finished=False))
    with mistakes_in_one_line():
        for folder in (RESULTS, *dict.fromkeys(model_folder(model).parent for model in cells)):
            require_writable_place(folder)
        require_files(
            to_read=[file for job in jobs for file in job.input],
            to_make=[file for job in jobs for file in (*job.output, *job.log)],
            to_change=[job.benchmark for job in jobs if job.benchmark],
        )


def say(*lines):
    """Print lines, unless standard output is closed, as by `snakemake | head -1`."""
    with suppress(OSError):
        print(*lines, sep="\n", flush=True)


def say_how_it_ended():
    """After a run, say how many models were left out, and name the report, if it was part of the run."""
    table = RESULTS / "left_out.csv"
    left_out = len(table.read_bytes().splitlines()) - 1 if table.exists() else 0
    if report_is_wanted and left_out > 0:
        say(f"{left_out} model{'s were' if left_out > 1 else ' was'} left out; {table} says why.")
    if report_is_wanted and REPORT.exists():
        say(f"Done. Open {REPORT} in a browser; {own_file('results/README.md')} says what else there is in {RESULTS}/.")


def report_contents():
    """Return what the report shows or, if it is missing, names."""
    return {
        "results": str(RESULTS),
        "models_folder": str(MODELS),
        "cell_models_folder": str(CELL_MODELS),
        "models": list(cells),
        "libraries": list(settings.libraries),
        "recordings": list(settings.recordings),
        "left_out": settings.models.leave_out,
    }


def digests_of_evaluation():
    """Return the digest of each table of the evaluation that the report shows, by name; there may be none."""
    folder = RESULTS / "evaluation"
    tables = [folder / "summary.csv", *sorted((folder / "studies").glob("*.csv"))]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tables if path.exists()}


def report_what_is_there():
    """After a failed job, write a report of what exists, if the run was to write one. It names what is missing."""
    if not report_is_wanted:
        return
    try:
        from allenrec.report.page import write_report

        write_report(REPORT_SO_FAR, **report_contents(), citation_file=own_file("CITATION.cff"))
        # An older report would be mistaken for that of this run.
        REPORT.unlink(missing_ok=True)
    except (ImportError, OSError, UserError) as error:  # an environment without its packages, a full disk
        say(f"The report of what exists could not be written: {describe_exception(error)}")
    else:
        say(f"{REPORT_SO_FAR} shows what there is, and names what is missing.")


def exit_with_failures_of_models():
    """End with exit code 1 if a requested file holds the failure of a model, or if every model failed.

    Snakemake has no hook for a run with nothing to do, so this runs when Python ends, where only `os._exit` sets the exit code.
    """
    lines = [f"error: {failure}" for failure in map(failure_of, NAMED_FILES) if failure]
    outcomes = (failure_of(WORKS_IN / rules.compile_mechanisms.output[0].format(model=model)) for model in cells)
    failures = list(takewhile(bool, outcomes))
    if failures and len(failures) == len(cells) and not lines:
        lines = [f"error: no model is left: all {len(cells)} failed; the first failure: {failures[0]}"]
    if lines:
        print(*lines, sep="\n", file=sys.stderr)
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError):
                stream.flush()
        os._exit(1)


@functools.cache
def disk_of_recording(name):
    """Return the disk, bytes, that the traces of a recording need."""
    from allenrec.recordings.size import recording_sizes

    with mistakes_in_one_line():
        (size,) = recording_sizes(settings, [name], contacts_of)
    return size


def say_what_studies_need():
    """Say how many recordings each study has, and how much disk they need."""
    from allenrec.recordings.size import describe_studies

    print(*describe_studies(studies, disk_of_recording), sep="\n", file=sys.stderr)


def say_what_this_run_makes(library_disk):
    """After a dry run, say in a few lines what would be made. Snakemake knows the jobs only when it has planned them.

    `library_disk` is the disk of each library that is computed. All disk is counted before, because probes need h5py, which
    crashes if it is first imported while Python ends.
    """
    if MISTAKES or workflow.dag is None or not set(workflow.dag.jobs):  # the plan failed, and it was said why
        return
    from allenrec.report.forecast import PlannedJob, forecast

    jobs = list(workflow.dag.needrun_jobs(exclude_finished=False))
    made = [job.wildcards.recording for job in jobs if job.rule.name.endswith(("generate_recording", "passing_recording"))]
    libraries = [job.wildcards.library for job in jobs if job.rule.name.endswith("concatenate_library")]
    disk = {"traces": sum(map(disk_of_recording, made)), "templates": sum(map(library_disk.__getitem__, libraries))}
    planned = [PlannedJob(job.rule.name, job.benchmark and str(WORKS_IN / job.benchmark)) for job in jobs]
    folder = WORKS_IN / Path(rules.save_config.benchmark).parent
    with suppress(OSError):
        print(*forecast(planned, folder, disk), sep="\n", file=sys.stderr, flush=True)


#: The number of contacts of a library, for which each probe is read once
contacts_of = functools.cache(n_contacts)
#: Whether nothing is run; options of one letter may be joined, as in `-np`
IS_DRY_RUN = any(re.fullmatch(r"--dry-?run|-[a-zA-Z]*n[a-zA-Z]*", argument) for argument in sys.argv[1:])
if studies and IS_MAIN_RUN and IS_DRY_RUN:
    say_what_studies_need()
if IS_MAIN_RUN and IS_DRY_RUN:
    with mistakes_in_one_line():
        atexit.register(say_what_this_run_makes, library_sizes(settings, cell_types, contacts_of))
#: Requested files that may hold the failure of a model
NAMED_FILES = [WORKS_IN / argument for argument in sys.argv[1:] if argument.endswith((".json", ".h5"))]
# This does not apply to a dry run, nor to jobs on a cluster, which are runs of Snakemake themselves.
if IS_MAIN_RUN and not IS_DRY_RUN:
    if NAMED_FILES:
        import allenrec.common.hdf5  # h5py crashes if it is first imported while Python ends.
    atexit.register(exit_with_failures_of_models)
