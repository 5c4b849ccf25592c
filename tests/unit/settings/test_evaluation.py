"""The block `evaluation` of the configuration."""

import pytest
from spikeinterface.sorters import available_sorters

from allenrec.common.errors import UserError
from allenrec.settings import load_settings
from allenrec.settings.evaluation import SORTERS


def test_sorters_in_the_settings_are_those_of_spikeinterface():
    assert sorted(SORTERS) == sorted(available_sorters())


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"sorters": ["spykingcircus3"]},
            "evaluation.sorters: 'spykingcircus3' is not one of SpikeInterface's; did you mean 'spyki",
        ),
        ({"sorters": []}, "evaluation.sorters: [] must be at least 1 long"),
        ({"sorters": ["simple", "simple"]}, "evaluation.sorters: 'simple' is named twice"),
        (
            {"parameters": {"simple": {}}},
            "evaluation.parameters: 'simple' is not in evaluation.sorters, which has spykingcircus2",
        ),
        ({"parameters": {"simple": 3}}, "evaluation.parameters: 3 must be a block of keys"),
        ({"sorter": []}, "evaluation.sorter: unknown key; did you mean 'sorters'?"),
    ],
)
def test_mistakes_in_the_settings_are_one_line(block, expected):
    with pytest.raises(UserError) as caught:
        load_settings({"libraries": {"a": {"probe": "tetrode"}}, "evaluation": block})
    assert expected in str(caught.value) and "\n" not in str(caught.value)
