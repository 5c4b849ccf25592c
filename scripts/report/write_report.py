"""Write the report."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from pathlib import Path

    from allenrec.report.page import write_report

    write_report(snakemake.output[0], **snakemake.params.contents, citation_file=snakemake.input.citations)
    Path(snakemake.params.so_far).unlink(missing_ok=True)
