"""Draw all figures of a rule, as the registers of figures and drawings say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from allenrec.common.outcomes import read_failure

from .drawings import DRAWINGS, Drawing, load_function
from .nothing import NothingToDrawError, not_drawn
from .register import FOLDERS, Figure
from .style import card, save


def draw(rule: str, inputs: Sequence[str | Path], outputs: Sequence[str | Path]) -> None:
    """Draw the figures of a rule, of one thing or of several, and write each with its caption.

    If the input says that a model failed, or if a figure would be empty, a card with the reason takes the place of the figure.

    Parameters
    ----------
    rule : str
        A key of `DRAWINGS`.
    inputs : sequence of path
        The input files of the rule's reader; if there are several things, those of one after those of another.
    outputs : sequence of path
        A PNG for each figure of the rule, in the order of the register, for one thing after another; the captions lie beside
        them.
    """
    drawing = DRAWINGS[rule]
    n_things = len(outputs) // len(drawing.figures)
    for of_one in zip(_parts(inputs, n_things), _parts(outputs, n_things), strict=True):
        _draw_one(drawing, *of_one)


def _parts(files: Sequence[str | Path], n: int) -> list[Sequence[str | Path]]:
    """Return `n` parts of equal length, in order."""
    length = len(files) // n
    return [files[k * length : (k + 1) * length] for k in range(n)]


def _draw_one(drawing: Drawing, inputs: Sequence[str | Path], outputs: Sequence[str | Path]) -> None:
    """Draw the figures of one thing."""
    names = _names_in(FOLDERS[drawing.kind], Path(outputs[0]).parent)
    failure = read_failure(inputs[0]) if "model" in drawing.wildcards else None
    if failure is not None:
        for figure, path in zip(drawing.figures, outputs, strict=True):
            _save_card(figure, names, failure, path)
        return
    values: dict[str, Any] = {}
    with _opened(drawing, inputs, names) as data:
        for figure, path in zip(drawing.figures, outputs, strict=True):
            for name in figure.takes:
                if name not in values:
                    values[name] = load_function(name)(data)
            plot = load_function(figure.function)
            try:
                save(plot(data, *(values[name] for name in figure.takes)), path, figure.caption)
            except NothingToDrawError as reason:
                _save_card(figure, names, reason, path)


def _save_card(figure: Figure, names: Mapping[str, str], reason: object, path: str | Path) -> None:
    """Write a card that says why a thing, which has `names`, has no such figure."""
    title = "  ·  ".join([figure.title, *(f"{kind} {name}" for kind, name in names.items())])
    save(card(title, reason), path, not_drawn(reason))


def _names_in(pattern: str, folder: Path) -> dict[str, str]:
    """Return the names of a thing, such as "library" and "model", from the end of the folder of its figures."""
    parts = [f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in pattern.split("/")]
    found = re.search(rf"(^|/){'/'.join(parts)}$", folder.as_posix())
    return found.groupdict() if found else {}


def _opened(drawing: Drawing, inputs: Sequence[str | Path], names: Mapping[str, str]) -> AbstractContextManager[Any]:
    """Read what the figures of a rule are drawn from; files that stay open are closed at the end of the block.

    Readers that take the names of the thing make sure that the file is not that of another one.
    """
    reader = load_function(drawing.reader, "allenrec")
    data = reader(*inputs, **names) if drawing.named else reader(*inputs)
    return data if hasattr(data, "__enter__") else nullcontext(data)
