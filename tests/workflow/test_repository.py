"""Things in the repository that must agree with each other."""

import ast
import re
import sys
import tomllib

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

from allenrec.common.code_digest import code_files
from allenrec.figures.drawings import DRAWINGS
from allenrec.settings.recordings.formats import EXPORTED_FORMATS

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


def needed_by(path):
    """The packages of a lock that Python 3.11 on Linux needs, each with those that need it."""
    system = {"python_version": "3.11", "python_full_version": "3.11.9", "sys_platform": "linux", "platform_machine": "x86_64"}
    found = {}
    for part in re.split(r"^(?=[A-Za-z0-9])", path.read_text(), flags=re.MULTILINE):
        package = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==[^\s;\\]+(?:\s*;\s*([^\\\n]+))?", part)
        if package and (package[2] is None or Marker(package[2]).evaluate(system)):
            found[package[1].lower()] = set(re.findall(r"^ +# (?:via|  )\s*([\w.-]+)", part, flags=re.MULTILINE))
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_pin_all_that_their_packages_need(path):
    own = ROOT / f"requirements-{path.stem}.lock"
    lock = needed_by(own if own.exists() else ROOT / "requirements.lock")
    (pip,) = [part["pip"] for part in yaml.safe_load(path.read_text())["dependencies"] if isinstance(part, dict)]
    pinned = {re.split(r"==|\[", requirement)[0].lower() for requirement in pip}
    assert len(pinned) > 25 and {name for name, needing in lock.items() if needing & pinned} - pinned == set()


#: What a package is imported as, where that is not its name
IMPORTED_AS = {"pyyaml": "yaml", "lfpy": "LFPy", "meautility": "MEAutility", "lazy-loader": "lazy_loader", "pillow": "PIL"}


def packages_of(script):
    """Return the packages that a rule's script and the modules of the library that it imports need."""
    names = set()
    for path in code_files(ROOT / "scripts", script):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.suffix == ".py" else ():
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    return names - {"allenrec", "pydantic_core"} - sys.stdlib_module_names  # pydantic_core is a part of pydantic


