# What a run says and does beside its jobs: checks before it, and words at its end. No rules here.

import atexit
from itertools import takewhile

from allenrec.cells.cell_types import check_cell_types
from allenrec.common.outcomes import failure_of

#: The folders of results and of models
RESULTS, MODELS = Path(rules.save_config.output[0]).parent, model_folder("0").parent
#: The report, and that of a run in which jobs failed
REPORT = Path(rules.write_report.output[0])
REPORT_SO_FAR = REPORT.with_name("report_so_far.html")


def check_writable():
    """Say in one line that nothing can be written, before anything runs."""
    for folder in (RESULTS, MODELS):
        path = folder.absolute()
        existing = next(part for part in (path, *path.parents) if part.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            sys.exit(f"error: {existing}: no permission to write there, or a file system that is read-only")


def check_planned_recordings():
    """Say in one line that a recording of this run has units of a type that no cell has, before anything runs."""
    recordings = {name: recording for name, recording in settings.recordings.items() if ("recording", name) in planned}
    with mistakes_in_one_line():
        check_cell_types(recordings, cells, settings.cell_type_column, model_folder)


def say_where_the_report_is():
    """After a run, name the report, if there is one."""
    if REPORT.exists():
        print(f"Done. Open {REPORT} in a browser; README.md says what else there is in {RESULTS}/.")


def report_contents():
    """Return what a report shows, if it is there, and names, if it is missing."""
    return {
        "results": str(RESULTS),
        "models_folder": str(MODELS),
        "models": list(cells),
        "libraries": list(settings.libraries),
        "recordings": list(settings.recordings),
        "left_out": settings.models.leave_out,
    }


def report_what_is_there():
    """After a failed job, write the report of the rest, if a report was to be written. It names what is missing."""
    if ("report",) not in planned:
        return
    try:
        from allenrec.report.page import write_report

        write_report(REPORT_SO_FAR, **report_contents(), citation_file=own_file("CITATION.cff"))
        # An older one would be taken for that of this run.
        REPORT.unlink(missing_ok=True)
    except (ImportError, OSError, UserError) as error:  # an environment without its packages, a full disk
        print(f"There is no report of what is there: {error}")
    else:
        print(f"{REPORT_SO_FAR} shows what there is, and names what is missing.")


def exit_with_failures_of_models():
    """End with exit code 1 if a file that was asked for holds the failure of a model, or if every model failed.

    Snakemake has no hook for a run with nothing to do, so this runs when Python ends, where only `os._exit` sets the exit code.
    """
    lines = [f"error: {failure}" for failure in map(failure_of, NAMED_FILES) if failure]
    outcomes = (failure_of(rules.compile_mechanisms.output[0].format(model=model)) for model in cells)
    failures = list(takewhile(bool, outcomes))
    if failures and len(failures) == len(cells) and not lines:
        lines = [f"error: no model is left: all {len(cells)} failed, the first of them so: {failures[0]}"]
    if lines:
        print(*lines, sep="\n", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


#: Files that were asked for and may hold the failure of a model
NAMED_FILES = [argument for argument in sys.argv[1:] if argument.endswith((".json", ".h5"))]
# Neither in a dry run nor in jobs on a cluster, which are runs of Snakemake with --target-jobs
if not {"-n", "--dry-run", "--dryrun", "--target-jobs"} & set(sys.argv):
    if NAMED_FILES:
        import h5py  # not later: it crashes if it is imported while Python ends
    atexit.register(exit_with_failures_of_models)
