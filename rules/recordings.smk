# Recordings: units from a library, their spikes, noise and filter; one file, from which other formats are written.
# The register of formats is scripts/allenrec/settings/recordings/formats.py.

from allenrec.settings.recordings.formats import EXPORT_KEYS, EXPORTED_FORMATS, GENERATED_FORMAT
from allenrec.settings.studies import STUDIES

#: The recordings whose HDF5 file is kept, and those whose file is deleted when figures and other formats are made
KEPT = [name for name, recording in settings.recordings.items() if GENERATED_FORMAT.name in recording.format]
PASSING = [name for name in settings.recordings if name not in KEPT]
#: The output of the rule that writes each format
EXPORTS = {
    entry.name: directory(path) if entry.directory else ensure(path, non_empty=True)
    for entry in EXPORTED_FORMATS
    for path in [f"<results>/recordings/{{recording}}/{entry.path}"]
}
#: The table of the recordings of a study; `tabulate_study` writes it
STUDY_TABLE = f"<results>/recordings/{STUDIES}/{{study}}.csv"


rule recordings:
    """All recordings, in their formats."""
    input:
        formats_of(settings.recordings),
        expand(STUDY_TABLE, study=studies),


rule generate_recording:
    """One recording with its ground truth; a passing one is deleted when its other formats and figures are made."""
    input:
        library=lambda wildcards: f"<results>/libraries/{settings.recordings[wildcards.recording].library}/templates.h5",
        far_library=lambda wildcards: [
            f"<results>/libraries/{library}/templates.h5"
            for library in filter(None, [settings.recordings[wildcards.recording].recordings.noise_library])
        ],
        choosing_library=lambda wildcards: [
            f"<results>/libraries/{library}/templates.h5"
            for library in filter(None, [settings.recordings[wildcards.recording].choosing_library])
        ],
        files=lambda wildcards: named_files(settings.recordings[wildcards.recording]),
        kernels=rules.compile_recording_kernels.output,
        # It names no file. Snakemake calls it for planned recordings only, before anything runs.
        checked=lambda wildcards: with_known_cell_types(wildcards.recording)
        + with_fitting_background(wildcards.recording)
        + with_counted_disk(wildcards.recording),
    output:
        ensure("<results>/recordings/{recording}/recording.h5", non_empty=True),
    log:
        "<logs>/generate_recording/{recording}.log",
    benchmark:
        "<benchmarks>/generate_recording/{recording}.tsv"
    wildcard_constraints:
        recording="|".join(map(re.escape, KEPT)) or NO_NAME,
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: lambda wildcards: settings.recordings[wildcards.recording].threads
    resources:
        mem_mb=mem_mb(4000),
        runtime=runtime(60),
    params:
        # The settings of other formats do not change this file.
        **as_params(recording="recordings.{recording}", seed="seed", unused=[f"recording.{key}" for key in EXPORT_KEYS]),
        stamps=lambda wildcards: [f"{key}: {stamp}" for key, stamp in stamps(settings.recordings[wildcards.recording]).items()],
        code_digest=code_digest("recordings/generate_recording.py"),
    message:
        "Generating recording {wildcards.recording}"
    script:
        "../scripts/recordings/generate_recording.py"


use rule generate_recording as generate_passing_recording with:
    # If `format` does not list mearec, the file exists only until figures and other formats are made.
    output:
        temp(ensure("<results>/recordings/{recording}/recording.h5", non_empty=True)),
    wildcard_constraints:
        recording="|".join(map(re.escape, PASSING)) or NO_NAME,


for entry in EXPORTED_FORMATS:

    rule:
        """A recording in another format."""
        name:
            f"export_{entry.name}"
        input:
            recording=f"<results>/recordings/{{recording}}/{GENERATED_FORMAT.path}",
        output:
            EXPORTS[entry.name],
        log:
            f"<logs>/export_{entry.name}/{{recording}}.log",
        benchmark:
            f"<benchmarks>/export_{entry.name}/{{recording}}.tsv"
        group:
            "recording"
        conda:
            "../envs/analysis.yaml"
        threads: entry.threads
        resources:
            mem_mb=mem_mb(1000),
            runtime=runtime(30),
        params:
            **as_params(**{argument: f"recordings.{{recording}}.{key}" for argument, key in entry.options.items()}),
            code_digest=code_digest("recordings/export_recording.py", entry.module),
            format=entry.name,
        message:
            f"Writing recording {{wildcards.recording}} as {entry.title}"
        script:
            "../scripts/recordings/export_recording.py"
