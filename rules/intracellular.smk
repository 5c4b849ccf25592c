# Intracellular: the spikes of each model, once, whatever the number of probes. The only stage that needs NEURON.


rule intracellular:
    """Membrane currents of all models."""
    input:
        expand("results/intracellular/{model}.h5", model=cells),


rule simulate_spikes:
    """A step current that makes the cell fire; the membrane currents around its spikes."""
    input:
        model=rules.download_model.output,
        mechanisms=rules.compile_mechanisms.output,
        code=code("intracellular", "cell", "currents", "models", "tables"),
    output:
        ensure("results/intracellular/{model}.h5", non_empty=True),
    log:
        "results/logs/simulate_spikes/{model}.log",
    benchmark:
        "results/benchmarks/rules/simulate_spikes/{model}.tsv"
    conda:
        "../envs/simulation.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(60),
    params:
        settings=block(settings.intracellular),
        axon=settings.models.axon,
        # Not the whole row: another column of the table changes nothing here.
        cell=lambda wildcards: {key: cells[wildcards.model][key] for key in ("model_id", "specimen_id", "cell_type")},
    message:
        "Simulating spikes of model {wildcards.model}"
    script:
        "../scripts/simulate_spikes.py"
