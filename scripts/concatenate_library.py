"""Join the templates of all models on one probe, and write a table of them."""

from joblog import job_log

with job_log(snakemake):
    from allenrec.library import concatenate_libraries, read_library, template_table, write_table

    concatenate_libraries(snakemake.input.cells, snakemake.output.library)
    library = read_library(snakemake.output.library)
    write_table(snakemake.output.table, template_table(library))
    wanted = int(library.params["n"])
    for cell in library.cells.itertuples():
        shortfall = f", {wanted - cell.n_templates} fewer than asked for" if cell.n_templates < wanted else ""
        print(f"model {cell.model_id} ({cell.cell_type}): {cell.n_templates} templates{shortfall}")
