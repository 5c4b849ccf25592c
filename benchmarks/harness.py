"""What the benchmarks share: models, the peer's environment, fresh processes, paired runs, the table and the file.

`ratio` is peer / ours for times: above 1 means that we are better.
"""

import datetime
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / ".benchmarks"
RESULTS = ROOT / "results" / "benchmarks"
SCRIPTS = ROOT / "scripts"

#: What a checkout holds that a run needs
PARTS = ("Snakefile", "CITATION.cff", "rules", "scripts", "config", "profiles", "envs")
#: The complete models of the bmtk wheel: three spiny cells, then two aspiny ones
MODELS = ("472363762", "473863510", "473863035", "472912177", "473862421")
#: Those of the default configuration, and their dendrite types
DEFAULT_CELLS = {"473863510": "spiny", "473863035": "spiny", "472912177": "aspiny"}

#: What libraries read to decide how many threads they start
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD = dict.fromkeys(THREADS, "1")

sys.path.insert(0, str(SCRIPTS))
# NEURON reads it when imported: no warning about a missing display from every process
os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")


def copy_workflow(folder, root=ROOT, more=()):
    """Copy the workflow of a checkout to a folder, and `more` of its files, without results and anything compiled."""
    for part in (*PARTS, *more):
        source = root / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)


def fetch_models(model_ids):
    """Return the folders of models by id, fetched from the bmtk wheel when they are not there yet."""
    from allenrec.models.sources import fetch_model
    from allenrec.settings.models import Models

    return {m: fetch_model(m, WORK / "models", Models(sources=["local", "bmtk"])) for m in model_ids}


def compile_for(folders):
    """Compile the mechanisms of model folders with this environment's NEURON; return the compiled folders by model."""
    from allenrec.models.mechanisms import compile_mechanisms

    return {m: compile_mechanisms(folder / "modfiles", WORK / "mechanisms") for m, folder in folders.items()}


def peer_environment(name, requirements=None):
    """Return the interpreter of an environment, made from `requirements-<name>.txt`, or another file, when missing or stale."""
    requirements = requirements or HERE / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder = WORK / name
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    # Written last, so that an environment whose making was cut short is made again
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"making the environment of {name} in {folder.relative_to(ROOT)}, a minute or two ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", requirements], check=True)
        stamp.write_text(digest)
    return python


def fresh(function, *arguments):
    """Call a function of a benchmark in a new process of this environment."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def run_peer(python, script, arguments, *, environment=None):
    """Run a script of this folder in a peer's environment; return the dict that it prints as JSON on its last line.

    `arguments` is a dict and reaches the script as one JSON argument.
    """
    variables = os.environ | {"PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]])} | (environment or {})
    command = [python, HERE / script, json.dumps(arguments, default=str)]
    return json.loads(run_quietly(command, env=variables).splitlines()[-1])


def run_quietly(command, **options):
    """Run a command and return what it prints; if it fails, show that and stop."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode:
        sys.exit(f"{result.stdout[-5000:]}\n{' '.join(map(str, command))}: exit code {result.returncode}")
    return result.stdout


def paired(ours, peer, repeats):
    """Call both side by side, `repeats` times, the other one first every second time.

    Returns
    -------
    list of (ours, peer)
        What the calls returned. The two of a pair shared the state of the machine.
    """
    pairs = []
    for i in range(repeats):
        if i % 2:
            second = peer()
            pairs.append((ours(), second))
        else:
            pairs.append((ours(), peer()))
    return pairs


def time_row(case, pairs, *, peer_name, unit, limit_ratio):
    """The row of a case whose `pairs` are times (ours, peer): medians of each, and the median of the pairs' ratios."""
    return {
        "case": case,
        "ours": statistics.median(a for a, _ in pairs),
        "peer": statistics.median(b for _, b in pairs),
        "peer_name": peer_name,
        "unit": unit,
        "ratio": statistics.median(b / a for a, b in pairs),
        "limit": None,
        "limit_ratio": limit_ratio,
    }


def own_row(case, value, unit, limit):
    """A row without a peer: a figure, and the largest that it may be or None."""
    if limit is not None:
        return time_row(case, [(value, limit)], peer_name="the most that is asked for", unit=unit, limit_ratio=1)
    return {"case": case, "ours": value, "unit": unit} | dict.fromkeys(("peer", "peer_name", "ratio", "limit", "limit_ratio"))


def median_row(case, rows):
    """The row that sums up others: the medians of their figures."""
    figures = {key: statistics.median(row[key] for row in rows) for key in ("ours", "peer", "ratio")}
    return rows[0] | {"case": case} | figures


def report(name, rows, *, packages, peer_python=None, peer_packages=(), markdown=None):
    """Print the table, and write `results/benchmarks/<name>.json` with the date, the commit, the machine and all versions.

    `markdown` is the table of the documents, if it is not that of `rows`.
    """
    versions = {"python": platform.python_version(), "ours": {package: version(package) for package in packages}}
    if peer_python:
        versions["peer"] = _versions_there(peer_python, peer_packages)
    made = {"date": datetime.date.today().isoformat(), "commit": commit(), "machine": machine(), "versions": versions}
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = made | {"rows": rows, "markdown": markdown or markdown_table(rows)}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(table(rows))
    print(f"ratio > 1: ours is better. {path.relative_to(ROOT)} has these figures, the machine and the versions.")


def commit():
    """The commit of this checkout, with a + behind it where files differ from it."""
    command = ["git", "-C", ROOT, "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=+"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


def _versions_there(python, packages):
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = subprocess.run([python, "-c", code, *packages], check=True, capture_output=True, text=True).stdout
    return dict(zip(packages, found.split(), strict=True))


def machine():
    """What decides about speed: processor, cores that this process may use, memory (GB), system, and the load now."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }


def table(rows):
    """Rows as aligned text."""
    head = ("case", "ours", "peer", "unit", "ratio", "limit", "", "peer is")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    # Figures to the right, text to the left
    align = (str.ljust, str.rjust, str.rjust, str.ljust, str.rjust, str.rjust, str.ljust, str.ljust)
    padded = ([to(cell, w) for to, cell, w in zip(align, line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def markdown_table(rows):
    """Rows as a table of Markdown."""
    head = ("case", "ours", "peer", "unit", "ratio", "required", "", "peer is")
    lines = [head, ("---",) * len(head), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row):
    ratio, limit = row["ratio"], row["limit_ratio"]
    met = "" if ratio is None or limit is None else "met" if ratio >= limit else "MISSED"
    figures = [_figure(row[key]) for key in ("ours", "peer")]
    return (row["case"], *figures, row["unit"], _figure(ratio), _figure(limit), met, row["peer_name"] or "")


def _figure(value):
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
