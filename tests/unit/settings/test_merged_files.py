"""What a run has of the default configuration, over which another one is merged."""

import pytest

from allenrec.settings.merged_files import describe_merge

DEFAULT = {
    "seed": 0,
    "libraries": {"neuronexus": {"probe": "Neuronexus-32", "xlim": [10, 80]}},
    "recordings": {"demo": {"library": "neuronexus", "templates": {"min_amp": 30, "max_amp": 300}}},
}
MINE = {"libraries": {"mine": {"probe": "tetrode"}}, "recordings": {"test": {"library": "mine"}}}


def described(own, files=("mine.yaml",)):
    return describe_merge("config/config.yaml", DEFAULT, own, files)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (MINE, "this run also has library neuronexus and recording demo of config/config.yaml;"),
        ({"libraries": MINE["libraries"]}, "this run also has library neuronexus and recording demo of config/config.yaml;"),
        # The library is one that the user asks for.
        ({"recordings": {"test": {"library": "neuronexus"}}}, "this run also has recording demo of config/config.yaml;"),
        ({"recordings": {"test": {"library": "mine", "noise": {"library": "neuronexus"}}}}, "also has recording demo of"),
        # An own entry with the name of a default one
        (
            MINE | {"recordings": {"demo": {"library": "mine"}}},
            "library neuronexus of config/config.yaml, and recording demo has keys",
        ),
        (
            {"recordings": {"demo": {"library": "neuronexus", "templates": {"min_amp": 40}}}},
            ": recording demo has keys of both;",
        ),
        (
            {"libraries": {"neuronexus": {"n": 1}}, "recordings": {"demo": None}},
            ": library neuronexus has keys of both;",
        ),
    ],
)
def test_line_names_what_is_not_of_the_user(own, said):
    line = described(own)
    assert said in line and line.startswith("mine.yaml is merged over config/config.yaml: ")
    assert "\n" not in line and line.endswith("; stands_alone: true in mine.yaml makes it take the place of config/config.yaml")


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"seed": 1},
        {"models": {"sources": ["local"]}, "libraries": None},
        DEFAULT,
        DEFAULT | {"recordings": {"demo": DEFAULT["recordings"]["demo"] | {"seeds": {"noise": 1}}}},
        {"libraries": [], "recordings": "demo"},  # refused elsewhere
    ],
)
def test_nothing_is_said_where_nothing_is_left(own):
    assert described(own) == ""


def test_values_of_the_command_line_are_merged_as_well():
    line = described({"recordings": {"test": {"library": "neuronexus"}}}, files=())
    assert line.startswith("--config is merged over ") and "; --config stands_alone=true makes it" in line


def test_all_files_are_named():
    line = described(MINE, files=("a.yaml", "b.yaml"))
    assert line.startswith("a.yaml with b.yaml is merged") and "; stands_alone: true in b.yaml makes" in line
