"""Draw the mean extracellular action potential of one model on a probe."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.outcomes import failure_of
    from allenrec.figures import libraries
    from allenrec.figures.captions import caption
    from allenrec.figures.style import failure_card, save
    from allenrec.libraries.library_file import open_library

    failure = failure_of(snakemake.input.library[0])
    if failure:
        figure = failure_card(failure)
    else:
        with open_library(snakemake.input.library[0]) as library:
            figure = libraries.mean_eap(library)
    save(figure, snakemake.output.mean_eap, caption("libraries", "mean_eap"))
