"""Tabulate the models that failed: which, in what stage, and why."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import csv

    from allenrec.common.csv_text import as_data
    from allenrec.common.files import written_beside
    from allenrec.common.outcomes import read_failure

    # A failure that was passed on is met several times.
    failures = dict.fromkeys(filter(None, map(read_failure, snakemake.input)))
    print(f"{len(failures)} failures")
    with written_beside(snakemake.output[0]) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("model_id", "stage", "reason"), lineterminator="\n")
        writer.writeheader()
        for failure in failures:
            writer.writerow({"model_id": failure.model, "stage": failure.stage, "reason": as_data(failure.reason)})
