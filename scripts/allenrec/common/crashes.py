"""Crashes of foreign code: it runs in a child process, so that its end by a signal, or by its own will, is told in one line."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .errors import UserError

#: Signals by which the system ends a program whose code fails. Others, such as those that end a job, come from outside.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT})
#: Option of prctl(2): the signal that a process receives when its parent ends
PARENT_DEATH_SIGNAL = 1
#: Most memory of a process with foreign code, bytes; a cell of a thousand segments takes a twentieth of it
MOST_MEMORY = 8 * 2**30


@contextmanager
def in_child(program: str, clean: Callable[[], None]) -> Iterator[None]:
    """Run a block in a child process. This process waits for it and ends as it does; it does not go on behind the block.

    It has to be entered before threads are started.

    Parameters
    ----------
    program : str
        What may crash, for the message.
    clean : callable
        Called in this process if the child left the block in another way than Python does, so that it could not clean up.

    Raises
    ------
    UserError
        In this process, if the child crashed, if its time was over (`time_limit`), or if the code itself ended the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    heard, tell = os.pipe()
    child = os.fork()
    if child == 0:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
        try:
            yield
        finally:
            os.write(tell, b"left")
        return
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.set_blocking(heard, False)  # this process has the other end as well, so an empty pipe would block
    try:
        left = os.read(heard, 1)
    except BlockingIOError:
        left = b""
    if not left:
        clean()
        _tell_end(program, code)
    sys.exit(code)


def _tell_end(program: str, code: int) -> None:
    """Raise the error that says why a child ended in the middle; a signal from outside has its effect on this process too."""
    if -code in CRASHES:
        raise UserError(
            f"{program} crashed with the signal {signal.Signals(-code).name}; it cannot take some value in the model's files"
        )
    if -code == signal.SIGALRM:
        raise UserError("its code does not end: the cell was not built within models.max_build_time")
    if code >= 0:
        raise UserError(f"its code ended {program} with exit code {code}, as quit() in hoc or os._exit() in Python do")
    if -code == signal.SIGKILL:
        print(f"error: {program} was killed (SIGKILL), as the system does when memory is used up", file=sys.stderr, flush=True)
    with suppress(OSError):  # SIGKILL has no handler
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """End this process by the signal SIGALRM if the block takes longer than some seconds, even in C."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def limit_memory(size: int = MOST_MEMORY) -> None:
    """Let this process have a number of bytes of memory at most, or what the system allows if that is less.

    Code that asks for more and more fails, in a line that can be named, before the system ends some process of its choice.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard == resource.RLIM_INFINITY or size < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (size, hard))
