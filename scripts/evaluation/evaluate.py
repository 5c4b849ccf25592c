"""Show the summary of the evaluation on the terminal, because this job has no output, and in the log."""

from pathlib import Path

import pandas as pd

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
table = pd.read_csv(snakemake.input.table, dtype={"message": str})[list(SHOWN)].rename(columns=SHOWN)
text = table.to_string(index=False, na_rep="", float_format="{:.3g}".format)
Path(snakemake.log[0]).write_text(text + "\n", encoding="utf-8")
print(text)
