"""The explanation of which limit leaves too few templates for the units of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from allenrec.settings.recordings import UnitSelection

#: The name of a limit, and (N,) which templates satisfy it
Criterion = tuple[str, NDArray[np.bool_]]


def explain_shortage(stages: Sequence[Criterion], count: int, found: int, n_templates: int, limits: UnitSelection) -> str:
    """Return which limits leave too few templates, and how many templates are left after each limit.

    Limits between units bind if they took some of the templates that are left after the limits on single templates. There may
    have been too few of those already; then both bind.
    """
    kept, left = np.ones(n_templates, dtype=bool), []
    for limit, keeps in stages:
        kept = kept & keeps
        left.append((limit, int(kept.sum())))
    between = [f"templates.min_dist, {limits.min_dist:g} µm"]
    if limits.max_similarity < 1:
        between.append(f"templates.max_similarity, {limits.max_similarity:g}")
    if limits.n_overlap_pairs is not None:
        between.append(f"templates.n_overlap_pairs, {limits.n_overlap_pairs}")
    scarce = next(((limit, n) for limit, n in left if n < count), None)
    counts = ", ".join(f"{n} after {limit}" for limit, n in left)
    counts = f"(of {n_templates} templates, {counts} are left)"
    if scarce is None or found < left[-1][1]:
        also = f"; {scarce[0]} leaves too few as well, {scarce[1]}" if scarce else ""
        return f"the limiting setting is {' or '.join(between)}, which leaves {found} of {left[-1][1]}{also} {counts}"
    return f"the limiting setting is {scarce[0]} {counts}"
