"""Runs in MEArec's environment: one recording, generated and saved. Started by `recording.py`.

The only argument is JSON: `library` (a template file), `folder` (where to write), `n_jobs`, and the blocks of MEArec's
parameters. Prints JSON on its last line.
"""

import contextlib
import json
import resource
import sys
import time
from pathlib import Path

import MEArec


def main():
    job = json.loads(sys.argv[1])
    params = MEArec.get_default_recordings_params()
    for block in ("spiketrains", "cell_types", "templates", "recordings"):
        params[block] |= job[block]
    params["seeds"] = dict.fromkeys(("spiketrains", "templates", "convolution", "noise"), 0)
    with contextlib.redirect_stdout(sys.stderr):
        begin = time.perf_counter()
        recording = MEArec.gen_recordings(params=params, templates=job["library"], n_jobs=job["n_jobs"], verbose=False)
        MEArec.save_recording_generator(recording, Path(job["folder"], "recording.h5"))
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"seconds": seconds, "peak_gb": peak}))


if __name__ == "__main__":
    main()
