"""Faults of a configuration in words."""

import difflib
from typing import get_args, get_origin

from .base import block_in
from .recordings.drift import Drift

#: Keys of MEArec's parameter files that are not keys of the same block here, and what to do
MEAREC_KEYS = {
    **dict.fromkeys(
        ("sim_time", "target_spikes", "cut_out", "dt", "delay"), "it stands in `intracellular`, once for all libraries"
    ),
    "weights": "the search brackets by itself, from `intracellular.start_amplitude`",
    "timeout": "limits are counted in candidates, `max_iterations`, so that results do not depend on the machine",
    "det_thresh": "MEArec does not use it either; `min_amp` is the threshold",
    "seed": "one `seed` at the top level serves everything",
    "overlap": "every spike has its label in the file",
    "n_jitters": "each spike is placed where its time says, on a grid of `upsample` points a sample",
    **dict.fromkeys(("smooth_percent", "smooth_strength"), "ends of templates fade over `pad_len`, the spike is left as it is"),
    "shape_stretch": "`shape_widening` says how much wider smaller spikes are",
    **dict.fromkeys(Drift.model_fields, "it stands in a block of the list `drift_dicts`, or without one"),
    **dict.fromkeys(("seeds", "n_jobs", "recompile"), "nothing depends on it; see `seed` and `snakemake --cores`"),
}


def explain(faults, whole):
    """Return the first of pydantic's faults in `whole`, a block, in words: the key as it stands in the file, the value, and
    what is allowed."""
    # A key with alternatives (a number, or a list) has a fault for each; one in an element of the list says most.
    located = [(_path(fault, whole), fault) for fault in faults]
    shortest = located[0][0]
    located = [(path, fault) for path, fault in located if path[: len(shortest)] == shortest]
    longest = max((path for path, _ in located), key=len)
    faults = [fault for path, fault in located if len(path) == len(longest)]
    first = faults[0]
    key, kind, value = _key(longest), first["type"], first["input"]
    if kind in ("extra_forbidden", "invalid_key"):
        allowed = _allowed_keys(first["loc"][:-1], whole)
        name = str(first["loc"][-1])
        if name in MEAREC_KEYS:
            return f"{key}: MEArec's key, but not one here: {MEAREC_KEYS[name]}"
        close = difflib.get_close_matches(name, allowed, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"{key}: unknown key; {hint}known are {', '.join(allowed)}"
    if kind == "missing" and not _lacks_element(first):
        return f"{key}: missing"
    if kind == "value_error":
        return ".".join(filter(None, (key, str(first["ctx"]["error"]))))
    allowed = dict.fromkeys(map(_allowed_value, faults))
    return f"{key}: {value!r} must be {' or '.join(allowed)}"


def _key(path):
    """The dotted key at a path, on one line."""
    return ".".join(str(part) if str(part).isprintable() else repr(part) for part in path)


def _path(fault, whole):
    """Pydantic's location of a fault, without the names that it gives to alternatives, which only follow a key of a block."""
    location = fault["loc"][:-1] if _lacks_element(fault) else fault["loc"]
    block, path = whole, []
    for part in location:
        if part == "[key]" or (block is None and not isinstance(part, int)):
            continue  # pydantic's word for a bad name; or inside a value
        path.append(part)
        block = block and _inner(block, part)
    return tuple(path)


def _inner(block, part):
    """What stands in a block at a key: a block, a dict of blocks, or None for a value; in a list of blocks, such a block."""
    if get_origin(block) is dict:
        return get_args(block)[1]
    if isinstance(part, int):
        return block
    field = block.model_fields.get(part) if isinstance(part, str) else None
    return block_in(field.annotation) if field else None


def _lacks_element(fault):
    """Whether a list is too short."""
    return fault["type"] == "missing" and isinstance(fault["loc"][-1], int)


#: Parts of patterns, and what they stand for
PATTERNS = {
    "http": "an address, http(s)://...",
    "{64}": "a SHA-256 of 64 digits 0-9a-f",
    "": "a name of letters, digits, - and _",
}


def _allowed_value(fault):
    plain = {
        "model_type": "a block of keys",
        "dict_type": "a block of keys",
        "tuple_type": "a list",
        "list_type": "a list",
    }
    if fault["type"] == "string_pattern_mismatch":
        return next(words for part, words in PATTERNS.items() if part in fault["ctx"]["pattern"])
    if _lacks_element(fault):
        return f"a list of {fault['loc'][-1] + 1}"
    if fault["type"] in plain:
        return plain[fault["type"]]
    if fault["type"] == "too_short":
        return f"at least {fault['ctx']['min_length']} long"
    if fault["type"] == "too_long":
        return f"a list of {fault['ctx']['max_length']}"
    message = fault["msg"].removeprefix("Input ").removeprefix("should ")
    return message.removeprefix("be ").replace("a valid ", "a ").replace("a integer", "an integer")


def _allowed_keys(location, block):
    """The keys of the block at a location in another one."""
    for part in location:
        # `libraries` and `recordings` are dicts of blocks: there the part is a name
        block = _inner(block, part)
    return sorted(block.model_fields)
