# From Allen Institute neuron models to ground-truth extracellular recordings. The stages are in rules/, the work is done by
# scripts/allenrec/, the configuration is explained in config/README.md.

from snakemake.utils import min_version

min_version("9.19")


configfile: "config/config.yaml"


# Used with --sdm apptainer only; docs/cluster.md says how it is built.
container: "envs/allenrec.sif"


include: "rules/common.smk"
include: "rules/failures.smk"
include: "rules/cells.smk"
include: "rules/models.smk"
include: "rules/intracellular.smk"
include: "rules/libraries.smk"
include: "rules/recordings.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/evaluation.smk"
include: "rules/probes.smk"


rule all:
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
    note_left_out()
    if os.path.exists("results/report.html"):
        print("Done. Open results/report.html in a browser; README.md says what else there is in results/.")


onerror:
    finish_without_failed_models(workflow) or report_what_is_there()
