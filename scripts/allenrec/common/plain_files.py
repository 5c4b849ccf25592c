"""YAML and JSON as people write them: what would silently be read as something else is refused, with its line."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from .errors import UserError, shortened, shown
from .permissions import describe_refusal

#: Most levels of blocks and lists in one another, and most values altogether
MOST_LEVELS, MOST_VALUES = 20, 100_000
#: Numbers that YAML 1.1 counts in sixties, and whole numbers that it counts in eights
SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
EIGHTS = re.compile(r"[-+]?0[0-7_]+")
#: What YAML takes for the beginning of a date
DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t]|$)")
#: Digits of the longest number
MOST_DIGITS = 100
TOO_LONG = f"a number of {{}} digits; at most {MOST_DIGITS} are allowed"
LONG = re.compile(rf"[-+]?(0x|0b)?[0-9a-fA-F_]{{{MOST_DIGITS + 1},}}")


@dataclass
class _Open:
    """A block or a list that has begun and not ended: its anchor, and the keys of a block with their lines."""

    anchor: str | None
    is_block: bool
    keys: dict[str, int] = field(default_factory=dict)
    at_key: bool = True
    size: int = 1


def yaml_events(path: str | Path, text: str) -> list[yaml.Event]:
    """Return what a text in YAML says, part by part, without building its values.

    Parameters
    ----------
    path : path
        Its file, for messages.
    text : str

    Raises
    ------
    UserError
        One line with the file and the line: it is not YAML, or values are nested too deep, in themselves or too often.
    """
    try:
        events = list(islice(yaml.parse(text, Loader=yaml.SafeLoader), 3 * MOST_VALUES))
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise not_yaml(path, error) from None
    _check_sizes(path, events)
    return events


def load_yaml(path: str | Path, what: str) -> dict[str, Any]:
    """Return the block of keys and values in a file in YAML.

    Parameters
    ----------
    path : path
    what : str
        What is said of a file that does not begin with a key.

    Raises
    ------
    UserError
        One line with the file: it cannot be read, is not text in UTF-8 or not YAML, or is not read as a person means it.
    """
    text = read_text(path)
    check_events(path, yaml_events(path, text), what)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise not_yaml(path, error) from None


def read_text(path: str | Path) -> str:
    """Return the text of a file; raise a `UserError` if it is no file that can be read, or not text in UTF-8."""
    try:
        if Path(path).exists() and not Path(path).is_file():  # a device or a pipe may have no end
            raise UserError(f"{path}: not a regular file")
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 (byte {error.start + 1}); save it in that encoding") from None
    except OSError as error:
        raise UserError(describe_refusal(error) or f"{path}: cannot be read: {error.strerror}") from None


def not_yaml(path: str | Path, error: Exception) -> UserError:
    """Return the error that says why a file is not YAML."""
    return UserError(f"{path}: not YAML: {_words(error)}")


def without_repeats(path: str | Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of JSON with these pairs; it is the `object_pairs_hook` of `json.loads` for the file at a path."""
    for key, times in Counter(key for key, _ in pairs).items():
        if times > 1:
            raise UserError(f"{path}: the key {shown(key)} is there twice in one block")
    return dict(pairs)


def _words(error: Exception) -> str:
    """Return what is wrong, and where."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return shortened(where + str(getattr(error, "problem", None) or error))


def _check_sizes(path: str | Path, events: Iterable[yaml.Event]) -> None:
    """Check depth and number of values before they are built: each reference counts as all that it stands for."""
    opened, sizes = [_Open(None, False)], dict[str | None, int]()
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Open(event.anchor, False))
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = opened.pop()
            sizes[closed.anchor] = closed.size
            opened[-1].size += closed.size
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor] = 1
            opened[-1].size += 1
        elif isinstance(event, yaml.AliasEvent):
            opened[-1].size += sizes.get(event.anchor, 1)
        if len(opened) > MOST_LEVELS + 1 or opened[-1].size > 2 * MOST_VALUES:
            raise UserError(
                f"{path}, line {_line(event)}: nested more than {MOST_LEVELS} levels deep, or more than {MOST_VALUES} values"
            )


def check_events(path: str | Path, events: Iterable[yaml.Event], what: str) -> None:
    """Refuse a file in YAML that is not read as a person means it, before its values are built.

    Raises
    ------
    UserError
        One line with the file and the line: it is no block of keys, a key is there twice, a number would be read as another
        one, or there is a tag or a reference to nothing.
    """
    opened: list[_Open] = []
    anchors: set[str] = set()
    documents = 0
    for event in events:
        documents += isinstance(event, yaml.DocumentStartEvent)
        if isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
            continue
        elif isinstance(event, yaml.NodeEvent):
            problem = _problem_of_node(event, opened, anchors) or _problem_of_key(event, opened[-1] if opened else None)
            if not opened and not isinstance(event, yaml.MappingStartEvent):
                problem = what
        elif documents > 1:
            problem = "a second document (---); a file is one"
        else:
            continue
        if problem:
            raise UserError(f"{path}, line {_line(event)}: {problem}")
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))
    if not documents:
        raise UserError(f"{path}: is empty; {what}")


def _line(event: yaml.Event) -> int:
    return 1 + event.start_mark.line if event.start_mark else 0


def _problem_of_node(event: yaml.NodeEvent, opened: list[_Open], anchors: set[str]) -> str:
    """Return why a block, a list or a value cannot stand in a file, "" if it can."""
    if isinstance(event, yaml.AliasEvent):
        within = any(event.anchor == place.anchor for place in opened)
        if event.anchor not in anchors:
            return f"*{shortened(event.anchor)} names nothing: there is no &{shortened(event.anchor)} before it"
        return f"*{event.anchor} is within &{event.anchor} itself" if within else ""
    if event.anchor is not None:
        anchors.add(event.anchor)
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag not in (None, "!"):
        return f"the tag {shown(event.tag)} is not allowed; a file has plain values"
    if not isinstance(event, yaml.ScalarEvent) or event.style:
        return ""
    text, plain = event.value, shortened(event.value)
    if SIXTIES.fullmatch(text):
        return f"YAML reads {plain} in sixties; write the number itself, or the text in quotes"
    if EIGHTS.fullmatch(text):
        return f"YAML reads {plain} in eights; write the number without 0 in front, or the text in quotes"
    if DATE.match(text):
        return f"YAML reads {plain} as a date; put it in quotes"
    if LONG.fullmatch(text):
        return TOO_LONG.format(len(text))
    return ""


def _problem_of_key(event: yaml.NodeEvent, place: _Open | None) -> str:
    """Return why a node cannot be a key of the block that is open, "" if it can or is a value; keys and values alternate."""
    if place is None or not place.is_block:
        return ""
    is_key, place.at_key = place.at_key, not place.at_key
    if not is_key or isinstance(event, yaml.AliasEvent):
        return ""
    if not isinstance(event, yaml.ScalarEvent):
        return "a block or a list cannot be a key"
    key = event.value
    if key in place.keys:
        return f"the key {shown(key)} is in line {place.keys[key]} already; keep one of them"
    place.keys[key] = _line(event)
    return ""
