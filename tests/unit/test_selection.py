"""Which templates become units."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from allenrec.errors import UserError
from allenrec.selection import select_templates

RNG = np.random.default_rng(0)
LOCATIONS = RNG.uniform([10, -40, -150], [40, 40, 150], (300, 3))
AMPLITUDES = RNG.uniform(20, 120, 300)
TYPES = np.array(["spiny", "aspiny", "sparsely spiny"])[RNG.integers(3, size=300)]
LIMITS = {"min_dist": 25.0, "min_amp": 30.0, "max_amp": 100.0}


def select(n_exc, n_inh, seed=1, types=TYPES, locations=LOCATIONS, **changes):
    wanted = [("excitatory", ["spiny"], n_exc), ("inhibitory", ["aspiny"], n_inh)]
    return select_templates(np.random.default_rng(seed), locations, AMPLITUDES, types, wanted, **LIMITS | changes)


@pytest.mark.parametrize("seed", range(10))
def test_all_limits_are_kept(seed):
    rows = select(6, 4, seed, zlim=(-120, 120))
    assert len(rows) == 10 and len(set(rows)) == 10
    assert pdist(LOCATIONS[rows]).min() >= 25
    assert ((AMPLITUDES[rows] > 30) & (AMPLITUDES[rows] < 100)).all()
    assert (np.abs(LOCATIONS[rows, 2]) <= 120).all()


def test_types_match_by_equality():
    """ "aspiny" and "sparsely spiny" contain "spiny"; MEArec takes them for it."""
    rows = select(6, 4)
    assert (TYPES[rows[:6]] == "spiny").all() and (TYPES[rows[6:]] == "aspiny").all()


def test_one_more_unit_changes_none_of_the_others():
    few, one_more, other = select(4, 2), select(5, 2), select(4, 3)
    assert np.array_equal(one_more[:4], few[:4]) and np.array_equal(one_more[5:], few[4:])
    assert np.array_equal(other[:6], few)


def test_crowded_requests_are_filled_as_far_as_they_can():
    """Two places 30 µm apart, and one between them: the one that is not needed does not stand in the way."""
    locations = np.array([[0.0, 0, 0], [0, 0, 15], [0, 0, 30]])
    types = np.array(["aspiny", "spiny", "aspiny"])
    for seed in range(5):
        rows = select_templates(
            np.random.default_rng(seed), locations, np.full(3, 50.0), types, [("inhibitory", ["aspiny"], 2)], **LIMITS
        )
        assert sorted(rows) == [0, 2]


@pytest.mark.parametrize(
    ("changes", "binds"),
    [
        ({"min_dist": 150.0}, "templates.min_dist, 150 µm"),
        ({"min_amp": 99.0}, "templates.min_amp and max_amp, 99 to 100 µV"),
        ({"xlim": (10, 11)}, "templates.xlim, ylim and zlim"),
        ({"types": np.full(300, "aspiny")}, "cell_types.excitatory ['spiny']"),
    ],
)
def test_impossible_requests_say_how_many_fit_and_what_binds(changes, binds):
    with pytest.raises(UserError) as caught:
        select(12, 0, **changes)
    message = str(caught.value)
    assert "\n" not in message and "12 excitatory units were asked for" in message
    assert f"what binds is {binds}" in message
    placed = int(message.split("asked for, ")[1].split()[0])
    assert 0 <= placed < 12
    if placed:
        assert len(select(placed, 0, **changes)) == placed  # so many can indeed be placed


def test_no_units_is_a_valid_request():
    assert select(0, 0).shape == (0,)
