"""What a run has of the default configuration, over which a file of the user was merged, for the user to know."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: The blocks whose entries have names of the user, and what an entry is called
BLOCKS = {"libraries": "library", "recordings": "recording"}


def describe_merge(default: str, base: Mapping[str, Any], own: Mapping[str, Any], files: Sequence[str]) -> str:
    """Say in one line which libraries and recordings of the default configuration are part of a run beside the user's.

    Parameters
    ----------
    default : str
        The name of the file of the default configuration.
    base, own : mapping
        What that file says, and what the user gives.
    files : sequence of str
        The files of `--configfile`; none if the user gives all with `--config`.

    Returns
    -------
    str
        Empty if the user gives no library and no recording, or if nothing of those in the default file is left. Libraries that
        a recording of the user needs are not listed.
    """
    if not any(_block(own, block) for block in BLOCKS):
        return ""
    entries = [(block, name, entry, _block(own, block)) for block in BLOCKS for name, entry in _block(base, block).items()]
    left = [value for block, name, entry, given in entries if block == "recordings" for value in _left(entry, given.get(name))]
    named = set(_texts([own.get("recordings"), left]))
    whole, partly = list[str](), list[str]()
    for block, name, entry, given in entries:
        if name in given:
            partly += [f"{BLOCKS[block]} {name}"] * any(True for _ in _left(entry, given[name]))
        elif block == "recordings" or name not in named:
            whole.append(f"{BLOCKS[block]} {name}")
    parts = [f"this run also has {_listed(whole)} of {default}"] * bool(whole)
    parts += [f"{_listed(partly)} {'have' if len(partly) > 1 else 'has'} keys of both"] * bool(partly)
    if not parts:
        return ""
    source = " with ".join(files) or "--config"
    remedy = f"stands_alone: true in {files[-1]}" if files else "--config stands_alone=true"
    return f"{source} is merged over {default}: {', and '.join(parts)}; {remedy} makes it take the place of {default}"


def _block(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a block of a configuration that may not be valid; empty if it is none."""
    block = config.get(name)
    return block if isinstance(block, Mapping) else {}


def _left(base: object, own: object) -> Iterator[Any]:
    """Yield the values in a block, at any depth, that stay when another block is merged over it."""
    if isinstance(base, Mapping) and isinstance(own, Mapping):
        for key, value in base.items():
            if key in own:
                yield from _left(value, own[key])
            else:
                yield value


def _texts(value: object) -> Iterator[str]:
    """Yield all texts in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _listed(words: Sequence[str]) -> str:
    """Return words as one reads them: a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
