# Intracellular: the spikes of each model, once, whatever the number of probes. The only stage that needs NEURON.


rule intracellular:
    """Membrane currents of all models."""
    input:
        expand("results/intracellular/{model}.h5", model=cells),
        "results/cells.csv",


rule simulate_spikes:
    """A step current that makes the cell fire; the membrane currents around its spikes."""
    input:
        model=rules.download_model.output,
        mechanisms=rules.compile_mechanisms.output,
    output:
        ensure("results/intracellular/{model}.h5", non_empty=True),
    log:
        "results/logs/models/{model}/simulate_spikes.log",
    benchmark:
        "results/benchmarks/rules/simulate_spikes/{model}.tsv"
    group:
        "cell"
    conda:
        "../envs/simulation.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        code=code("intracellular/simulate_spikes.py"),
        settings=block(settings.intracellular),
        axon=settings.models.axon,
        recorded_steps=settings.models.recorded_steps,
        # Not the whole row: another column of the table changes nothing here.
        cell=lambda wildcards: {
            column: value
            for column, value in cells[wildcards.model].items()
            if column in ("model_id", "specimen_id", "cell_type", settings.cell_type_column)
        },
        cell_type_column=settings.cell_type_column,
    message:
        "Simulating spikes of model {wildcards.model}"
    script:
        "../scripts/intracellular/simulate_spikes.py"


rule tabulate_cells:
    """A table of all cells: what is known of each, how its model fires, and what is wrong with it."""
    input:
        currents=expand("results/intracellular/{model}.h5", model=cells),
    output:
        ensure("results/cells.csv", non_empty=True),
    log:
        "results/logs/tabulate_cells.log",
    benchmark:
        "results/benchmarks/rules/tabulate_cells.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code=code("cells/tabulate_cells.py"),
        cells=list(cells.values()),
        cell_type_column=settings.cell_type_column,
    message:
        "Tabulating the cells"
    script:
        "../scripts/cells/tabulate_cells.py"
