# What a run does when something fails: checks before it, and the rest of the work without models that failed. No rules here.

import csv
import subprocess

import yaml

from allenrec.files import written_beside
from allenrec.processes import in_words, killed, reason_in_log

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
    libraries. Not where the run was broken off, is to stop at the first error, or was asked for files of such a model. Returns
    whether it did so."""
    failed = {model: rule for model, rule in failed_models(workflow).items() if model in cells}
    broken_off = workflow.scheduler.running or workflow.dag.ready_jobs or not workflow.execution_settings.keep_going
    try:
        if failed:
            note_left_out(failed)
    except OSError as error:  # a full disk, which may be why they failed
        print(f"error: {in_words(error)}", file=sys.stderr)
        return False
    asked_for_them = any(job.wildcards_dict.get("model") in failed for job in workflow.dag.targetjobs)
    if broken_off or asked_for_them or not failed or len(failed) == len(cells):
        return False
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
    return True


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
    """Why a job failed, on one line, by its log or those of the jobs of a group."""
    logs = [Path(f"results/logs/models/{model}/{rule}.log"), *Path(f"results/logs/models/{model}/{rule}").glob("*.log")]
    texts = [log.read_text(encoding="utf-8", errors="replace") for log in logs if log.exists()]
    return next(filter(None, map(reason_in_log, texts)), None) or killed(*texts)


def check_writable():
    """Say in one line that nothing can be written, before anything runs."""
    for folder in ("results", "allen_models"):
        path = Path(folder).absolute()
        existing = next(part for part in (path, *path.parents) if part.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            sys.exit(f"error: {existing}: no permission to write there, or a file system that is read-only")
