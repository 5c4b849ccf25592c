"""Selection: which templates of a library become the units of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allenrec.common.errors import UserError, shown
from allenrec.common.random_streams import StreamKey, generator

from .overlaps import spatial_overlaps
from .shortage import Criterion, explain_shortage
from .similarity import largest_similarity, similarity_bounds

if TYPE_CHECKING:
    from allenrec.settings.recordings import CellTypes, DriftingUnits, UnitSelection

    from ..types import TemplateLibrary, UnitKey

#: Number of random orders in which overlapping pairs are searched for
ORDERS = 20
#: Number of templates that are read at once
TEMPLATES_AT_ONCE = 256


class UnitGroup(NamedTuple):
    """Units of one kind, "excitatory" or "inhibitory": their cell types, matched by equality, and their number."""

    kind: str
    cell_types: Sequence[str]
    number: int


def unit_groups(cell_types: CellTypes, n_excitatory: int, n_inhibitory: int) -> list[UnitGroup]:
    """Return the two groups of units, or of far neurons: excitatory ones come first."""
    return [
        UnitGroup("excitatory", cell_types.excitatory, n_excitatory),
        UnitGroup("inhibitory", cell_types.inhibitory, n_inhibitory),
    ]


def unit_keys(groups: Sequence[UnitGroup]) -> list[UnitKey]:
    """Return the key of each unit, in the order of units."""
    return [(group.kind, number) for group in groups for number in range(group.number)]


@dataclass(frozen=True)
class Candidates:
    """The properties of a library's templates that the selection needs.

    Attributes
    ----------
    paths : numpy.ndarray
        (N, n_steps, 3) µm, positions of the somata; there is one step if the cells do not drift.
    positions : numpy.ndarray
        (N, 3) µm, positions of the somata at the centre of their paths.
    amplitudes : numpy.ndarray
        (N,) µV.
    celltypes : numpy.ndarray
        (N,) text.
    templates : callable
        A function that returns the templates of some rows, (n, n_channels, n_t) µV. Only the limits on similarity and overlaps
        need it.
    snr : numpy.ndarray or None
        (N,) signal-to-noise ratios; None if no limit needs them.
    """

    paths: NDArray[np.float64]
    positions: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    celltypes: NDArray[np.object_]
    templates: Callable[[Any], NDArray[Any]]
    snr: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.positions)


def choose_units(
    stream_key: StreamKey,
    library: TemplateLibrary,
    groups: Sequence[UnitGroup],
    limits: UnitSelection,
    drift: DriftingUnits,
    snr: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Return the rows of a library that become units: those that the user names, or else random ones.

    `snr`, (N,), are the signal-to-noise ratios of the templates, if there is a limit on them. See `named_templates` and
    `select_templates` for the other parameters and errors.
    """
    if limits.template_ids is not None:
        return named_templates(limits.template_ids, library.celltypes, groups)
    paths = library.locations if library.drifting else library.locations[:, np.newaxis]
    candidates = Candidates(paths, library.positions, library.amplitudes, library.celltypes, library.at_centre, snr)
    return select_templates(generator(*stream_key, "selection"), candidates, groups, limits, drift)


