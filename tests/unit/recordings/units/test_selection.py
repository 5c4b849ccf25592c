"""Selection: which templates become units."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from allenrec.common.errors import UserError
from allenrec.recordings.units.selection import Candidates, UnitGroup, named_templates, select_templates
from allenrec.settings.recordings import DriftingUnits, UnitSelection

RNG = np.random.default_rng(0)


LOCATIONS = RNG.uniform([10, -40, -150], [40, 40, 150], (300, 3))


AMPLITUDES = RNG.uniform(20, 120, 300)


TYPES = np.array(["spiny", "aspiny", "sparsely spiny"])[RNG.integers(3, size=300)]


LIMITS = {"min_dist": 25.0, "min_amp": 30.0, "max_amp": 100.0}
#: Cells that stay where they are
STILL = DriftingUnits()


#: Sixteen contacts along z; each template is a trough that falls off with the distance from its soma
CONTACTS = np.linspace(-150, 150, 16)


SHAPE = -np.exp(-(((np.arange(40) - 15) / 3.0) ** 2))


TEMPLATES = AMPLITUDES[:, None, None] * np.exp(-(((LOCATIONS[:, 2, None] - CONTACTS) / 20) ** 2))[:, :, None] * SHAPE


def candidates(locations=LOCATIONS, amplitudes=AMPLITUDES, types=TYPES, paths=None, templates=TEMPLATES):
    paths = locations[:, np.newaxis] if paths is None else paths
    return Candidates(paths, locations, amplitudes, types, lambda rows: templates[list(rows)])


def select(n_exc, n_inh, seed=1, types=TYPES, paths=None, templates=TEMPLATES, **changes):
    groups = [UnitGroup("excitatory", ["spiny"], n_exc), UnitGroup("inhibitory", ["aspiny"], n_inh)]
    rows = candidates(types=types, paths=paths, templates=templates)
    drift = DriftingUnits(**{key: changes.pop(key) for key in ("preferred_dir", "angle_tol") if key in changes})
    return select_templates(np.random.default_rng(seed), rows, groups, UnitSelection(**LIMITS | changes), drift)


@pytest.mark.parametrize("seed", range(10))
def test_all_limits_are_kept(seed):
    rows = select(6, 4, seed, zlim=(-120, 120))
    assert len(rows) == 10 and len(set(rows)) == 10
    assert pdist(LOCATIONS[rows]).min() >= 25
    assert ((AMPLITUDES[rows] > 30) & (AMPLITUDES[rows] < 100)).all()
    assert (np.abs(LOCATIONS[rows, 2]) <= 120).all()


def test_types_match_by_equality():
    """The names "aspiny" and "sparsely spiny" contain "spiny"; MEArec takes them for it."""
    rows = select(6, 4)
    assert (TYPES[rows[:6]] == "spiny").all() and (TYPES[rows[6:]] == "aspiny").all()


@pytest.mark.parametrize("changes", [{}, {"max_similarity": 0.9}], ids=["distance", "similarity"])
def test_one_more_unit_changes_none_of_the_others(changes):
    few, one_more, other = (select(*counts, **changes) for counts in ((4, 2), (5, 2), (4, 3)))
    assert np.array_equal(one_more[:4], few[:4]) and np.array_equal(one_more[5:], few[4:])
    assert np.array_equal(other[:6], few)


def test_crowded_requests_are_filled_as_far_as_they_can():
    """There are two places 30 µm apart and one between them; a cell there that is not needed does not stand in the way."""
    locations = np.array([[0.0, 0, 0], [0, 0, 15], [0, 0, 30]])
    types = np.array(["aspiny", "spiny", "aspiny"])
    rows = candidates(locations, np.full(3, 50.0), types)
    groups = [UnitGroup("inhibitory", ["aspiny"], 2)]
    for seed in range(5):
        chosen = select_templates(np.random.default_rng(seed), rows, groups, UnitSelection(**LIMITS), STILL)
        assert sorted(chosen) == [0, 2]


def test_distance_is_kept_at_every_step_of_a_drift():
    """Of two cells 30 µm apart, one moves away from the other; of two others, one moves towards the other. All go up, also
    those whose path in the library went down."""
    start = np.array([[10.0, 0, 0], [10, 30, 0], [10, 0, 200], [10, 30, 200]])
    ways = np.array([[0, 0, 20.0], [0, 10, 20], [0, 0, 20], [0, -10, 20]])
    steps = np.array([[0.0], [0.5], [1.0]])
    paths = start[:, np.newaxis] + steps * ways[:, np.newaxis]
    paths[1:3] = paths[1:3, ::-1]
    rows = candidates(start, np.full(4, 50.0), np.full(4, "spiny"), paths)
    groups = [UnitGroup("excitatory", ["spiny"], 3)]
    for seed in range(5):
        chosen = select_templates(np.random.default_rng(seed), rows, groups, UnitSelection(**LIMITS), STILL)
        assert {0, 1} < set(chosen)


def test_paths_lie_along_the_direction_that_was_asked_for():
    way = np.random.default_rng(5).standard_normal((300, 3)) * [0.3, 0.3, 1]
    paths = LOCATIONS[:, np.newaxis] + np.linspace(-0.5, 0.5, 3)[:, np.newaxis] * 30 * way[:, np.newaxis]
    rows = select(4, 3, paths=paths, preferred_dir=(0, 0, -2.0), angle_tol=20.0)
    angles = np.rad2deg(np.arctan2(np.hypot(way[rows, 0], way[rows, 1]), np.abs(way[rows, 2])))
    assert len(rows) == 7 and angles.max() <= 20 and len(set(way[rows, 2] > 0)) == 2
    assert np.array_equal(select(4, 3, angle_tol=20.0), select(4, 3))  # what does not drift has no direction
    with pytest.raises(UserError, match=r"the limiting setting is recordings.preferred_dir and angle_tol, 0.1 deg"):
        select(4, 3, paths=paths, angle_tol=0.1)


IMPOSSIBLE = [
    ({"min_dist": 150.0}, "templates.min_dist, 150 µm"),
    ({"min_amp": 99.0}, "templates.min_amp and max_amp, 99 to 100 µV"),
    ({"xlim": (10, 11)}, "templates.xlim, ylim and zlim"),
    ({"types": np.full(300, "aspiny")}, "cell_types.excitatory ['spiny']"),
    ({"max_similarity": 0.01}, "templates.min_dist, 25 µm or templates.max_similarity, 0.01"),
    ({"min_dist": 150.0, "n_overlap_pairs": 3}, "templates.min_dist, 150 µm or templates.n_overlap_pairs, 3"),
]


@pytest.mark.parametrize(("changes", "limiting"), IMPOSSIBLE, ids=[limiting for _, limiting in IMPOSSIBLE])
def test_impossible_requests_say_how_many_fit_and_what_limits_them(changes, limiting):
    with pytest.raises(UserError) as caught:
        select(12, 0, **changes)
    message = str(caught.value)
    assert "\n" not in message and "12 excitatory units were requested" in message
    assert f"the limiting setting is {limiting}" in message
    found = int(message.split("but only ")[1].split()[0])
    assert 0 <= found < 12
    if found and "n_overlap_pairs" not in changes:
        assert len(select(found, 0, **changes)) == found  # so many can indeed be selected


def test_shortage_names_what_binds_and_what_is_scarce_as_well():
    """Sixteen cells of the type in pairs 5 µm apart, but nine of them alone: two settings leave too few."""
    centres = np.arange(9)[:, np.newaxis] * [0.0, 0.0, 100.0]
    locations = np.concatenate([centres, centres[:7] + 3.0, np.full((20, 3), 5000.0)])
    rows = candidates(locations, np.full(36, 50.0), np.array(["spiny"] * 16 + ["aspiny"] * 20))
    groups = [UnitGroup("excitatory", ["spiny"], 20), UnitGroup("inhibitory", ["aspiny"], 0)]

    def shortage(**limits):
        with pytest.raises(UserError) as caught:
            select_templates(np.random.default_rng(0), rows, groups, UnitSelection(**limits), STILL)
        return str(caught.value)

    both = "templates.min_dist, 25 µm, which leaves 9 of 16; cell_types.excitatory ['spiny'] leaves too few as well, 16"
    assert f"only 9 can be selected; the limiting setting is {both}" in shortage()
    assert "only 16 can be selected; the limiting setting is cell_types.excitatory ['spiny'] (of 36" in shortage(min_dist=0.0)
    groups[0] = groups[0]._replace(number=12)
    assert "the limiting setting is templates.min_dist, 25 µm, which leaves 9 of 16 (of 36" in shortage()


@pytest.mark.parametrize("n_overlap_pairs", [None, 0])
def test_no_units_is_a_valid_request(n_overlap_pairs):
    assert select(0, 0, n_overlap_pairs=n_overlap_pairs).shape == (0,)


def overlapping(rows, threshold):
    """Count pairs by the definition: the trough of one template at the peak channel of the other, at any time."""
    pairs = 0
    for k, a in enumerate(rows):
        for b in rows[:k]:
            seen = [
                -TEMPLATES[one][np.abs(TEMPLATES[other]).max(axis=1).argmax()].min() / np.abs(TEMPLATES[one]).max()
                for one, other in ((a, b), (b, a))
            ]
            pairs += max(seen) > threshold
    return pairs


@pytest.mark.parametrize("n", [0, 1, 5, 12])
def test_so_many_pairs_overlap_as_were_asked_for(n):
    rows = select(6, 4, n_overlap_pairs=n, overlap_threshold=0.8, min_dist=15.0)
    assert len(rows) == 10 and overlapping(rows, 0.8) == n
    assert (TYPES[rows[:6]] == "spiny").all() and (TYPES[rows[6:]] == "aspiny").all()
    assert pdist(LOCATIONS[rows]).min() >= 15


def test_too_many_pairs_are_refused_with_what_was_found():
    with pytest.raises(UserError, match=r"46 pairs were requested, but only \d+ were found among 10 units"):
        select(6, 4, n_overlap_pairs=46, overlap_threshold=0.5, min_dist=1.0)


def test_no_two_units_are_too_much_alike():
    """The library has each template twice, the second time larger and later. Their cosine is 1; only one may be taken."""
    twins = np.concatenate((TEMPLATES, 1.3 * np.roll(TEMPLATES, 4, axis=2)))
    locations = np.concatenate((LOCATIONS, LOCATIONS + np.array([0, 100, 0])))
    rows = candidates(locations, np.full(600, 50.0), np.full(600, "spiny"), templates=twins)
    groups = [UnitGroup("excitatory", ["spiny"], 8)]
    for most in (0.999, 0.7):
        limits = UnitSelection(**LIMITS, max_similarity=most)
        chosen = select_templates(np.random.default_rng(0), rows, groups, limits, STILL)
        flat = twins[chosen].reshape(8, -1)
        for shift in range(-8, 9):
            moved = np.roll(twins[chosen], shift, axis=2).reshape(8, -1)
            cosines = flat @ moved.T / np.outer(np.linalg.norm(flat, axis=1), np.linalg.norm(moved, axis=1))
            assert cosines[~np.eye(8, dtype=bool)].max() <= most + 1e-9
    free = select_templates(np.random.default_rng(0), rows, groups, UnitSelection(**LIMITS), STILL)
    assert len(free) == 8


GROUPS = [UnitGroup("excitatory", ["spiny"], 2), UnitGroup("inhibitory", ["aspiny"], 1)]


SOME = np.array(["aspiny", "spiny", "sparsely spiny", "spiny"])


def test_named_templates_are_matched_to_types():
    """The order does not matter; in MEArec the types of trains and templates then disagree."""
    assert named_templates([3, 0, 1], SOME, GROUPS).tolist() == [3, 1, 0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([3, 0, 4], r"4 is not in the library, whose last template is 3"),
        ([3, 0, 2], r"2 is 'sparsely spiny', which is not excitatory \['spiny'\] or inhibitory \['aspiny'\]"),
        ([3, 0], r"1 are excitatory \['spiny'\], but 2 such units were requested"),
    ],
)
def test_named_templates_that_do_not_fit_are_named(rows, message):
    with pytest.raises(UserError, match=r"templates.template_ids: .*" + message):
        named_templates(rows, SOME, GROUPS)


def test_counts_are_those_of_a_table():
    """Types are matched by equality in a library of types whose names contain each other."""
    types = np.array(["VIS5", "VIS5a", "xVIS5"])[np.arange(300) % 3]
    groups = [UnitGroup("excitatory", ["VIS5"], 5)]
    rows = select_templates(np.random.default_rng(0), candidates(types=types), groups, UnitSelection(**LIMITS), STILL)
    assert pd.Series(types[rows]).value_counts().to_dict() == {"VIS5": 5}