def scripts_of_environments():
    """Yield each rule's environment and script, and whether the script gets blocks of the settings, which pydantic makes."""
    for path in sorted((ROOT / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
            environment, script = re.search(r"envs/(\w+)\.yaml", rule), re.search(r"\.\./scripts/([\w/]+)\.py", rule)
            if environment and script:
                yield environment[1], script[1], "as_params" in rule


@pytest.mark.parametrize(("environment", "script", "has_settings"), scripts_of_environments())
def test_conda_environments_hold_what_their_rules_import(environment, script, has_settings):
    dependencies = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text())["dependencies"]
    (pip,) = [part["pip"] for part in dependencies if isinstance(part, dict)]
    names = [re.split(r"==|\[", requirement)[0].lower() for requirement in pip]
    known = {IMPORTED_AS.get(name, name) for name in names}
    needed = packages_of(f"{script}.py") | ({"pydantic"} if has_settings else set())
    assert needed - known == set()


def rules_of(path):
    """Return the text of each rule of a file, by the rule's name."""
    parts = re.split(r"^(?:use )?rule ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {re.match(r"(?:\w+ as )?(\w+)", part)[1]: part for part in parts}


@pytest.mark.parametrize("path", sorted((ROOT / "rules").glob("*.smk")), ids=lambda path: path.stem)
def test_the_digest_of_a_rule_is_that_of_its_script(path):
    """A rule that has an output has the digest of its own script; `use rule` takes over both, or names both anew."""
    for name, rule in rules_of(path).items():
        script, digest = re.search(r'"\.\./scripts/([\w/]+\.py)"', rule), re.search(r'code_digest\("([\w/.]+)"', rule)
        if "    output:" in rule and script:
            assert digest and digest[1] == script[1], name


def rules_with_resources():
    """Each rule that has a benchmark, with the megabytes and minutes that it asks for; they are inherited by `use rule`.

    The rules that draw figures, and those that export formats, are made in loops over their registers.
    """
    asked = {drawing.rule: f"{drawing.mem_mb}, {drawing.minutes}" for drawing in DRAWINGS.values()}
    exporting = (ROOT / "rules" / "recordings.smk").read_text(encoding="utf-8").split("for entry in EXPORTED_FORMATS:")[1]
    memory, minutes = re.search(r"mem_mb=mem_mb\((\d+)\)", exporting), re.search(r"runtime=runtime\((\d+)", exporting)
    asked |= {f"export_{entry.name}": f"{memory[1]}, {minutes[1]}" for entry in EXPORTED_FORMATS}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^(?=(?:use )?rule )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            used, name = re.match(r"(?:use rule (\w+) as )?(?:rule )?(\w+)", rule).groups()
            if used:
                asked[name] = asked[used]
            elif "\n    benchmark:" in rule:
                memory, minutes = re.search(r"mem_mb=mem_mb\((\d+)\)", rule), re.search(r"runtime=runtime\((\d+)", rule)
                asked[name] = f"{memory[1]}, {minutes[1]}"
    return asked


def test_documentation_says_what_rules_ask_for():
    """The table of docs/cluster.md has every rule that is measured, with its request as in rules/."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    documented = {}
    for line in text[text.index("## Resources") : text.index("## How it scales")].splitlines():
        columns = [column.strip() for column in line.strip("|").split("|")]
        if len(columns) == 5 and re.match(r"[a-z]+_?[a-z]", columns[0]) and columns[0] != "rule":
            documented |= dict.fromkeys(re.sub(r" \(.*\)", "", columns[0]).split(", "), columns[4])
    assert documented == rules_with_resources()


@pytest.mark.parametrize("name", ["requirements-test", "requirements-cluster"])
def test_other_locks_have_the_versions_of_the_lock(name):
    others = locked_versions(ROOT / f"{name}.lock")
    for package, versions in locked_versions(ROOT / "requirements.lock").items():
        assert others[package] == versions


def test_the_lock_of_the_sorters_has_the_versions_of_the_lock():
    """The same recordings are read on both sides."""
    common, sorters = (locked_versions(ROOT / f"requirements{name}.lock") for name in ("", "-evaluation"))
    both = common.keys() & sorters.keys()
    assert {"numpy", "h5py", "spikeinterface"} <= both
    for name in both:
        assert sorters[name] == common[name], name


@pytest.mark.parametrize("name", ["requirements", "requirements-test", "requirements-evaluation", "requirements-cluster"])
def test_locks_name_no_host_and_have_hashes(name):
    text = (ROOT / f"{name}.lock").read_text()
    assert "://" not in text
    packages = re.findall(r"^[A-Za-z0-9_.-]+==.*(?:\n .*)*", text, re.MULTILINE)
    assert len(packages) > 50 and all("--hash=sha256:" in package for package in packages)


def requirements(lines):
    """Package to version range, of lines as in a requirements file or in pyproject.toml."""
    parts = (line.split("#")[0].strip() for line in lines)
    found = [Requirement(part) for part in parts if part and not part.startswith("-")]
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in found}


def requirements_in(name):
    return requirements((ROOT / f"{name}.in").read_text(encoding="utf-8").splitlines())


def test_every_dependency_has_its_reason_in_the_readme():
    named = re.findall(r"^\| ([A-Za-z0-9_.-]+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert requirements_in("requirements").keys() - set(map(canonicalize_name, named)) == set()


def test_package_has_the_dependencies_of_the_workflow():
    """Those of pyproject.toml, extras included, are those of requirements.in, with the same ranges."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    found = requirements([*project["dependencies"], *(line for lines in extras.values() for line in lines)])
    assert found.pop("allenrec") == ""  # an extra that names the others
    assert found == requirements_in("requirements")
    wanted = set(Requirement(next(line for line in extras["workflow"] if line.startswith("allenrec"))).extras)
    assert wanted == extras.keys() - {"workflow"}


def test_sorters_have_the_ranges_of_the_workflow():
    common = requirements_in("requirements")
    for name, specifier in requirements_in("requirements-evaluation").items():
        assert specifier == common[name], name


def test_version_is_the_same_everywhere():
    """`allenrec.__version__` is the one place; pyproject.toml reads it."""
    import allenrec

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"] and "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "allenrec.__version__"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == allenrec.__version__
    heading = re.search(r"^## \[([0-9.]+)\] - ([0-9-]+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heading.groups() == (citation["version"], str(citation["date-released"]))


def test_schema_and_tables_are_those_of_the_settings():
    assert (ROOT / "config" / "schema.json").read_text() == configuration.schema()
    assert (ROOT / "config" / "README.md").read_text() == configuration.readme()


def test_workflow_catalog_finds_what_it_looks_for():
    """As its generator reads a repository. `make lint` runs the two checks that it shows: snakemake --lint and snakefmt."""
    settings = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(settings) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(settings["mandatory-flags"]) == {"desc", "flags"}
    assert set(settings["software-stack-deployment"].values()) <= {True, False}
    assert (ROOT / "Snakefile").is_file() and not (ROOT / "workflow").exists() and list((ROOT / "rules").glob("*.smk"))
    assert (ROOT / "config" / "README.md").is_file()
    assert re.search(
        "snakemake workflow", (ROOT / "README.md").read_text(), re.IGNORECASE
    )  # it searches READMEs for these words
