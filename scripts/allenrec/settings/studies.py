"""Recordings that are made from others: `like`, `replicates` and `grid`, expanded into plain recordings.

The expansion is a function of the configuration alone. It knows no default and checks no value: what it returns is a
configuration that a user could have written, and all else sees only that. What the recordings share is in their block `stream`.
"""

import difflib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from allenrec.common.errors import UserError, shown

from .base import Block, block_in
from .error_messages import explain
from .libraries import Library
from .recordings import Drift, DriftingUnits, PlainRecording, Variants
from .recordings.streams import Part, in_our_words

#: Largest number of recordings that one entry may become
LARGEST_STUDY = 999
#: Longest name of a recording, characters: names of files and folders are made from it
LONGEST_NAME = 200
#: The folder of the tables of studies, beside those of recordings
STUDIES = "studies"
#: Keys of a recording that are gone after the expansion
VARIANT_KEYS = frozenset(Variants.model_fields)

#: A block of the configuration, as YAML gives it
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """An entry of `recordings` that has become several recordings.

    Attributes
    ----------
    name : str
    factors : tuple of str
        The keys that differ between the recordings, by their short names.
    vary : tuple of str or None
        The parts that the user names as different in each replicate; None if he names none.
    rows : dict
        For each recording by its name, the value of each factor and, if there are replicates, `replicate`, from 1.
    """

    name: str
    factors: tuple[str, ...]
    vary: tuple[Part, ...] | None
    rows: Mapping[str, Mapping[str, Any]]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows of a table: `recording`, the factors and `replicate`. Lists and blocks are JSON, and so is null."""
        return [{"recording": name} | {key: _cell(value) for key, value in row.items()} for name, row in self.rows.items()]


def _cell(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else json.dumps(value)


def expand_recordings(config: Entry) -> tuple[dict[str, Any], dict[str, Study]]:
    """Return the configuration with plain recordings only, and the studies among them by name.

    Raises
    ------
    UserError
        If `like`, `replicates` or `grid` of a recording cannot be followed.
    """
    entries, studies = config.get("recordings"), dict[str, Study]()
    if not isinstance(entries, Mapping):
        return dict(config), studies
    expanded: dict[str, Any] = {}
    for name in entries:
        members, study = _members(name, _resolve(name, config, ()), config)
        for member, entry in members.items():
            if member in expanded or (member != name and member in entries):
                raise UserError(f"config: recordings.{name}: makes {shown(member)}, which is the name of another recording")
            expanded[member] = _with_own_stream(member, entry)
        if study:
            studies[name] = study
    _check_names(expanded, studies)
    return {**config, "recordings": expanded}, studies


def _with_own_stream(name: str, entry: Any) -> Any:
    """Return a recording that says by itself whose random numbers it has; its own, if it shares none."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("stream", {}), Mapping):
        return entry  # the mistake is reported by the checks
    if not isinstance(name, str):
        return entry  # YAML reads names such as 1 and on as something else, which the checks report
    stream = _block(entry, "stream")
    return {**entry, "stream": {**stream, "recording": name if stream.get("recording") is None else stream["recording"]}}


def _resolve(name: str, config: Entry, chain: Sequence[str]) -> Any:
    """Return an entry of `recordings` with the keys of the recording that it is like."""
    entries, key = config["recordings"], f"config: recordings.{name}"
    entry = entries[name]
    if not isinstance(entry, Mapping):
        return entry
    like = _variants_of(name, entry).like
    try:
        changes = {part: in_our_words(value) if part == "seeds" else value for part, value in entry.items() if part != "like"}
    except ValueError as error:
        raise UserError(f"{key}.seeds.{error}") from None
    if like is None:
        return changes
    if like == name:
        raise UserError(f"{key}.like: {shown(like)} is the recording itself; name another one")
    if like not in entries:
        close = difflib.get_close_matches(like, entries, 1)
        hint = f"did you mean {shown(close[0])}? " if close else ""
        raise UserError(f"{key}.like: {shown(like)} is not in `recordings`; {hint}known are {', '.join(map(str, entries))}")
    if like in chain:
        circle = [*chain[chain.index(like) :], name, like]
        raise UserError(f"{key}.like: goes round in a circle, {' like '.join(map(str, circle))}")
    base = _resolve(like, config, (*chain, name))
    if not isinstance(base, Mapping):
        return changes  # the mistake in the other entry is reported with it
    stream = {"recording": like, **_block(base, "stream")}
    library = _choosing_library(base, changes.get("library", base.get("library")), config)
    return merge({**base, "stream": {**stream, "library": library}}, changes)


