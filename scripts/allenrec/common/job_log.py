"""The log of a job: what Python and C print, progress, and why the job failed."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from allenrec.common.errors import UserError

#: Environment variables that give BLAS one thread. Its sums have other bits with other numbers of threads, and Snakemake sets
#: them to the cores of a job. Work that gains by threads has its own. NumPy must be imported after they are set.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def job_log(snakemake: Any) -> Iterator[TextIO]:
    """Send everything that the script of a rule prints to the rule's log, and end a failed job with exit code 1.

    A user's mistake and an error of the system, such as a full disk, are one line in the log. Any other error has its traceback
    there. File descriptors are redirected, not only `sys.stdout`, because NEURON prints from C.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The job.

    Yields
    ------
    text stream
        The terminal, for the few words that belong there.
    """
    os.environ.update(ONE_THREAD)
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", buffering=1, encoding="utf-8") as log, os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # the streams of a script are TextIOWrappers
        try:
            yield terminal
        except (UserError, OSError) as error:
            _print_last_line(f"error: {error}", terminal)
            sys.exit(1)
        except Exception:
            traceback.print_exc()
            sys.exit(1)


def _print_last_line(text: str, terminal: TextIO) -> None:
    """Print a line to the log or, if the disk is so full that not even that works, to the terminal."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        print(text, file=terminal, flush=True)
