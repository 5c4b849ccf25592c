"""Compile the mechanisms of a model, or find them compiled."""

from pathlib import Path

from joblog import job_log

with job_log(snakemake):
    from allenrec.files import write_json
    from allenrec.mechanisms import compile_mechanisms

    modfiles = Path(snakemake.input.model[0]).parent / "modfiles"
    compiled = compile_mechanisms(modfiles, Path(snakemake.output[0]).parent)
    write_json(snakemake.output[0], {"digest": compiled.name})
