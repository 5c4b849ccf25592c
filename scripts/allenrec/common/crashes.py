"""Crashes of code in C: a job goes on in a child process, so that its end by a signal is told in one line."""

import ctypes
import os
import signal
import sys
from contextlib import suppress

from .errors import UserError

#: Signals by which the system ends a program whose code fails. Others, such as those that end a job, come from outside.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT})
#: Option of prctl(2): the signal that a process receives when its parent ends
PARENT_DEATH_SIGNAL = 1


def go_on_in_child(program: str) -> None:
    """Return in a child process. This process waits, and ends as the child does.

    It has to be called before threads are started.

    Parameters
    ----------
    program : str
        What may crash, for the message.

    Raises
    ------
    UserError
        In this process, if the child crashed.
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
    if code < 0:  # as if the signal had come here
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