def select_templates(
    rng: np.random.Generator,
    candidates: Candidates,
    groups: Sequence[UnitGroup],
    limits: UnitSelection,
    drift: DriftingUnits,
) -> NDArray[np.int64]:
    """Choose random templates that satisfy all limits.

    Templates are tried in a random order. A template is kept if it is far enough from all templates kept before it, and not too
    similar to any of them. The first kept templates of each group become units, so that one unit more changes none of the
    others. If a group has too few, templates are tried again that were refused only because of a kept template that did not
    become a unit. With `n_overlap_pairs`, units are chosen one after the other: see `_with_overlaps`.

    Parameters
    ----------
    rng : numpy.random.Generator
    candidates : Candidates
    groups : sequence of UnitGroup
    limits : allenrec.settings.recordings.UnitSelection
        `min_amp` and `max_amp` are strict limits; `min_dist` holds at every step of the paths.
    drift : allenrec.settings.recordings.DriftingUnits
        Limits of the paths: `preferred_dir` and `angle_tol`.

    Returns
    -------
    numpy.ndarray
        int64, rows of the library: all units of the first group, then of the second, ...

    Raises
    ------
    UserError
        If a group cannot be filled; the message says how many units can be selected, and which setting limits it.
    """
    candidates = replace(candidates, paths=_aligned(candidates.paths, drift.preferred_dir))
    order = rng.permutation(len(candidates))
    of_type = [np.isin(candidates.celltypes, group.cell_types) for group in groups]
    criteria = _criteria(candidates, limits, drift)
    allowed = np.logical_and.reduce([np.any(of_type, axis=0), *(keeps for _, keeps in criteria)])
    counts = [group.number for group in groups]
    if limits.n_overlap_pairs is None:
        chosen = _independent(order[allowed[order]], candidates, of_type, counts, limits)
    else:
        chosen = _with_overlaps(rng, np.flatnonzero(allowed), candidates, of_type, counts, limits)
    for units, mine, group in zip(chosen, of_type, groups, strict=True):
        if len(units) < group.number:
            stages = [(f"cell_types.{group.kind} {group.cell_types}", mine), *criteria]
            raise UserError(
                f"{group.number} {group.kind} units were requested, but only {len(units)} can be selected; "
                + explain_shortage(stages, group.number, len(units), len(candidates), limits)
            )
    return np.array([row for units in chosen for row in units], dtype=np.int64)


def named_templates(rows: Sequence[int], celltypes: NDArray[np.object_], groups: Sequence[UnitGroup]) -> NDArray[np.int64]:
    """Return the templates that the user names, in the order of units: those of the first group, then of the second.

    Parameters
    ----------
    rows : sequence of int
        Rows of the library. Within a group they keep their order.
    celltypes : numpy.ndarray
        (N,) text, of the library.
    groups : sequence of UnitGroup

    Returns
    -------
    numpy.ndarray
        int64, rows of the library.

    Raises
    ------
    UserError
        If there is no such row, or if the cell types are not those of the units.
    """
    beyond = [row for row in rows if row >= len(celltypes)]
    if beyond:
        raise UserError(
            f"templates.template_ids: {beyond[0]} is not in the library, whose last template is {len(celltypes) - 1}"
        )
    of_groups = [[row for row in rows if celltypes[row] in group.cell_types] for group in groups]
    known = [row for of_group in of_groups for row in of_group]
    stray = [row for row in rows if row not in known]
    if stray:
        kinds = " or ".join(f"{group.kind} {group.cell_types}" for group in groups)
        raise UserError(f"templates.template_ids: {stray[0]} is {shown(str(celltypes[stray[0]]))}, which is not {kinds}")
    for of_group, (kind, types, count) in zip(of_groups, groups, strict=True):
        if len(of_group) != count:
            raise UserError(
                f"templates.template_ids: {len(of_group)} are {kind} {types}, but {count} such units were requested; "
                f"n_exc and n_inh must be the numbers of templates"
            )
    return np.array(known, dtype=np.int64)


def _criteria(candidates: Candidates, limits: UnitSelection, drift: DriftingUnits) -> list[Criterion]:
    """Return the limits on single templates, each with the templates that satisfy it."""
    within = (candidates.amplitudes > limits.min_amp) & (candidates.amplitudes < limits.max_amp)
    inside = np.ones(len(candidates), dtype=bool)
    for lim, axis in zip((limits.xlim, limits.ylim, limits.zlim), candidates.positions.T, strict=True):
        if lim is not None:
            inside &= (axis >= lim[0]) & (axis <= lim[1])
    criteria: list[Criterion] = [
        (f"templates.min_amp and max_amp, {limits.min_amp:g} to {limits.max_amp:g} µV", within),
        ("templates.xlim, ylim and zlim", inside),
    ]
    if limits.snr is not None and candidates.snr is not None:
        low, high = limits.snr
        criteria.append((f"templates.snr, {low:g} to {high:g}", (candidates.snr >= low) & (candidates.snr <= high)))
    # Cells that do not drift have no direction
    if drift.angle_tol is not None and candidates.paths.shape[1] > 1:
        aligned = _angles(candidates.paths, drift.preferred_dir) <= drift.angle_tol
        criteria.append((f"recordings.preferred_dir and angle_tol, {drift.angle_tol:g} deg", aligned))
    return criteria


