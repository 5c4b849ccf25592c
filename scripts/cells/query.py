"""Ask the Allen site which cells answer the question of the configuration, and write them as a cell table."""

from allenrec.common.job_log import job_log

with job_log(snakemake) as terminal:
    from allenrec.cells.query import ask

    cells, allen = snakemake.params.settings.cells, snakemake.params.settings.allen
    if cells.query is None:
        said = f"{cells.table}: the configuration names this table and asks no question (cells.query)"
    else:
        said = ask(cells.table, cells.query.model_dump(), allen.model_dump(exclude={"parallel"}))
    print(said)
    print(said, file=terminal)
