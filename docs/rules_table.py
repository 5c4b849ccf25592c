"""Write docs/rules.md, a table of the rules of the workflow, from what `snakemake --list-rules` says; `make docs` runs it.

Rules that draw figures share one docstring, so the table has the titles of their figures.

With `--check` nothing is written; it fails if the file is not as it would be written.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from allenrec.figures.register import FIGURES  # noqa: E402

PAGE = ROOT / "docs" / "rules.md"
HEAD = """# Rules

The rules of the workflow. `snakemake <rule>` runs one that has no wildcards: `snakemake library` makes all libraries, for
example. For any other, name a file, as in `snakemake results/intracellular/473863510.h5`;
[Files](files.md) lists them. `results/benchmarks/` has the time and the memory of each job
under the name of its rule, and `results/logs/` its log.

| rule | what it does |
|---|---|
"""


def drawn():
    """Return what each rule draws that makes pictures."""
    titles = {}
    for figure in FIGURES:
        if figure.rule.startswith("plot_"):
            titles.setdefault(figure.rule, []).append(figure.title)
    return {rule: f"Figures: {'; '.join(titles)}." for rule, titles in titles.items()}


def page():
    """Return the page as Markdown."""
    command = [sys.executable, "-m", "snakemake", "--list-rules"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    said = dict(re.findall(r"^(\w+) \((.*)\)$", listed, re.MULTILINE)) | drawn()
    return HEAD + "".join(f"| `{name}` | {what} |\n" for name, what in said.items())


if __name__ == "__main__":
    text = page()
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.relative_to(ROOT)} is not what the rules say; `python docs/rules_table.py` writes it")
