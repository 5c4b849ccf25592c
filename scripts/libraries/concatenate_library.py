"""Join the templates of all models on one probe, and write a table of them."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.libraries.concatenate import concatenate_libraries
    from allenrec.libraries.table import template_table, write_table

    outcome = concatenate_libraries(
        snakemake.input.cells, snakemake.output.library, exclude_flagged=snakemake.params.exclude_flagged
    )
    print(outcome)
    for model in snakemake.params.left_out:
        print(f"model {model}: left out (models.leave_out)")
    write_table(snakemake.output.table, template_table(snakemake.output.library))
