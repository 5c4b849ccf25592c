# Recordings: units from a library, their spikes, noise and filter.


rule recordings:
    """All recordings."""
    input:
        expand("results/recordings/{recording}/recording.h5", recording=settings.recordings),


rule generate_recording:
    """One recording with its ground truth."""
    input:
        library=library_of_recording,
        far_library=library_of_far_neurons,
        code=code("library", "recording", "writers/mearec"),
    output:
        ensure("results/recordings/{recording}/recording.h5", non_empty=True),
    log:
        "results/logs/generate_recording/{recording}.log",
    benchmark:
        "results/benchmarks/rules/generate_recording/{recording}.tsv"
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(60),
    params:
        settings=recording_settings,
        seed=settings.seed,
    message:
        "Generating recording {wildcards.recording}"
    script:
        "../scripts/generate_recording.py"
