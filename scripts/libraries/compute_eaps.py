"""Compute the templates of one model on one probe."""

from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

with job_log(snakemake) as terminal, recorded_outcome(snakemake, "compute_eaps", terminal):
    import numpy as np
    from tqdm import tqdm

    from allenrec.cells.table import CellRow, describe_cell
    from allenrec.common.compiled_kernels import load_kernels_without_compiler
    from allenrec.common.files import sha256
    from allenrec.intracellular.intracellular_file import read_currents
    from allenrec.libraries.build import build_cell_library, templates_of_type
    from allenrec.libraries.library_file import poses_of
    from allenrec.libraries.poses import read_poses
    from allenrec.settings.input_files import file_digests

    load_kernels_without_compiler()
    name, chosen = snakemake.wildcards.library, snakemake.params.settings
    settings = chosen.library
    digests = file_digests(settings)
    currents = read_currents(snakemake.input.currents[0], snakemake.wildcards.model, chosen.intracellular)
    row = CellRow.from_columns(snakemake.params.cell)
    cell = describe_cell(row, currents.info.facts, chosen.cell_type_column)
    given = None
    if settings.poses_from is not None:
        (origin,) = snakemake.input.poses
        given = poses_of(origin, settings.poses_from, snakemake.wildcards.model)
        digests["poses_from"] = sha256(origin)
    elif settings.poses is not None:
        poses = read_poses(settings.poses, snakemake.wildcards.model)
        given = poses, np.zeros((len(poses), 1, 3))
    with tqdm(total=len(given[0]) if given else templates_of_type(settings.n, cell, name), unit="template") as bar:
        outcome = build_cell_library(
            snakemake.output[0],
            currents,
            cell,
            settings,
            name=name,
            seed=chosen.seed,
            given=given,
            digests=digests,
            threads=snakemake.threads,
            progress=bar.update,
        )
    print(outcome)
