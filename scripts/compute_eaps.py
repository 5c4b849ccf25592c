"""Compute the templates of one model on one probe."""

from joblog import job_log

with job_log(snakemake):
    import numpy as np
    from tqdm import tqdm

    from allenrec.cell_library import build_cell_library, templates_of_type
    from allenrec.currents import read_currents
    from allenrec.library import poses_of
    from allenrec.poses import read_poses
    from allenrec.settings.libraries import Library as LibrarySettings
    from allenrec.tables import describe_cell

    name, settings = snakemake.wildcards.library, LibrarySettings.model_validate(snakemake.params.settings)
    currents = read_currents(snakemake.input.currents[0])
    cell = describe_cell(snakemake.params.cell, currents.attributes["facts"], snakemake.params.cell_type_column)
    given = None
    if settings.poses_from is not None:
        given = poses_of(snakemake.input.poses)
    elif settings.poses is not None:
        poses = read_poses(snakemake.input.poses, snakemake.wildcards.model)
        given = poses, np.zeros((len(poses), 1, 3))
    with tqdm(total=len(given[0]) if given else templates_of_type(settings.n, cell, name), unit="template") as bar:
        outcome = build_cell_library(
            snakemake.output[0],
            currents,
            cell,
            settings,
            name=name,
            seed=snakemake.params.seed,
            given=given,
            threads=snakemake.threads,
            progress=bar.update,
        )
    print(outcome)
