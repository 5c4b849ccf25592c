"""Tabulate the cells: what is known of each, how its model fires, and what is wrong with it."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import pandas as pd

    from allenrec.cells.table import CellRow, describe_cell
    from allenrec.common.files import written_beside
    from allenrec.intracellular.intracellular_file import read_currents, summary

    rows = []
    for path, row in zip(snakemake.input.currents, snakemake.params.cells, strict=True):
        currents = read_currents(path)
        described = describe_cell(CellRow.from_columns(row), currents.info.facts, snakemake.params.cell_type_column)
        rows.append(described | summary(currents))
    with written_beside(snakemake.output[0]) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")
