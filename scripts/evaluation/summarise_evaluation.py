"""Summarise what sorters made of recordings: a row for each recording and sorter."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.evaluation.tables import read_table, summary, write_table

    write_table(snakemake.output[0], summary([read_table(path) for path in snakemake.input.tables]))
