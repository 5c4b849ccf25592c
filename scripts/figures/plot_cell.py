"""Draw a cell: its morphology, the accepted run, its spikes and their currents."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.figures import cells
    from allenrec.figures.captions import caption
    from allenrec.figures.style import save
    from allenrec.intracellular.intracellular_file import read_currents

    currents = read_currents(snakemake.input.currents[0])
    figures = {
        "morphology": cells.morphology,
        "soma_trace": cells.soma_trace,
        "spike_counts": cells.spike_counts,
        "spikes": cells.spike_overlay,
        "membrane_currents": cells.membrane_currents,
    }
    for name, draw in figures.items():
        save(draw(currents), snakemake.output[name], caption("cells", name))
