"""Join the templates of all models on one probe, and write a table of them."""

from joblog import job_log

with job_log(snakemake):
    from allenrec.library import concatenate_libraries, flagged, read_library, template_table, write_table

    paths = []
    for path in snakemake.input.cells:
        flags = flagged(path)
        left_out = bool(flags) and snakemake.params.exclude_flagged
        if flags:
            print(f"{path}: the model is flagged ({flags}){', so left out (models.exclude_flagged)' if left_out else ''}")
        if not left_out:
            paths.append(path)
    concatenate_libraries(paths, snakemake.output.library)
    library = read_library(snakemake.output.library)
    write_table(snakemake.output.table, template_table(library))
    wanted = int(library.params["n"])
    for cell in library.cells.itertuples():
        shortfall = f", {wanted - cell.n_templates} fewer than asked for" if cell.n_templates < wanted else ""
        print(f"model {cell.model_id} ({cell.cell_type}): {cell.n_templates} templates{shortfall}")
