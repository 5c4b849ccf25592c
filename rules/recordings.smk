# Recordings: units from a library, their spikes, noise and filter; one file, from which other formats are written.

#: Where a recording lies in each format
PLACES = {"mearec": "recording.h5", "binary": "binary", "zarr": "recording.zarr", "nwb": "recording.nwb"}
#: The recordings whose HDF5 file is kept, and those where it goes when figures and other formats are made
KEPT = [name for name, recording in settings.recordings.items() if "mearec" in recording.format]
PASSING = [name for name in settings.recordings if name not in KEPT]


rule recordings:
    """All recordings, in the formats that were asked for."""
    input:
        [
            f"<results>/recordings/{name}/{PLACES[format]}"
            for name, recording in settings.recordings.items()
            for format in recording.format
        ],


rule generate_recording:
    """One recording with its ground truth."""
    input:
        library=lambda wildcards: f"<results>/libraries/{settings.recordings[wildcards.recording].library}/templates.h5",
        far_library=lambda wildcards: [
            f"<results>/libraries/{library}/templates.h5"
            for library in filter(None, [settings.recordings[wildcards.recording].recordings.own_far_neurons_library])
        ],
        files=lambda wildcards: named_files(settings.recordings[wildcards.recording]),
        planned=lambda wildcards: note_as_planned("recording", wildcards.recording),
    output:
        ensure("<results>/recordings/{recording}/recording.h5", non_empty=True),
    log:
        "<logs>/generate_recording/{recording}.log",
    benchmark:
        "<benchmarks>/generate_recording/{recording}.tsv"
    wildcard_constraints:
        recording="|".join(KEPT) or "none",
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb(4000),
        runtime=runtime(60),
    params:
        # How a recording is written in other formats does not belong to it.
        **as_params(recording="recordings.{recording}", seed="seed", unused=["recording.format", "recording.zarr_compression"]),
        code_digest=code_digest("recordings/generate_recording.py"),
    message:
        "Generating recording {wildcards.recording}"
    script:
        "../scripts/recordings/generate_recording.py"


use rule generate_recording as generate_passing_recording with:
    # Where `format` leaves mearec out, the file is there until figures and other formats are made.
    output:
        temp(ensure("<results>/recordings/{recording}/recording.h5", non_empty=True)),
    wildcard_constraints:
        recording="|".join(PASSING) or "none",


rule export_binary:
    """A recording as a folder of SpikeInterface."""
    input:
        recording="<results>/recordings/{recording}/recording.h5",
    output:
        directory("<results>/recordings/{recording}/binary"),
    log:
        "<logs>/export_binary/{recording}.log",
    benchmark:
        "<benchmarks>/export_binary/{recording}.tsv"
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(30),
    params:
        **as_params(),
        code_digest=code_digest("recordings/export_recording.py", "allenrec.recordings.formats.binary"),
        format="binary",
    message:
        "Writing recording {wildcards.recording} as a binary folder"
    script:
        "../scripts/recordings/export_recording.py"


use rule export_binary as export_zarr with:
    input:
        recording="<results>/recordings/{recording}/recording.h5",
    output:
        directory("<results>/recordings/{recording}/recording.zarr"),
    log:
        "<logs>/export_zarr/{recording}.log",
    benchmark:
        "<benchmarks>/export_zarr/{recording}.tsv"
    params:
        **as_params(compression="recordings.{recording}.zarr_compression"),
        code_digest=code_digest("recordings/export_recording.py", "allenrec.recordings.formats.zarr"),
        format="zarr",
    message:
        "Writing recording {wildcards.recording} as a zarr folder"


use rule export_binary as export_nwb with:
    input:
        recording="<results>/recordings/{recording}/recording.h5",
    output:
        ensure("<results>/recordings/{recording}/recording.nwb", non_empty=True),
    log:
        "<logs>/export_nwb/{recording}.log",
    benchmark:
        "<benchmarks>/export_nwb/{recording}.tsv"
    params:
        **as_params(compression="recordings.{recording}.compression"),
        code_digest=code_digest("recordings/export_recording.py", "allenrec.recordings.formats.nwb"),
        format="nwb",
    message:
        "Writing recording {wildcards.recording} as NWB"
