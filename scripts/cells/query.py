"""Ask the Allen site which cells answer the question of the configuration, and write them as a cell table."""

from allenrec.common.job_log import job_log

with job_log(snakemake) as terminal:
    from allenrec.cells.query import ask
    from allenrec.settings.models import Allen, Cells

    cells = Cells.model_validate(snakemake.params.cells)
    if cells.query is None:
        outcome = f"{cells.table}: the configuration names this table and asks no question (cells.query)"
    else:
        outcome = ask(cells.table, cells.query, Allen.model_validate(snakemake.params.options))
    print(outcome)
    print(outcome, file=terminal)
