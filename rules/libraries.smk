# Libraries: the extracellular action potentials of each model on each probe, and all models of a probe in one file.


rule library:
    """All template libraries."""
    input:
        expand("results/libraries/{library}/templates.h5", library=settings.libraries),


rule compute_eaps:
    """Templates of one model on one probe, at poses that are sampled, given, or those of another library."""
    input:
        currents=rules.simulate_spikes.output,
        probe=probe_file,
        poses=poses_of_library,
    output:
        ensure("results/libraries/{library}/cells/{model}.h5", non_empty=True),
    log:
        "results/logs/models/{model}/compute_eaps/{library}.log",
    benchmark:
        "results/benchmarks/rules/compute_eaps/{library}/{model}.tsv"
    group:
        "cell"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        code=code("libraries/compute_eaps.py"),
        settings=library_settings,
        cell=lambda wildcards: cells[wildcards.model],
        cell_type_column=settings.cell_type_column,
        seed=settings.seed,
    message:
        "Computing templates of model {wildcards.model} for {wildcards.library}"
    script:
        "../scripts/libraries/compute_eaps.py"


rule concatenate_library:
    """All templates of a probe in one file, and a table of them."""
    input:
        cells=expand("results/libraries/{{library}}/cells/{model}.h5", model=cells),
    output:
        library=ensure("results/libraries/{library}/templates.h5", non_empty=True),
        table=ensure("results/libraries/{library}/templates.csv", non_empty=True),
    log:
        "results/logs/concatenate_library/{library}.log",
    benchmark:
        "results/benchmarks/rules/concatenate_library/{library}.tsv"
    group:
        "library"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(30),
    params:
        code=code("libraries/concatenate_library.py"),
        exclude_flagged=settings.models.exclude_flagged,
        left_out=settings.models.leave_out,
    message:
        "Joining the templates of {wildcards.library}"
    script:
        "../scripts/libraries/concatenate_library.py"
