"""The log of a job: what Python and C print, progress, and why it failed."""

import os
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path

from allenrec.errors import UserError
from allenrec.processes import in_words

#: Sums of BLAS have other bits with other numbers of threads, and a job has as many as there are cores. What gains by
#: threads has its own. It counts because NumPy is imported after this.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def job_log(snakemake):
    """Send everything that a rule's script prints to the rule's log; end a failed job with exit code 1.

    A person's mistake and a fault of the world are one line in the log, any other fault a traceback. File descriptors are
    redirected, not just `sys.stdout`: NEURON prints from C. Yields the terminal, for the few words that belong there.
    """
    os.environ.update(ONE_THREAD)
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", buffering=1, encoding="utf-8") as log, os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
            stream.reconfigure(line_buffering=True)
        try:
            yield terminal
        except (UserError, OSError) as error:  # a mistake, or a fault of the world such as a full disk
            _last_words(f"error: {in_words(error)}", terminal)
            sys.exit(1)
        except Exception:
            traceback.print_exc()
            sys.exit(1)


def _last_words(text, terminal):
    """Put them into the log or, where the disk is so full that not even that works, on the terminal."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        print(text, file=terminal, flush=True)
