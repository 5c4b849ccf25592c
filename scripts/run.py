"""Run Snakemake, and say in one line what each stage has done; `make run` does it. Snakemake's own words are in its log.

Arguments are passed to Snakemake.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import TextIO

from tqdm import tqdm

from allenrec.common.job_log import open_standard_streams
from allenrec.common.lifetime import end_with_parent
from allenrec.report.stages import STAGES, stage_of

#: A row of the table of jobs, which comes first
JOB_COUNT = re.compile(r"^(\w+) +(\d+)$")
FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")
#: Lines for the user, as the workflow and its jobs write them
FOR_THE_USER = re.compile(r"^(error|warning|note): |^model \S+ failed|^Nothing to be done")
#: Number of last lines that are shown if Snakemake stops without an error of ours
LAST_LINES = 15


def run(arguments: Sequence[str]) -> int:
    """Run Snakemake with some arguments; return its exit code."""
    # A handler of ours, so that Ctrl-C ends Snakemake, which is in the same group of processes, and not this process.
    stopped: list[bool] = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
    process = subprocess.Popen(
        ["snakemake", *arguments], stderr=subprocess.PIPE, text=True, errors="replace", preexec_fn=end_with_parent
    )
    shown, last = show(process.stderr)
    code = process.wait()
    if stopped:
        say("\nStopped. Run the same command again to go on from here: what is finished is not made again.", sys.stderr)
    elif code and not shown:
        say("\n".join(last), sys.stderr)
    return code


def show(lines: Iterable[str]) -> tuple[bool, deque[str]]:
    """Show the progress of a run; return whether there was an error of ours, and the last lines."""
    wanted, done, began = Counter[str](), Counter[str](), time.monotonic()
    last, errors = deque[str](maxlen=LAST_LINES), 0
    with tqdm(unit="job", dynamic_ncols=True, leave=False, disable=not sys.stderr.isatty()) as bar:
        for line in map(str.rstrip, lines):
            last.append(line)
            if (job := JOB_COUNT.match(line)) and not done:
                if job[1] == "total":
                    bar.total = int(job[2])
                    say(f"{jobs(bar.total)}; .snakemake/log has what Snakemake says of them", sys.stdout)
                wanted[stage_of(job[1])] += int(job[2])
            elif job := FINISHED.match(line):
                stage = stage_of(job[1])
                done[stage] += 1
                bar.update()
                if done[stage] == wanted[stage] and stage in STAGES:
                    say(f"{time.monotonic() - began:6.0f} s  {stage}: {jobs(done[stage])}", sys.stdout)
            elif FOR_THE_USER.match(line.strip()):
                errors += line.strip().startswith("error: ")
                say(line.strip(), sys.stderr)
    return errors > 0, last


def say(text: str, stream: TextIO) -> None:
    """Print a text. If nobody reads the stream any more, or its disk is full, this and all that follows is lost."""
    try:
        tqdm.write(text, file=stream)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def jobs(number: int) -> str:
    """Return a number of jobs in words."""
    return f"{number} job{'s' * (number != 1)}"


if __name__ == "__main__":
    open_standard_streams()
    sys.stdout.reconfigure(line_buffering=True)  # in order with what Snakemake prints, also in a file
    sys.exit(run(sys.argv[1:]))
