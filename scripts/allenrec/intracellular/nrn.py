"""NEURON in this process: how it is imported, its compiled mechanisms, its errors, its paths.

NEURON keeps sections and mechanisms in a global state, so a process can load one model only.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

# NEURON reads this when it is imported. Without it, every job warns about a missing display.
os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")

# When it is imported, NEURON loads any compiled mechanisms in the working directory, and those that this variable names.
with chdir("/"):
    found_elsewhere = os.environ.pop("NRN_NMODL_PATH", None)
    import neuron as neuron  # all other modules take it from here

    if found_elsewhere is not None:
        os.environ["NRN_NMODL_PATH"] = found_elsewhere

from allenrec.common.errors import UserError
from allenrec.models.mechanisms import read_compiled_library


@contextmanager
def neuron_errors_for_users() -> Iterator[None]:
    """Turn an error of NEURON into a `UserError`. It also decorates functions."""
    try:
        yield
    except RuntimeError as error:
        if "hoc" not in str(error):
            raise
        raise UserError(f"NEURON stops: {str(error).removeprefix('hocobj_call error: ')}") from None


@contextmanager
def path_for_neuron(path: Path) -> Iterator[str]:
    """Yield a path of a file for NEURON, which takes ASCII only: where a folder has another name, as /home/josé, the system's
    path of the open folder."""
    if str(path).isascii():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


#: The SHA-256 of the library that this process has loaded
_loaded: set[str] = set()


def load_mechanisms(folder: Path, approved: str | None) -> None:
    """Load a compiled library, from a copy in memory: what is loaded are the bytes that were checked."""
    content = read_compiled_library(folder, approved)
    digest = hashlib.sha256(content).hexdigest()
    if digest in _loaded:
        return
    with os.fdopen(os.memfd_create(folder.name), "wb") as file:
        file.write(content)
        file.flush()
        try:
            loaded = neuron.h.nrn_load_dll(f"/proc/self/fd/{file.fileno()}")
        except RuntimeError as error:
            raise UserError(f"{folder}: this process has loaded another set of mechanisms already ({error})") from None
    if not loaded:
        raise UserError(f"{folder}: NEURON cannot load the compiled mechanisms; delete the folder and run again")
    _loaded.add(digest)
