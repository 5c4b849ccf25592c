# The report: all that was made, in one page that opens from disk.


rule report:
    """The report."""
    input:
        "<results>/report.html",


rule write_report:
    """One page with everything in it. Where jobs failed, `onerror` writes one of what is there, beside its place."""
    input:
        rules.figures.input,
        rules.library.input,
        "<results>/cells.csv",
        config="<results>/config.yaml",
        citations=own_file("CITATION.cff"),
        planned=lambda wildcards: note_as_planned("report"),
    output:
        ensure("<results>/report.html", non_empty=True),
    log:
        "<logs>/write_report.log",
    benchmark:
        "<benchmarks>/write_report.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code_digest=code_digest("report/write_report.py"),
        contents=lambda wildcards: report_contents(),
        so_far=lambda wildcards: str(REPORT_SO_FAR),
    message:
        "Writing the report"
    script:
        "../scripts/report/write_report.py"
