"""Crashes of foreign code: a job goes on in a child process, so that its end by a signal, or by the code itself, is told in one
line."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError

#: Signals by which the system ends a program whose code fails. Others, such as those that end a job, come from outside.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT})
#: Option of prctl(2): the signal that a process receives when its parent ends
PARENT_DEATH_SIGNAL = 1


def go_on_in_child(program: str, result: str | Path) -> None:
    """Return in a child process. This process waits, and ends as the child does.

    It has to be called before threads are started.

    Parameters
    ----------
    program : str
        What may crash, for the message.
    result : path
        The file that the child writes before it ends well; it is not there yet.

    Raises
    ------
    UserError
        In this process, if the child crashed, if its time was over (`time_limit`), or if it ended without its result.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
        return
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if -code in CRASHES:
        raise UserError(
            f"{program} crashed with the signal {signal.Signals(-code).name}; it cannot take some value in the model's files"
        )
    if -code == signal.SIGALRM:
        raise UserError("its code does not end: the cell was not built within models.max_build_time")
    if code < 0:  # as if the signal had come here
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    # A job whose own error was told ends with exit code 1
    if code != 1 and not Path(result).exists():
        raise UserError(f"its code ended {program} with exit code {code}, as quit() in hoc or os._exit() in Python do")
    sys.exit(code)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """End this process by the signal SIGALRM if the block takes longer than some seconds, even in C."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
