"""Show the table of probes on the terminal, because this job has no output, and in the log."""

from allenrec.common.job_log import job_log

with job_log(snakemake, answers=True) as terminal:
    from allenrec.common.csv_text import parse_table
    from allenrec.common.files import read_checked

    text = parse_table(read_checked(snakemake.input.table, "table")).to_string(index=False, na_rep="")
    print(text)
    print(text, file=terminal)
