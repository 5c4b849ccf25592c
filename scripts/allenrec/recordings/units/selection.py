"""Selection: which templates of a library become the units of a recording."""

from dataclasses import dataclass, replace

import numpy as np

from allenrec.common.errors import UserError

from .overlaps import spatial_overlaps
from .similarity import greatest_similarities, largest_similarity

#: Pairs that overlap are looked for in so many random orders
ORDERS = 20
#: Templates are read so many at once
AT_ONCE = 256


@dataclass(frozen=True)
class Candidates:
    """The templates of a library, as far as selection needs them.

    `paths` (N, n_steps, 3) µm, of the somata, n_steps 1 where cells do not drift; `positions` (N, 3) µm, at the centre of the
    path; `amplitudes` (N,) µV; `celltypes` (N,) text; `templates`, a function that returns those of given rows, (n, n_channels,
    n_t) µV, for which only similarity and overlaps ask.
    """

    paths: np.ndarray
    positions: np.ndarray
    amplitudes: np.ndarray
    celltypes: np.ndarray
    templates: object = None

    def __len__(self):
        return len(self.positions)


@dataclass(frozen=True)
class Limits:
    """What units must keep.

    `min_dist`, least distance between somata at any step, µm; `min_amp`, `max_amp`, µV, strict; `xlim`, `ylim`, `zlim`,
    (lowest, highest) µm or None; `max_similarity` of any two units, see `largest_similarity`; `preferred_dir` (3,) and
    `angle_tol`, deg, from it to the path from the first to the last step, or None; `n_overlap_pairs` or None, and
    `overlap_threshold`, see `spatial_overlaps`.
    """

    min_dist: float
    min_amp: float
    max_amp: float
    xlim: tuple | None = None
    ylim: tuple | None = None
    zlim: tuple | None = None
    max_similarity: float = 1.0
    preferred_dir: tuple = (0.0, 0.0, 1.0)
    angle_tol: float | None = None
    n_overlap_pairs: int | None = None
    overlap_threshold: float = 0.9


def select_templates(rng, candidates, wanted, limits):
    """Choose templates at random that keep all limits.

    Templates are taken in a random order; each that keeps the distance to all before it, and is not too much like one of
    them, is kept. The first ones of each type become units, so that asking for one more unit changes none of the others. Only
    where this yields too few, templates that stood too near to one that was not needed are taken as well. With
    `n_overlap_pairs` the choice hangs together: see `_with_overlaps`.

    Parameters
    ----------
    rng : numpy.random.Generator
    candidates : Candidates
    wanted : list of (str, list of str, int)
        Groups of units: name, cell types (matched by equality), and how many.
    limits : Limits

    Returns
    -------
    numpy.ndarray
        int64, rows of the library: all units of the first group, then of the second, ...

    Raises
    ------
    UserError
        If a group cannot be filled: how many can be placed, and which limit binds.
    """
    candidates = replace(candidates, paths=_along(candidates.paths, limits.preferred_dir))
    order = rng.permutation(len(candidates))
    of_type = [np.isin(candidates.celltypes, types) for _, types, _ in wanted]
    criteria = _criteria(candidates, limits)
    allowed = np.logical_and.reduce([np.any(of_type, axis=0), *(keeps for _, keeps in criteria)])
    counts = [count for _, _, count in wanted]
    if limits.n_overlap_pairs is None:
        chosen = _independent(order[allowed[order]], candidates, of_type, counts, limits)
    else:
        chosen = _with_overlaps(rng, np.flatnonzero(allowed), candidates, of_type, counts, limits)
    for units, mine, (name, types, count) in zip(chosen, of_type, wanted, strict=True):
        if len(units) < count:
            stages = [(f"cell_types.{name} {types}", mine), *criteria]
            raise UserError(
                f"{count} {name} units were asked for, {len(units)} can be placed; "
                + _what_binds(stages, count, len(candidates), limits)
            )
    return np.array([i for units in chosen for i in units], dtype=np.int64)


