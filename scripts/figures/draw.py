"""Draw all figures of one thing: a cell, a cell on a probe, a library or a recording."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.figures.draw import draw

    draw(snakemake.params.drawing, snakemake.input, snakemake.output.figures)
