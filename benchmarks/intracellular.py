"""Our whole intracellular stage against one plain LFPy run of the same cell.

Ours builds the cell, searches the amplitude, records the currents around the spikes and writes the file. The plain
run builds the same cell and simulates it once, for the same time and at the amplitude that the search found, with
`cell.simulate(rec_imem=True)`: what anyone has to do at least. Each runs in a fresh process; neither figure has the
imports or the compilation of mechanisms in it. Limit: ours takes at most 2.5 times the plain run, median over the
cells.
"""

import argparse
import tempfile
import time
from pathlib import Path

import harness

LIMIT_RATIO = 1 / 2.5


def our_stage(folder, mechanisms):
    """Return the seconds of the stage with its default settings, and its amplitude (nA) and number of runs."""
    # NEURON is imported in the processes that simulate, never in the one that starts them.
    from allenrec.intracellular.intracellular_file import write_currents
    from allenrec.intracellular.simulation import simulate_model
    from allenrec.settings.models import Intracellular

    with tempfile.TemporaryDirectory() as temporary:
        start = time.perf_counter()
        currents = simulate_model(folder, mechanisms, Intracellular())
        write_currents(Path(temporary) / "currents.h5", currents)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "amplitude": currents.amplitude, "runs": len(currents.search_amplitude)}


def plain_run(folder, mechanisms, amplitude):
    """Return the seconds of one LFPy run at an amplitude (nA) with the currents of all segments at all times."""
    import neuron

    from allenrec.intracellular.cell import load_cell
    from allenrec.intracellular.simulation import RECOVERY
    from allenrec.settings.models import Intracellular

    settings = Intracellular()
    duration = 1000.0 * settings.sim_time
    start = time.perf_counter()
    cell = load_cell(folder, mechanisms, dt=settings.dt, tstop=duration + RECOVERY)
    stimulus = neuron.h.IClamp(neuron.h.soma[0](0.5))
    stimulus.delay, stimulus.dur, stimulus.amp = settings.delay, duration - settings.delay, amplitude
    cell.simulate(rec_imem=True)
    seconds = time.perf_counter() - start
    if len(cell.imem) != cell.totnsegs:
        raise RuntimeError("LFPy did not record the currents of all segments")
    return seconds


def measure(model_id, folder, mechanisms, repeats):
    """Return the row of one cell, and how many runs its search makes."""
    # Also warms the disk cache for both; says which amplitude the plain run needs.
    first = harness.fresh(our_stage, folder, mechanisms)
    pairs = harness.paired(
        lambda: harness.fresh(our_stage, folder, mechanisms)["seconds"],
        lambda: harness.fresh(plain_run, folder, mechanisms, first["amplitude"]),
        repeats,
    )
    print(f"{model_id}: {first['runs']} runs of the search, {first['amplitude']:.4g} nA", flush=True)
    return harness.time_row(model_id, pairs, peer_name="one LFPy run, rec_imem", unit="s", limit_ratio=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one pair of runs for each cell, not five")
    repeats = 1 if parser.parse_args().quick else 5
    folders = harness.fetch_models(harness.MODELS)
    mechanisms = harness.compile_for(folders)
    rows = [measure(m, folders[m], mechanisms[m], repeats) for m in harness.MODELS]
    rows.append(harness.median_row("median of the cells", rows) | {"limit_ratio": LIMIT_RATIO})
    harness.report("intracellular", rows, packages=("neuron", "LFPy", "numpy", "h5py"))


if __name__ == "__main__":
    main()
