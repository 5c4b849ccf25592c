# Studies: the recordings that `replicates` and `grid` make of one entry. Each study has a table; its name, and the names of
# recordings, can be targets.


rule tabulate_study:
    """The recordings of a study, with their factors and replicates."""
    output:
        ensure(STUDY_TABLE, non_empty=True),
    log:
        "<logs>/tabulate_study/{study}.log",
    benchmark:
        "<benchmarks>/tabulate_study/{study}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        code_digest=code_digest("recordings/tabulate_study.py"),
        recordings=lambda wildcards: studies[wildcards.study].records(),
    message:
        "Listing the recordings of study {wildcards.study}"
    script:
        "../scripts/recordings/tabulate_study.py"


# A word on the command line that is a rule already, such as `figures`, means that rule.
for requested in sorted({*settings.recordings, *studies} & set(sys.argv[1:])):
    if not workflow.is_rule(requested):

        rule:
            """A recording, or all recordings of a study and their table."""
            name:
                requested
            input:
                formats_of(studies[requested].rows if requested in studies else [requested]),
                [STUDY_TABLE.format(study=name) for name in studies if name == requested],
