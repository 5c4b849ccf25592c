"""Tabulate the recordings of a study."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import pandas as pd

    from allenrec.common.files import write_table

    write_table(snakemake.output[0], pd.DataFrame(snakemake.params.recordings), checked=True)
