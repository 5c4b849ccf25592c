"""The morphology of a model: an SWC file that holds one cell, which is one tree."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError, shortened

#: SWC structure identifiers and the section types of the fits
SECTION_OF_SWC_TYPE = {1: "soma", 2: "axon", 3: "dend", 4: "apic"}
SECTIONS = frozenset(SECTION_OF_SWC_TYPE.values())
SOMA = 1
#: Largest distance of a point from the origin, and largest radius, µm: beyond them NEURON crashes or computes nonsense
FARTHEST, THICKEST = 1e5, 100.0
#: Parent of a row that has none
NO_PARENT = -1


def check_morphology(model_id: str, path: Path) -> set[str]:
    """Check an SWC file (columns: id, type, x, y, z, radius in µm, parent id); return the section types that it has.

    Raises
    ------
    UserError
        The message names the model and the file: it does not parse, a value cannot be, or it is not one tree that begins in
        the soma.
    """

    def refuse(text: str) -> UserError:
        return UserError(f"model {model_id}: {path} {text}")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # np.loadtxt warns about an empty file, which is an error below
            rows = np.loadtxt(path, comments="#", ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise refuse(f"is not an SWC file: {shortened(error)}") from None
    if rows.size == 0 or rows.shape[1] != 7 or not np.isfinite(rows).all():
        raise refuse("is not an SWC file: rows of 7 finite numbers expected")
    problem = _problem_of_values(rows) or _problem_of_tree(*rows[:, [0, 1, 6]].astype(np.int64).T)
    if problem:
        raise refuse(problem)
    return {SECTION_OF_SWC_TYPE[kind] for kind in set(rows[:, 1].astype(int))}


def _problem_of_values(rows: NDArray[np.float64]) -> str:
    """Return which value of an SWC file (n, 7) cannot be, "" if all can."""
    whole = rows[:, [0, 1, 6]]
    fractions = np.argwhere((whole != np.round(whole)) | (np.abs(whole) > 2**53))
    if len(fractions):
        row, column = fractions[0]
        return f"has the {('id', 'type', 'parent')[column]} {whole[row, column]:g}, which is not a whole number"
    types = set(rows[:, 1].astype(int))
    if SOMA not in types:
        return "has no soma (a row of type 1)"
    unknown = types - set(SECTION_OF_SWC_TYPE)
    if unknown:
        return f"has rows of type {min(unknown)}; known are 1, 2, 3 and 4"
    radii, places = rows[:, 5], np.abs(rows[:, 2:5])
    if (radii <= 0).any():
        return "has a radius that is not positive"
    if radii.max() > THICKEST:
        return f"has a radius of {radii.max():g} µm; no cell has more than {THICKEST:g} µm"
    if places.max() > FARTHEST:
        return f"has a coordinate of {places.max():g} µm; at most {FARTHEST:g} µm are allowed"
    return ""


def _problem_of_tree(ids: NDArray[np.int64], types: NDArray[np.int64], parents: NDArray[np.int64]) -> str:
    """Return why rows are not one tree that begins in the soma, "" if they are.

    NEURON would connect a loose part to the soma without a word.
    """
    disorder = np.flatnonzero(np.diff(ids) <= 0)
    if len(disorder):
        return f"has row {ids[disorder[0] + 1]} after row {ids[disorder[0]]}"
    # NEURON needs parents before their children, too.
    roots = parents == NO_PARENT
    orphans = ~roots & ~(np.isin(parents, ids) & (parents < ids))
    if orphans.any():
        return f"names the parent {parents[orphans][0]}, which is not in a row before"
    if roots.sum() > 1:
        return f"has {roots.sum()} parts that do not hang together; row {ids[roots][1]} begins the second, without a parent"
    if types[roots][0] != SOMA:
        return f"begins with row {ids[roots][0]} of type {types[roots][0]}; the root must be in the soma (type 1)"
    of_parents = types[np.searchsorted(ids, parents[~roots])]
    second = (types[~roots] == SOMA) & (of_parents != SOMA)
    if second.any():
        return f"has a second soma: row {ids[~roots][second][0]} of type 1 hangs on a row of another type"
    return ""
