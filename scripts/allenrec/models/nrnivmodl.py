"""nrnivmodl, NEURON's compiler of mod files, which runs a makefile: in a folder of ours, isolated."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from allenrec.common.errors import Unavailable, UserError
from allenrec.common.isolation import isolate, missing_isolation
from allenrec.common.processes import last_words

from .precompiled_header import MIN_FILES, precompile_header

#: Programs that nrnivmodl runs or, like perl, only checks for; Debian's packages have the same names
TOOLS = ("g++", "make", "perl")

#: Environment variables for nrnivmodl, unless the user sets them. nrnivmodl stops if it does not find the shared library of
#: Python. Many Pythons have none (Debian's, pyenv's), and only the translator `nmodl` loads it, not the default `nocmodl`. So
#: any existing file will do. Without CXX, nrnivmodl takes the compiler that built Python, which may be missing here.
NRNIVMODL_DEFAULTS = {"NMODL_PYLIB": sys.executable, "CXX": "g++"}

#: The paths in which the makefile runs nothing: it passes them to a shell
PLAIN_PATH = re.compile(r"[\w /.,+=@-]+")


def compile_library(texts: Mapping[str, bytes], root: Path, origin: str | Path, *, isolated: bool) -> bytes:
    """Return the library that nrnivmodl makes of mod files.

    Parameters
    ----------
    texts : mapping
        The texts of the mod files by their names.
    root : pathlib.Path
        The folder of all compiled sets, in which a temporary folder is made and removed again.
    origin : path
        Where the mod files come from, for messages.
    isolated : bool
        Whether the compiler gets no network and may write in its own folder only, as far as the system offers it.

    Raises
    ------
    Unavailable
        If there is no compiler.
    UserError
        If nrnivmodl fails; the message quotes the compiler.
    """
    with _build_folder(root) as folder:
        for name, text in texts.items():
            (folder / name).write_bytes(text)
        _run(folder, origin, isolated)
        return library_file(folder).read_bytes()


def library_file(folder: str | Path) -> Path:
    """Return the path of the library that NEURON loads from a folder of compiled mechanisms."""
    return Path(folder) / platform.machine() / "libnrnmech.so"


@contextmanager
def _build_folder(root: Path) -> Iterator[Path]:
    """Yield an empty folder with a folder `tmp`, and remove it afterwards.

    Where its path may be given to a shell, it is the same every time, because the path is in the library: what is compiled
    again is the same to the byte. Else it is in the folder for temporary files.
    """
    folder = root / ".compiling"
    if not PLAIN_PATH.fullmatch(str(folder)):
        folder = Path(tempfile.mkdtemp(prefix="allenrec-")).resolve()
    try:
        if not PLAIN_PATH.fullmatch(str(folder)):
            raise UserError(
                f"{folder}: NEURON compiles in a path of letters, digits and ordinary signs only; set TMPDIR to one"
            )
        shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
        (folder / "tmp").mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, origin: str | Path, isolated: bool) -> None:
    # It sits beside the running interpreter, which need not be on the PATH.
    beside = Path(sys.executable).parent / "nrnivmodl"
    nrnivmodl = str(beside) if beside.exists() else shutil.which("nrnivmodl")
    if nrnivmodl is None:
        raise Unavailable("nrnivmodl not found: install NEURON into the environment that runs this")
    for tool in TOOLS:
        if not (shutil.which(tool) or (tool == "g++" and "CXX" in os.environ)):
            raise Unavailable(f"{tool} not found: compiling mod files needs it (Debian: apt install {tool})")
    if isolated and missing_isolation():
        print(f"note: the compiler is not kept from {missing_isolation()}")

    def run(command: list[str], where: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=where,
            env=NRNIVMODL_DEFAULTS | os.environ | {"TMPDIR": str(folder / "tmp")},
            preexec_fn=partial(isolate, [folder]) if isolated else None,
            capture_output=True,
            text=True,
            errors="replace",
        )

    header = precompile_header(folder / "header", run) if len(list(folder.glob("*.mod"))) >= MIN_FILES else None
    # The path is relative to the folder where nrnivmodl compiles; it cannot be quoted.
    options = ["-incflags", f"-include ../header/{header.name}"] if header else []
    result = run([nrnivmodl, *options, "."], folder)
    if result.returncode != 0 and options:
        result = run([nrnivmodl, "."], folder)  # what did not compile with the header
    if result.returncode != 0 or not library_file(folder).is_file():
        hint = "; `models.isolate: false` lets it write elsewhere" if isolated and "Permission denied" in result.stderr else ""
        raise UserError(f"{origin}: nrnivmodl failed: {last_words(result)}{hint}")
