"""Run Snakemake in forks of one process that has imported it, which is most of the time of a start. `snake.py` starts it.

Each line of the standard input is a request in JSON; the id of the process and, when it has ended, its exit code are written to
the standard output. A fork is what `python -m snakemake` is: what Snakemake imports is there and nothing of the workflow; but
Python does not take it apart at the end. Two lines of Snakemake's first message differ: it was called otherwise, and notes as
its "run directory" that of the server. Its jobs are forks as well; see `job_server.py`.
"""

import atexit
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

#: The exit code of a fork in which Snakemake has ended
codes = []


def end_at_once():
    """Leave out that Python takes apart all that is loaded. It is registered first, so that it is the last thing of all."""
    if codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])


atexit.register(end_at_once)

import job_server  # noqa: E402
import MEAutility  # noqa: E402, F401 - The workflow reads its probes as it starts.
import nbformat  # noqa: E402, F401 - Snakemake imports it, and the next two, when it reads a workflow.
import pandas  # noqa: E402, F401
import probeinterface  # noqa: E402, F401
import smart_open  # noqa: E402, F401
import snakemake.cli  # noqa: E402
from snakemake.shell import shell  # noqa: E402

snakemake.cli.get_argument_parser()  # It looks for plugins and imports them.
gc.freeze()  # The forks do not look for garbage in what is there.
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the fork.
place = Path(tempfile.mkdtemp(), "jobs")
jobs = os.fork()
if not jobs:
    job_server.run(job_server.serve(str(place)))
    sys.exit()
client = Path(__file__).with_name("job_client.py")
shell.prefix(f"set -euo pipefail; {sys.executable} -I -S {client} {place} ")  # Snakemake begins with the same options.
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    os.kill(jobs, signal.SIGTERM)
    os.waitpid(jobs, 0)
    shutil.rmtree(place.parent)
    sys.exit()

signal.signal(signal.SIGINT, signal.default_int_handler)
job_server.enter(request)
for stream, (path, flags) in enumerate(
    [(os.devnull, os.O_RDONLY), (request["stdout"], os.O_WRONLY), (request["stderr"], os.O_WRONLY)]
):
    os.dup2(os.open(path, flags), stream)
sys.path[0] = request["folder"]
sys.argv = ["snakemake", *request["arguments"]]
try:
    snakemake.cli.main()
except SystemExit as end:
    if isinstance(end.code, int):  # Python itself prints a text.
        codes.append(end.code)
    raise
