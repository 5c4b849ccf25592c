"""Write MEArec's parameter files as a configuration of this workflow."""

from allenrec.common.job_log import job_log

with job_log(snakemake) as terminal:
    from allenrec.common.errors import UserError
    from allenrec.common.files import write_text
    from allenrec.settings.mearec import convert_files

    files, path = list(snakemake.input), snakemake.output[0]
    if not files:
        raise UserError("convert_mearec needs --config file=templates_params.yaml, or file='[templates.yaml, recordings.yaml]'")
    write_text(path, convert_files(files, snakemake.params.library))
    print(f"{path} says in the words of this workflow what {', '.join(files)} say; give it with --configfile", file=terminal)
