"""Run a sorter on all recordings and compare its units with the ground truth."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.evaluation.tables import run_sorters, sorters_python

    python = sorters_python()
    print(f"{snakemake.wildcards.sorter} runs with {python}")
    pairs = list(zip(snakemake.input.recordings, snakemake.output, strict=True))
    parameters, limit = snakemake.params.parameters, snakemake.params.time_limit
    run_sorters(python, snakemake.wildcards.sorter, parameters, pairs, snakemake.threads, limit)
