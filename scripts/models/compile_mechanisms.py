"""Compile the mechanisms of a model, or find them compiled."""

from pathlib import Path

from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

with job_log(snakemake) as terminal, recorded_outcome(snakemake, "compile_mechanisms", terminal):
    from allenrec.models.mechanisms import check_mod_files
    from allenrec.models.verified import approve_set, read_verified, verified_mod_files

    folder = Path(snakemake.input.model[0]).parent
    # The files are read once: what is checked here is what is compiled.
    modfiles = verified_mod_files(folder, read_verified(folder))
    settings = snakemake.params.settings
    notes = check_mod_files(modfiles, known=settings.known, allow_unknown=settings.allow_unknown)
    for note in notes:
        print(f"note: {note}")
    approve_set(modfiles, snakemake.output[0], notes, isolated=settings.isolate)
