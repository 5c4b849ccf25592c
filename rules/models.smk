# Models: their files, checked, and their mechanisms, compiled. A model that fails for a known reason has a file that says so.

import time

from allenrec.models.sources import files_of_a_person


rule models:
    """All models of the cell table, ready to be simulated."""
    input:
        expand("<results>/mechanisms/{model}.json", model=cells),


rule download_model:
    """A model folder in the archive's layout, complete and checked."""
    input:
        # Files that a user put there are checked again when they change.
        files=lambda wildcards: map(local, files_of_a_person(model_folder(wildcards.model))),
    output:
        ensure("<models>/neuronal_model_{model}/verified.json", non_empty=True),
    log:
        "<logs>/models/{model}/download_model.log",
    benchmark:
        "<benchmarks>/download_model/{model}.tsv"
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        # The default profile has 60 of these for all downloads at once.
        downloads=60 // settings.models.allen.parallel,
        mem_mb=mem_mb(500),
        runtime=runtime(30),
    params:
        **as_params(sources="models.sources", allen="models.allen", unused=["allen.parallel"]),
        code_digest=code_digest("models/download_model.py"),
    message:
        "Fetching and checking model {wildcards.model}"
    script:
        "../scripts/models/download_model.py"


rule compile_mechanisms:
    """The mechanisms of a model, if they are known, compiled once for each distinct set; the output names the set."""
    input:
        model=rules.download_model.output,
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
        **as_params(known="models.known_mechanisms", allow_unknown="models.allow_unknown_mechanisms"),
        code_digest=code_digest("models/compile_mechanisms.py"),
    message:
        "Compiling the mechanisms of model {wildcards.model}, if they are new"
    script:
        "../scripts/models/compile_mechanisms.py"


model_folder = lambda model: Path(rules.download_model.output[0].format(model=model)).parent

# Download jobs draw the progress of all of them: when this run began, and how many models it has to fetch.
unfetched = [model for model in cells if not (model_folder(model) / "verified.json").exists()]
os.environ.setdefault("ALLENREC_DOWNLOADS", f"{time.time()} {len(unfetched)}")
