"""The plain values of a configuration, before they are validated: how deep, how many and how long they may be, and numbers that
were given as text."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from allenrec.common.errors import UserError, has_control_characters, shortened, shown
from allenrec.common.plain_files import MOST_LEVELS, MOST_VALUES

#: Most characters of a text
MOST_TEXT = 1000
#: Text that is a number for people and for YAML 1.2, but not for PyYAML, which wants a point and a sign
EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,4}")
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})")
DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)")
#: Words of YAML, in small letters
WORDS = {"true": True, "false": False, "null": None, "~": None}

#: A key of each level
Path = tuple[Any, ...]


def dotted(path: Iterable[Any]) -> str:
    """Return the dotted key at a path, on one line."""
    return ".".join(shortened(part) if str(part).isprintable() else shown(part) for part in path)


def check_plain_values(config: Mapping[Any, Any]) -> None:
    """Refuse values that are nested too deep or in themselves, too many values, and text that is no name, word or path.

    Raises
    ------
    UserError
        One line that names the key.
    """
    waiting: list[tuple[Path, Any]] = [((), config)]
    for number in range(MOST_VALUES):
        if not waiting:
            return
        path, value = waiting.pop()
        if len(path) > MOST_LEVELS:
            raise UserError(f"config: {dotted(path[:3])}: nested more than {MOST_LEVELS} levels deep, or in itself")
        if isinstance(value, Mapping):
            waiting += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [((*path, place), inner) for place, inner in enumerate(value)]
        elif isinstance(value, str):
            _check_text(path, value)
        if number + len(waiting) > MOST_VALUES:
            break
    raise UserError(f"config: more than {MOST_VALUES} values")


def _check_text(path: Path, text: str) -> None:
    if len(text) > MOST_TEXT:
        raise UserError(f"config: {dotted(path)}: {shown(text)} has {len(text)} characters; at most {MOST_TEXT} are allowed")
    if has_control_characters(text):
        raise UserError(f"config: {dotted(path)}: {shown(text)} must not have control characters")


def with_numbers(config: Any, paths: Iterable[Path], command_line: Any) -> Any:
    """Return a configuration in which text at some paths is the number, truth value or null that it reads as.

    Parameters
    ----------
    config : dict
    paths : iterable of tuple
        The keys that lead to values that should be something else.
    command_line : dict
        What was given on the command line: there Snakemake makes text of all that stands in blocks and lists. Elsewhere only
        numbers with an exponent count, because text in quotes is meant as text.
    """
    for path in paths:
        config = _with_number_at(config, path, command_line)
    return config


def _with_number_at(config: Any, path: Path, given: Any) -> Any:
    if path:
        key, *rest = path
        inside = isinstance(config, Mapping) and key in config
        inside |= isinstance(config, list) and isinstance(key, int) and key < len(config)
        # Keys of a single movement may stand beside `drifting`.
        if not inside and path[:2] == ("drift_dicts", 0):
            return _with_number_at(config, path[2:], given)
        return _replaced(config, key, tuple(rest), given) if inside else config
    if isinstance(config, Mapping | list):
        for key in config if isinstance(config, Mapping) else range(len(config)):
            config = _replaced(config, key, (), given)
        return config
    return _as_number(config, from_command_line=given == config) if isinstance(config, str) else config


def _replaced(config: Any, key: Any, rest: Path, given: Any) -> Any:
    """Return a block or a list with the value at a key as `_with_number_at` gives it."""
    inner = _with_number_at(config[key], rest, _at(given, key))
    if isinstance(config, Mapping):
        return {**config, key: inner}
    return [*config[:key], inner, *config[key + 1 :]]


def _at(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    return value[key] if isinstance(value, Sequence) and isinstance(key, int) and key < len(value) else None


def _as_number(text: str, *, from_command_line: bool) -> Any:
    if EXPONENT.fullmatch(text):
        return float(text)
    if from_command_line:
        if WHOLE.fullmatch(text):
            return int(text)
        if DECIMAL.fullmatch(text):
            return float(text)
        return WORDS.get(text.lower(), text)
    return text
