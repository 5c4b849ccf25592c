"""Run all benchmarks, or those that are named, and write their tables into docs/benchmarks.md; `make benchmark` does it.

    python benchmarks/all.py [--quick] [--against CHECKOUT] [NAME ...]

`--against` is a checkout of another commit with its environment in `.venv`; the benchmarks that can compare with it do so.
The environment variable `MODELS` may name folders of further models for `search`. One that fails does not stop the others. With
`--quick`, the document stays as it is.

The table of a benchmark stands in the document between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time

import harness
from tqdm import tqdm

DOCUMENT = harness.ROOT / "docs" / "benchmarks.md"
TABLE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
#: Each table's command
COMMANDS = {
    "whole_run": ["whole_run.py"],
    "startup": ["startup.py"],
    "scale": ["scale.py"],
    "intracellular": ["intracellular.py"],
    "search": ["search.py", *os.environ.get("MODELS", "").split()],
    "integration": ["integration.py"],
    "eap": ["eap.py"],
    "library": ["library.py"],
    "recording": ["recording.py"],
    "recording_against": ["recording.py"],
    "exports": ["exports.py"],
    "hybrid": ["hybrid.py", "--units", "150"],
    "notebook": ["notebook.py"],
    "against_mearec": ["against_mearec.py"],
    "bbp": ["bbp.py"],
}
#: Those that take another checkout, and those that need one
AGAINST = {"whole_run", "startup", "search", "recording_against"}
NEEDS_OTHER = {"recording_against"}


def command_of(name, asked):
    """The command of a benchmark with the options that were asked for."""
    script, *arguments = COMMANDS[name]
    options = ["--quick"] * asked.quick
    if asked.against and name in AGAINST:
        options += ["--against", os.path.abspath(asked.against)]
    return [sys.executable, str(harness.HERE / script), *options, *arguments]


def write_tables():
    """Put the tables of all results that are there into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(TABLE.sub(new_table, text), encoding="utf-8")


def new_table(found):
    """The text between the marks of a table: how it was made, and the table; as it was if there is no new one."""
    path = harness.RESULTS / f"{found[1]}.json"
    if not path.exists():
        return found[0]
    result = json.loads(path.read_text(encoding="utf-8"))
    return f"{found[1]}{found[2]}{how_it_was_made(result)}\n\n{result['markdown']}\n"


def how_it_was_made(result):
    """One sentence of the date, the commit, the machine and the versions of a result."""
    machine, versions = result["machine"], result["versions"]
    sides = [("ours", versions["ours"]), ("the peer", versions.get("peer"))]
    packages = "; ".join(f"{side}: {', '.join(f'{k} {v}' for k, v in found.items())}" for side, found in sides if found)
    return (
        f"*{result['date']}, commit {result['commit']}, {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gb']:.0f} GB; Python {versions['python']}; {packages}.*"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small version of each")
    parser.add_argument("--against", help="another checkout to compare with")
    parser.add_argument("names", nargs="*", choices=[[], *COMMANDS], metavar="NAME", help=", ".join(COMMANDS))
    asked = parser.parse_args()
    names = asked.names or [name for name in COMMANDS if asked.against or name not in NEEDS_OTHER]
    failed = []
    for name in tqdm(names, unit="benchmark"):
        tqdm.write(f"{time.strftime('%H:%M:%S')} {name}")
        if subprocess.run(command_of(name, asked), cwd=harness.ROOT).returncode:
            failed.append(name)
    if not asked.quick:
        write_tables()
    if failed:
        sys.exit(f"error: these benchmarks failed, as they say above: {', '.join(failed)}")


if __name__ == "__main__":
    main()