def merge(base: Entry, changes: Entry) -> dict[str, Any]:
    """Return a block with changes. Blocks within it are merged; all else, such as a list, is replaced."""
    # The keys of a single movement stand for the list of movements.
    replaced = Drift.model_fields if "drift_dicts" in changes else ()
    both = {key: value for key, value in base.items() if key not in replaced}
    for key, value in changes.items():
        old = both.get(key)
        both[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def _variants_of(name: str, entry: Entry) -> Variants:
    """Return the keys of an entry that make recordings from others, checked."""
    try:
        return Variants.model_validate({key: value for key, value in entry.items() if key in VARIANT_KEYS})
    except ValidationError as error:
        raise UserError(f"config: recordings.{name}.{explain(error.errors(), Variants)}") from None


def _block(entry: Entry, key: str) -> Entry:
    """Return a block within a block; an empty one if it is not there."""
    block = entry.get(key)
    return block if isinstance(block, Mapping) else {}


# Studies


def _members(name: str, entry: Any, config: Entry) -> tuple[dict[str, Any], Study | None]:
    """Return the recordings that an entry becomes, by name, and the study that they are; None if it is a single recording."""
    if not isinstance(entry, Mapping):
        return {name: entry}, None
    variants = _variants_of(name, entry)
    plain = {key: value for key, value in entry.items() if key not in VARIANT_KEYS}
    grid, replicates = variants.grid or {}, variants.replicates
    if not grid and replicates is None:
        return {name: plain}, None
    where, short = f"config: recordings.{name}", _short_names(grid)
    numbers = range(1, replicates.n + 1) if replicates else [None]
    _check_size(where, [len(levels) for levels in grid.values()], len(numbers))
    for key, levels in grid.items():
        _check_grid_key(f"{where}.grid", key)
        outer = next((other for other in grid if key.startswith(f"{other}.")), None)
        if outer is not None:
            raise UserError(
                f"{where}.grid: {shown(key)} lies in {shown(outer)}, so one would replace the other; name one of them"
            )
        texts = [_text(level) for level in levels]
        twice = next((level for level, text in zip(levels, texts, strict=True) if texts.count(text) > 1), None)
        if len(set(texts)) < len(texts):
            raise UserError(f"{where}.grid.{key}: {shown(twice)} has the same name as another value, {_text(twice)}")
    vary = replicates and replicates.vary
    stream = {"recording": name, **({"vary": vary} if vary else {}), **_block(plain, "stream")}
    members: dict[str, Any] = {}
    rows: dict[str, Mapping[str, Any]] = {}
    for levels, number in itertools.product(itertools.product(*grid.values()), numbers):
        member = "-".join([str(name), *(f"{short[key]}={_text(level)}" for key, level in zip(grid, levels, strict=True))])
        made: Any = plain
        for key, level in zip(grid, levels, strict=True):
            made = _with_value(made, key.split("."), level)
        origin = plain if "library" in plain else {"library": next(iter(grid.get("library", [None])))}
        own = {**stream, "library": _choosing_library({**origin, "stream": stream}, made.get("library"), config)}
        row = {short[key]: level for key, level in zip(grid, levels, strict=True)}
        if number is not None:
            member, own, row = f"{member}-{number:02d}", {**own, "replicate": number}, {**row, "replicate": number}
        members[member], rows[member] = {**made, "stream": own}, row
    return members, Study(name, tuple(short.values()), tuple(vary) if vary else None, rows)


def _check_size(where: str, levels: Sequence[int], n_replicates: int) -> None:
    """Refuse a study of more recordings than anyone wants."""
    number = math.prod(levels) * n_replicates
    if number > LARGEST_STUDY:
        factors = " x ".join(map(str, [*levels, *([f"{n_replicates} replicates"] if n_replicates > 1 else [])]))
        raise UserError(
            f"{where}: makes {number} recordings ({factors}), more than {LARGEST_STUDY}; make several studies of it"
        )


def _check_grid_key(where: str, key: str) -> None:
    """Refuse a key of a grid that a recording does not have."""
    kind: Any = PlainRecording
    parts = key.split(".")
    for number, part in enumerate(parts):
        if number and part.isdecimal():
            continue  # an element of a list of blocks, such as a movement
        if not (isinstance(kind, type) and issubclass(kind, Block)):
            return  # an element of a list or of a table of cell types
        known = [*kind.model_fields, *(Drift.model_fields if issubclass(kind, DriftingUnits) else [])]
        if part not in known:
            if part in VARIANT_KEYS:
                raise UserError(f"{where}: {shown(key)} cannot be a factor, because it makes recordings itself")
            block = ".".join(parts[:number]) or "a recording"
            hint = _hint(parts, number, known)
            raise UserError(
                f"{where}: {shown(key)} is no key of a recording; {hint}keys of {block} are {', '.join(sorted(known))}"
            )
        kind = block_in(kind.model_fields[part].annotation) if part in kind.model_fields else None


def _hint(parts: Sequence[str], number: int, known: Sequence[str]) -> str:
    """Return what may be meant by a part of a key of a grid that is not among the known ones; "" if nothing is near."""
    part, blocks = parts[number], PlainRecording.model_fields if len(parts) == 1 else {}
    inside = [
        f"{name}.{part}"
        for name, field in blocks.items()
        if isinstance(block := block_in(field.annotation), type) and issubclass(block, Block) and part in block.model_fields
    ]
    close = [".".join([*parts[:number], name]) for name in difflib.get_close_matches(part, known, 1)]
    if not number and not inside and (part == "libraries" or part in Library.model_fields):
        return "make a library for each value, and let the grid vary `library`; "
    return f"did you mean {(inside or close)[0]!r}? " if inside or close else ""


def _with_value(value: Any, path: Sequence[str], new: Any) -> Any:
    """Return a block, or a list of blocks, with another value at a path; blocks are merged. Nothing is changed in place."""
    if not path:
        return merge(value, new) if isinstance(value, Mapping) and isinstance(new, Mapping) else new
    first, rest = path[0], path[1:]
    if isinstance(value, list) and first.isdecimal() and int(first) < len(value):
        return [_with_value(old, rest, new) if k == int(first) else old for k, old in enumerate(value)]
    block = value if isinstance(value, Mapping) else {}
    return merge({key: old for key, old in block.items() if key != first}, {first: _with_value(block.get(first), rest, new)})


def _short_names(grid: Entry) -> dict[str, str]:
    """Return for each key of a grid its last part or, if others end so too, the whole key."""
    last = {key: key.rpartition(".")[2] for key in grid}
    return {key: short if list(last.values()).count(short) == 1 else key for key, short in last.items()}


def _text(value: Any) -> str:
    """Return a value as a part of a name."""
    if isinstance(value, list | tuple):
        text = "-".join(map(_text, value))
    elif isinstance(value, Mapping):
        text = "-".join(f"{key}_{_text(inner)}" for key, inner in value.items())
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, default=str).removesuffix(".0")
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", text)


