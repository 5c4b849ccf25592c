"""How long a process lives: a job ends with the workflow that started it, and cleans up when it is told to end."""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

#: Variable of the environment by which jobs know the process of their workflow
WORKFLOW = "ALLENREC_WORKFLOW"
#: Signals that ask a process to end: it removes what it has half-written
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
#: Seconds that a process has for that
GRACE = 10.0
#: Number by which Linux is asked for a signal when the parent of a process ends
PR_SET_PDEATHSIG = 1


def watch_workflow() -> None:
    """Let this process end when its workflow ends, also if the workflow is killed. Without `WORKFLOW`, nothing happens."""
    workflow = os.environ.get(WORKFLOW, "")
    if workflow.isdecimal():
        end_with(int(workflow))


def end_with(process: int) -> None:
    """Let this process end when another one has ended. A shell between the two does not matter.

    Parameters
    ----------
    process : int
        Its id. If there is no such process, for example because it is in another container, nothing happens.
    """
    try:
        descriptor = os.pidfd_open(process)
    except (AttributeError, OSError):  # not Linux, or it cannot be seen
        return
    threading.Thread(target=_wait_and_end, args=(descriptor,), daemon=True).start()


def end_with_parent() -> None:
    """Let the program that this process becomes end with the process that started it; for `preexec_fn` of `subprocess`."""
    with suppress(AttributeError, OSError):  # not Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _wait_and_end(descriptor: int) -> None:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    waiting.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn the signals of `ENDING` into `SystemExit` in the block, so that half-written files are removed.

    A signal that is ignored, as under `nohup`, stays ignored.
    """
    before: dict[int, Any] = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number in ENDING:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, _exit)
        yield
    finally:
        for number in ENDING:
            signal.signal(number, before[number])


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def hang_up_as_terminated() -> None:
    """Let SIGHUP, which comes when a terminal is closed, have the effect of SIGTERM in this process."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, lambda _number, _frame: os.kill(os.getpid(), signal.SIGTERM))
