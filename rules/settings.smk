# Settings: the configuration as it was used, and MEArec's files in its words.


rule save_config:
    """The merged configuration, defaults filled in, beside the results."""
    output:
        ensure("<results>/config.yaml", non_empty=True),
    log:
        "<logs>/save_config.log",
    benchmark:
        "<benchmarks>/save_config.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        **as_params(config=""),
        code_digest=code_digest("settings/save_config.py"),
    message:
        "Saving the merged configuration"
    script:
        "../scripts/settings/save_config.py"


rule convert_mearec:
    """MEArec's parameter files as a configuration of this workflow. Only on demand: `--config file=templates_params.yaml`."""
    input:
        [local(path) for path in settings.files_of_mearec],
    output:
        ensure("<results>/mearec.yaml", non_empty=True),
    log:
        "<logs>/convert_mearec.log",
    benchmark:
        "<benchmarks>/convert_mearec.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        library=next(iter(settings.libraries), "mearec"),
        code_digest=code_digest("settings/convert_mearec.py"),
    message:
        "Converting the parameters of MEArec"
    script:
        "../scripts/settings/convert_mearec.py"
