"""What a job costs before its own work: the processor time of a process that imports what each script imports, what Snakemake
loads in front of it included. `--against FOLDER` compares with another checkout, in turn. Limit: 0.5 s.

Packages that load when they are first used are not in it: SciPy's parts, pandas where tables are read.
"""

import argparse
import ast
import os
import statistics
import subprocess
import sys
from pathlib import Path

import harness

from allenrec.figures.drawings import DRAWINGS
from allenrec.settings.recordings.formats import EXPORTED_FORMATS

#: What Snakemake puts in front of a script, and the classes of the settings that reach it
PREAMBLE = ("import pickle", "from snakemake.logging import logger", "from snakemake.iocontainers import Snakemake")
SETTINGS = "snakemake.params.settings"
#: Seconds of processor time
LIMIT = 0.5


def jobs(root):
    """The scripts of a checkout by the names of their jobs, each with the modules that it imports by name."""
    found = {path.stem: (path, []) for path in sorted(root.glob("scripts/[!a]*/*.py"))}
    found.pop("run_sorter", None)  # it runs in another environment
    (draw, _), (export, _) = found.pop("draw"), found.pop("export_recording")
    found |= {name: (draw, drawing.modules) for name, drawing in DRAWINGS.items()}
    return found | {f"export_{entry.name}": (export, [entry.module]) for entry in EXPORTED_FORMATS}


def imports(script, modules):
    """The import statements of a job."""
    text = script.read_text(encoding="utf-8")
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    of_settings = ["import allenrec.settings"] if SETTINGS in text else []
    return [*PREAMBLE, *of_settings, *map(ast.unparse, nodes), *(f"import {module}" for module in modules)]


def seconds(statements, root):
    """The processor time of a process that runs some statements, s, in the environment of a checkout if it has one."""
    environment = os.environ | harness.ONE_THREAD | {"PYTHONPATH": str(root / "scripts")}
    own = root / ".venv" / "bin" / "python"
    process = subprocess.Popen([own if own.exists() else sys.executable, "-c", "\n".join(statements)], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{root}: these imports fail: {'; '.join(statements)}")
    return usage.ru_utime + usage.ru_stime


def has(root, module):
    """Whether a checkout has a module, such as "allenrec.figures.cells"."""
    return (root / "scripts" / module.replace(".", "/")).with_suffix(".py").exists()


def job_rows(name, script, modules, other, repeats):
    """The row of one job; a second one if the other checkout has the job and its modules."""
    ours = imports(script, modules)
    seconds(ours, harness.ROOT)  # Python compiles
    same = [path for path in other.glob(f"scripts/**/{script.name}") if "allenrec" not in path.parts] if other else []
    if not same or not all(has(other, module) for module in modules):
        own = statistics.median(seconds(ours, harness.ROOT) for _ in range(repeats))
        return [harness.own_row(name, own, "s", LIMIT)]
    theirs = imports(same[0], modules)
    seconds(theirs, other)
    pairs = harness.paired(lambda: seconds(ours, harness.ROOT), lambda: seconds(theirs, other), repeats)
    beside = harness.time_row(name, pairs, peer_name="the other checkout", unit="s", limit_ratio=None)
    return [harness.own_row(name, beside["ours"], "s", LIMIT), beside]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each once")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    arguments = parser.parse_args()
    other = arguments.against and arguments.against.resolve()
    found = jobs(harness.ROOT).items()
    rows = [row for name, job in found for row in job_rows(name, *job, other, 1 if arguments.quick else 5)]
    harness.report("startup", rows, packages=("snakemake", "numpy", "numba", "scipy", "pandas", "matplotlib", "LFPy"))


if __name__ == "__main__":
    main()
