"""Studies in the workflow: what a dry run says, and names as targets. Nothing is run."""

import pytest
import yaml
from workflow.snake import copy_workflow, snakemake

CHANGE = {
    "recordings": {
        "demo": {"spiketrains": {"duration": 10.0}, "recordings": {"fs": 20_000.0}},
        "noise": {"like": "demo", "grid": {"recordings.noise_level": [5, 7.5]}, "replicates": {"n": 2, "vary": ["noise"]}},
    }
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = copy_workflow(tmp_path_factory.mktemp("studies") / "run")
    (folder / "change.yaml").write_text(yaml.safe_dump(CHANGE))
    return folder


@pytest.mark.parametrize(
    ("target", "n_recordings", "has_table"),
    [("recordings", 5, True), ("noise", 4, True), ("noise-noise_level=7.5-02", 1, False), ("demo", 1, False)],
)
def test_dry_run_says_what_studies_need_and_names_are_targets(target, n_recordings, has_table, folder):
    result = snakemake(folder, "-n", "--configfile", "change.yaml", "--quiet", "rules", "--", target)
    assert result.returncode == 0, result.stderr
    # 10 s of 20 kHz, 32 channels of 4 bytes: 25.6 MB each
    assert "study noise: 4 recordings, 102 MB on disk without compression" in result.stderr.splitlines()
    counts = dict(line.split() for line in (result.stdout + result.stderr).splitlines() if len(line.split()) == 2)
    assert int(counts["generate_recording"]) == n_recordings
    assert ("tabulate_study" in counts) == has_table
    # Before the first run, no time is known.
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("This run has")]
    # 3 cells with 50 templates each, of 32 contacts and 7 ms, in two files that are at least half as large as their numbers
    made = (
        f", {n_recordings} recording{'s' * (n_recordings > 1)}, at least 4.3 MB of templates, "
        f"{n_recordings * 25.6:.1f} MB of traces without compression."
    )
    assert line.startswith(f"This run has {counts['total']} jobs: ") and line.endswith(made)
    assert "benchmarks of earlier runs" not in result.stderr
