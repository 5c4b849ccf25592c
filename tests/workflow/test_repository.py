"""Things in the repository that must agree with each other."""

import re
import sys

import pytest
import yaml
from support import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import configuration


def locked_versions(path):
    """Name to versions of a lock file; several where they depend on the Python version."""
    versions = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", path.read_text(), re.MULTILINE):
        versions.setdefault(name.lower().replace("_", "-"), set()).add(version)
    return versions


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_hold_the_versions_of_the_lock(path):
    own = ROOT / f"requirements-{path.stem}.lock"
    locked = locked_versions(own if own.exists() else ROOT / "requirements.lock")
    (pip,) = [part["pip"] for part in yaml.safe_load(path.read_text())["dependencies"] if isinstance(part, dict)]
    for requirement in pip:
        name, version = requirement.split("==")
        assert version in locked[name.split("[")[0].lower()], requirement


def test_the_lock_of_the_tests_has_the_versions_of_the_lock():
    tests = locked_versions(ROOT / "requirements-test.lock")
    for name, versions in locked_versions(ROOT / "requirements.lock").items():
        assert tests[name] == versions


def test_the_lock_of_the_sorters_has_the_versions_of_the_lock():
    """The same recordings are read on both sides."""
    common, sorters = (locked_versions(ROOT / f"requirements{name}.lock") for name in ("", "-evaluation"))
    both = common.keys() & sorters.keys()
    assert {"numpy", "h5py", "spikeinterface"} <= both
    for name in both:
        assert sorters[name] == common[name], name


@pytest.mark.parametrize("name", ["requirements", "requirements-test", "requirements-evaluation"])
def test_locks_name_no_host_and_have_hashes(name):
    text = (ROOT / f"{name}.lock").read_text()
    assert "://" not in text
    packages = re.findall(r"^[A-Za-z0-9_.-]+==.*(?:\n .*)*", text, re.MULTILINE)
    assert len(packages) > 50 and all("--hash=sha256:" in package for package in packages)


def test_every_dependency_has_its_reason_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    for name in re.findall(r"^([A-Za-z0-9_]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE):
        assert f"| {name} |" in readme, name


def test_schema_and_tables_are_those_of_the_settings():
    assert (ROOT / "config" / "schema.json").read_text() == configuration.schema()
    assert (ROOT / "config" / "README.md").read_text() == configuration.readme()
