"""Tabulate the cells: what is known of each, how its model fires, what is wrong with it, and how real its spikes are."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from pathlib import Path

    import pandas as pd

    from allenrec.cells.table import CellRow, describe_cell
    from allenrec.common.compiled_kernels import load_kernels_without_compiler
    from allenrec.common.files import write_table
    from allenrec.common.outcomes import without_failures
    from allenrec.intracellular.intracellular_file import read_currents, summary
    from allenrec.libraries.realism.describe import describe_realism

    load_kernels_without_compiler()
    paths, failures = without_failures(snakemake.input.currents)
    for failure in failures:
        print(f"{failure}; left out")
    rows = dict(zip(snakemake.input.currents, snakemake.params.rows.by_name.values(), strict=True))
    described = []
    for path in paths:
        currents = read_currents(path, Path(path).stem)
        row = CellRow.from_columns(rows[path])
        cell = describe_cell(row, currents.info.facts, snakemake.params.settings.cell_type_column)
        described.append(cell | summary(currents) | describe_realism(currents, cell))
    write_table(snakemake.output[0], pd.DataFrame(described), checked=True)
