"""The files of compiled kernels, which numba keeps beside their modules.

Numba looks at the module of a kernel only, not at those of the kernels that it calls. A kernel that was compiled for another
form of these may crash, or compute something else. So all files are deleted when one of these modules has changed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from .files import written_beside

PACKAGE = Path(__file__).parents[1]
#: The mark of a module that has kernels
MARK = b"@numba.njit(cache=True"
#: The folders whose kernels are compiled with those of a package, and those whose kernels they call
FOLDERS = {"libraries": ("libraries", "waveforms"), "recordings": ("recordings",)}
CALLED = ("waveforms",)
#: Endings of numba's files: an index for each kernel, and code for each combination of types
ENDINGS = (".nbi", ".nbc")


def forget_stale() -> None:
    """Delete numba's files beside the modules if one of the modules with kernels is not what it was when they were compiled."""
    stamp = PACKAGE / "__pycache__" / "kernels.sha256"
    content = hashlib.sha256(b"\0".join(path.read_bytes() for path in modules_with_kernels({*FOLDERS, *CALLED}))).hexdigest()
    try:
        if stamp.exists() and stamp.read_text() == content:
            return
        for path in [path for package in FOLDERS for path in compiled_files(package)]:
            path.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        with written_beside(stamp) as temporary:
            temporary.write_text(content)
    except OSError:  # the folder is for reading only, so that numba keeps its files elsewhere
        return


def modules_with_kernels(folders: Iterable[str]) -> list[Path]:
    """Return the modules that have kernels in some folders of the package."""
    return [path for name in sorted(folders) for path in sorted((PACKAGE / name).rglob("*.py")) if MARK in path.read_bytes()]


def compiled_files(package: str) -> Iterator[Path]:
    """Yield numba's files beside the modules of a package with kernels."""
    for module in modules_with_kernels(FOLDERS[package]):
        yield from (path for path in (module.parent / "__pycache__").glob(f"{module.stem}.*") if path.suffix in ENDINGS)
