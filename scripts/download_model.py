"""Find the model in one of the sources, and check it."""

from pathlib import Path

from joblog import job_log

with job_log(snakemake):
    from allenrec.sources import fetch_model

    models_folder = Path(snakemake.output[0]).parents[1]
    folder = fetch_model(snakemake.wildcards.model, models_folder, snakemake.params.sources, snakemake.params.options)
    print(f"{folder}: complete and sound")
