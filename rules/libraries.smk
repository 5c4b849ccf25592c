# Libraries: the extracellular action potentials of each model on each probe, and all models of a probe in one file.

from allenrec.settings.libraries import EXPORT_KEYS, IMPORT_KEYS

#: The files that the settings of each computed library name
FILES = {name: named_files(settings.libraries[name]) for name in COMPUTED}
#: The files from which each computed library takes its poses, if they are those of another library
POSES = {
    name: [f"<results>/libraries/{origin}/cells/{{model}}.h5" for origin in filter(None, [settings.libraries[name].poses_from])]
    for name in COMPUTED
}
#: The libraries whose templates are read from files
IMPORTED = [name for name, library in settings.libraries.items() if library.templates is not None]


rule library:
    """All template libraries, and which models are in none of them."""
    input:
        expand("<results>/libraries/{library}/templates.h5", library=settings.libraries),
        expand(
            "<results>/libraries/{library}/templates.zarr",
            library=[name for name, library in settings.libraries.items() if "spikeinterface" in library.format],
        ),
        "<results>/left_out.csv",


rule compute_eaps:
    """Templates of one model on one probe, at poses that are drawn, read from a table, or those of another library."""
    input:
        currents=rules.simulate_spikes.output,
        kernels=rules.compile_library_kernels.output,
        # Snakemake calls a function for each cell, also if it never returns a file.
        files=(lambda wildcards: FILES[wildcards.library]) if any(FILES.values()) else [],
        poses=(lambda wildcards: expand(POSES[wildcards.library], model=wildcards.model)) if any(POSES.values()) else [],
    output:
        ensure("<results>/libraries/{library}/cells/{model}.h5", non_empty=True),
    log:
        "<logs>/models/{model}/compute_eaps/{library}.log",
    benchmark:
        "<benchmarks>/compute_eaps/{library}/{model}.tsv"
    group:
        "cell"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        **as_params(
            library="libraries.{library}",
            intracellular="intracellular",
            cell_type_column="cell_type_column",
            seed="seed",
            # Further formats do not change the templates, and these are not imported.
            unused=[f"library.{key}" for key in EXPORT_KEYS | IMPORT_KEYS],
        ),
        code_digest=code_digest("libraries/compute_eaps.py"),
        cell=with_known_signature(lambda wildcards: cells[wildcards.model]),
    message:
        "Computing templates of model {wildcards.model} for {wildcards.library}"
    script:
        "../scripts/libraries/compute_eaps.py"


rule concatenate_library:
    """All templates of a probe in one file, and a table of them. Models that failed are left out."""
    input:
        cells=expand("<results>/libraries/{{library}}/cells/{model}.h5", model=cells),
        # How real the spikes of each cell are
        described="<results>/cells.csv",
    output:
        library=ensure("<results>/libraries/{library}/templates.h5", non_empty=True),
        table=ensure("<results>/libraries/{library}/templates.csv", non_empty=True),
    log:
        "<logs>/concatenate_library/{library}.log",
    benchmark:
        "<benchmarks>/concatenate_library/{library}.tsv"
    wildcard_constraints:
        library="|".join(COMPUTED) or NO_NAME,
    group:
        group_of_many("library")
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(30),
    params:
        **as_params(
            exclude_flagged="models.exclude_flagged",
            leave_out="models.leave_out",
            # The templates of each model must be made with these.
            library="libraries.{library}",
            seed="seed",
            unused=[f"library.{key}" for key in EXPORT_KEYS],
        ),
        code_digest=code_digest("libraries/concatenate_library.py"),
    message:
        "Joining the templates of {wildcards.library}"
    script:
        "../scripts/libraries/concatenate_library.py"


rule import_library:
    """Templates that others have computed or recorded as a library, and a table of them."""
    input:
        files=lambda wildcards: named_files(settings.libraries[wildcards.library]),
        kernels=rules.compile_library_kernels.output,
    output:
        library=ensure("<results>/libraries/{library}/templates.h5", non_empty=True),
        table=ensure("<results>/libraries/{library}/templates.csv", non_empty=True),
    log:
        "<logs>/import_library/{library}.log",
    benchmark:
        "<benchmarks>/import_library/{library}.tsv"
    wildcard_constraints:
        library="|".join(IMPORTED) or NO_NAME,
    group:
        "library"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(30),
    params:
        **as_params(library="libraries.{library}", unused=[f"library.{key}" for key in EXPORT_KEYS]),
        code_digest=code_digest("libraries/import_library.py"),
    message:
        "Reading the templates of {wildcards.library}"
    script:
        "../scripts/libraries/import_library.py"


rule export_templates:
    """The templates of a library as those of SpikeInterface, in a zarr folder."""
    input:
        library="<results>/libraries/{library}/templates.h5",
    output:
        directory("<results>/libraries/{library}/templates.zarr"),
    log:
        "<logs>/export_templates/{library}.log",
    benchmark:
        "<benchmarks>/export_templates/{library}.tsv"
    group:
        "library"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code_digest=code_digest("libraries/export_templates.py"),
    message:
        "Writing the templates of {wildcards.library} for SpikeInterface"
    script:
        "../scripts/libraries/export_templates.py"
