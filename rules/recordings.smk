# Recordings: units from a library, their spikes, noise and filter; one file, from which other formats are written.


rule recordings:
    """All recordings, in the formats that were asked for."""
    input:
        formats_of_recordings(),


rule generate_recording:
    """One recording with its ground truth."""
    input:
        library=library_of_recording,
        far_library=library_of_far_neurons,
        trains=trains_of_recording,
    output:
        ensure("results/recordings/{recording}/recording.h5", non_empty=True),
    log:
        "results/logs/generate_recording/{recording}.log",
    benchmark:
        "results/benchmarks/rules/generate_recording/{recording}.tsv"
    wildcard_constraints:
        recording=recordings_where(kept=True),
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb(4000),
        runtime=runtime(60),
    params:
        code=code("recordings/generate_recording.py"),
        settings=recording_settings,
        seed=settings.seed,
    message:
        "Generating recording {wildcards.recording}"
    script:
        "../scripts/recordings/generate_recording.py"


use rule generate_recording as generate_passing_recording with:
    # Where `format` leaves mearec out, the file is there until figures and other formats are made.
    output:
        temp(ensure("results/recordings/{recording}/recording.h5", non_empty=True)),
    wildcard_constraints:
        recording=recordings_where(kept=False),


rule export_binary:
    """A recording as a folder of SpikeInterface."""
    input:
        recording="results/recordings/{recording}/recording.h5",
    output:
        directory("results/recordings/{recording}/binary"),
    log:
        "results/logs/export_binary/{recording}.log",
    benchmark:
        "results/benchmarks/rules/export_binary/{recording}.tsv"
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(30),
    params:
        code=code("recordings/export_recording.py", "allenrec.recordings.formats.binary"),
        format="binary",
        options={},
    message:
        "Writing recording {wildcards.recording} as a binary folder"
    script:
        "../scripts/recordings/export_recording.py"


use rule export_binary as export_zarr with:
    input:
        recording="results/recordings/{recording}/recording.h5",
    output:
        directory("results/recordings/{recording}/recording.zarr"),
    log:
        "results/logs/export_zarr/{recording}.log",
    benchmark:
        "results/benchmarks/rules/export_zarr/{recording}.tsv"
    params:
        code=code("recordings/export_recording.py", "allenrec.recordings.formats.zarr"),
        format="zarr",
        options=lambda wildcards: {"compression": settings.recordings[wildcards.recording].zarr_compression},
    message:
        "Writing recording {wildcards.recording} as a zarr folder"


use rule export_binary as export_nwb with:
    input:
        recording="results/recordings/{recording}/recording.h5",
    output:
        ensure("results/recordings/{recording}/recording.nwb", non_empty=True),
    log:
        "results/logs/export_nwb/{recording}.log",
    benchmark:
        "results/benchmarks/rules/export_nwb/{recording}.tsv"
    params:
        code=code("recordings/export_recording.py", "allenrec.recordings.formats.nwb"),
        format="nwb",
        options=lambda wildcards: {"compression": settings.recordings[wildcards.recording].compression},
    message:
        "Writing recording {wildcards.recording} as NWB"
