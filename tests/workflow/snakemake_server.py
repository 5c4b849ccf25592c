"""Run Snakemake in forks of one process that has imported it, which is half of the time of a start. `snake.py` starts it.

Each line of the standard input is a request in JSON; the exit code is written to the standard output. A fork is what
`python -m snakemake` is: only Snakemake's own modules are there, and Python ends as it does elsewhere.
"""

import json
import os
import sys

import snakemake.cli

for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()

os.chdir(request["folder"])
os.environ.clear()
os.environ.update(request["environment"])
for stream, (path, flags) in enumerate(
    [(os.devnull, os.O_RDONLY), (request["stdout"], os.O_WRONLY), (request["stderr"], os.O_WRONLY)]
):
    os.dup2(os.open(path, flags), stream)
sys.path[0] = request["folder"]
sys.argv = ["snakemake", *request["arguments"]]
snakemake.cli.main()
