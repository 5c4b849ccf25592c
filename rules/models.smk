# Models: their files, checked, and their mechanisms, compiled.


rule models:
    """All models of the cell table, ready to be simulated."""
    input:
        expand("results/mechanisms/{model}.json", model=cells),


rule save_config:
    """The merged configuration, defaults filled in, beside the results."""
    output:
        ensure("results/config.yaml", non_empty=True),
    log:
        "results/logs/save_config.log",
    benchmark:
        "results/benchmarks/rules/save_config.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        code=code("settings/save_config.py"),
        settings=block(settings),
    message:
        "Saving the merged configuration"
    script:
        "../scripts/settings/save_config.py"


rule download_model:
    """A model folder in the archive's layout, complete and checked."""
    input:
        files=user_model_files,
    output:
        ensure("allen_models/neuronal_model_{model}/verified.json", non_empty=True),
    log:
        "results/logs/models/{model}/download_model.log",
    benchmark:
        "results/benchmarks/rules/download_model/{model}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        # The default profile has 60 of these for all downloads at once.
        downloads=60 // settings.models.allen.parallel,
        mem_mb=mem_mb(500),
        runtime=runtime(30),
    params:
        code=code("models/download_model.py"),
        models=source_settings(),
    message:
        "Fetching and checking model {wildcards.model}"
    script:
        "../scripts/models/download_model.py"


rule compile_mechanisms:
    """The mechanisms of a model, if they are known, compiled once for each distinct set; the output names the set."""
    input:
        model=rules.download_model.output,
    output:
        ensure("results/mechanisms/{model}.json", non_empty=True),
    log:
        "results/logs/models/{model}/compile_mechanisms.log",
    benchmark:
        "results/benchmarks/rules/compile_mechanisms/{model}.tsv"
    localrule: True
    conda:
        "../envs/simulation.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        code=code("models/compile_mechanisms.py"),
        known=settings.models.known_mechanisms,
        allow_unknown=settings.models.allow_unknown_mechanisms,
    message:
        "Compiling the mechanisms of model {wildcards.model}, if they are new"
    script:
        "../scripts/models/compile_mechanisms.py"
