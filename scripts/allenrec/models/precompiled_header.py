"""The headers of NEURON that all translated mod files begin with, compiled once for a set of mod files.

g++ needs half of its time for a mod file to read these headers. If a compiled form, `NAME.gch`, lies beside a header and was
made with the options of the mod file, g++ reads it instead. The compiled library is the same, byte for byte.
See "Using Precompiled Headers" in the manual of GCC.
"""

import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

#: The smallest number of mod files for which the header is compiled: that takes as long as the headers of five files
MIN_FILES = 8

#: The name of the header in its folder
HEADER = "translated.h"

#: A mod file without a mechanism
EMPTY_MOD_FILE = "NEURON { SUFFIX empty }\n"

#: Lines that stop Clang, also if it is called g++: its compiled headers have another format
ONLY_GCC = "#ifdef __clang__\n#error not GCC\n#endif\n"

#: A function that runs a command in a folder
Run = Callable[[list[str], Path], subprocess.CompletedProcess[str]]


def precompile_header(folder: Path, run: Run) -> Path | None:
    """Compile the header of translated mod files in a new folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder to make; it must not exist.
    run : callable
        Runs a command in a folder, as NEURON's compiler is run.

    Returns
    -------
    pathlib.Path or None
        The header, beside its compiled form, or None if this NEURON or this compiler does not make one.
    """
    package = find_spec("neuron")
    if package is None or package.origin is None:
        return None
    neuron = Path(package.origin).parent / ".data"
    header, source, compiled = folder / HEADER, folder / "mod_func.cpp", folder / "mod_func.o"
    folder.mkdir()
    (folder / "empty.mod").write_text(EMPTY_MOD_FILE)
    try:
        run([str(neuron / "bin/nocmodl"), "empty.mod"], folder)
        header.write_text(head_of((folder / "empty.cpp").read_text()))
        # NEURON's makefile has the options. It has a rule for this source, and includes a file with those for mod files.
        source.write_text(ONLY_GCC + header.read_text())
        (folder / "makemod2c_inc").touch()
        makefile = str(neuron / "bin/nrnmech_makefile")
        run(["make", "-f", makefile, f"ROOT={neuron}", "UserINCFLAGS=-x c++-header", compiled.name], folder)
        compiled.rename(header.with_name(f"{HEADER}.gch"))
    except (OSError, ValueError):
        return None
    return header


def head_of(source: str) -> str:
    """Return the lines of a translated mod file from the first to the last #include.

    Raises
    ------
    ValueError
        If there is no #include.
    """
    return source[source.index("#include") : source.index("\n", source.rindex("#include"))] + "\n"
