"""Sample the templates of one model on one probe."""

from joblog import job_log

with job_log(snakemake):
    from tqdm import tqdm

    from allenrec.currents import read_currents
    from allenrec.library import build_cell_library
    from allenrec.settings import Library as LibrarySettings
    from allenrec.tables import describe_cell

    settings = LibrarySettings.model_validate(snakemake.params.settings)
    currents = read_currents(snakemake.input.currents[0])
    with tqdm(total=settings.n, unit="template") as bar:
        outcome = build_cell_library(
            snakemake.output[0],
            currents,
            describe_cell(snakemake.params.cell, currents.attributes["facts"], snakemake.params.cell_type_column),
            settings,
            name=snakemake.wildcards.library,
            seed=snakemake.params.seed,
            progress=bar.update,
        )
    print(outcome)