def _aligned(paths: NDArray[np.float64], direction: Sequence[float]) -> NDArray[np.float64]:
    """Return paths whose steps run along a direction, as those of units will: paths that run against it are reversed."""
    against = (paths[:, -1] - paths[:, 0]) @ np.asarray(direction, dtype=float) < 0
    return np.where(against[:, np.newaxis, np.newaxis], paths[:, ::-1], paths)


def _angles(paths: NDArray[np.float64], direction: Sequence[float]) -> NDArray[np.float64]:
    """Return the angles (N,), deg, between a direction and the way from the first to the last step."""
    way, towards = paths[:, -1] - paths[:, 0], np.asarray(direction, dtype=float)
    lengths = np.linalg.norm(way, axis=1) * np.linalg.norm(towards)
    cosines = np.divide(way @ towards, lengths, out=np.zeros(len(way)), where=lengths > 0)
    return np.rad2deg(np.arccos(np.clip(cosines, -1, 1)))


def _independent(
    order: NDArray[np.int64],
    candidates: Candidates,
    of_type: Sequence[NDArray[np.bool_]],
    counts: Sequence[int],
    limits: UnitSelection,
) -> list[list[int]]:
    """Return rows for each group, without regard to overlaps; `order` holds the allowed rows in a random order."""
    kept = _apart(order, candidates, limits, [], of_type, counts)
    chosen = [[row for row in kept if mine[row]][:count] for mine, count in zip(of_type, counts, strict=True)]
    for group, (mine, count) in enumerate(zip(of_type, counts, strict=True)):
        taken = [row for units in chosen for row in units]
        missing = count - len(chosen[group])
        if missing:
            chosen[group] += _apart(order[mine[order]], candidates, limits, taken, [mine], [missing])
    return chosen


def _apart(
    order: NDArray[np.int64],
    candidates: Candidates,
    limits: UnitSelection,
    taken: Sequence[int],
    of_type: Sequence[NDArray[np.bool_]],
    counts: Sequence[int],
) -> list[int]:
    """Return rows of `order` that are far enough from, and not too similar to, all `taken` rows and each other.

    The search ends when every group has enough rows.
    """
    neighbours, kept, missing = _Neighbours(candidates, limits), [], list(counts)
    for row in taken:
        neighbours.add(row)
    for row in order.tolist():
        if max(missing, default=0) <= 0:
            break
        if row not in taken and neighbours.allow(row):
            kept.append(row)
            neighbours.add(row)
            missing = [n - bool(mine[row]) for n, mine in zip(missing, of_type, strict=True)]
    return kept


class _Neighbours:
    """The templates that have been taken; `allow` tells whether another template can be added to them."""

    def __init__(self, candidates: Candidates, limits: UnitSelection) -> None:
        self.candidates, self.limits = candidates, limits
        self.paths: list[NDArray[np.float64]] = []
        self.templates: list[NDArray[np.float32]] = []
        self.norms: list[NDArray[np.float32]] = []

    def add(self, row: int) -> None:
        self.paths.append(self.candidates.paths[row])
        if self.limits.max_similarity < 1:
            self.templates.append(self.candidates.templates([row])[0])
            self.norms.append(np.linalg.norm(self.templates[-1], axis=1))

    def allow(self, row: int) -> bool:
        if self.paths and not _far(np.array(self.paths), self.candidates.paths[row], self.limits.min_dist).all():
            return False
        return not self.templates or self._is_unlike(self.candidates.templates([row])[0])

    def _is_unlike(self, template: NDArray[np.float32]) -> bool:
        """Return whether no taken template is too similar. Only templates whose upper bound exceeds the limit are compared."""
        most = self.limits.max_similarity
        near = np.flatnonzero(similarity_bounds(np.linalg.norm(template, axis=1), np.array(self.norms)) > most)
        return not len(near) or largest_similarity(template, np.stack([self.templates[k] for k in near])) <= most


