"""Hoc files as text: the templates that they define, and what the constructor of a template takes. No code is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Comments and texts in quotes; whichever begins first counts
COMMENT_OR_TEXT = re.compile(r'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
BEGIN = re.compile(r"^[ \t]*begintemplate[ \t]+(\w+)", re.MULTILINE)
#: What may bring sections or templates that the text itself does not show
ELSEWHERE = re.compile(r"\b(?:load_file|xopen|ropen|load_proc|load_func|load_template|execute|execute1)\b")


def without_comments(text: str, *, keep_text: bool = True) -> str:
    """Return hoc without comments, and without what stands in quotes if that is not kept; lines keep their numbers."""

    def blank(found: re.Match[str]) -> str:
        if keep_text and found[0].startswith('"'):
            return found[0]
        return "\n" * found[0].count("\n") or " "

    return COMMENT_OR_TEXT.sub(blank, text)


@dataclass(frozen=True)
class Template:
    """A template: its name, its file, and the line where it begins."""

    name: str
    file: Path
    line: int
    #: Its text without comments and texts in quotes
    text: str

    def parameters(self) -> list[str] | None:
        """Return, for each argument that its constructor reads, "number", "text" or "object".

        None if the text does not say how many there are: `init` asks for their number, or is not there.
        """
        found = re.search(r"\bproc[ \t]+init[ \t]*\([ \t]*\)[^{]*\{", self.text)
        if found is None:
            return []
        body = _block(self.text, found.end())
        if re.search(r"\bnumarg\b|\bargtype\b|\$[so]?&?i\b", body):
            return None
        kinds: dict[int, str] = {}
        for letter, number in re.findall(r"\$([so]?)&?([0-9]+)", body):
            kinds[int(number)] = {"": "number", "s": "text", "o": "object"}[letter]
        return [kinds.get(number, "number") for number in range(1, max(kinds, default=0) + 1)]


def _block(text: str, start: int) -> str:
    """Return the text from a position behind an opening brace to the brace that closes it."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return text[start:]


def read_hoc(path: Path) -> str:
    """Return the text of a hoc file, in any encoding."""
    return path.read_bytes().decode("utf-8", errors="replace")


def templates_in(paths: Sequence[Path]) -> list[Template]:
    """Return the templates that hoc files define, in their order."""
    return [template for path in paths for template in _templates_of(path)]


def _templates_of(path: Path) -> Iterator[Template]:
    text = without_comments(read_hoc(path), keep_text=False)
    for found in BEGIN.finditer(text):
        end = re.compile(rf"^[ \t]*endtemplate[ \t]+{found[1]}\b", re.MULTILINE).search(text, found.end())
        yield Template(found[1], path, text.count("\n", 0, found.start()) + 1, text[found.end() : end and end.start()])


def names_other_files(paths: Sequence[Path]) -> bool:
    """Return whether hoc files load others, or run code that the text does not show."""
    return any(ELSEWHERE.search(without_comments(read_hoc(path), keep_text=False)) for path in paths)


def outside_templates(path: Path) -> str:
    """Return the hoc of a file that stands outside of templates, without comments and texts in quotes."""
    text = without_comments(read_hoc(path), keep_text=False)
    return re.sub(r"^[ \t]*begintemplate\b.*?(?:^[ \t]*endtemplate[^\n]*|\Z)", "", text, flags=re.DOTALL | re.MULTILINE)
