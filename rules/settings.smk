# Settings: the configuration as it was used.


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
