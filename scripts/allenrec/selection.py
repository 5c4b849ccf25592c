"""Selection: which templates of a library become the units of a recording."""

import numpy as np

from .errors import UserError


def select_templates(
    rng, locations, amplitudes, celltypes, wanted, *, min_dist, min_amp, max_amp, xlim=None, ylim=None, zlim=None
):
    """Choose templates at random that keep all limits.

    Templates are taken in a random order; each that keeps the distance to all before it is kept. The first ones of each type
    become units, so that asking for one more unit changes none of the others. Only where this yields too few, templates
    that stood too near to one that was not needed are taken as well.

    Parameters
    ----------
    rng : numpy.random.Generator
    locations : numpy.ndarray
        (N, 3) µm.
    amplitudes : numpy.ndarray
        (N,) µV.
    celltypes : numpy.ndarray
        (N,) text.
    wanted : list of (str, list of str, int)
        Groups of units: name, cell types (matched by equality), and how many.
    min_dist : float
        Least distance between somata, µm.
    min_amp, max_amp : float
        µV; strict limits.
    xlim, ylim, zlim : (float, float) or None
        µm.

    Returns
    -------
    numpy.ndarray
        int64, rows of the library: all units of the first group, then of the second, ...

    Raises
    ------
    UserError
        If a group cannot be filled: how many can be placed, and which limit binds.
    """
    order = rng.permutation(len(locations))
    loud = (amplitudes > min_amp) & (amplitudes < max_amp)
    inside = np.all(
        [
            np.ones(len(locations), dtype=bool) if lim is None else (axis >= lim[0]) & (axis <= lim[1])
            for lim, axis in zip((xlim, ylim, zlim), locations.T, strict=True)
        ],
        axis=0,
    )
    of_type = [np.isin(celltypes, types) for _, types, _ in wanted]
    allowed = loud & inside & np.any(of_type, axis=0)

    spaced = _spaced(order[allowed[order]], locations, min_dist, [])
    chosen = [[i for i in spaced if mine[i]][:count] for mine, (_, _, count) in zip(of_type, wanted, strict=True)]
    for group, (mine, (_, _, count)) in enumerate(zip(of_type, wanted, strict=True)):
        taken = [i for units in chosen for i in units]
        more = _spaced(order[(allowed & mine)[order]], locations, min_dist, taken)
        chosen[group] += more[: count - len(chosen[group])]

    for units, mine, (name, types, count) in zip(chosen, of_type, wanted, strict=True):
        if len(units) < count:
            stages = [
                (f"cell_types.{name} {types}", mine),
                (f"templates.min_amp and max_amp, {min_amp:g} to {max_amp:g} µV", mine & loud),
                ("templates.xlim, ylim and zlim", mine & loud & inside),
            ]
            counts = [(limit, int(keeps.sum())) for limit, keeps in stages]
            binds = next((limit for limit, left in counts if left < count), f"templates.min_dist, {min_dist:g} µm")
            left = ", ".join(f"{n} keep {limit}" for limit, n in counts)
            raise UserError(
                f"{count} {name} units were asked for, {len(units)} can be placed; what binds is {binds} "
                f"(of {len(locations)} templates, {left})"
            )
    return np.array([i for units in chosen for i in units], dtype=np.int64)


def _spaced(candidates, locations, min_dist, taken):
    """Of the candidates, in their order, those that are `min_dist` from all `taken` and from each other."""
    kept, places = [], [locations[i] for i in taken]
    for i in candidates:
        if not places or np.linalg.norm(np.array(places) - locations[i], axis=1).min() >= min_dist:
            if i not in taken:
                kept.append(int(i))
                places.append(locations[i])
    return kept
