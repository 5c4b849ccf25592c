"""Simulate the spikes of a model, and write its intracellular file."""

from pathlib import Path

from allenrec.common.crashes import in_child, limit_memory
from allenrec.common.isolation import answer_with_return, describe_missing, leave_network, restrict_writing
from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

settings = snakemake.params.settings
folder, place = Path(snakemake.input.model[0]).parent, Path(snakemake.output[0]).parent
# The code of the model needs no network, nor do we. This comes first, because it works before there are threads.
offline = settings.isolate and leave_network()


def remove_remains() -> None:
    """Remove the copy of the model that a crash has left."""
    from allenrec.models.verified import remove_copies

    remove_copies(folder, place)


with (
    job_log(snakemake) as terminal,
    recorded_outcome(snakemake, "simulate_spikes", terminal),
    in_child("NEURON", remove_remains),  # before all that NEURON, or a module that it needs, may start
):
    answer_with_return()
    limit_memory()
    from allenrec.models.verified import approved_set, read_verified, verified_copy

    # From here on the files of the model are code that runs. They are read once, and these bytes are used.
    contents = read_verified(folder)
    compiled = approved_set(folder, contents, snakemake.input.mechanisms[0], isolated=settings.isolate)
    with verified_copy(folder, contents, place) as copy:
        restricted = settings.isolate and restrict_writing([place])
        missing = describe_missing(offline=offline, restricted=restricted)
        if missing:
            print(f"note: NEURON is not kept from {missing if settings.isolate else 'anything (models.isolate)'}")
        from allenrec.cells.table import CellRow, describe_cell
        from allenrec.intracellular.intracellular_file import write_currents
        from allenrec.intracellular.simulation import simulate_model
        from allenrec.models.kinds.register import kind_of
        from allenrec.models.trust import require_consent

        kind = kind_of(copy)
        if kind.runs_code:
            require_consent(snakemake.wildcards.model, folder, contents, snakemake.params.trusted)
        row = CellRow.from_columns(snakemake.params.cell)
        described = describe_cell(row, kind.describe(copy), settings.cell_type_column)
        currents = simulate_model(
            copy,
            compiled.folder if compiled else None,
            settings.intracellular,
            library=compiled.library if compiled else None,
            specimen_id=described["specimen_id"],
            cell_type=described["cell_type"],
            axon=settings.axon,
            recorded_steps=settings.recorded_steps,
            max_build_time=settings.max_build_time,
        )
        write_currents(snakemake.output[0], currents)