def given_templates(rows, celltypes, wanted):
    """Return chosen templates in the order of units: those of the first group as they were named, then of the second.

    Parameters
    ----------
    rows : list of int
        Rows of the library.
    celltypes : numpy.ndarray
        (N,) text, of the library.
    wanted : list of (str, list of str, int)
        As in `select_templates`.

    Raises
    ------
    UserError
        If there is no such row, or the types are not those of the units.
    """
    beyond = [row for row in rows if row >= len(celltypes)]
    if beyond:
        raise UserError(
            f"templates.template_ids: {beyond[0]} is not in the library, whose last template is {len(celltypes) - 1}"
        )
    groups = [[row for row in rows if celltypes[row] in types] for _, types, _ in wanted]
    known = [row for group in groups for row in group]
    stray = [row for row in rows if row not in known]
    if stray:
        kinds = " or ".join(f"{name} {types}" for name, types, _ in wanted)
        raise UserError(f"templates.template_ids: {stray[0]} is {str(celltypes[stray[0]])!r}, which is not {kinds}")
    for group, (name, types, count) in zip(groups, wanted, strict=True):
        if len(group) != count:
            raise UserError(
                f"templates.template_ids: {len(group)} are {name} {types}, but {count} such units were asked for; "
                f"n_exc and n_inh "
                "must be the numbers of templates"
            )
    return np.array(known, dtype=np.int64)


def _criteria(candidates, limits):
    """What each template must keep by itself: (the keys, which templates do)."""
    loud = (candidates.amplitudes > limits.min_amp) & (candidates.amplitudes < limits.max_amp)
    inside = np.ones(len(candidates), dtype=bool)
    for lim, axis in zip((limits.xlim, limits.ylim, limits.zlim), candidates.positions.T, strict=True):
        if lim is not None:
            inside &= (axis >= lim[0]) & (axis <= lim[1])
    criteria = [
        (f"templates.min_amp and max_amp, {limits.min_amp:g} to {limits.max_amp:g} µV", loud),
        ("templates.xlim, ylim and zlim", inside),
    ]
    # Cells that do not drift have no direction
    if limits.angle_tol is not None and candidates.paths.shape[1] > 1:
        along = _angles(candidates.paths, limits.preferred_dir) <= limits.angle_tol
        criteria.append((f"recordings.preferred_dir and angle_tol, {limits.angle_tol:g} deg", along))
    return criteria


def _along(paths, direction):
    """Paths whose steps go the way of a direction, as cells will: those that go against it, backwards."""
    against = (paths[:, -1] - paths[:, 0]) @ np.asarray(direction, dtype=float) < 0
    return np.where(against[:, np.newaxis, np.newaxis], paths[:, ::-1], paths)


def _angles(paths, direction):
    """(N,) deg, between the way from the first to the last step and a direction."""
    way, direction = paths[:, -1] - paths[:, 0], np.asarray(direction, dtype=float)
    lengths = np.linalg.norm(way, axis=1) * np.linalg.norm(direction)
    cosines = np.divide(way @ direction, lengths, out=np.zeros(len(way)), where=lengths > 0)
    return np.rad2deg(np.arccos(np.clip(cosines, -1, 1)))


def _what_binds(stages, count, n_templates, limits):
    """Which limit leaves too few, and how many each one leaves."""
    kept, left = np.ones(n_templates, dtype=bool), []
    for limit, keeps in stages:
        kept = kept & keeps
        left.append((limit, int(kept.sum())))
    between = [f"templates.min_dist, {limits.min_dist:g} µm"]
    if limits.max_similarity < 1:
        between.append(f"templates.max_similarity, {limits.max_similarity:g}")
    if limits.n_overlap_pairs is not None:
        between.append(f"templates.n_overlap_pairs, {limits.n_overlap_pairs}")
    binds = next((limit for limit, n in left if n < count), " or ".join(between))
    return f"what binds is {binds} (of {n_templates} templates, {', '.join(f'{n} keep {limit}' for limit, n in left)})"


def _independent(order, candidates, of_type, counts, limits):
    """Rows for each group, from those that are allowed, in a random order."""
    kept = _apart(order, candidates, limits, [], of_type, counts)
    chosen = [[i for i in kept if mine[i]][:count] for mine, count in zip(of_type, counts, strict=True)]
    for group, (mine, count) in enumerate(zip(of_type, counts, strict=True)):
        taken = [i for units in chosen for i in units]
        missing = count - len(chosen[group])
        if missing:
            chosen[group] += _apart(order[mine[order]], candidates, limits, taken, [mine], [missing])
    return chosen


def _apart(order, candidates, limits, taken, of_type, counts):
    """Of the rows, in their order, those that are far enough from and unlike all `taken` and each other, until there are as
    many of each type as are needed."""
    neighbours, kept, missing = _Neighbours(candidates, limits), [], list(counts)
    for i in taken:
        neighbours.add(i)
    for i in order:
        if max(missing, default=0) <= 0:
            break
        if i not in taken and neighbours.allow(i):
            kept.append(int(i))
            neighbours.add(i)
            missing = [n - bool(mine[i]) for n, mine in zip(missing, of_type, strict=True)]
    return kept


