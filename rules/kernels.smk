# Kernels: the functions that numba compiles, once a checkout and beside the fetching of models. Jobs that find them missing compile
# them themselves.


rule compile_kernels:
    """Compiled kernels, beside the code. The output names their digest."""
    output:
        ensure("<results>/kernels.json", non_empty=True),
    log:
        "<logs>/compile_kernels.log",
    benchmark:
        "<benchmarks>/compile_kernels.tsv"
    # On a cluster as well: the jobs use the same checkout.
    localrule: True
    # It needs nothing, and takes the longest of the first jobs.
    priority: 1
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        code_digest=code_digest("kernels/compile_kernels.py"),
    message:
        "Compiling the kernels, if they are new"
    script:
        "../scripts/kernels/compile_kernels.py"
