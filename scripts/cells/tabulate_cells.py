"""Tabulate the cells: what is known of each, how its model fires, and what is wrong with it."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import pandas as pd

    from allenrec.cells.table import describe_cell
    from allenrec.common.files import written_beside
    from allenrec.common.outcomes import without_failures
    from allenrec.intracellular.intracellular_file import read_currents, summary

    paths, failures = without_failures(snakemake.input.currents)
    for failure in failures:
        print(f"{failure}; left out")
    rows = dict(zip(snakemake.input.currents, snakemake.params.rows.by_name.values(), strict=True))
    described = []
    for path in paths:
        currents = read_currents(path)
        cell = describe_cell(rows[path], currents.attributes["facts"], snakemake.params.settings.cell_type_column)
        described.append(cell | summary(currents))
    with written_beside(snakemake.output[0]) as temporary:
        pd.DataFrame(described).to_csv(temporary, index=False, float_format="%.6g")
