# From Allen Institute neuron models to ground-truth extracellular recordings. Each stage has a file in rules/. The work is done
# by scripts/allenrec/, and config/README.md explains the configuration.

import sys

from packaging.version import Version
from snakemake import __version__
from snakemake.utils import min_version

min_version("9.19")
if Version(__version__) >= Version("10"):
    sys.exit(f"error: Snakemake {__version__}: this workflow needs a version below 10, as requirements.lock has")


include: "rules/config_files.smk"


configfile: "config/config.yaml"


# Where files lie. The configuration, or a workflow that uses this one as a module, may name other folders.
pathvars:
    models="allen_models",
    cell_models="cell_models",
    logs="<results>/logs",
    benchmarks="<results>/benchmarks/rules",


# Used with --sdm apptainer only; docs/cluster.md says how it is built.
container: "envs/allenrec.sif"


include: "rules/common.smk"
include: "rules/settings.smk"
include: "rules/kernels.smk"
include: "rules/models.smk"
include: "rules/intracellular.smk"
include: "rules/libraries.smk"
include: "rules/cells.smk"
include: "rules/recordings.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/evaluation.smk"
include: "rules/probes.smk"
include: "rules/studies.smk"
include: "rules/failures.smk"


rule all:
    """All results that the configuration describes, and the report."""
    default_target: True
    input:
        rules.save_config.output,
        rules.tabulate_cells.output,
        rules.library.input,
        rules.recordings.input,
        rules.figures.input,
        rules.report.input,


onstart:
    check_writable()


onsuccess:
    say_how_it_ended()


onerror:
    report_what_is_there()
