"""Runs in MEArec's environment: the time of its own loop over candidate poses. Started by `eap.py`.

The only argument is JSON: `scripts` (our library), `folder` (the model), `mechanisms` (where compiled ones live),
`currents` (a folder with `imem_*.npy` and `vmem_*.npy`, as MEArec stores them), `probe` (its name), `candidates`, `seed`; and
`drifting`, if it is about templates along a path: how many of them. Then each step counts as a candidate does.
Prints JSON on its last line.
"""

import contextlib
import json
import sys
import time
from pathlib import Path
from unittest import mock

import MEArec
from MEArec import simulate_cells


def main():
    job = json.loads(sys.argv[1])
    sys.path.insert(0, job["scripts"])
    from allenrec.intracellular.cell import load_cell
    from allenrec.models.mechanisms import compile_mechanisms

    # Compiled by this environment's NEURON: a compiled library names the installation that it belongs to.
    mechanisms = compile_mechanisms(Path(job["folder"], "modfiles"), job["mechanisms"])

    def faithful_cell(folder, dt, start_T, end_T):
        cells.append(load_cell(folder, mechanisms, dt=dt, tstop=end_T))
        return cells[-1]

    cells = []
    params = MEArec.get_default_templates_params()
    params |= {"rot": "3drot", "probe": job["probe"], "seed": job["seed"], "n": job["candidates"]}
    # One candidate a template at most: the loop stops after `candidates` + 1 of them.
    params["max_iterations"] = 1
    if job.get("drifting"):
        params |= {"drifting": True, "n": job["drifting"], "drift_steps": 31, "max_iterations": 1000, "timeout": None}
    with candidate_times() as starts, contextlib.redirect_stdout(sys.stderr):
        begin = time.perf_counter()
        simulate_cells.calc_extracellular(
            0,
            job["folder"],
            job["currents"],
            save=False,
            custom_return_cell_function=faithful_cell,
            **params,
        )
        whole = time.perf_counter() - begin
    result = {
        "candidates": len(starts) - 1,
        "seconds_per_candidate": (starts[-1] - starts[0]) / (len(starts) - 1),
        "seconds_of_the_call": whole,
        "segments": int(cells[-1].totnsegs),
    }
    print("\n" + json.dumps(result))


@contextlib.contextmanager
def candidate_times():
    """Yield a list that receives the time at which MEArec begins with each candidate.

    From one to the next is a whole turn of its loop: the potential, the test of amplitude and shape, the alignment.
    What it does before the loop (the cell built again, `n` x 100,000 positions drawn) is not counted.
    """
    starts, original = [], simulate_cells.return_extracellular_spike

    def noting(*arguments, **options):
        starts.append(time.perf_counter())
        return original(*arguments, **options)

    with mock.patch.object(simulate_cells, "return_extracellular_spike", noting):
        yield starts


if __name__ == "__main__":
    main()
