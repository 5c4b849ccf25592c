"""The morphology of a model: an SWC file that holds one cell, which is one tree."""

import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError, shortened, shown

from .parts import SECTION_OF_SWC_TYPE

SOMA = 1
#: Largest distance of a point from the origin, smallest and largest radius, and largest length of all branches, µm: beyond them
#: NEURON crashes or computes nonsense
FARTHEST, THINNEST, THICKEST, LONGEST = 1e5, 1e-3, 100.0, 6e5
#: Smallest radius of a point of a soma, µm; a file in mm or m has less
SMALLEST_SOMA = 0.1
#: Largest id of a point: NEURON has single precision for it, and memory for each id below it
LARGEST_ID = 10_000_000
#: Length below which NEURON takes a branch for one without length, µm
NO_LENGTH = 1e-3
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
        rows = _read_rows(path.read_bytes())
    except ValueError as error:
        raise refuse(f"is not an SWC file: {shortened(str(error).split(';')[0])}") from None  # no advice about np.loadtxt
    if rows.size == 0 or rows.shape[1] != 7 or not np.isfinite(rows).all():
        raise refuse("is not an SWC file: rows of 7 finite numbers expected")
    problem = _problem_of_values(rows) or _problem_of_tree(*rows[:, [0, 1, 6]].astype(np.int64).T) or _problem_of_lengths(rows)
    if problem:
        raise refuse(problem)
    return {SECTION_OF_SWC_TYPE[kind] for kind in set(rows[:, 1].astype(int))}


def _read_rows(content: bytes) -> NDArray[np.float64]:
    """Return the rows of an SWC file. Comments may have any encoding; numbers are of ASCII, because NEURON reads no others."""
    lines = [line.split(b"#")[0] for line in re.split(rb"\r\n|\r|\n", content)]
    for number, line in enumerate(lines, start=1):
        if not line.isascii():
            raise ValueError(f"line {number} has other characters than ASCII: {shown(line.decode(errors='replace'))}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about an empty file, which has no rows
        return np.loadtxt(lines, ndmin=2)


def _problem_of_values(rows: NDArray[np.float64]) -> str:
    """Return which value of an SWC file (n, 7) cannot be, "" if all can."""
    whole = rows[:, [0, 1, 6]]
    fractions = np.argwhere((whole != np.round(whole)) | (np.abs(whole) > 2**53))
    if len(fractions):
        row, column = fractions[0]
        return f"has the {('id', 'type', 'parent')[column]} {whole[row, column]:g}, which is not a whole number"
    strange = rows[(rows[:, 0] < 0) | (rows[:, 0] > LARGEST_ID), 0]
    if len(strange):
        return f"has the id {strange[0]:.0f}; ids are between 0 and {LARGEST_ID}"
    types = set(rows[:, 1].astype(int))
    if SOMA not in types:
        return "has no soma (a row of type 1)"
    unknown = types - set(SECTION_OF_SWC_TYPE)
    if unknown:
        return f"has rows of type {min(unknown)}; known are 1, 2, 3 and 4"
    radii, places = rows[:, 5], np.abs(rows[:, 2:5])
    if (radii <= 0).any():
        return "has a radius that is not positive"
    if radii.min() < THINNEST:
        return f"has a radius of {radii.min():g} µm; no cell has less than {THINNEST:g} µm"
    if radii[rows[:, 1] == SOMA].max() < SMALLEST_SOMA:
        return f"has a soma of radius {radii[rows[:, 1] == SOMA].max():g} µm; are its numbers in other units than µm?"
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


def _problem_of_lengths(rows: NDArray[np.float64]) -> str:
    """Return which branch of a tree has no length, or that all are too long together; "" if NEURON can compute with them.

    NEURON removes a branch of two points without length. It keeps those of more points, and gives them a diameter of 500 µm.
    """
    ids, types, parents = rows[:, [0, 1, 6]].astype(np.int64).T
    places = np.searchsorted(ids, parents)  # the root has none; its step is none either
    points = rows[:, 2:5].astype(np.float32)  # as NEURON keeps them
    steps = np.where(parents == NO_PARENT, 0.0, np.linalg.norm(points - points[places], axis=1))
    if steps.sum() > LONGEST:
        return f"has branches of {steps.sum():g} µm; all together may have {LONGEST:g} µm at most"
    if np.count_nonzero(steps < NO_LENGTH) < 2:  # the root's, and no other
        return ""
    for first, length, n_points in _branches(types, parents, places, steps):
        if length < NO_LENGTH and n_points > (1 if types[first] == SOMA else 2):
            return f"has a branch without length: {n_points} points at one place, from row {ids[first]} on"
    return ""


def _branches(
    types: NDArray[np.int64], parents: NDArray[np.int64], places: NDArray[np.int64], steps: NDArray[np.float64]
) -> list[tuple[int, float, int]]:
    """Return the branches of a tree, as NEURON makes sections of them: the first row of each, its length and number of points.

    The point at which a branch begins counts as one of its own, unless it is one of the soma.
    """
    children = np.bincount(places[parents != NO_PARENT], minlength=len(types))
    of_soma = np.bincount(places[(parents != NO_PARENT) & (types == SOMA)], minlength=len(types))
    branch_of: list[int] = []
    branches: list[tuple[int, float, int]] = []
    for row, (kind, parent, place, step) in enumerate(zip(types, parents, places, steps, strict=True)):
        same = parent != NO_PARENT and types[place] == kind
        if same and (of_soma if kind == SOMA else children)[place] == 1:
            first, length, n_points = branches[branch_of[place]]
            branches[branch_of[place]] = first, length + step, n_points + 1
            branch_of.append(branch_of[place])
        else:
            apart = parent == NO_PARENT or (types[place] == SOMA and kind != SOMA)
            branch_of.append(len(branches))
            branches.append((row, 0.0, 1) if apart else (row, step, 2))
    return branches
