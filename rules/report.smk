# The report: the results of a run in one page that opens from disk.


rule report:
    """The report."""
    input:
        "results/report.html",


rule write_report:
    """One page with all results. If jobs failed, `onerror` writes a page of what there is, under another name."""
    input:
        rules.figures.input,
        rules.library.input,
        "results/cells.csv",
        config="results/config.yaml",
        # It is a file of the workflow, wherever the results are.
        citations=local(os.path.relpath(SCRIPTS.parent / "CITATION.cff")),
    output:
        ensure("results/report.html", non_empty=True),
    log:
        "results/logs/write_report.log",
    benchmark:
        "results/benchmarks/rules/write_report.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code=code("report/write_report.py"),
        asked=asked_for(),
        so_far=REPORT_SO_FAR,
    message:
        "Writing the report"
    script:
        "../scripts/report/write_report.py"
