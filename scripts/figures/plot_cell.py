"""Draw a cell: its morphology, the accepted run, its spikes and their currents."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.outcomes import failure_of
    from allenrec.figures import cells
    from allenrec.figures.captions import caption
    from allenrec.figures.style import failure_card, save
    from allenrec.intracellular.intracellular_file import read_currents

    failure = failure_of(snakemake.input.currents[0])
    currents = None if failure else read_currents(snakemake.input.currents[0])
    figures = {
        "morphology": cells.morphology,
        "soma_trace": cells.soma_trace,
        "spike_counts": cells.spike_counts,
        "spikes": cells.spike_overlay,
        "membrane_currents": cells.membrane_currents,
    }
    for name, draw in figures.items():
        figure = failure_card(failure) if failure else draw(currents)
        save(figure, snakemake.output[name], caption("cells", name))
