"""The log of a job: what Python and C print, progress, and why the job failed."""

import atexit
import ctypes
import gc
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from allenrec.common.errors import UserError
from allenrec.common.lazy_imports import import_when_used
from allenrec.common.lifetime import ended_by_signals, watch_workflow
from allenrec.common.processes import describe_exception

#: Variables that limit BLAS to one thread. By default it uses one for each core, and the last bits of its sums depend on their
#: number. Code that is faster with threads starts its own. They have to be set before NumPy is imported.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def job_log(snakemake: Any, *, answers: bool = False) -> Iterator[io.TextIOBase]:
    """Send everything that a rule's script prints to the rule's log; end a failed job with exit code 1.

    A mistake of the user and an error of the environment, such as a full disk, are logged in one line; any other error with its
    traceback. File descriptors are redirected, not just `sys.stdout`, because NEURON prints from C. The job ends with its
    workflow; see `allenrec.common.lifetime`. A script has nothing after this block: if it succeeds, Python ends at once.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The object that Snakemake gives to a script.
    answers : bool
        Whether the words for the terminal are what the job is for, so that they go to standard output.

    Yields
    ------
    file
        The terminal, for the few words that belong there.
    """
    os.environ.update(ONE_THREAD)
    # Hardly anything becomes garbage while a job imports its packages and draws; to look for it is a twentieth of a short job.
    gc.set_threshold(200_000, 20, 100)
    open_standard_streams()
    import_when_used("requests")  # probeinterface imports it, which takes long, and few jobs fetch a probe
    succeeded: list[bool] = []
    atexit.register(_end_at_once, succeeded)
    watch_workflow()
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    errors, words = (_Terminal(os.dup(stream.fileno())) for stream in (sys.stderr, sys.stdout if answers else sys.stderr))
    with open(path, "w", buffering=1, encoding="utf-8") as log, errors, words:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(line_buffering=True)
        try:
            with ended_by_signals():
                yield words
        except (UserError, OSError, MemoryError) as error:
            _last_words(f"error: {describe_exception(error)}", errors)
            sys.exit(1)
        except Exception:
            traceback.print_exc()
            sys.exit(1)
    succeeded.append(True)


def open_standard_streams() -> None:
    """Open those of the standard streams that are closed, as by `>&-`. Otherwise the next files would take their places."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))


def _end_at_once(succeeded: list[bool]) -> None:
    """End a job that has succeeded without taking apart what Python has loaded, which takes it a tenth of a second.

    Python has waited for threads then, and has called what was registered with `atexit` after this function.
    """
    if succeeded:
        sys.stdout.flush()
        sys.stderr.flush()
        ctypes.CDLL(None).fflush(None)
        os._exit(0)


class _Terminal(io.TextIOBase):
    """The terminal. Words that it does not take, because it was closed, are lost; the job goes on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(self._descriptor, text.encode(errors="replace"))
        return len(text)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _last_words(text: str, terminal: io.TextIOBase) -> None:
    """Print a text to the log or, where the disk is so full that not even that works, to the terminal."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        print(text, file=terminal, flush=True)
