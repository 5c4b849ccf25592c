"""Errors of a model's hoc code, with the file and the line that NEURON tells on the standard error stream only."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError, shortened
from allenrec.models.kinds.folders import DESCRIPTION
from allenrec.models.kinds.hoc_text import read_hoc, without_comments

if TYPE_CHECKING:
    from pathlib import Path

#: How NEURON begins a message, and says where it is; the third line shows the code
MESSAGE = re.compile(r"^NEURON: (?P<text>.*)\n(?: in (?P<file>.+) near line (?P<line>[0-9]+)\n(?P<code>.*)\n)?", re.MULTILINE)
#: What NEURON's readers of morphologies print where they stop; the code goes on with the sections so far
UNREAD = re.compile(r"^(?:parse error\nitok=.*|Lexical error: .*|could not open .*|error \S+ lines? [0-9]+.*)$", re.MULTILINE)
#: How NEURON says that `load_file` did not find a file. Those of windows (.ses) do nothing here.
NOT_FOUND = re.compile(r"Couldn't find: (?!\S*\.ses\b)")
#: A procedure on the stack, the innermost first
CALL = re.compile(r"^ +(?:[\w\[\]]+\.)?(\w+)\(", re.MULTILINE)


class _Heard(io.TextIOBase):
    """A stream that passes on what is written, and keeps it."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self.stream, self.text = stream, ""

    def write(self, text: str) -> int:
        self.text += text
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()


@contextmanager
def hoc_errors_for_users(model_id: str, folder: Path) -> Iterator[None]:
    """Turn an error of hoc code into a `UserError` of one line with the file and the line of the code.

    A file that is missing or damaged is an error, too, although NEURON goes on: the cell lacks what should come from it.

    Parameters
    ----------
    model_id : str
    folder : path
        The model folder, whose hoc files are searched for procedures.
    """
    printed, heard = _Heard(sys.stdout), _Heard(sys.stderr)  # type: ignore[arg-type]
    try:
        with redirect_stdout(printed), redirect_stderr(heard):
            yield
    except UserError:
        _require_all_files(model_id, folder, printed.text, heard.text)  # a file that is missing may be the cause
        raise
    except RuntimeError as error:
        if "hoc" not in str(error):
            raise
        said = describe_error(heard.text, folder) or str(error).removeprefix("hocobj_call error: hoc_execerror: ")
        of_mechanism = "is not a MECHANISM" in said and (folder / DESCRIPTION).is_file()
        hint = "; `mechanisms:` names the folder of its mod files" if of_mechanism else ""
        raise UserError(f"model {model_id}: its hoc code fails: {said}{hint}") from None
    _require_all_files(model_id, folder, printed.text, heard.text)


def _require_all_files(model_id: str, folder: Path, printed: str, said: str) -> None:
    """Raise a `UserError` if a file was not found, or if a morphology could not be read to its end."""
    found = UNREAD.search(printed)
    if found:
        raise UserError(f"model {model_id}: NEURON cannot read its morphology: {shortened(' '.join(found[0].split()))}")
    for message in MESSAGE.finditer(said):
        if NOT_FOUND.match(message["text"]):
            raise UserError(
                f"model {model_id}: {shortened(_described(message, said, folder))}; put the file there, or take the line out"
            )


def describe_error(said: str, folder: Path) -> str:
    """Return the error at which hoc stopped, in words, and where it is; "" if NEURON tells none.

    Parameters
    ----------
    said : str
        What NEURON has written on the standard error stream. Each file that was being loaded has a message after that of the
        error itself. Files that it did not find, at which it goes on, are named as well: they are often the cause.
    folder : path
        The model folder.
    """
    messages = [found for found in MESSAGE.finditer(said) if not found["text"].startswith("hoc_Load_file")]
    if not messages:
        return ""
    *before, last = [_described(found, said, folder) for found in messages]
    missing = "; ".join(text for text in dict.fromkeys(before) if text.startswith("Couldn't find"))
    return shortened(f"{last} (before that: {missing})" if missing else last)


def _described(found: re.Match[str], said: str, folder: Path) -> str:
    """Return a message of NEURON and its place."""
    text, place = " ".join(found["text"].split()), ""
    if found["line"] not in (None, "0"):
        code = " ".join(found["code"].split())
        place = f"{found['file']}, line {found['line']}" + (f": {code}" if code and code != "^" else "")
    else:
        place = _procedure(CALL.findall(said[found.end() :]), folder)
    return f"{text}, in {place}" if place else text


def _procedure(names: list[str], folder: Path) -> str:
    """Return the place of the innermost of some procedures that the hoc files of a folder define, "" if none does.

    A procedure that runs has no lines any more.
    """
    texts = {path: without_comments(read_hoc(path)) for path in sorted(folder.rglob("*.hoc"))}
    for name in dict.fromkeys(names):
        for path, text in texts.items():
            found = re.search(rf"^[ \t]*(?:proc|func|obfunc)[ \t]+{re.escape(name)}\b", text, re.MULTILINE)
            if found:
                line = text.count("\n", 0, found.start()) + 1
                return f"`{name}` of {path.relative_to(folder)}, which begins in line {line}"
    return ""
