"""Write the report."""

from joblog import job_log

with job_log(snakemake):
    from allenrec.report.page import write_report

    write_report(snakemake.output[0], **snakemake.params.asked, citation_file=snakemake.input.citations)
