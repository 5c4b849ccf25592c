"""The digest of the code that a job runs. A job runs again when this digest changes."""

import ast
import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

#: The package whose imports are followed. What lies outside it, such as NumPy, is pinned by the lock files.
PACKAGE = "allenrec"
#: Endings of files that change no result: source code is followed by its imports, the others are compiled or stubs
NO_DATA = (".py", ".pyi", ".pyc", ".nbi", ".nbc")
#: An import statement, also one of several lines in brackets
IMPORT = re.compile(r"^[ \t]*((?:from|import)[ \t][^\n(]*(?:\([^)]*\))?)", re.MULTILINE)


def code_digest(scripts: Path, script: str, *modules: str) -> str:
    """Return a digest of a script and of all modules of this package that it imports, directly or not.

    Data files of these modules count as well: files beside `viewer.py` whose names begin with `viewer.`, and all files of a
    package that has no module, such as a folder of captions.

    Parameters
    ----------
    scripts : Path
        The folder that holds the scripts and the package.
    script : str
        A script in that folder, such as `libraries/compute_eaps.py`.
    *modules : str
        Modules that the script imports by name while it runs, such as `allenrec.recordings.formats.nwb`.

    Returns
    -------
    str
        16 hexadecimal digits. They depend on names below `scripts` and on contents, not on where that folder is.
    """
    digest = hashlib.sha256()
    for path in sorted(code_files(scripts, script, *modules)):
        digest.update(f"{path.relative_to(scripts)}\0".encode() + _content(path) + b"\0")
    return digest.hexdigest()[:16]


def code_files(scripts: Path, script: str, *modules: str) -> set[Path]:
    """Return the files that `code_digest` reads: the script, the modules that it imports, and their data files."""
    found: set[Path] = set()
    queue = [scripts / script, *(path for module in modules for path in _files_of(scripts, module))]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue += _imported_files(path, scripts)
    return found | {data for path in found for data in _data_files(path)}


@functools.cache
def _content(path: Path) -> bytes:
    return path.read_bytes()


# What is cached is asked for once for each script that uses the file, at every start of Snakemake.
@functools.cache
def _imported_files(path: Path, scripts: Path) -> list[Path]:
    """Return the files of the modules that a file imports from the package."""
    return list(dict.fromkeys(file for name in _imported_names(path, scripts) for file in _files_of(scripts, name)))


def _imported_names(path: Path, scripts: Path) -> list[str]:
    """Return the dotted names that a file imports from the package. Some are modules, others are names in modules."""
    here = path.relative_to(scripts).parent.parts
    found: list[str] = []
    for node in ast.walk(_imports(_content(path).decode())):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute_name(node, here)
            for name in node.names:
                found += [f"{module}.{name.name}", *_lazily_imported(scripts, module, name.name)]
    return [name for name in found if name.split(".")[0] == PACKAGE]


def _imports(text: str) -> ast.Module:
    """Return the syntax tree of the import statements in a text; of the whole text if it has lines that look like them.

    Every start of Snakemake reads all files, and the trees of whole files take several times as long.
    """
    try:
        return ast.parse("\n".join(IMPORT.findall(text)))
    except SyntaxError:
        return ast.parse(text)


def _absolute_name(node: ast.ImportFrom, here: tuple[str, ...]) -> str:
    """Return the name of the module in `from module import ...`, in a file of the package `here`."""
    base = here[: len(here) - node.level + 1] if node.level else ()
    return ".".join([*base, *filter(None, [node.module])])


def _lazily_imported(scripts: Path, package: str, name: str) -> Iterator[str]:
    """Yield the module from which a package imports a name lazily, according to its `__init__.pyi`."""
    if package.split(".")[0] == PACKAGE:
        yield from (module for lazy_name, module in _lazy_names(scripts, package) if lazy_name == name)


@functools.cache
def _lazy_names(scripts: Path, package: str) -> list[tuple[str, str]]:
    """Return the names that a package imports lazily, each with its module."""
    parts = tuple(package.split("."))
    stub = scripts.joinpath(*parts, "__init__.pyi")
    if not stub.is_file():
        return []
    imports = [node for node in _imports(_content(stub).decode()).body if isinstance(node, ast.ImportFrom)]
    return [(alias.asname or alias.name, _absolute_name(node, parts)) for node in imports for alias in node.names]


@functools.cache
def _files_of(scripts: Path, module: str) -> list[Path]:
    """Return the file of a module and those of the packages around it; none for a name that is no module."""
    package = module.rpartition(".")[0]
    path = scripts.joinpath(*module.split("."))
    own = [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()]
    return (_files_of(scripts, package) if package else []) + own


@functools.cache
def _data_files(path: Path) -> list[Path]:
    """Return the data files of a module; those of a package that has no module are all files in its folder."""
    folder = path.parent
    without_modules = path.name == "__init__.py" and len(list(folder.rglob("*.py"))) == 1
    beside = (file for file in _files_in(folder) if file.name.startswith(f"{path.stem}."))
    candidates = folder.rglob("*") if without_modules else beside
    return [file for file in candidates if file.suffix not in NO_DATA and file.is_file()]


@functools.cache
def _files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())
