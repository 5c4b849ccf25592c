# Kernels: the functions that numba compiles, once a checkout and beside the fetching of models. Jobs that find them missing compile
# them themselves. These rules import only modules that the jobs after them import, too, or those before them: so they run again
# only when these do.


rule compile_library_kernels:
    """Compiled kernels of libraries, beside the code. The output names their digest."""
    output:
        ensure("<results>/kernels/libraries.json", non_empty=True),
    log:
        "<logs>/compile_library_kernels.log",
    benchmark:
        "<benchmarks>/compile_library_kernels.tsv"
    # It needs nothing, and takes the longest of the first jobs.
    priority: 1
    # On a cluster as well: the jobs use the same checkout.
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        code_digest=code_digest("kernels/compile_library_kernels.py"),
    message:
        "Compiling the kernels of libraries, if they are new"
    script:
        "../scripts/kernels/compile_library_kernels.py"


rule compile_recording_kernels:
    """Compiled kernels of recordings, beside the code. The output names their digest."""
    input:
        # A recording needs a library.
        rules.compile_library_kernels.output,
    output:
        ensure("<results>/kernels/recordings.json", non_empty=True),
    log:
        "<logs>/compile_recording_kernels.log",
    benchmark:
        "<benchmarks>/compile_recording_kernels.tsv"
    # On a cluster as well: the jobs use the same checkout.
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        code_digest=code_digest("kernels/compile_recording_kernels.py"),
    message:
        "Compiling the kernels of recordings, if they are new"
    script:
        "../scripts/kernels/compile_recording_kernels.py"