class _Neighbours:
    """The templates that were taken, and whether another one may stand beside them."""

    def __init__(self, candidates, limits):
        self.candidates, self.limits = candidates, limits
        self.paths, self.templates, self.norms = [], [], []

    def add(self, row):
        self.paths.append(self.candidates.paths[row])
        if self.limits.max_similarity < 1:
            self.templates.append(self.candidates.templates([row])[0])
            self.norms.append(np.linalg.norm(self.templates[-1], axis=1))

    def allow(self, row):
        if self.paths and not _far(np.array(self.paths), self.candidates.paths[row], self.limits.min_dist).all():
            return False
        return not self.templates or self._is_unlike(self.candidates.templates([row])[0])

    def _is_unlike(self, template):
        """Whether no template is too similar; only those are compared that can be."""
        most = self.limits.max_similarity
        near = np.flatnonzero(greatest_similarities(np.linalg.norm(template, axis=1), np.array(self.norms)) > most)
        return not len(near) or largest_similarity(template, np.stack([self.templates[k] for k in near])) <= most


def _far(paths, path, min_dist):
    """Which of the paths (n, n_steps, 3) keep the distance from one (n_steps, 3) at every step."""
    return np.linalg.norm(paths - path, axis=2).min(axis=1) >= min_dist


def _with_overlaps(rng, rows, candidates, of_type, counts, limits):
    """Rows for each group, of which `n_overlap_pairs` pairs overlap in space.

    Units are taken one after the other from a random order: while pairs are missing, one that brings some and not too many, or
    if there is none, one that could be the first of a pair; then only such that bring none. Other orders are tried where one
    ends short.
    """
    troughs = [-candidates.templates(rows[k : k + AT_ONCE]).min(axis=2) for k in range(0, len(rows), AT_ONCE)]
    overlaps = spatial_overlaps(np.concatenate(troughs), limits.overlap_threshold) if len(rows) else np.zeros((0, 0), bool)
    kinds = np.array([mine[rows] for mine in of_type], dtype=bool).reshape(len(counts), len(rows))
    best, most = [[] for _ in counts], -1
    for _ in range(ORDERS):
        order = rng.permutation(len(rows))
        taken, pairs = _grow(order, rows, overlaps, kinds, counts, candidates, limits)
        chosen = [[int(rows[k]) for k in taken if mine[k]] for mine in kinds]
        if len(taken) == sum(counts) and pairs == limits.n_overlap_pairs:
            return chosen
        # Units enough, but pairs missing, or the other way round
        if len(taken) == sum(counts):
            most = max(most, pairs)
        elif sum(map(len, chosen)) > sum(map(len, best)):
            best = chosen
    if most >= 0:
        raise UserError(
            f"templates.n_overlap_pairs: {limits.n_overlap_pairs} pairs were asked for, {most} were found among "
            f"{sum(counts)} units; ask for "
            f"fewer, or lower overlap_threshold, {limits.overlap_threshold:g}, or min_dist, {limits.min_dist:g} µm"
        )
    return best


def _grow(order, rows, overlaps, kinds, counts, candidates, limits):
    """Take units from an order; return their indices in `rows`, and how many pairs of them overlap."""
    neighbours, open_, missing = _Neighbours(candidates, limits), np.ones(len(rows), dtype=bool), np.array(counts)
    brings, taken, pairs = np.zeros(len(rows), dtype=int), [], 0
    while missing.sum():
        open_ &= kinds[missing > 0].any(axis=0)
        room = limits.n_overlap_pairs - pairs
        adders = open_ & (brings > 0) & (brings <= room)
        seeds = open_ & (brings == 0)
        if room and not adders.any():
            hopeful = seeds & (overlaps[:, open_].sum(axis=1) > 0)
            seeds = hopeful if hopeful.any() else seeds
        usable = order[(adders if adders.any() else seeds)[order]]
        if not len(usable):
            break
        k, open_[usable[0]] = usable[0], False
        if limits.max_similarity < 1 and not neighbours.allow(rows[k]):
            continue
        neighbours.add(rows[k])
        open_ &= _far(candidates.paths[rows], candidates.paths[rows[k]], limits.min_dist)
        pairs += int(brings[k])
        brings += overlaps[k]
        missing -= kinds[:, k]
        taken.append(k)
    return taken, pairs
