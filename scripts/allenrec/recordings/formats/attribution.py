"""The terms and papers of the models, which every file made from them names; NOTICE has them in full."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: The terms and the papers of the Allen Institute's perisomatic and all-active models
TERMS = (
    "Made from models of the Allen Cell Types Database, (c) Allen Institute for Brain Science, celltypes.brain-map.org: "
    "research and other noncommercial use, with citation."
)
PAPERS = ("doi:10.1038/s41467-017-02718-3", "doi:10.1016/j.celrep.2022.111176")


def terms_of(units: pd.DataFrame) -> str:
    """Return the terms of the models of all units: their own licences, and the Allen Institute's where they name none."""
    own = [f"Made from models under {licence}: {citation}." for licence, citation in _licences(units)]
    return " ".join(([TERMS] if _any_of_allen(units) else []) + own)


def papers_of(units: pd.DataFrame) -> list[str]:
    """Return the papers that the models of all units ask to cite, as DOIs where they have one."""
    papers = list(PAPERS) if _any_of_allen(units) else []
    for _, citation in _licences(units):
        papers += re.findall(r"doi:[^\s;,]+", citation) or [citation]
    return list(dict.fromkeys(filter(None, papers)))


def _licences(units: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the licence and the citation of each model that has a licence of its own, each pair once."""
    if "licence" not in units:
        return []
    citations = units["citation"] if "citation" in units else [""] * len(units)
    pairs = dict.fromkeys(zip(map(str, units["licence"]), map(str, citations), strict=True))
    return [(licence, citation) for licence, citation in pairs if licence]


def _any_of_allen(units: pd.DataFrame) -> bool:
    """Return whether a unit has no licence of its own; also where there are no units, as noise may be of such models."""
    return "licence" not in units or not len(units) or any(not licence for licence in units["licence"])
