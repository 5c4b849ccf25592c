"""Simulate the spikes of a model, and write its intracellular file."""

from pathlib import Path

from allenrec.common.crashes import go_on_in_child
from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

with job_log(snakemake) as terminal, recorded_outcome(snakemake, "simulate_spikes", terminal):
    go_on_in_child("NEURON")

    from allenrec.cells.table import CellRow, describe_cell
    from allenrec.intracellular.intracellular_file import write_currents
    from allenrec.intracellular.simulation import simulate_model
    from allenrec.models.archive import MODFILES
    from allenrec.models.mechanisms import compile_mechanisms
    from allenrec.models.metadata import cell_facts, read_metadata
    from allenrec.models.verified import require_verified

    folder = Path(snakemake.input.model[0]).parent
    # From here on its files are code that runs.
    require_verified(folder)
    settings, row = snakemake.params.settings, CellRow.from_columns(snakemake.params.cell)
    described = describe_cell(row, cell_facts(read_metadata(folder)), settings.cell_type_column)
    currents = simulate_model(
        folder,
        # The mechanisms are compiled already, unless the user has emptied the folder since.
        compile_mechanisms(folder / MODFILES, Path(snakemake.input.mechanisms[0]).parent),
        settings.intracellular,
        specimen_id=described["specimen_id"],
        cell_type=described["cell_type"],
        axon=settings.axon,
        recorded_steps=settings.recorded_steps,
    )
    write_currents(snakemake.output[0], currents)
