# Evaluation: how well spike sorters recover the ground truth. It is not part of the default target; the sorters have their own
# environment.

# Conda installs the sorters. Without conda they have to be installed already, which is checked before anything is simulated.
CONDA = {"--sdm", "--software-deployment-method", "--use-conda"}
if "evaluate" in sys.argv[1:] and not CONDA & {argument.split("=")[0] for argument in sys.argv[1:]}:
    from allenrec.evaluation.tables import sorters_python

    with mistakes_in_one_line():
        sorters_python()


rule evaluate:
    """Print the summary. The rule has no output and no benchmark (which counts as output), so it runs each time."""
    input:
        expand(
            "<results>/evaluation/{recording}/{sorter}.csv", recording=settings.recordings, sorter=settings.evaluation.sorters
        ),
        expand("<results>/figures/recordings/{recording}/accuracy.png", recording=settings.recordings),
        expand("<results>/figures/studies/{study}/accuracy.png", study=studies),
        table="<results>/evaluation/summary.csv",
    log:
        "<logs>/evaluate.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    message:
        "The summary is in {input.table}; folders beside it have a table of the units of each recording"
    script:
        "../scripts/evaluation/evaluate.py"


rule evaluate_sorter:
    """Run a sorter on all recordings in one job, because it takes longer to compile than to sort a short recording."""
    input:
        recordings=expand("<results>/recordings/{recording}/recording.h5", recording=settings.recordings),
        program=own_file("scripts/evaluation/run_sorter.py"),
    output:
        # A rule needs an output even if there are no recordings; then this one is never requested.
        expand("<results>/evaluation/{recording}/{{sorter}}.csv", recording=settings.recordings or [NO_NAME]),
    log:
        "<logs>/evaluate_sorter/{sorter}.log",
    benchmark:
        "<benchmarks>/evaluate_sorter/{sorter}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: settings.evaluation.n_jobs
    resources:
        mem_mb=mem_mb(4000),
        runtime=runtime(60 * (len(settings.recordings) or 1)),
    params:
        code_digest=code_digest("evaluation/evaluate_sorter.py", "allenrec.evaluation.sorting"),
        parameters=lambda wildcards: settings.evaluation.parameters.get(wildcards.sorter, {}),
        time_limit=settings.evaluation.time_limit,
    message:
        "Sorting all recordings with {wildcards.sorter}"
    script:
        "../scripts/evaluation/evaluate_sorter.py"


rule tabulate_study_evaluation:
    """The units of all recordings of a study in one table, with the factors of each recording."""
    input:
        study=STUDY_TABLE,
        tables=lambda wildcards: expand(
            "<results>/evaluation/{recording}/{sorter}.csv",
            recording=studies[wildcards.study].rows,
            sorter=settings.evaluation.sorters,
        ),
    output:
        ensure("<results>/evaluation/studies/{study}.csv", non_empty=True),
    log:
        "<logs>/tabulate_study_evaluation/{study}.log",
    benchmark:
        "<benchmarks>/tabulate_study_evaluation/{study}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        code_digest=code_digest("evaluation/tabulate_study_evaluation.py"),
    message:
        "Joining the evaluation of study {wildcards.study}"
    script:
        "../scripts/evaluation/tabulate_study_evaluation.py"


rule summarise_evaluation:
    """A row for each recording and sorter."""
    input:
        tables=expand(
            "<results>/evaluation/{recording}/{sorter}.csv", recording=settings.recordings, sorter=settings.evaluation.sorters
        ),
    output:
        "<results>/evaluation/summary.csv",
    log:
        "<logs>/summarise_evaluation.log",
    benchmark:
        "<benchmarks>/summarise_evaluation.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        code_digest=code_digest("evaluation/summarise_evaluation.py"),
    message:
        "Summarising the evaluation"
    script:
        "../scripts/evaluation/summarise_evaluation.py"
