# Models: their files, checked, and their mechanisms, compiled. If a model fails for a known reason, its output file records the
# failure.

import time

from allenrec.models.sources.register import rule_inputs, source_keys


rule models:
    """All models of the cell table, ready to be simulated."""
    input:
        expand("<results>/mechanisms/{model}.json", model=cells),


rule download_model:
    """A model folder, complete and checked: one of the Allen Institute or, in `cell_models/`, one of another kind."""
    input:
        # Files that the user put there are checked again when they change.
        files=lambda wildcards: map(local, map(str, rule_inputs(model_folder(wildcards.model)))),
    output:
        ensure("<models>/neuronal_model_{model}/verified.json", non_empty=True),
    log:
        "<logs>/models/{model}/download_model.log",
    benchmark:
        "<benchmarks>/download_model/{model}.tsv"
    wildcard_constraints:
        model="[0-9]+",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        # The default profile grants 60 units of this resource to all downloads together.
        downloads=60 // settings.models.allen.parallel,
        mem_mb=mem_mb(500),
        runtime=runtime(30),
    params:
        **as_params(models="models", only=[f"models.{key}" for key in source_keys(settings.models)]),
        trusted=consent,
        code_digest=code_digest("models/download_model.py"),
    message:
        "Fetching and checking model {wildcards.model}"
    script:
        "../scripts/models/download_model.py"


use rule download_model as download_cell_model with:
    output:
        ensure("<cell_models>/{model}/verified.json", non_empty=True),
    wildcard_constraints:
        model="(?![0-9]+/)[A-Za-z0-9_][A-Za-z0-9_.-]*",


rule compile_mechanisms:
    """The mechanisms of a model, if they are known, compiled once for each distinct set; the output names the set."""
    input:
        model=lambda wildcards: [verified_file(wildcards.model)],
    output:
        ensure("<results>/mechanisms/{model}.json", non_empty=True),
    log:
        "<logs>/models/{model}/compile_mechanisms.log",
    benchmark:
        "<benchmarks>/compile_mechanisms/{model}.tsv"
    localrule: True
    conda:
        "../envs/simulation.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(15),
    params:
        **as_params(
            unused=["isolate"],
            known="models.known_mechanisms",
            allow_unknown="models.allow_unknown_mechanisms",
            isolate="models.isolate",
        ),
        code_digest=code_digest("models/compile_mechanisms.py"),
    message:
        "Compiling the mechanisms of model {wildcards.model}, if they are new"
    script:
        "../scripts/models/compile_mechanisms.py"


# Each download job shows the progress of all downloads. It needs the time at which the run began and the number of models to
# fetch.
unfetched = [model for model in cells if not (model_folder(model) / "verified.json").exists()]
os.environ.setdefault("ALLENREC_DOWNLOADS", f"{time.time()} {len(unfetched)}")
