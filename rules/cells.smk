# Cells: which ones, where the configuration asks a question.


rule query:
    """The cell table that answers `cells.query`, to be reviewed and kept. Only on demand: it is never written again."""
    log:
        "results/logs/query.log",
    benchmark:
        "results/benchmarks/rules/query.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(30),
    params:
        cells=block(settings.cells),
        options=settings.models.allen.model_dump(exclude={"parallel"}),
    message:
        "Asking the Allen site for cells"
    script:
        "../scripts/cells/query.py"
