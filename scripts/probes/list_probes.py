"""Make a table and a picture of all probes that the configuration can name."""

from allenrec.common.job_log import job_log

with job_log(snakemake):
    import pandas as pd

    from allenrec.common.files import write_table
    from allenrec.figures.probes import overview
    from allenrec.figures.register import caption
    from allenrec.figures.style import save
    from allenrec.probes import describe_probe, load_probe

    libraries = {name: " ".join(used) for name, used in snakemake.params.rows.by_name.items()}
    probes = {name: load_probe(name, 1) for name in libraries}
    table = pd.DataFrame([describe_probe(probe) | {"libraries": libraries[name]} for name, probe in probes.items()])
    write_table(snakemake.output.table, table, checked=True)
    save(overview(list(probes.values()), libraries), snakemake.output.picture, caption("probes", "probes"))
