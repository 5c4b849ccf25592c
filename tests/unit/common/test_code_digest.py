"""The digest of code follows the imports of a script, and nothing else."""

import pytest
from support import ROOT

from allenrec.common import code_digest as module
from allenrec.common.code_digest import code_digest, code_files

FILES = {
    "stage/run.py": "import numpy\nfrom allenrec.common.log import log\n\nwith log():\n    from allenrec.rooms import door\n",
    "stage/by_name.py": "from importlib import import_module\n\nimport_module('allenrec.formats.' + name)\n",
    "allenrec/__init__.py": "",
    "allenrec/common/__init__.py": "",
    "allenrec/common/log.py": "from .errors import Mistake\n",
    "allenrec/common/errors.py": "class Mistake(Exception): ...\n",
    "allenrec/common/unused.py": "",
    "allenrec/rooms/__init__.py": "import lazy_loader\n\n__getattr__ = lazy_loader.attach_stub(__name__, __file__)[0]\n",
    "allenrec/rooms/__init__.pyi": "from .inner import door as door\nfrom .other import another as another\n",
    "allenrec/rooms/inner.py": "from ..pages import page\nfrom .. import alone\n",
    "allenrec/rooms/inner.rst": "A text that belongs to the module",
    "allenrec/rooms/other.py": "",
    "allenrec/alone.py": "",
    "allenrec/pages/__init__.py": "",
    "allenrec/pages/deep/page.rst": "A page",
    "allenrec/formats/__init__.py": "",
    "allenrec/formats/nwb.py": "import allenrec.common.errors\n",
}
USED = {
    *("stage/run.py", "allenrec/__init__.py", "allenrec/common/__init__.py", "allenrec/common/log.py"),
    *("allenrec/common/errors.py", "allenrec/rooms/__init__.py", "allenrec/rooms/inner.py", "allenrec/rooms/inner.rst"),
    *("allenrec/alone.py", "allenrec/pages/__init__.py", "allenrec/pages/deep/page.rst"),
}


@pytest.fixture
def scripts(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def digest(scripts, *arguments):
    """Return the digest as a new process would."""
    for function in vars(module).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    return code_digest(scripts, *arguments)


def test_imports_are_followed_through_packages_relative_names_and_lazy_doors(scripts):
    assert {str(path.relative_to(scripts)) for path in code_files(scripts, "stage/run.py")} == USED


@pytest.mark.parametrize("name", sorted(FILES))
def test_digest_changes_with_what_the_script_uses_and_with_nothing_else(name, scripts):
    before = digest(scripts, "stage/run.py")
    with open(scripts / name, "a") as file:
        file.write("\n# changed\n")
    assert (digest(scripts, "stage/run.py") != before) == (name in USED)


def test_modules_that_are_imported_by_name_count_where_they_are_named(scripts):
    named = code_files(scripts, "stage/by_name.py", "allenrec.formats.nwb")
    assert {path.name for path in named} == {"by_name.py", "__init__.py", "nwb.py", "errors.py"}
    assert digest(scripts, "stage/by_name.py") != digest(scripts, "stage/by_name.py", "allenrec.formats.nwb")


def test_digest_does_not_depend_on_the_place_or_on_compiled_files(scripts, tmp_path):
    before = digest(scripts, "stage/run.py")
    cache = scripts / "allenrec" / "rooms" / "__pycache__"
    cache.mkdir()
    for name in ("inner.cpython-311.pyc", "inner.f.py311.1.nbc", "inner.f.py311.nbi"):
        (cache / name).write_bytes(b"\0\xff")
        (cache.parent / name).write_bytes(b"\0\xff")
    assert digest(scripts, "stage/run.py") == before
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    assert digest(moved, "stage/run.py") == before


def scripts_of_jobs():
    """Return the scripts of all rules but those that only show a table."""
    scripts = ROOT / "scripts"
    names = [path.relative_to(scripts) for path in scripts.glob("*/*.py") if path.parent.name != "allenrec"]
    return [str(name) for name in names if name.name not in ("probes.py", "evaluate.py", "run_sorter.py")]


@pytest.mark.parametrize("script", sorted(scripts_of_jobs()))
def test_every_job_depends_on_its_script_and_on_the_log_of_jobs(script):
    names = {str(path.relative_to(ROOT / "scripts")) for path in code_files(ROOT / "scripts", script)}
    assert {script, "allenrec/common/job_log.py", "allenrec/common/errors.py"} <= names


def test_a_recording_depends_on_its_noise_and_a_library_does_not():
    recording = code_files(ROOT / "scripts", "recordings/generate_recording.py")
    library = code_files(ROOT / "scripts", "libraries/compute_eaps.py")
    noise = ROOT / "scripts" / "allenrec" / "recordings" / "traces" / "noise.py"
    assert noise in recording and noise not in library
