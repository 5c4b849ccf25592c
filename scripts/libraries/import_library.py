"""Write a library of templates that others have computed or recorded, and its table."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import write_table
    from allenrec.libraries.import_templates import import_library
    from allenrec.libraries.table import DATASET, template_table
    from allenrec.settings.input_files import file_digests

    settings = snakemake.params.settings.library
    print(import_library(snakemake.output.library, settings, name=snakemake.wildcards.library, digests=file_digests(settings)))
    dataset = f"{snakemake.wildcards.library}/{DATASET}"
    write_table(snakemake.output.table, template_table(snakemake.output.library, dataset=dataset))
