# Intracellular: the spikes of each model, once, whatever the number of probes. The only stage that needs NEURON.


rule intracellular:
    """Membrane currents of all models."""
    input:
        expand("<results>/intracellular/{model}.h5", model=cells),
        "<results>/cells.csv",


rule simulate_spikes:
    """A step current that makes the cell fire; the membrane currents around its spikes."""
    input:
        model=lambda wildcards: [verified_file(wildcards.model)],
        mechanisms=rules.compile_mechanisms.output,
    output:
        ensure("<results>/intracellular/{model}.h5", non_empty=True),
    log:
        "<logs>/models/{model}/simulate_spikes.log",
    benchmark:
        "<benchmarks>/simulate_spikes/{model}.tsv"
    group:
        "cell"
    conda:
        "../envs/simulation.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        **as_params(
            unused=["isolate", "max_build_time"],
            intracellular="intracellular",
            isolate="models.isolate",
            max_build_time="models.max_build_time",
            axon="models.axon",
            recorded_steps="models.recorded_steps",
            cell_type_column="cell_type_column",
        ),
        code_digest=code_digest("intracellular/simulate_spikes.py"),
        trusted=consent,
        # These columns are enough: no other column of the table changes the result.
        cell=lambda wildcards: {
            column: value
            for column, value in cells[wildcards.model].items()
            if column in ("model_id", "specimen_id", "cell_type", settings.cell_type_column)
        },
    message:
        "Simulating spikes of model {wildcards.model}"
    script:
        "../scripts/intracellular/simulate_spikes.py"
