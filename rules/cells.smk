# Cells: which ones there are, what is known of them, and which are left out.


rule query:
    """The cell table that answers `cells.query`, to be reviewed and kept. Only on demand: it is never written again."""
    log:
        "<logs>/query.log",
    benchmark:
        "<benchmarks>/query.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(30),
    params:
        **as_params(cells="cells", allen="models.allen", unused=["allen.parallel"]),
    message:
        "Asking the Allen site for cells"
    script:
        "../scripts/cells/query.py"


rule tabulate_cells:
    """A table of all cells: what is known of each, how its model fires, what is wrong with it, how real its spikes are."""
    input:
        currents=expand("<results>/intracellular/{model}.h5", model=cells),
        # Potentials are computed for how real the spikes are.
        kernels=rules.compile_library_kernels.output,
    output:
        ensure("<results>/cells.csv", non_empty=True),
    log:
        "<logs>/tabulate_cells.log",
    benchmark:
        "<benchmarks>/tabulate_cells.tsv"
    group:
        group_of_many("cells")
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(60),
    params:
        **row_params(cells),
        **as_params(cell_type_column="cell_type_column"),
        code_digest=code_digest("cells/tabulate_cells.py"),
    message:
        "Tabulating the cells"
    script:
        "../scripts/cells/tabulate_cells.py"


rule tabulate_left_out:
    """A table of the models that failed: which, in what stage, and why. It has no rows if all went well."""
    input:
        expand("<results>/intracellular/{model}.h5", model=cells),
        expand("<results>/libraries/{library}/cells/{model}.h5", library=COMPUTED, model=cells),
    output:
        ensure("<results>/left_out.csv", non_empty=True),
    log:
        "<logs>/tabulate_left_out.log",
    benchmark:
        "<benchmarks>/tabulate_left_out.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(10),
    params:
        code_digest=code_digest("cells/tabulate_left_out.py"),
    message:
        "Tabulating the models that failed"
    script:
        "../scripts/cells/tabulate_left_out.py"
