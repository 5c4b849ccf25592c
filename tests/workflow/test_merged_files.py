"""The line on files that are merged over config/config.yaml; the small one of the tests has `neuronexus` and `demo`."""

import pytest
import yaml
from workflow.snake import snakemake

MINE = {
    "libraries": {"mine": {"probe": "tetrode", "n": 2}},
    "recordings": {"test": {"library": "mine", "spiketrains": {"duration": 1.0, "n_exc": 1, "n_inh": 0}}},
}


@pytest.fixture
def mine(tmp_path):
    """Make a file of the user's."""

    def write(config):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    return write


def notes(result):
    assert result.returncode == 0, result.stderr
    assert "note: " not in result.stdout
    return [line for line in result.stderr.splitlines() if line.startswith("note: ")]


def test_merge_is_said_once_and_in_no_log(workflow, mine):
    """In a run, of a rule that takes a second."""
    folder = workflow("merged")
    path = mine(MINE)
    (line,) = notes(snakemake(folder, "--cores", "1", "results/config.yaml", "--configfile", path))
    assert line == (
        f"note: {path} is merged over config/config.yaml: this run also has library neuronexus and recording demo of "
        f"config/config.yaml; stands_alone: true in {path} makes it take the place of config/config.yaml"
    )
    logs = list((folder / "results" / "logs").rglob("*.log"))
    assert logs and not any("is merged over" in log.read_text() for log in logs)
    assert set(yaml.safe_load((folder / "results" / "config.yaml").read_text())["recordings"]) == {"demo", "test"}


def test_dry_run_says_what_is_merged(finished, mine):
    (line,) = notes(snakemake(finished, "-n", "--configfile", mine({"recordings": {"demo": {"spiketrains": {"n_exc": 1}}}})))
    assert ": recording demo has keys of both; " in line
    (line,) = notes(snakemake(finished, "-n", "--config", "recordings={test: {library: neuronexus}}"))
    assert line.startswith("note: --config is merged over ") and "also has recording demo of" in line


def test_nothing_is_said_where_nothing_is_merged(finished, mine):
    assert notes(snakemake(finished, "-n")) == []
    assert notes(snakemake(finished, "-n", "--config", "seed=1")) == []
    alone = snakemake(finished, "-n", "--configfile", mine(MINE | {"stands_alone": True}))
    assert notes(alone) == [] and "recordings/demo/" not in alone.stdout
    assert notes(snakemake(finished, "-n", "--replace-workflow-config", "--configfile", mine(MINE))) == []
