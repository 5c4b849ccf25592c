"""Isolation of foreign code: a process gives up the network, and writing outside of some folders, where the system offers it.

The network goes with a network namespace, writing with Landlock. Both are system calls that a process makes for itself and its
children: they need no privileges, no other program and no mounts, work for root and for ordinary users, cost a few
milliseconds, and leave process ids and signals alone. NEURON loads foreign code into the Python process of the job, so a
wrapper such as bubblewrap would have to be put around all of Snakemake's script.
"""

import ctypes
import functools
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

#: Flags of unshare(2)
NEW_USER, NEW_NET = 0x10000000, 0x40000000

#: The system calls of Landlock, which have the same numbers on all architectures
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
#: Landlock's rights to change files: write, remove folders and files, make seven kinds of entries
WRITE, CHANGES = 1 << 1, sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12))
#: Rights that later versions of Landlock know: rename between folders (2), truncate (3); and to bind and to connect TCP (4)
REFER, TRUNCATE, TCP = 1 << 13, 1 << 14, 0b11
#: Option of prctl(2) without which an ordinary user may not use Landlock
NO_NEW_PRIVILEGES = 38


def isolate(writable: Iterable[Path]) -> None:
    """Take away the network, and writing outside of some folders, for this process and all that it starts."""
    leave_network()
    restrict_writing(writable)


def leave_network() -> bool:
    """Take away the network, for this process and all that it starts; return whether that was possible.

    An ordinary user's process must not have threads yet.
    """
    return _leave_network(_namespaces())


def restrict_writing(writable: Iterable[Path]) -> bool:
    """Take away writing outside of some folders, for this thread and all that it starts; return whether that was possible.

    Files that are open stay open.

    Parameters
    ----------
    writable : iterable of path
        Folders that exist, below which files may be changed.
    """
    return _restrict_writing([(path, True) for path in writable] + [(Path(os.devnull), False)])


def answer_with_return() -> None:
    """Answer what foreign code asks on the standard input with the return key, some thousand times; then the input ends.

    The code must neither wait for the user nor take from the terminal what is meant for others. Without an answer, NEURON asks
    for a number again and again.
    """
    answers, writable = os.pipe()
    os.set_blocking(writable, False)
    os.write(writable, b"\n" * 2**16)  # as many as the pipe holds
    os.dup2(answers, 0)
    for descriptor in (answers, writable):
        os.close(descriptor)


def missing_isolation() -> str:
    """Return in words what `isolate` cannot take away on this system, "" if it can take away all."""
    return describe_missing(offline=_namespaces() != 0, restricted=_landlock_version() > 0)


def describe_missing(*, offline: bool, restricted: bool) -> str:
    """Return in words what was not taken away from a process."""
    network = "" if offline else "the network (this process may not make a network namespace)"
    return " and ".join(filter(None, [network, "" if restricted else "files elsewhere (the kernel has no Landlock)"]))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@functools.cache
def _namespaces() -> int:
    """Return the flags of unshare(2) with which a process can leave the network, 0 if there are none.

    They are tried in a child: some systems make a user namespace and then refuse to give it users, and a process inside could
    not write its files any more. Root keeps its user, because in a namespace it could not use other users' files.
    """
    for flags in (NEW_NET, NEW_USER | NEW_NET) if os.geteuid() else (NEW_NET,):
        child = os.fork() if sys.platform == "linux" else 0
        if child == 0 and sys.platform == "linux":
            try:
                os._exit(not _leave_network(flags))
            finally:
                os._exit(1)
        if child and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return flags
    return 0


def _leave_network(flags: int) -> bool:
    """Move this process to a network of its own, which has no connections; return whether that was possible."""
    user, group = os.geteuid(), os.getegid()
    if not flags or _libc().unshare(flags) != 0:
        return False
    if flags & NEW_USER:
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        except OSError:
            return False
    return True


def _landlock_version() -> int:
    """Return the version of Landlock that the kernel has, -1 if it has none."""
    return int(_libc().syscall(CREATE_RULESET, None, 0, 1)) if sys.platform == "linux" else -1


def _restrict_writing(allowed: Iterable[tuple[Path, bool]]) -> bool:
    """Restrict writing to paths, each with whether it is a folder; return whether that was possible."""
    version, libc = _landlock_version(), _libc()
    if version < 1:
        return False
    of_files = WRITE | (TRUNCATE if version >= 3 else 0)
    rights = CHANGES | of_files | (REFER if version >= 2 else 0)
    # Where the network cannot be left, Landlock at least refuses TCP.
    attributes = struct.pack("QQ", rights, TCP) if version >= 4 else struct.pack("Q", rights)
    rules = libc.syscall(CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        for path, is_folder in allowed:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            libc.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", rights if is_folder else of_files, descriptor), 0)
            os.close(descriptor)
        return bool(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)
