"""The search for a step current on any number of models: its cost in plain runs, what it finds, and its cost before.

    python benchmarks/search.py [FOLDER ...] [--against CHECKOUT]

Each folder holds model folders in the layout of the Allen archives; without one, the models are those of the bmtk wheel. For
each model, the intracellular stage with default settings runs in a fresh process, and so does one plain LFPy run of the same
cell at the step that the search ended with, as in `intracellular.py`. With `--against`, the stage of a checkout of the commit
aa81825 runs as well, in the environment `.venv` of that checkout; it had a time step of 2^-5 ms throughout.

All times are processor times, so that other work on the machine changes them little; the compilation of mechanisms and imports
are not in them. Limits: 2.5 plain runs in the median of the models, 8 for each.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import harness

#: Plain runs: the most in the median of the models, and for each of them
MEDIAN_LIMIT, LIMIT = 2.5, 8.0
HEADER = "| model | kind | runs | step, nA | spikes (stored) | flags | plain runs | plain run, s | before, s | now, s |"


def stage(folder, mechanisms):
    """Return what the search found in a model, and the processor time of the stage, s."""
    from allenrec.intracellular.intracellular_file import write_currents
    from allenrec.intracellular.simulation import simulate_model
    from allenrec.settings.models import Intracellular

    with tempfile.TemporaryDirectory() as temporary, redirect_stdout(sys.stderr):
        start = time.process_time()
        currents = simulate_model(folder, mechanisms, Intracellular())
        write_currents(Path(temporary) / "currents.h5", currents)
        seconds = time.process_time() - start
    runs = dict(zip(currents.search_amplitude, currents.search_n_spikes, strict=True))
    return {
        "seconds": seconds,
        "kind": currents.info.model_kind,
        "runs": len(currents.search_amplitude),
        "amplitude": currents.amplitude,
        "spikes": int(runs[currents.amplitude]),
        "stored": len(currents.imem),
        "flags": currents.info.facts.flags,
    }


def plain_run(folder, mechanisms, amplitude):
    """Return the processor time, s, of one LFPy run with the currents of all segments at all times."""
    import neuron

    from allenrec.intracellular.cell import load_cell
    from allenrec.intracellular.simulation import RECOVERY
    from allenrec.settings.models import Intracellular

    settings = Intracellular()
    duration = 1000.0 * settings.sim_time
    start = time.process_time()
    cell = load_cell(folder, mechanisms, dt=settings.dt, tstop=duration + RECOVERY)
    stimulus = neuron.h.IClamp(neuron.h.soma[0](0.5))
    stimulus.delay, stimulus.dur, stimulus.amp = settings.delay, duration - settings.delay, amplitude
    cell.simulate(rec_imem=True)
    return time.process_time() - start


#: The stage of aa81825, whose modules had other names
BASE = """
import json, sys, tempfile, time
from pathlib import Path
root, folder, compiled = sys.argv[1:]
sys.path.insert(0, root + "/scripts")
from allenrec.cell import load_cell
from allenrec.currents import write_currents
from allenrec.intracellular import simulate_spikes
from allenrec.mechanisms import compile_mechanisms
from allenrec.models import input_digests
from allenrec.settings.models import Intracellular
settings = Intracellular().model_dump()
with tempfile.TemporaryDirectory() as temporary:
    mechanisms = compile_mechanisms(Path(folder) / "modfiles", Path(compiled))
    start = time.process_time()
    cell = load_cell(folder, mechanisms, dt=settings.pop("dt"))
    result = simulate_spikes(cell, **settings)
    attributes = {"model_id": cell.model.model_id, "amplitude": result["amplitude"], "dt": cell.dt, "stimulus": settings}
    write_currents(Path(temporary) / "currents.h5", attributes | {"digests": input_digests(folder)}, result)
    print(json.dumps(time.process_time() - start))
"""


def base_stage(checkout, folder):
    """Return the processor time of the stage of another checkout, s, or None if it ends with an error."""
    command = [checkout / ".venv" / "bin" / "python", "-c", BASE, checkout, folder, harness.WORK / "base-mechanisms"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | harness.ONE_THREAD)
    if done.returncode:
        print(f"{folder.name}, before: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(name, folder, mechanisms, base):
    """Return the row of a model."""
    found = harness.fresh(stage, folder, mechanisms)
    plain = harness.fresh(plain_run, folder, mechanisms, found["amplitude"])
    before = base_stage(base, folder) if base else None
    row = found | {"name": name, "plain": plain, "ratio": found["seconds"] / plain, "before": before}
    print(as_line(row), flush=True)
    return row


def as_line(row):
    """Return the row of a model as a line of the table."""
    before = "" if row["before"] is None else f"{row['before']:.1f}"
    return (
        f"| {row['name']} | {row['kind']} | {row['runs']} | {row['amplitude']:.3g} | {row['spikes']} ({row['stored']}) "
        f"| {row['flags'] or 'none'} | {row['ratio']:.1f} | {row['plain']:.1f} | {before} | {row['seconds']:.1f} |"
    )


def models_below(roots):
    """Return the model folders in some folders by name."""
    folders = {f.name.removeprefix("neuronal_model_"): f.resolve() for root in roots for f in sorted(root.iterdir())}
    return {name: folder for name, folder in folders.items() if (folder / "fit_parameters.json").exists()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one model of the wheel")
    parser.add_argument("folders", nargs="*", type=Path, help="folders of model folders")
    parser.add_argument("--against", type=Path, help="a checkout of aa81825 with its environment in .venv")
    options = parser.parse_args()
    os.environ |= harness.ONE_THREAD
    folders = models_below(options.folders) or harness.fetch_models(harness.MODELS[:1] if options.quick else harness.MODELS)
    mechanisms = harness.compile_for(folders)
    print(HEADER)
    rows = [measure(name, folder, mechanisms[name], options.against) for name, folder in folders.items()]
    markdown = [HEADER, "|---" * HEADER.count(" | ") + "|---|", *map(as_line, rows)]
    figures = [
        harness.own_row("median of the models", statistics.median(row["ratio"] for row in rows), "plain runs", MEDIAN_LIMIT),
        *(harness.own_row(row["name"], row["ratio"], "plain runs", LIMIT) for row in rows),
    ]
    harness.report("search", figures, packages=("neuron", "LFPy", "numpy", "h5py"), markdown="\n".join(markdown))


if __name__ == "__main__":
    main()
