"""Show the summary of the evaluation on the terminal, because this job has no output, and in the log."""

from allenrec.common.job_log import job_log

SHOWN = {
    "recording": "recording",
    "sorter": "sorter",
    "status": "status",
    "n_units": "units",
    "accuracy": "accuracy",
    "n_expected": "with SNR > 5",
    "accuracy_expected": "their accuracy",
    "n_well_detected": "accuracy >= 0.8",
    "n_sorted": "sorted units",
    "duration_s": "s",
    "message": "",
}

with job_log(snakemake, answers=True) as terminal:
    from allenrec.common.csv_text import parse_table
    from allenrec.common.files import read_checked

    table = parse_table(read_checked(snakemake.input.table, "evaluation"))[list(SHOWN)].rename(columns=SHOWN)
    text = table.to_string(index=False, na_rep="", float_format="{:.3g}".format)
    print(text)
    print(text, file=terminal)
