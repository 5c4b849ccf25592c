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
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from allenrec.common.errors import UserError
from allenrec.common.job_log import open_standard_streams
from allenrec.common.lifetime import end_with_parent
from allenrec.common.processes import reason_in_log
from allenrec.report.stages import STAGES, stage_of
from allenrec.settings.config_files import check_config_file

#: A row of the table of jobs, which comes first
JOB_COUNT = re.compile(r"^(\w+) +(\d+)$")
FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")
#: Lines for the user, as the workflow and its jobs write them
FOR_THE_USER = re.compile(r"^(error|warning|note): |^model \S+ failed|^Nothing to be done")
#: Number of last lines that are shown if Snakemake stops without an error of ours, and that are kept to look for one of its own
LAST_LINES, KEPT_LINES = 15, 500
#: How tracebacks begin, and the error after the list of all options
TRACEBACK, BAD_OPTION = "Traceback (most recent call last)", "snakemake: error: "


def run(arguments: Sequence[str]) -> int:
    """Run Snakemake with some arguments; return its exit code."""
    try:
        check_config_files(arguments)
    except UserError as error:
        say(f"error: {error}", sys.stderr)
        return 1
    # A handler of ours, so that Ctrl-C ends Snakemake, which is in the same group of processes, and not this process.
    stopped: list[bool] = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
    process = subprocess.Popen(
        ["snakemake", *arguments],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=end_with_parent,
    )
    shown, last = show(process.stderr)
    code = process.wait()
    if stopped:
        say("\nStopped. Run the same command again to go on from here: what is finished is not made again.", sys.stderr)
    elif code and not shown:
        say(last_words(last), sys.stderr)
    return code


def check_config_files(arguments: Sequence[str]) -> None:
    """Refuse files of `--configfile` that cannot be read, or have code in them, before Snakemake reads them.

    Raises
    ------
    UserError
        One line that names the file.
    """
    for number, argument in enumerate(arguments):
        option, _, first = argument.partition("=")
        if option in ("--configfile", "--configfiles"):
            others = takewhile(lambda other: not other.startswith("-"), arguments[number + 1 :])
            for file in (path for path in [first, *([] if first else others)] if path):
                # Pipes, as of `--configfile <(...)`, cannot be read twice.
                if os.path.isfile(file) or os.path.isdir(file) or not os.path.exists(file):
                    check_config_file(file)


def environment() -> dict[str, str]:
    """Return Snakemake's environment variables: where this environment has it, and, as `make` says it, a folder for its cache
    where there is no home folder in which it can be."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), os.path.dirname(sys.executable)])
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(cache, "snakemake")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        cache = os.path.abspath(".snakemake/cache")
    return os.environ | {"PATH": path, "XDG_CACHE_HOME": cache}


def last_words(lines: Sequence[str]) -> str:
    """Return what Snakemake says at its end. Of a list of all options, or of a traceback, that is the error only."""
    lines = list(lines)
    begins = [number for number, line in enumerate(lines) if line.startswith(BAD_OPTION)]
    if begins:
        return "\n".join(lines[begins[-1] :])
    if any(line.startswith(TRACEBACK) for line in lines) and (reason := reason_in_log("\n".join(lines))):
        return f"error: {reason}; `snakemake` with the same arguments says where"
    return "\n".join(lines[-LAST_LINES:])


def show(lines: Iterable[str]) -> tuple[bool, deque[str]]:
    """Show the progress of a run; return whether there was an error of ours, and the last lines."""
    wanted, done, began = Counter[str](), Counter[str](), time.monotonic()
    last, errors = deque[str](maxlen=KEPT_LINES), 0
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
