"""Runs in MEArec's environment: its own recording generator on a library that exists. Started by `against_mearec.py`.

The only argument is JSON: `library` and `recording` (paths), `settings` (the blocks `spiketrains`, `templates`, `recordings` in
MEArec's names, over its defaults), `template_ids` (units, excitatory ones first), `seed`. Prints JSON on its last line: the
seconds from the library's file to the recording's.
"""

import contextlib
import json
import sys
import time

import MEArec
import numpy as np


def main():
    job = json.loads(sys.argv[1])
    params = MEArec.get_default_recordings_params()
    for block, values in job["settings"].items():
        params[block] |= values
    params["seeds"] = dict.fromkeys(("spiketrains", "templates", "convolution", "noise"), job["seed"])
    with contextlib.redirect_stdout(sys.stderr):
        start = time.perf_counter()
        # With given units MEArec counts excitatory ones by names of cell types, and "aspiny" contains "spiny": so the trains
        # are made before, by its own generator. In any order, it takes ids as an array only.
        trains = MEArec.SpikeTrainGenerator(params["spiketrains"], seed=job["seed"], verbose=False)
        trains.generate_spikes()
        given = {"spgen": trains, "template_ids": np.array(job["template_ids"])}
        generator = MEArec.gen_recordings(params=params, templates=job["library"], **given, verbose=False, n_jobs=1)
        MEArec.save_recording_generator(generator, job["recording"])
        seconds = time.perf_counter() - start
    print("\n" + json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
