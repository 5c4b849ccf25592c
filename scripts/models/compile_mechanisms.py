"""Compile the mechanisms of a model, or find them compiled."""

from pathlib import Path

from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

with job_log(snakemake) as terminal, recorded_outcome(snakemake, "compile_mechanisms", terminal):
    from allenrec.common.files import write_json
    from allenrec.models.mechanisms import check_mod_files, compile_mechanisms
    from allenrec.models.verified import require_verified

    folder = Path(snakemake.input.model[0]).parent
    require_verified(folder)
    modfiles = folder / "modfiles"
    settings = snakemake.params.settings
    notes = check_mod_files(modfiles, known=settings.known, allow_unknown=settings.allow_unknown)
    for note in notes:
        print(f"note: {note}")
    compiled = compile_mechanisms(modfiles, Path(snakemake.output[0]).parent)
    write_json(snakemake.output[0], {"digest": compiled.name, "notes": notes})
