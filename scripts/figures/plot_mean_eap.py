"""Draw the mean extracellular action potential of one model on a probe."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.figures import libraries
    from allenrec.figures.captions import caption
    from allenrec.figures.style import save
    from allenrec.libraries.library_file import open_library

    with open_library(snakemake.input.library[0]) as library:
        save(libraries.mean_eap(library), snakemake.output.mean_eap, caption("libraries", "mean_eap"))
