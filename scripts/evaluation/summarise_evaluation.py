"""Summarise the evaluation: one row for each recording and sorter."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import write_table
    from allenrec.evaluation.tables import read_table, summary

    write_table(snakemake.output[0], summary(read_table(path) for path in snakemake.input.tables), checked=True)
