"""Join the tables of the units of all recordings of a study, with the factors of each recording."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import write_table
    from allenrec.evaluation.studies import study_table

    write_table(snakemake.output[0], study_table(snakemake.input.study, snakemake.input.tables), checked=True)
