# The report: the results of a run in one page that opens from disk.


rule report:
    """The report."""
    input:
        "<results>/report.html",


rule write_report:
    """One page with all results. If jobs failed, `onerror` writes a page of what there is, under another name."""
    input:
        rules.figures.input,
        rules.library.input,
        "<results>/cells.csv",
        config="<results>/config.yaml",
        citations=own_file("CITATION.cff"),
        # This gives no input file; it records for `onerror` that the report is part of this run.
        noted=lambda wildcards: report_is_wanted.append(True) or [],
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
        # The section on spike sorters is written anew after an evaluation. It is no input, because nothing is sorted for a report.
        evaluated=lambda wildcards: digests_of_evaluation(),
        so_far=lambda wildcards: str(REPORT_SO_FAR),
    message:
        "Writing the report"
    script:
        "../scripts/report/write_report.py"
