"""A digest of the code that a job runs: the job runs again when this changes, and only then."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

#: The package that is followed; what lies outside it, such as NumPy, is pinned by the lock files
PACKAGE = "allenrec"


def code_digest(scripts: Path, script: str, *modules: str) -> str:
    """Return a digest of a script and of all modules of this package that it imports, directly or not.

    The files that belong to a module count as well: those beside `viewer.py` whose names begin with `viewer.`, and for a
    package everything in its folder that is not Python.

    Parameters
    ----------
    scripts : Path
        The folder that holds the scripts and the package.
    script : str
        A script below that folder, such as `libraries/compute_eaps.py`.
    *modules : str
        Modules that the script imports by name while it runs, such as `allenrec.recordings.formats.nwb`.
    """
    found: set[Path] = set()
    queue = [scripts / script, *(path for module in modules for path in _files_of(scripts, module))]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.add(path)
        for module in _imported_modules(path, scripts):
            queue += _files_of(scripts, module)
    found |= {data for path in found for data in _data_files(path)}
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(f"{path.relative_to(scripts)}\0{_content(path)}\0".encode())
    return digest.hexdigest()[:16]


@functools.cache
def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def _imported_modules(path: Path, scripts: Path) -> tuple[str, ...]:
    """The names that one file imports from the package; some are modules, others are names in modules."""
    here = path.relative_to(scripts).parent.parts
    found: list[str] = []
    for node in ast.walk(ast.parse(_content(path))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1]] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            found += [module, *(f"{module}.{name.name}" for name in node.names)]
    return tuple(name for name in found if name.split(".")[0] == PACKAGE)


def _files_of(scripts: Path, module: str) -> Iterator[Path]:
    """Yield the file of a module and those of the packages around it; nothing for a name that is no module."""
    parts = module.split(".")
    for n in range(1, len(parts) + 1):
        path = scripts.joinpath(*parts[:n])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                yield file


def _data_files(path: Path) -> list[Path]:
    """The files that belong to a module, but for Python and what it is compiled to."""
    folder = path.parent
    whole_folder = path.name == "__init__.py" and len(list(folder.glob("*.py"))) == 1
    candidates = folder.rglob("*") if whole_folder else folder.glob(f"{path.stem}.*")
    return [file for file in candidates if file.is_file() and file.suffix not in (".py", ".pyc", ".nbi", ".nbc")]
