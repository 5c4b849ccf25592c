"""Mod files: what they define, which known set they are, and their compiled library."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from .errors import UserError
from .files import folder_built_beside

BUILD_RECORD = "build.json"


@dataclass(frozen=True)
class Mechanism:
    """What a mod file declares that can be set; a PARAMETER that is not in RANGE is global, declared so or not."""

    range_parameters: frozenset
    global_parameters: frozenset


def mod_files(folder):
    """Return the mod files of a folder, sorted by name.

    Raises
    ------
    UserError
        If the folder is missing or holds no mod file: nrnivmodl itself would call that a success.
    """
    files = sorted(Path(folder).glob("*.mod"))
    if not files:
        raise UserError(f"{folder}: no mod file (*.mod) there; an Allen model comes with 16 of them")
    return files


def _normalised(path):
    """The content of a mod file with line ends as LF, so that the CRLF twins in old archives count as equal."""
    return path.read_bytes().replace(b"\r\n", b"\n")


def mechanisms_digest(folder):
    """Return the SHA-256 over the sorted names and (line-end normalised) contents of a folder's mod files."""
    digest = hashlib.sha256()
    for path in mod_files(folder):
        content = _normalised(path)
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def declared_mechanisms(folder):
    """Return what the mod files of a folder define: a dict from mechanism name (SUFFIX) to `Mechanism`."""
    mechanisms = {}
    for path in mod_files(folder):
        # Comments run from ':' to the end of the line, or between COMMENT and ENDCOMMENT.
        text = _normalised(path).decode("utf-8", errors="replace")
        text = re.sub(r"COMMENT.*?ENDCOMMENT|:[^\n]*", "", text, flags=re.DOTALL)
        block = re.search(r"\bNEURON\s*\{(.*?)\}", text, flags=re.DOTALL)
        suffix = re.search(r"\bSUFFIX\s+(\w+)", block[1]) if block else None
        if suffix:
            ranges = _names(block[1], "RANGE")
            # Variables of the cell and of its ions may stand among the parameters.
            others = ranges | {"v", "celsius", "dt", "t", "diam", "area"} | _names(block[1], "READ") | _names(block[1], "WRITE")
            parameters = re.search(r"\bPARAMETER\s*\{(.*?)\}", text, flags=re.DOTALL)
            implied = frozenset(re.findall(r"\b(\w+)\s*=", parameters[1])) if parameters else frozenset()
            mechanisms[suffix[1]] = Mechanism(ranges, _names(block[1], "GLOBAL") | (implied - others))
    return mechanisms


def _names(block, keyword):
    lists = re.findall(rf"\b{keyword}\s+(\w+(?:\s*,\s*\w+)*)", block)
    return frozenset(name for names in lists for name in re.split(r"\s*,\s*", names))


def compile_mechanisms(modfiles, root):
    """Compile the mod files of a folder, once for each distinct content.

    Any number of processes may ask for the same set at once: one compiles, the others wait for it. The library is
    built beside its place and renamed into it.

    Parameters
    ----------
    modfiles : path
        Folder with `*.mod` files.
    root : path
        Where compiled sets live.

    Returns
    -------
    pathlib.Path
        `root/<digest>`, absolute: the mod files, the library that NEURON loads, and `build.json`, which says with what
        it was built. Another NEURON version, environment or kind of machine builds it anew.

    Raises
    ------
    UserError
        If there are no mod files, no compiler, or nrnivmodl fails; then with the compiler's message.
    """
    root = Path(root).resolve()
    folder = root / mechanisms_digest(modfiles)
    # The library is linked to the NEURON that it was built with, by its path.
    build = {"neuron": version("neuron"), "environment": sys.prefix, "machine": platform.machine()}
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        if _build_record(folder) != build or not _library(folder).is_file():
            with folder_built_beside(folder) as temporary:
                for path in mod_files(modfiles):
                    (temporary / path.name).write_bytes(_normalised(path))
                _run_nrnivmodl(temporary, modfiles)
                _strip(temporary)
                (temporary / BUILD_RECORD).write_text(json.dumps(build) + "\n", encoding="utf-8")
    return folder


def _library(folder):
    return Path(folder) / platform.machine() / "libnrnmech.so"


def _build_record(folder):
    try:
        return json.loads((Path(folder) / BUILD_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _run_nrnivmodl(folder, origin):
    # It sits beside the running interpreter, which need not be on the PATH.
    beside = Path(sys.executable).parent / "nrnivmodl"
    nrnivmodl = str(beside) if beside.exists() else shutil.which("nrnivmodl")
    if nrnivmodl is None:
        raise UserError("nrnivmodl not found: install NEURON into the environment that runs this")
    for compiler in ("g++", "make"):
        if not (shutil.which(compiler) or (compiler == "g++" and "CXX" in os.environ)):
            raise UserError(f"{compiler} not found: compiling mod files needs it (Debian: apt install g++ make)")
    result = subprocess.run([nrnivmodl, "."], cwd=folder, capture_output=True, text=True, errors="replace")
    if result.returncode != 0 or not _library(folder).is_file():
        raise UserError(f"{origin}: nrnivmodl failed: {_compiler_message(result.stdout + result.stderr)}")


def _compiler_message(output):
    """The lines of a build log that say what went wrong, on one line."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in output.splitlines()]
    # modlunit and nocmodl name the fault, the file and the line just before make gives up.
    wanted = [i for i, line in enumerate(lines) if re.search(r"\berror\b|Error|illegal|syntax|Unknown", line)]
    first = max(wanted[0] - 2, 0) if wanted else max(len(lines) - 5, 0)
    # nrnivmodl is a Python script; its traceback says nothing that make has not said.
    lines = lines[: next((i for i, line in enumerate(lines) if line.startswith("Traceback")), len(lines))]
    return " | ".join(line for line in lines[first : first + 8] if line)


def _strip(folder):
    """Keep of the build what NEURON loads; the rest names the temporary folder."""
    for path in _library(folder).parent.iterdir():
        if path != _library(folder):
            path.unlink()
