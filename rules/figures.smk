# Figures: what a person looks at.


rule figures:
    """All figures."""
    input:
        expand("results/figures/cells/{model}/morphology.png", model=cells),
        expand("results/figures/libraries/{library}/amplitudes.png", library=settings.libraries),
        expand("results/figures/recordings/{recording}/traces.png", recording=settings.recordings),


rule plot_cell:
    """A cell: its morphology, the accepted run, its spikes beside those of the recorded cell, and their currents."""
    input:
        currents=rules.simulate_spikes.output,
        code=code("currents", "figures/cells", "figures/style"),
    output:
        morphology=ensure("results/figures/cells/{model}/morphology.png", non_empty=True),
        soma_trace=ensure("results/figures/cells/{model}/soma_trace.png", non_empty=True),
        spike_counts=ensure("results/figures/cells/{model}/spike_counts.png", non_empty=True),
        spikes=ensure("results/figures/cells/{model}/spikes.png", non_empty=True),
        membrane_currents=ensure("results/figures/cells/{model}/membrane_currents.png", non_empty=True),
    log:
        "results/logs/plot_cell/{model}.log",
    benchmark:
        "results/benchmarks/rules/plot_cell/{model}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    message:
        "Drawing model {wildcards.model}"
    script:
        "../scripts/plot_cell.py"


rule plot_library:
    """A library: amplitudes, poses around the probe, templates on it, acceptance."""
    input:
        library=rules.concatenate_library.output.library,
        code=code("library", "figures/libraries", "figures/style"),
    output:
        amplitudes=ensure("results/figures/libraries/{library}/amplitudes.png", non_empty=True),
        poses=ensure("results/figures/libraries/{library}/poses.png", non_empty=True),
        templates=ensure("results/figures/libraries/{library}/templates.png", non_empty=True),
        acceptance=ensure("results/figures/libraries/{library}/acceptance.png", non_empty=True),
    log:
        "results/logs/plot_library/{library}.log",
    benchmark:
        "results/benchmarks/rules/plot_library/{library}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(10),
    params:
        min_amp=lambda wildcards: settings.libraries[wildcards.library].min_amp,
    message:
        "Drawing library {wildcards.library}"
    script:
        "../scripts/plot_library.py"


rule plot_recording:
    """A recording: raster, units on the probe, a window of traces, amplitudes."""
    input:
        recording="results/recordings/{recording}/recording.h5",
        code=code("recording", "figures/recordings", "figures/style"),
    output:
        raster=ensure("results/figures/recordings/{recording}/raster.png", non_empty=True),
        templates=ensure("results/figures/recordings/{recording}/templates.png", non_empty=True),
        traces=ensure("results/figures/recordings/{recording}/traces.png", non_empty=True),
        amplitudes=ensure("results/figures/recordings/{recording}/amplitudes.png", non_empty=True),
    log:
        "results/logs/plot_recording/{recording}.log",
    benchmark:
        "results/benchmarks/rules/plot_recording/{recording}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(10),
    message:
        "Drawing recording {wildcards.recording}"
    script:
        "../scripts/plot_recording.py"
