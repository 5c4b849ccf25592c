"""Errors of a configuration, in words."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic_core import ErrorDetails

from allenrec.common.errors import shown

from .base import Block, block_in
from .plain_values import dotted
from .recordings.drift import Drift

#: Keys of MEArec's parameter files that are not keys of the same block here, and what to do instead
MEAREC_KEYS = {
    **dict.fromkeys(
        ("sim_time", "target_spikes", "cut_out", "dt", "delay"), "it stands in `intracellular`, once for all libraries"
    ),
    "weights": "the search starts from `intracellular.start_amplitude` and needs no weights",
    "timeout": "limits are counted in candidates, `max_iterations`, so that results do not depend on the machine",
    "det_thresh": "MEArec does not use it either; `min_amp` is the threshold",
    "seed": "one `seed` at the top level serves everything",
    "overlap": "every spike has its overlap label in the file",
    "n_jitters": "spikes lie on a grid of `upsample` points a sample",
    **dict.fromkeys(("smooth_percent", "smooth_strength"), "ends of templates fade over `pad_len`, the spike is left as it is"),
    **dict.fromkeys(Drift.model_fields, "it stands in a block of the list `drift_dicts`, or without one"),
    "seeds": "it stands in a recording",
    **dict.fromkeys(("n_jobs", "recompile"), "no result depends on it; see `snakemake --cores`"),
}

#: What converts whole files
CONVERT = "`snakemake convert_mearec --config file=...` writes its files in the words of this workflow"

#: What a key may hold: a class of blocks, a dict of blocks, or None for a plain value
BlockType = Any


def explain(errors: Sequence[ErrorDetails], whole: type[Block]) -> str:
    """Return the first error in words: the key as it stands in the file, its value, and what is allowed.

    Keys of MEArec's files that are not here are listed all at once, because people paste whole files.

    Parameters
    ----------
    errors : sequence of dict
        As `pydantic.ValidationError.errors()` returns them.
    whole : type
        The class of the validated block.
    """
    theirs = [error for error in errors if error["type"] == "extra_forbidden" and error["loc"][-1] in MEAREC_KEYS]
    if len(theirs) > 1:
        return _explain_keys_of_mearec(theirs)
    # A key with alternatives (a number, or a list) has an error for each. One inside a list says most.
    located = [(path_of(error, whole), error) for error in errors]
    shortest = located[0][0]
    located = [(path, error) for path, error in located if path[: len(shortest)] == shortest]
    longest = max((path for path, _ in located), key=len)
    errors = [error for path, error in located if len(path) == len(longest)]
    first = errors[0]
    key, kind, value = dotted(longest), first["type"], first["input"]
    if kind in ("extra_forbidden", "invalid_key"):
        return _explain_unknown_key(key, first, whole)
    if kind == "missing" and not _lacks_element(first):
        return f"{key}: missing"
    if kind == "value_error":
        return ".".join(filter(None, (key, str(first["ctx"]["error"]))))
    allowed = dict.fromkeys(map(_allowed_value, errors))
    return f"{key}: {shown(value)} must be {' or '.join(allowed)}"


def _explain_unknown_key(key: str, error: ErrorDetails, whole: type[Block]) -> str:
    allowed, name = _allowed_keys(error["loc"][:-1], whole), str(error["loc"][-1])
    if name in MEAREC_KEYS:
        return f"{key}: MEArec's key, but not one here: {MEAREC_KEYS[name]}"
    close = difflib.get_close_matches(name, allowed, 1)
    hint = f"did you mean {shown(close[0])}? " if close else ""
    return f"{key}: unknown key; {hint}known are {', '.join(allowed)}"


def _explain_keys_of_mearec(errors: Sequence[ErrorDetails]) -> str:
    """Return all of MEArec's keys that are not here, those with the same remedy together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        *block, name = map(str, error["loc"])
        alike.setdefault((".".join(block), MEAREC_KEYS[name]), []).append(name)
    lines = [f"{block}.{', '.join(names)}: {remedy}" for (block, remedy), names in alike.items()]
    return "; ".join(["MEArec's keys, but not ones here: " + lines[0], *lines[1:], CONVERT])


def path_of(error: ErrorDetails, whole: type[Block]) -> tuple[int | str, ...]:
    """Return the location of an error without the names that pydantic gives to alternatives."""
    location = error["loc"][:-1] if _lacks_element(error) else error["loc"]
    block: BlockType = whole
    path: list[int | str] = []
    for part in location:
        # "[key]" is pydantic's word for a bad name. Names of alternatives only follow the key of a plain value.
        if part == "[key]" or (block is None and not isinstance(part, int)):
            continue
        path.append(part)
        block = block and _inner(block, part)
    return tuple(path)


def _inner(block: BlockType, part: int | str) -> BlockType:
    """Return what stands in a block at a key. For a number, an element of a list of blocks: the block itself."""
    if get_origin(block) is dict:
        return get_args(block)[1]
    if isinstance(part, int):
        return block
    field = block.model_fields.get(part)
    return block_in(field.annotation) if field else None


def _lacks_element(error: ErrorDetails) -> bool:
    """Return whether the error is a list that is too short."""
    return error["type"] == "missing" and isinstance(error["loc"][-1], int)


#: Parts of patterns of the settings, and what they stand for
PATTERNS = {
    "http": "an address, http(s)://...",
    "{64}": "a SHA-256 of 64 digits 0-9a-f",
    "": "a name of letters, digits, - and _",
}
#: Pydantic's names of types, in words
TYPES = {"model_type": "a block of keys", "dict_type": "a block of keys", "tuple_type": "a list", "list_type": "a list"}


def _allowed_value(error: ErrorDetails) -> str:
    """Return in words what would have been right."""
    kind = error["type"]
    if kind == "string_pattern_mismatch":
        return next(words for part, words in PATTERNS.items() if part in error["ctx"]["pattern"])
    if _lacks_element(error):
        return f"a list of {int(error['loc'][-1]) + 1}"
    if kind in TYPES:
        return TYPES[kind]
    if kind == "string_too_long":
        return f"at most {error['ctx']['max_length']} characters long"
    if kind == "string_too_short":
        return "text that is not empty"
    if kind == "string_type" and "[key]" in error["loc"]:
        return "a name; put it in quotes"
    if kind == "too_short":
        return f"at least {error['ctx']['min_length']} long"
    if kind == "too_long":
        return f"a list of {error['ctx']['max_length']}"
    message = error["msg"].removeprefix("Input ").removeprefix("should ")
    return message.removeprefix("be ").replace("a valid ", "a ").replace("a integer", "an integer")


def _allowed_keys(location: Sequence[int | str], block: BlockType) -> list[str]:
    """The keys of the block at a location."""
    for part in location:
        block = _inner(block, part)
    return sorted(block.model_fields)
