"""Draw what sorters made of a recording: the accuracy of each unit against its signal-to-noise ratio."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.evaluation.tables import read_table
    from allenrec.figures.captions import caption
    from allenrec.figures.evaluation import accuracy
    from allenrec.figures.style import save

    figure = accuracy([read_table(path) for path in snakemake.input.tables])
    save(figure, snakemake.output.accuracy, caption("recordings", "accuracy"))
