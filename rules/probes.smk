# Probes: all that the configuration can name, to choose from. Not part of the default target.

import re

from allenrec.common.probe_names import probe_names

PROBE_FILES = [library.probe_file for library in settings.libraries.values() if library.probe_file]
if PROBE_FILES:
    from allenrec.probes import load_probe  # only here, because it takes a while

    with mistakes_in_one_line():
        for path in PROBE_FILES:
            load_probe(path, 1)

#: The probes of the configuration and of MEAutility, by the numbers in their names, not by their digits
PROBES = sorted(
    {library.probe for library in settings.libraries.values() if library.probe} | set(probe_names()),
    key=lambda name: re.sub(r"\d+", lambda number: number[0].zfill(6), name),
)


rule probes:
    """Print the table. The rule has no output and no benchmark (which counts as output), so it runs each time."""
    input:
        table="<results>/probes.csv",
        picture="<results>/figures/probes.png",
    log:
        "<logs>/probes.log",
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
        files=[local(path) for path in PROBE_FILES],
    output:
        table=ensure("<results>/probes.csv", non_empty=True),
        picture=ensure("<results>/figures/probes.png", non_empty=True),
        caption=ensure("<results>/figures/probes.txt", non_empty=True),
    log:
        "<logs>/list_probes.log",
    benchmark:
        "<benchmarks>/list_probes.tsv"
    # A probe of probeinterface's library may have to be fetched.
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(10),
    params:
        # The libraries on each probe
        **row_params(
            {probe: [name for name, library in settings.libraries.items() if library.probe == probe] for probe in PROBES}
        ),
        code_digest=code_digest("probes/list_probes.py"),
    message:
        "Listing and drawing all probes"
    script:
        "../scripts/probes/list_probes.py"
