"""Join the templates of all models on one probe, and write a table of them."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from pathlib import Path

    from allenrec.common.files import write_table
    from allenrec.common.outcomes import without_failures
    from allenrec.libraries.concatenate import concatenate_libraries
    from allenrec.libraries.realism.columns import read_verdicts
    from allenrec.libraries.table import DATASET, template_table
    from allenrec.settings.libraries import EXPORT_KEYS, IMPORT_KEYS

    paths, failures = without_failures(snakemake.input.cells)
    settings = snakemake.params.settings
    config = settings.library.model_dump(mode="json", exclude=EXPORT_KEYS | IMPORT_KEYS)
    outcome = concatenate_libraries(
        paths,
        snakemake.output.library,
        exclude_flagged=settings.exclude_flagged,
        models=[Path(path).stem for path in paths],
        columns=read_verdicts(snakemake.input.described),
        origin={"library": snakemake.wildcards.library, "config": config, "seed": settings.seed},
    )
    print(outcome)
    for failure in failures:
        print(f"{failure}; left out")
    for model in settings.leave_out:
        print(f"model {model}: left out (models.leave_out)")
    dataset = f"{snakemake.wildcards.library}/{DATASET}"
    write_table(snakemake.output.table, template_table(snakemake.output.library, dataset=dataset))
