"""The profile for batch systems with a submit command; tests/slurm runs the workflow with it."""

import os
import subprocess

import pytest
import yaml
from support import ROOT

SQUEUE = """#!/bin/sh
echo "$*" >> "$0.calls"
echo '{says}'
exit {code}
"""


@pytest.mark.parametrize(
    ("says", "code", "status"),
    [
        ("COMPLETED", 0, "success"),
        ("PENDING", 0, "running"),
        ("RUNNING", 0, "running"),
        ("COMPLETING", 0, "running"),
        ("CANCELLED", 0, "failed"),
        ("FAILED", 0, "failed"),
        ("TIMEOUT", 0, "failed"),
        ("OUT_OF_MEMORY", 0, "failed"),
        ("NODE_FAIL", 0, "failed"),
        ("", 0, "failed"),
        ("slurm_load_jobs error: Invalid job id specified", 1, "failed"),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", 1, "running"),
    ],
)
def test_states_of_slurm_in_words_of_snakemake(says, code, status, tmp_path):
    squeue = tmp_path / "squeue"
    squeue.write_text(SQUEUE.format(says=says, code=code))
    squeue.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = ["sh", ROOT / "profiles" / "cluster-generic" / "status.sh", "4711"]
    result = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{status}\n", "")
    assert "--jobs=4711" in (tmp_path / "squeue.calls").read_text()


def test_profiles_of_clusters_agree():
    slurm, generic = (
        yaml.safe_load((ROOT / "profiles" / name / "profile.yaml").read_text()) for name in ("slurm", "cluster-generic")
    )
    own = {name: value for name, value in generic.items() if not name.startswith("cluster-generic-")}
    assert own == {name: value for name, value in slurm.items() if not name.startswith("slurm-")} | {
        "executor": "cluster-generic"
    }
