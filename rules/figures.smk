# Figures: what a person looks at. Each lies beside a text that says what it shows.


rule figures:
    """All figures."""
    input:
        expand("<results>/figures/cells/{model}/morphology.png", model=cells),
        expand("<results>/figures/libraries/{library}/amplitudes.png", library=settings.libraries),
        expand("<results>/figures/libraries/{library}/cells/{model}/mean_eap.png", library=settings.libraries, model=cells),
        expand("<results>/figures/recordings/{recording}/traces.png", recording=settings.recordings),
        expand("<results>/figures/recordings/{recording}/viewer.html", recording=settings.recordings),
        expand(
            "<results>/figures/recordings/{recording}/drift.png",
            recording=[name for name, recording in settings.recordings.items() if recording.recordings.drifting],
        ),


rule plot_cell:
    """A cell: its morphology, the accepted run, its spikes beside those of the recorded cell, and their currents."""
    input:
        currents=rules.simulate_spikes.output,
    output:
        **figures_at("cells/{model}", "morphology", "soma_trace", "spike_counts", "spikes", "membrane_currents"),
    log:
        "<logs>/models/{model}/plot_cell.log",
    benchmark:
        "<benchmarks>/plot_cell/{model}.tsv"
    group:
        "cell"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    params:
        code_digest=code_digest("figures/plot_cell.py"),
    message:
        "Drawing model {wildcards.model}"
    script:
        "../scripts/figures/plot_cell.py"


rule plot_library:
    """A library: amplitudes, shapes of waveforms, poses around the probe, templates on it, acceptance."""
    input:
        library=rules.concatenate_library.output.library,
    output:
        **figures_at("libraries/{library}", "amplitudes", "waveform_shapes", "poses", "templates", "acceptance"),
    log:
        "<logs>/plot_library/{library}.log",
    benchmark:
        "<benchmarks>/plot_library/{library}.tsv"
    group:
        "library"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(10),
    params:
        code_digest=code_digest("figures/plot_library.py"),
        min_amp=lambda wildcards: settings.libraries[wildcards.library].min_amp,
    message:
        "Drawing library {wildcards.library}"
    script:
        "../scripts/figures/plot_library.py"


rule plot_mean_eap:
    """A model on a probe: its mean extracellular action potential."""
    input:
        library=rules.compute_eaps.output,
    output:
        **figures_at("libraries/{library}/cells/{model}", "mean_eap"),
    log:
        "<logs>/models/{model}/plot_mean_eap/{library}.log",
    benchmark:
        "<benchmarks>/plot_mean_eap/{library}/{model}.tsv"
    group:
        "cell"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code_digest=code_digest("figures/plot_mean_eap.py"),
    message:
        "Drawing model {wildcards.model} on {wildcards.library}"
    script:
        "../scripts/figures/plot_mean_eap.py"


rule plot_recording:
    """A recording: its units and their spikes, a window of traces, spikes as they are in the traces, the noise between."""
    input:
        recording="<results>/recordings/{recording}/recording.h5",
    output:
        **figures_at(
            "recordings/{recording}",
            "raster",
            "templates",
            "traces",
            "amplitudes",
            "waveforms",
            "amplitude_histogram",
            "amplitudes_over_time",
            "intervals",
            "principal_components",
            "noise_spectrum",
        ),
    log:
        "<logs>/plot_recording/{recording}.log",
    benchmark:
        "<benchmarks>/plot_recording/{recording}.tsv"
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code_digest=code_digest("figures/plot_recording.py"),
    message:
        "Drawing recording {wildcards.recording}"
    script:
        "../scripts/figures/plot_recording.py"


rule plot_drift:
    """A recording whose units drift: how far each of them is from its place over time."""
    input:
        recording="<results>/recordings/{recording}/recording.h5",
    output:
        **figures_at("recordings/{recording}", "drift"),
    log:
        "<logs>/plot_drift/{recording}.log",
    benchmark:
        "<benchmarks>/plot_drift/{recording}.tsv"
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code_digest=code_digest("figures/plot_drift.py"),
    message:
        "Drawing the drift of recording {wildcards.recording}"
    script:
        "../scripts/figures/plot_drift.py"


rule view_recording:
    """A recording in the browser: the viewer of its first minute, a page of its own, and the tables behind the figures."""
    input:
        recording="<results>/recordings/{recording}/recording.h5",
    output:
        viewer=report(
            ensure("<results>/figures/recordings/{recording}/viewer.html", non_empty=True),
            caption="../scripts/allenrec/figures/captions/recordings/viewer.rst",
            category="Recordings",
            subcategory="{recording}",
            labels={"figure": "viewer"},
        ),
        captions=["<results>/figures/recordings/{recording}/viewer.txt"],
        item=ensure("<results>/figures/recordings/{recording}/viewer.json", non_empty=True),
        units="<results>/figures/recordings/{recording}/units.csv",
        facts=ensure("<results>/figures/recordings/{recording}/facts.json", non_empty=True),
    log:
        "<logs>/view_recording/{recording}.log",
    benchmark:
        "<benchmarks>/view_recording/{recording}.tsv"
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(10),
    params:
        code_digest=code_digest("figures/view_recording.py"),
        # Of the traces, in the page: about a byte each
        n_values=6_000_000,
    message:
        "Making the viewer of recording {wildcards.recording}"
    script:
        "../scripts/figures/view_recording.py"
