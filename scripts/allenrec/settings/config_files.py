"""Configuration files as people write them: what YAML silently reads as something else is refused, with its line."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from allenrec.common.errors import UserError, shortened, shown

from .plain_values import MOST_LEVELS, MOST_VALUES

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


def check_config_file(path: str | Path) -> None:
    """Refuse a configuration file that is not read as a person means it, before Snakemake reads it.

    Parameters
    ----------
    path : path
        A file in YAML or JSON.

    Raises
    ------
    UserError
        One line with the file and the line: the file is not text in UTF-8 or not YAML, a key is there twice, a number would be
        read as another one, or values are nested too deep or in themselves.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 (byte {error.start + 1}); save it in that encoding") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        json.loads(text, object_pairs_hook=lambda pairs: _without_repeats(path, pairs), parse_int=partial(_number, path))
    except RecursionError:
        raise UserError(f"{path}: nested more than {MOST_LEVELS} levels deep") from None
    except ValueError:  # it is not JSON
        try:
            _check_events(path, yaml.parse(text, Loader=yaml.SafeLoader))
            yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, TypeError) as error:
            raise UserError(f"{path}: not YAML: {_words(error)}") from None


def _without_repeats(path: str | Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of JSON with these pairs."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise UserError(f"{path}: the key {shown(key)} is there twice in one block")
    return dict(pairs)


def _number(path: str | Path, digits: str) -> int:
    """Return the whole number of JSON with these digits."""
    if len(digits) > MOST_DIGITS:
        raise UserError(f"{path}: {TOO_LONG.format(len(digits))}")
    return int(digits)


def _words(error: Exception) -> str:
    """Return what is wrong, and where."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return shortened(where + str(getattr(error, "problem", None) or error))


def _check_events(path: str | Path, events: Iterable[yaml.Event]) -> None:
    """Check a file without building its values, so that neither depth nor references do harm."""
    opened: list[_Open] = []
    anchors: set[str] = set()
    documents = 0
    for number, event in enumerate(events):
        documents += isinstance(event, yaml.DocumentStartEvent)
        if len(opened) > MOST_LEVELS or number > 3 * MOST_VALUES:
            problem = f"nested more than {MOST_LEVELS} levels deep, or more than {MOST_VALUES} values"
        elif isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
            continue
        elif isinstance(event, yaml.NodeEvent):
            problem = _problem_of_node(event, opened, anchors) or _problem_of_key(event, opened[-1] if opened else None)
            if not opened and not isinstance(event, yaml.MappingStartEvent):
                problem = "a configuration begins with a key, such as `libraries:`"
        elif documents > 1:
            problem = "a second document (---); a configuration is one"
        else:
            continue
        if problem:
            raise UserError(f"{path}, line {_line(event)}: {problem}")
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))


def _line(event: yaml.Event) -> int:
    return 1 + event.start_mark.line if event.start_mark else 0


def _problem_of_node(event: yaml.NodeEvent, opened: list[_Open], anchors: set[str]) -> str:
    """Return why a block, a list or a value cannot stand in a configuration, "" if it can."""
    if isinstance(event, yaml.AliasEvent):
        within = any(event.anchor == place.anchor for place in opened)
        if event.anchor not in anchors:
            return f"*{shortened(event.anchor)} names nothing: there is no &{shortened(event.anchor)} before it"
        return f"*{event.anchor} is within &{event.anchor} itself" if within else ""
    if event.anchor is not None:
        anchors.add(event.anchor)
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag not in (None, "!"):
        return f"the tag {shown(event.tag)} is not allowed; a configuration has plain values"
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
