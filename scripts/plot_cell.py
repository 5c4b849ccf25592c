"""Draw a cell: its morphology, the accepted run, its spikes and their currents."""

from joblog import job_log

with job_log(snakemake):
    from allenrec.currents import read_currents
    from allenrec.figures import cells
    from allenrec.figures.style import save

    currents = read_currents(snakemake.input.currents[0])
    save(cells.morphology(currents), snakemake.output.morphology)
    save(cells.soma_trace(currents), snakemake.output.soma_trace)
    save(cells.spike_counts(currents), snakemake.output.spike_counts)
    save(cells.spike_overlay(currents), snakemake.output.spikes)
    save(cells.membrane_currents(currents), snakemake.output.membrane_currents)