def _far(paths: NDArray[np.float64], path: NDArray[np.float64], min_dist: float) -> NDArray[np.bool_]:
    """Return which of the paths (n, n_steps, 3) are at least `min_dist` away from one path (n_steps, 3) at every step."""
    return np.linalg.norm(paths - path, axis=2).min(axis=1) >= min_dist


def _with_overlaps(
    rng: np.random.Generator,
    rows: NDArray[np.int64],
    candidates: Candidates,
    of_type: Sequence[NDArray[np.bool_]],
    counts: Sequence[int],
    limits: UnitSelection,
) -> list[list[int]]:
    """Return rows for each group, of which `n_overlap_pairs` pairs overlap in space.

    Units are taken one after the other from a random order. While pairs are missing, the next unit is one that adds pairs, but
    not more than are missing; if there is none, it is one that could be the first of a pair. Afterwards, only units that add no
    pair are taken. If an order yields too few units or pairs, other orders are tried.
    """
    batches = [rows[k : k + TEMPLATES_AT_ONCE] for k in range(0, len(rows), TEMPLATES_AT_ONCE)]
    troughs = [-candidates.templates(batch).min(axis=2) for batch in batches]
    overlaps = spatial_overlaps(np.concatenate(troughs), limits.overlap_threshold) if len(rows) else np.zeros((0, 0), bool)
    kinds = np.array([mine[rows] for mine in of_type], dtype=bool).reshape(len(counts), len(rows))
    best: list[list[int]] = [[] for _ in counts]
    most_pairs = -1
    for _ in range(ORDERS):
        order = rng.permutation(len(rows))
        taken, pairs = _grow(order, rows, overlaps, kinds, counts, candidates, limits)
        chosen = [[int(rows[k]) for k in taken if mine[k]] for mine in kinds]
        if len(taken) == sum(counts) and pairs == limits.n_overlap_pairs:
            return chosen
        # There are enough units but too few pairs, or the other way round
        if len(taken) == sum(counts):
            most_pairs = max(most_pairs, pairs)
        elif sum(map(len, chosen)) > sum(map(len, best)):
            best = chosen
    if most_pairs >= 0:
        raise UserError(
            f"templates.n_overlap_pairs: {limits.n_overlap_pairs} pairs were requested, but only {most_pairs} were "
            f"found among {sum(counts)} units; request fewer, or lower overlap_threshold, {limits.overlap_threshold:g}, or "
            f"min_dist, {limits.min_dist:g} µm"
        )
    return best


def _grow(
    order: NDArray[np.int64],
    rows: NDArray[np.int64],
    overlaps: NDArray[np.bool_],
    kinds: NDArray[np.bool_],
    counts: Sequence[int],
    candidates: Candidates,
    limits: UnitSelection,
) -> tuple[list[int], int]:
    """Take units one by one in an order; return their indices in `rows`, and how many pairs of them overlap."""
    neighbours, is_open, missing = _Neighbours(candidates, limits), np.ones(len(rows), dtype=bool), np.array(counts)
    added_pairs, pairs = np.zeros(len(rows), dtype=int), 0
    taken: list[int] = []
    while missing.sum():
        is_open &= kinds[missing > 0].any(axis=0)
        room = (limits.n_overlap_pairs or 0) - pairs
        with_pairs = is_open & (added_pairs > 0) & (added_pairs <= room)
        without_pairs = is_open & (added_pairs == 0)
        if room and not with_pairs.any():
            with_partner = without_pairs & (overlaps[:, is_open].sum(axis=1) > 0)
            without_pairs = with_partner if with_partner.any() else without_pairs
        usable = order[(with_pairs if with_pairs.any() else without_pairs)[order]]
        if not len(usable):
            break
        k, row = int(usable[0]), int(rows[usable[0]])
        is_open[k] = False
        if limits.max_similarity < 1 and not neighbours.allow(row):
            continue
        neighbours.add(row)
        is_open &= _far(candidates.paths[rows], candidates.paths[row], limits.min_dist)
        pairs += int(added_pairs[k])
        added_pairs += overlaps[k]
        missing -= kinds[:, k]
        taken.append(k)
    return taken, pairs
