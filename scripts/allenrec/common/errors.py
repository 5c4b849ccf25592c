"""The exceptions that are shown to users, and how values look in their messages."""

import os
import re
import unicodedata
from typing import Any

#: Number of characters of a value that a message repeats at most
MOST_CHARACTERS = 200


#: What is said of a folder, a pipe or a device in the place of a file
NO_FILE = "it is no regular file"

#: Classes of characters that turn the order of what is shown after them
DIRECTIONS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def has_control_characters(text: str) -> bool:
    """Return whether a text has characters that break lines, that turn the order of what follows, that no terminal shows, or
    that cannot be written."""
    return any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in DIRECTIONS
        for character in text
    )


def shortened(text: object) -> str:
    """Return a text on one line, with its first characters only if it is too long, and signs that are not shown as `?`."""
    line = " ".join(str(text)[: 2 * MOST_CHARACTERS].splitlines()).replace("\t", " ")
    if not line.isprintable():  # a terminal would do what they say
        line = "".join(sign if sign.isprintable() else "?" for sign in line)
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 3]}..."


def shown(value: Any) -> str:
    """Return a value as Python writes it, shortened."""
    try:
        return shortened(repr(value))
    except (ValueError, RecursionError):  # Python writes no number of more than 4300 digits
        return f"a value of the type {type(value).__name__} that is too long to show"


#: A name and a password in an address
LOGIN = re.compile(r"(?<=://)[^\s/]*@")


class UserError(Exception):
    """A mistake in a configuration, a table, a file or a model that the user can correct.

    Its text is one message: what is wrong, where, and what would be right. It is shown without a traceback. Names and passwords
    in addresses are taken out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(LOGIN.sub("", message))


class Unavailable(UserError):
    """Something outside the project that cannot be reached now, such as a server.

    The same job may succeed later. A job that ends with this error has failed; no outcome is recorded for its model.
    """


class DamagedFile(UserError):
    """A file of an earlier job that was cut short or changed. It has to be deleted, so that its job runs again.

    A job that ends with this error has failed; no outcome is recorded for its model.
    """


def not_valid(path: str | os.PathLike[str], kind: str, reason: object) -> DamagedFile:
    """Return the error that says in one line that a file of a kind, as in "recording", cannot be used, and why."""
    return DamagedFile(
        f"{path} is not a valid {kind} file ({shortened(' '.join(str(reason).split()))}); delete it and run again"
    )


def require_own(path: str | os.PathLike[str], kind: str, found: str, expected: str) -> None:
    """Raise `DamagedFile` if a file has the content of another one: that of a model or recording `found`."""
    if found != expected:
        raise not_valid(path, kind, f"it is that of {found}, not of {expected}")
