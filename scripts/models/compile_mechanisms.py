"""Compile the mechanisms of a model, or find them compiled."""

from pathlib import Path

from allenrec.common.job_log import job_log

with job_log(snakemake):
    from allenrec.common.files import write_json
    from allenrec.models.mechanisms import check_mod_files, compile_mechanisms

    modfiles = Path(snakemake.input.model[0]).parent / "modfiles"
    notes = check_mod_files(modfiles, known=snakemake.params.known, allow_unknown=snakemake.params.allow_unknown)
    for note in notes:
        print(f"note: {note}")
    compiled = compile_mechanisms(modfiles, Path(snakemake.output[0]).parent)
    write_json(snakemake.output[0], {"digest": compiled.name, "notes": notes})
