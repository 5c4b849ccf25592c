"""The `params` of a job: the values that its script takes, and what Snakemake compares to decide whether the job runs again."""

import functools
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel

from .base import Block, block_in

Called = TypeVar("Called", bound=Callable[..., Any])


def job_params(
    settings: Block, unused: Collection[str] = (), only: Collection[str] = (), **keys: str
) -> dict[str, str | Callable[[Any], Any]]:
    """Return the `params` of a rule that uses parts of the settings.

    Snakemake compares params by their text, and shows those that differ where it says why a job runs. So each key is a text of
    its own, such as "libraries.neuronexus.n: 50". It does not compare objects of classes that it does not know, such as the
    values for the script.

    Parameters
    ----------
    settings : allenrec.settings.Settings
    unused : collection of str
        The keys within these parts that the job does not use, such as "library.format".
    only : collection of str
        The keys within these parts that the job uses, if it does not use them all.
    **keys : str
        The name for the script, and the dotted key of a block or value. Wildcards may stand in it: "libraries.{library}".

    Returns
    -------
    dict
        `settings`, a function of the wildcards that returns an object with the parts as its attributes; and the text of each
        key, or a function that returns it.
    """

    @with_known_signature
    def values(wildcards: Any) -> SimpleNamespace:
        return SimpleNamespace(**{name: _value_at(settings, _concrete(key, wildcards)) for name, key in keys.items()})

    texts = {
        ".".join(filter(None, [name, rest])): _text_of(settings, ".".join(filter(None, [key, rest])))
        for name, key in keys.items()
        for rest in _keys_within(*_class_and_value(settings, key))
    }
    return {"settings": values} | {
        name: text for name, text in texts.items() if name not in unused and (not only or name in only)
    }


def row_params(rows: Mapping[str, Any]) -> dict[str, Callable[[Any], Any]]:
    """Return the `params` of a rule that uses all rows of a table: `rows`, which has them `by_name`, and each row as text.

    Parameters
    ----------
    rows : mapping
        The rows by their names, in plain values.
    """

    def text(name: str) -> Callable[[Any], str]:
        return lambda wildcards: f"row {name}: {json.dumps(rows[name], ensure_ascii=False)}"

    table = SimpleNamespace(by_name=dict(rows))
    return {"rows": lambda wildcards: table} | {f"row {name}": text(name) for name in rows}


#: Up to so many names, such as those of libraries, the values of a key are compared at the start: many cells may have jobs for
#: each. Of many recordings each has few jobs, for which the comparison would take longer than it saves.
FEW_NAMES = 8


def with_known_signature(function: Called) -> Called:
    """Return a function of a rule with its signature at hand.

    Snakemake asks for it several times a job; to find it out takes longer than most of the functions themselves.
    """
    setattr(function, "__signature__", inspect.signature(function))  # noqa: B010, because a type checker knows no such attribute
    return function


def _text_of(settings: Block, key: str) -> str | Callable[[Any], str]:
    """Return a key and its value as text, or a function of the wildcards that does so if the value depends on them.

    Where it does not, Snakemake fills in the wildcards itself, which takes it a tenth of the time.
    """

    @functools.cache
    def text_at(concrete: str) -> str:
        return f"{concrete}: {json.dumps(_plain(_value_at(settings, concrete)), ensure_ascii=False)}"

    @with_known_signature
    def text(wildcards: Any) -> str:
        return text_at(_concrete(key, wildcards))

    values = {text_at(concrete).removeprefix(concrete) for concrete in _concrete_keys(settings, key)}
    if len(values) == 1 and "{" not in (value := values.pop()):  # Snakemake takes what stands in braces for wildcards
        return key + value
    return text


def _concrete_keys(settings: Block, key: str) -> list[str]:
    """Return a key with each name that may stand in place of its wildcard; none if there are more than `FEW_NAMES`."""
    before, wildcard, rest = key.partition(".{")
    if not wildcard:
        return [key]
    names = _value_at(settings, before)
    after = rest.partition("}")[2]
    return [f"{before}.{name}{after}" for name in names] if len(names) <= FEW_NAMES else []


def _concrete(key: str, wildcards: Any) -> str:
    """Return a key with the values of the wildcards in it."""
    return key.format(**dict(wildcards.items())) if "{" in key else key


def _value_at(settings: Block, key: str) -> Any:
    """Return the value at a dotted key, or the settings themselves for an empty key."""
    value: Any = settings
    while key:
        part, key = _split(key, value)
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


def _split(key: str, value: Any) -> tuple[str, str]:
    """Return the first part of a dotted key, and the rest. Names, such as those of recordings, may have dots themselves."""
    names = [name for name in value if f"{key}.".startswith(f"{name}.")] if isinstance(value, dict) else []
    part = max(names, key=len, default=key.partition(".")[0])
    return part, key[len(part) + 1 :]


def _plain(value: Any) -> Any:
    """Return a value with its blocks as dicts."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _class_and_value(settings: Block, key: str) -> tuple[Any, Any]:
    """Return what stands at a dotted key: its type, and its value or, where a wildcard stands in the key, None."""
    kind: Any = type(settings)
    value: Any = settings
    while key:
        part, key = _split(key, value)
        if get_origin(kind) is dict:
            kind, value = get_args(kind)[1], None if part.startswith("{") else value[part]
        else:
            kind, value = kind.model_fields[part].annotation, None if value is None else getattr(value, part)
    return kind, value


def _keys_within(kind: Any, value: Any) -> Iterator[str]:
    """Yield the dotted keys of all values in a block or in a dict of blocks; "" for a value itself.

    A block that may be None, and a list of blocks, is one value: how many keys there are does not depend on wildcards.
    """
    if isinstance(kind, type) and issubclass(kind, Block):
        for name, field in kind.model_fields.items():
            if not field.exclude:
                inner = None if value is None else getattr(value, name)
                yield from (".".join(filter(None, [name, rest])) for rest in _keys_within(field.annotation, inner))
    elif get_origin(kind) is dict and block_in(kind) is not None:
        for name, inner in value.items():
            yield from (f"{name}.{rest}" for rest in _keys_within(get_args(kind)[1], inner))
    else:
        yield ""
