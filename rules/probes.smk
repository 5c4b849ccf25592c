# Probes: all that the configuration can name, to choose from. Not part of the default target.


rule probes:
    """The table on the terminal. It has no output, and no benchmark, which counts as one: so it answers each time."""
    input:
        table="results/probes.csv",
        picture="results/figures/probes.png",
    log:
        "results/logs/probes.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    message:
        "All probes are in {input.table}, and drawn in {input.picture}"
    script:
        "../scripts/probes/probes.py"


rule list_probes:
    """MEAutility's probes and those of the configuration: a table, and each of them drawn to scale."""
    input:
        files=[library.probe_file for library in settings.libraries.values() if library.probe_file],
    output:
        table=ensure("results/probes.csv", non_empty=True),
        picture=ensure("results/figures/probes.png", non_empty=True),
        caption=ensure("results/figures/probes.txt", non_empty=True),
    log:
        "results/logs/list_probes.log",
    benchmark:
        "results/benchmarks/rules/list_probes.tsv"
    # A probe of probeinterface's library may have to be fetched.
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        code=code("probes/list_probes.py"),
        libraries=libraries_of_probes(),
    message:
        "Listing and drawing all probes"
    script:
        "../scripts/probes/list_probes.py"
