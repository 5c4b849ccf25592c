"""Write a library as the `Templates` of SpikeInterface."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import require_space
    from allenrec.libraries.library_file import open_library
    from allenrec.libraries.spikeinterface_templates import write_templates

    with open_library(snakemake.input.library, snakemake.wildcards.library) as library:
        n, n_contacts, n_samples = len(library.locations), *library.templates.shape[-2:]
        require_space(snakemake.output[0], 4 * n * n_contacts * n_samples, at_most=True)
        write_templates(snakemake.output[0], library)
        print(f"{n} templates")