def _check_names(expanded: Mapping[str, Any], studies: Mapping[str, Study]) -> None:
    """Refuse names that cannot be those of files."""
    makers = {name: study.name for study in studies.values() for name in study.rows}
    for name in expanded:
        if len(str(name)) > LONGEST_NAME:
            made = f".{makers[name]}: makes a recording whose" if name in makers else ": a recording's"
            cure = "shorten the name of the study, or vary fewer keys at once" if name in makers else "shorten it"
            raise UserError(
                f"config: recordings{made} name has {len(name)} characters, {name[:60]}...; files can have {LONGEST_NAME}; "
                f"{cure}"
            )
    if studies and STUDIES in expanded:
        raise UserError(f"config: recordings.{STUDIES}: is where the tables of studies are; choose another name")


# The same units on another probe


def _choosing_library(base: Entry, library: Any, config: Entry) -> Any:
    """Return the library in which the units of a recording are chosen that is like another one, or None if it is its own.

    The units of `base` were chosen by their amplitudes in one library. If the other library has the same poses, the same
    templates are taken from it, whatever their amplitudes are there.
    """
    first = _block(base, "stream").get("library") or base.get("library")
    libraries = _block(config, "libraries")
    same = first != library and _origin(first, libraries) == _origin(library, libraries)
    return first if same else None


def _origin(name: Any, libraries: Entry) -> tuple[str, Any]:
    """Return where the poses of a library are from: a table, or the library at the end of `poses_from`."""
    seen = [name]
    while isinstance(name, str) and (origin := _block(libraries, name).get("poses_from")) is not None and origin not in seen:
        seen.append(name := origin)
    table = _block(libraries, name).get("poses") if isinstance(name, str) else None
    return ("library", name) if table is None else ("table", table)
