# Evaluation: what spike sorters make of the recordings. Not part of the default target; the sorters have an environment of their own.


rule evaluate:
    """The summary on the terminal. It has no output, and no benchmark, which counts as one: so it answers each time."""
    input:
        expand("results/evaluation/{recording}/{sorter}.csv", recording=settings.recordings, sorter=settings.evaluation.sorters),
        expand("results/figures/recordings/{recording}/accuracy.png", recording=settings.recordings),
        table="results/evaluation/summary.csv",
    log:
        "results/logs/evaluate.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    message:
        "The summary is in {input.table}; results/evaluation/ has a table of the units of each recording"
    script:
        "../scripts/evaluation/evaluate.py"


rule evaluate_sorter:
    """A sorter on all recordings, in one job: it compiles for longer than it sorts a short recording."""
    input:
        recordings=expand("results/recordings/{recording}/recording.h5", recording=settings.recordings),
        program=os.path.relpath(SCRIPTS / "evaluation" / "run_sorter.py"),
    output:
        # A rule needs an output also where there are no recordings; nobody asks for this one.
        expand("results/evaluation/{recording}/{{sorter}}.csv", recording=settings.recordings or ["none"]),
    log:
        "results/logs/evaluate_sorter/{sorter}.log",
    benchmark:
        "results/benchmarks/rules/evaluate_sorter/{sorter}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: settings.evaluation.n_jobs
    resources:
        mem_mb=mem_mb(4000),
        runtime=runtime(60 * (len(settings.recordings) or 1)),
    params:
        code=code("evaluation/evaluate_sorter.py", "allenrec.evaluation.sorting"),
        parameters=lambda wildcards: settings.evaluation.parameters.get(wildcards.sorter, {}),
    message:
        "Sorting all recordings with {wildcards.sorter}"
    script:
        "../scripts/evaluation/evaluate_sorter.py"


rule summarise_evaluation:
    """A row for each recording and sorter."""
    input:
        tables=expand(
            "results/evaluation/{recording}/{sorter}.csv", recording=settings.recordings, sorter=settings.evaluation.sorters
        ),
    output:
        "results/evaluation/summary.csv",
    log:
        "results/logs/summarise_evaluation.log",
    benchmark:
        "results/benchmarks/rules/summarise_evaluation.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        code=code("evaluation/summarise_evaluation.py"),
    message:
        "Summarising the evaluation"
    script:
        "../scripts/evaluation/summarise_evaluation.py"
