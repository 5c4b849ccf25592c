"""Ask the Allen site which cells answer the question of the configuration, and write them as a cell table."""

from allenrec.common.job_log import job_log

with job_log(snakemake) as terminal:
    from allenrec.cells.query import ask

    cells = snakemake.params.settings.cells
    if cells.query is None:
        outcome = f"{cells.table}: the configuration names this table and asks no question (cells.query)"
    else:
        outcome = ask(cells.table, cells.query, snakemake.params.settings.allen)
    print(outcome)
    print(outcome, file=terminal)
