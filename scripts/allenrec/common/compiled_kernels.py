"""The compiled kernels of a checkout. Numba keeps them beside their modules; the user's cache has a copy for other checkouts.

A copy is found by the content of all modules of a package with kernels, the processor and the versions. Numba itself looks at
the module of a kernel only, not at those of the kernels that it calls; so kernels of another content are deleted, see
`kernel_files`.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .files import folder_built_beside, written_beside
from .kernel_files import CALLED, FOLDERS, PACKAGE, compiled_files, modules_with_kernels
from .user_cache import forget_old, private_files, private_folder

#: The packages whose code is in a compiled kernel
PACKAGES = ("numba", "llvmlite", "numpy")


def compile_kernels(package: str, use_kernels: Callable[[], object]) -> str:
    """Compile the kernels of a package in this checkout, or take them from the user's cache.

    Parameters
    ----------
    package : str
        A key of `FOLDERS`.
    use_kernels : callable
        Calls all kernels that are to be compiled, with values of the types that they are used with.

    Returns
    -------
    str
        The digest of the kernels.
    """
    digest = kernels_digest(package)
    # If the user has named a folder for numba's files, nothing of it is shared.
    shared = None if "NUMBA_CACHE_DIR" in os.environ else private_folder("kernels")
    entry = shared and shared / f"{package}-{digest}"
    if "NUMBA_CACHE_DIR" not in os.environ:
        taken = private_files(entry) if entry else []
        _replace_compiled(package, taken, entry)
        print(
            f"{len(taken)} files of kernels taken from {entry}" if taken else "No compiled kernels to take; they are compiled"
        )
    use_kernels()
    if shared and entry:
        try:
            _keep_compiled(package, entry)
            forget_old(shared)
        except OSError as error:  # a full disk, or another checkout that does the same now
            print(f"{error}; other checkouts will compile these kernels again")
    return digest


def load_kernels_without_compiler() -> None:
    """Keep numba, in this process, from making its compiler ready before it loads a kernel that is compiled already.

    That takes a quarter of a second, a tenth of it for SciPy's linear algebra, which none of our kernels has. When a kernel has
    to be compiled, numba makes its compiler ready all the same.
    """
    from numba.core.caching import FunctionCache
    from numba.core.runtime.nrt import rtsys

    load = FunctionCache.load_overload

    def load_overload(cache: Any, signature: Any, context: Any) -> Any:
        context.refresh = lambda: rtsys.initialize(context)  # what kernels need to run: memory for arrays
        try:
            return load(cache, signature, context)
        finally:
            del context.refresh

    FunctionCache.load_overload = load_overload  # type: ignore[method-assign]


def kernels_digest(package: str) -> str:
    """Return the SHA-256 over the modules whose kernels are compiled or called, and over what else decides about them."""
    from importlib.metadata import version

    from numba.core.registry import cpu_target  # it loads LLVM

    options = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
    # What numba itself compares: the kind of machine, the processor and its features.
    machine = (*cpu_target.target_context.codegen().magic_tuple(), sys.implementation.cache_tag)
    digest = hashlib.sha256(repr((machine, [version(name) for name in PACKAGES], sorted(options.items()))).encode())
    for path in modules_with_kernels({*FOLDERS[package], *CALLED}):
        digest.update(f"\0{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _replace_compiled(package: str, taken: list[Path], entry: Path | None) -> None:
    """Put files of the cache in place of those of this checkout. What cannot be taken or written is compiled."""
    targets = {PACKAGE / path.relative_to(entry).parent / "__pycache__" / path.name: path for path in taken} if entry else {}
    try:
        for path in set(compiled_files(package)) - targets.keys():
            path.unlink(missing_ok=True)
        for target, path in targets.items():
            with written_beside(target) as temporary:
                shutil.copyfile(path, temporary)
    except OSError as error:
        print(f"{error}; what is missing is compiled")


def _keep_compiled(package: str, entry: Path) -> None:
    """Copy the files of this checkout into the cache, unless it has them all; others may be added later."""
    files = {path.parents[1].relative_to(PACKAGE) / path.name: path for path in compiled_files(package)}
    if {path.relative_to(entry) for path in private_files(entry)} >= files.keys():
        os.utime(entry)
        return
    with folder_built_beside(entry) as temporary:
        for name, path in files.items():
            (temporary / name.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(path, temporary / name)
            (temporary / name).chmod(0o600)
