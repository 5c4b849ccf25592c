"""Write the merged configuration, defaults filled in."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import yaml

    from allenrec.common.files import write_text

    content = snakemake.params.settings.config.model_dump(mode="json")
    write_text(snakemake.output[0], yaml.safe_dump(content, sort_keys=False, allow_unicode=True), checked=True)
