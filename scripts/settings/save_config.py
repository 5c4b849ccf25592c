"""Write the merged configuration, defaults filled in."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import yaml

    from allenrec.common.files import written_beside

    with written_beside(snakemake.output[0]) as temporary:
        temporary.write_text(yaml.safe_dump(snakemake.params.settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
