"""Show the table of probes on the terminal, because this job has no output, and in the log."""

from pathlib import Path

import pandas as pd

text = pd.read_csv(snakemake.input.table, dtype=str).fillna("").to_string(index=False)
Path(snakemake.log[0]).write_text(text + "\n", encoding="utf-8")
print(text)
