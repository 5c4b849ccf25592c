"""Mod files: the mechanisms that they define, whether they are known, and the library that they are compiled to."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from allenrec.common.errors import Unavailable, UserError
from allenrec.common.files import folder_built_beside, sha256
from allenrec.common.processes import last_words

#: The file of a compiled set that records how it was built
BUILD_RECORD = "build.json"

#: Programs that nrnivmodl runs or, like perl, only checks for; Debian's packages have the same names
TOOLS = ("g++", "make", "perl")

#: Environment variables for nrnivmodl, unless the user sets them. nrnivmodl stops if it does not find the shared library of
#: Python. Many Pythons have none (Debian's, pyenv's), and only the translator `nmodl` loads it, not the default `nocmodl`. So
#: any existing file will do. Without CXX, nrnivmodl takes the compiler that built Python, which may be missing here.
NRNIVMODL_DEFAULTS = {"NMODL_PYLIB": sys.executable, "CXX": "g++"}

#: The mod files of the Allen Institute by the digest of their text (see `mod_file_digest`): the 16 of the archives, of which
#: Kv2like has two versions that differ below -119 mV only, and 5 of the newer all-active fits, as in AllenSDK's example
KNOWN_MOD_FILES = {
    "e22cfdc6306f797746e0f675920f6ac36fe67ab8f1bc1722b3bce880cfdc72b9": "Ca_HVA",
    "22c80183377ec1f8d0b2dca9b0798a141d655ddeee048953461226171db08946": "Ca_LVA",
    "197209ded82a2c0481f6bf6b26fa152be8597307454070587a49f714eab4da65": "CaDynamics",
    "19b2edc8350847de6323eed6f1a7aba8138336db7de4e899e13836ef54f650af": "Ih",
    "0a446ad8c484f57bb84e53b6e0b900708983b995f698f9d2967810a77c4cdc95": "Im",
    "8c9e5b4a63fceddbd9718316d85e5468aab230086a40e92f7657b2a79bd05b32": "Im_v2",
    "99cc240af02ac609bbde2e0aad54442ad0e37504b159327b220ba8bdfa2f24a7": "K_P",
    "70656480739303ecb890c4b689e61a434f6ccfcbd1e8446725a2a3c47f93d9e3": "K_Pst",
    "18b688fe878b7e1755e918bb093d1ba5c21997255e9dfdd10986b42962373811": "K_T",
    "2427d181a26fd78b28727a96ec799a09577e84598127549d1755ca3e87a02da9": "K_Tst",
    "bf3a219ea4725c00424a769112a5f88ac2ff52e2b891652a1be5be25f76e6d71": "Kd",
    "b4fa91cc2e3392cfcd12ef8244d537d230d42e3044982dcc64de115683286449": "Kv2like",
    "9244b0eb301dacee5a844910d6b4945856b90dc60937a74ac7f4f19f778d0895": "Kv2like",
    "ffa95b91444664723176e2b3b8a11a946f2c7239d98344710f846db50bfd5265": "Kv3_1",
    "979d21508f5b089e7b782835ea7f60311223bdc3a8e5242056c594305d2fb220": "Nap",
    "03180b2453b09f77c1bd5e253e76c7ea2e7ceee1b83e168d0683830b4d21b32f": "Nap_Et2",
    "fd6af6564b365f5ec016b453c8f540a15780dea62597053d10cc402443541caf": "NaTa",
    "515e014a606c65c43fcc5feb454aa4a4f95b64a60517e538af1915ef5839267d": "NaTa_t",
    "d75ed63d6367fe27c6e5671704594a510e8d83b57db835f30fc36e2f24bef6cf": "NaTs",
    "036fe440cfde234d472eb1551139729dce30c9e228e6e7329178772bbe810d85": "NaTs2_t",
    "6a416be62e0fb1014b8aa5375e3a214dcf3243e56b8d05747c7474381907b2a3": "NaV",
    "a4414cfc5ea24428bdcdac3a9a1aad24967011effb7c12bf42a2830848be55e8": "SK",
}


@dataclass(frozen=True)
class Mechanism:
    """The parameters of a mechanism that can be set.

    In NMODL, a PARAMETER that is not in RANGE is global, whether or not it is declared so.
    """

    range_parameters: frozenset[str]
    global_parameters: frozenset[str]
    #: The reversal potentials of sodium and potassium, `ena` and `ek`, that it reads
    reversals: frozenset[str] = frozenset()


#: The names that mod files may have: a makefile of NEURON passes them to a shell, so they are code
MOD_FILE_NAME = re.compile(r"[A-Za-z0-9_]+\.mod", re.ASCII)


def mod_files(folder: str | Path) -> list[Path]:
    """Return the paths of the mod files of a folder, sorted by name.

    Raises
    ------
    UserError
        If the folder is missing or holds no mod file (nrnivmodl itself would report success), or if the name of one has other
        characters than letters, digits and `_`.
    """
    files = sorted(Path(folder).glob("*.mod"))
    if not files:
        raise UserError(f"{folder}: no mod file (*.mod) there; an Allen model comes with 16 of them")
    for path in files:
        if not MOD_FILE_NAME.fullmatch(path.name):
            raise UserError(f"{folder}: the name of the mod file {path.name!r} must have letters, digits and _ only")
    return files


def _normalised(path: Path) -> bytes:
    """Return the content of a mod file with LF as line ends: old archives hold some of the same files with CRLF."""
    return path.read_bytes().replace(b"\r\n", b"\n")


def mod_file_digest(path: Path) -> str:
    """Return the SHA-256 of a mod file's text. Kinds of line ends, blanks before them, and empty lines around the text do
    not count."""
    lines = _normalised(path).split(b"\n")
    return hashlib.sha256(b"\n".join(line.rstrip() for line in lines).strip(b"\n")).hexdigest()


def check_mod_files(folder: str | Path, *, known: Collection[str] = (), allow_unknown: bool = False) -> list[str]:
    """Check that the mod files of a folder are known, because they will be compiled and run.

    Parameters
    ----------
    folder : path
        Folder with `*.mod` files.
    known : collection of str
        SHA-256 digests of further files that are trusted, beside those of the Allen Institute; either of the file as it is or
        of its text (see `mod_file_digest`).
    allow_unknown : bool
        Whether to trust any file.

    Returns
    -------
    list of str
        Notes for the user: each file that is not the Allen Institute's, and each that contains C code (VERBATIM).

    Raises
    ------
    UserError
        If a file is not known. The message names the file and says whether it contains C code.
    """
    notes = []
    for path in mod_files(folder):
        digest = mod_file_digest(path)
        # The word counts in comments too, where it does no harm: code that skips comments could be deceived.
        verbatim = " with a VERBATIM block of C code" if re.search(rb"\bVERBATIM\b", path.read_bytes()) else ""
        if digest in KNOWN_MOD_FILES and not verbatim:
            continue
        note = f"{path} is not one of the Allen Institute's mod files{verbatim} (SHA-256 {digest})"
        if not (allow_unknown or digest in known or sha256(path) in known):
            raise UserError(
                f"{note}. It would be compiled and run: read it, then add the digest to models.known_mechanisms, or set "
                f"models.allow_unknown_mechanisms"
            )
        notes.append(note)
    return notes


def mechanisms_digest(folder: str | Path) -> str:
    """Return the SHA-256 over the sorted names and (line-end normalised) contents of a folder's mod files."""
    digest = hashlib.sha256()
    for path in mod_files(folder):
        content = _normalised(path)
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def declared_mechanisms(folder: str | Path) -> dict[str, Mechanism]:
    """Return the mechanisms that the mod files of a folder define, by name (SUFFIX)."""
    mechanisms = {}
    for path in mod_files(folder):
        # Comments run from ':' to the end of the line, or between COMMENT and ENDCOMMENT.
        text = _normalised(path).decode("utf-8", errors="replace")
        text = re.sub(r"COMMENT.*?ENDCOMMENT|:[^\n]*", "", text, flags=re.DOTALL)
        block = re.search(r"\bNEURON\s*\{(.*?)\}", text, flags=re.DOTALL)
        suffix = re.search(r"\bSUFFIX\s+(\w+)", block[1]) if block else None
        if block and suffix:
            ranges = _names(block[1], "RANGE")
            # Variables of the cell and of its ions may stand among the parameters.
            others = ranges | {"v", "celsius", "dt", "t", "diam", "area"} | _names(block[1], "READ") | _names(block[1], "WRITE")
            parameters = re.search(r"\bPARAMETER\s*\{(.*?)\}", text, flags=re.DOTALL)
            implied = frozenset(re.findall(r"\b(\w+)\s*=", parameters[1])) if parameters else frozenset()
            reversals = _names(block[1], "READ") & {"ena", "ek"}
            mechanisms[suffix[1]] = Mechanism(ranges, _names(block[1], "GLOBAL") | (implied - others), reversals)
    return mechanisms


def _names(block: str, keyword: str) -> frozenset[str]:
    """Return the names that a NEURON block lists after a keyword."""
    lists = re.findall(rf"\b{keyword}\s+(\w+(?:\s*,\s*\w+)*)", block)
    return frozenset(name for names in lists for name in re.split(r"\s*,\s*", names))


def compile_mechanisms(modfiles: str | Path, root: str | Path) -> Path:
    """Compile the mod files of a folder, once for each distinct content.

    Several processes may need the same set at once: one compiles, the others wait for it. The library is built in a temporary
    folder and then renamed.

    Parameters
    ----------
    modfiles : path
        Folder with `*.mod` files.
    root : path
        Folder of all compiled sets.

    Returns
    -------
    pathlib.Path
        The folder `root/<digest>`, as an absolute path. It holds the mod files, the library that NEURON loads, and
        `build.json`, which records how the library was built. The library is built again if the version of NEURON, the
        environment or the kind of machine is another one, or if its file has changed.

    Raises
    ------
    UserError
        If there are no mod files or no compiler, or if nrnivmodl fails; then the message quotes the compiler.

    Examples
    --------
    >>> compile_mechanisms("allen_models/neuronal_model_473863510/modfiles", "mechanisms")  # doctest: +SKIP
    """
    root = Path(root).resolve()
    folder = root / mechanisms_digest(modfiles)
    # The library is linked to the NEURON that it was built with, by its path.
    build = {"neuron": version("neuron"), "environment": sys.prefix, "machine": platform.machine()}
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        if not _library(folder).is_file() or _build_record(folder) != build | {"sha256": sha256(_library(folder))}:
            with folder_built_beside(folder) as temporary:
                for path in mod_files(modfiles):
                    (temporary / path.name).write_bytes(_normalised(path))
                _run_nrnivmodl(temporary, modfiles)
                _strip(temporary)
                record = build | {"sha256": sha256(_library(temporary))}
                (temporary / BUILD_RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
    return folder


def _library(folder: str | Path) -> Path:
    """Return the path of the library that NEURON loads from a folder of compiled mechanisms."""
    return Path(folder) / platform.machine() / "libnrnmech.so"


def _build_record(folder: Path) -> Any:
    try:
        return json.loads((Path(folder) / BUILD_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _run_nrnivmodl(folder: Path, origin: str | Path) -> None:
    # It sits beside the running interpreter, which need not be on the PATH.
    beside = Path(sys.executable).parent / "nrnivmodl"
    nrnivmodl = str(beside) if beside.exists() else shutil.which("nrnivmodl")
    if nrnivmodl is None:
        raise Unavailable("nrnivmodl not found: install NEURON into the environment that runs this")
    for tool in TOOLS:
        if not (shutil.which(tool) or (tool == "g++" and "CXX" in os.environ)):
            raise Unavailable(f"{tool} not found: compiling mod files needs it (Debian: apt install {tool})")
    result = subprocess.run(
        [nrnivmodl, "."], cwd=folder, env=NRNIVMODL_DEFAULTS | os.environ, capture_output=True, text=True, errors="replace"
    )
    if result.returncode != 0 or not _library(folder).is_file():
        raise UserError(f"{origin}: nrnivmodl failed: {last_words(result)}")


def _strip(folder: Path) -> None:
    """Delete all of a build except for the library that NEURON loads; the other files contain the temporary folder's path."""
    for path in _library(folder).parent.iterdir():
        if path != _library(folder):
            path.unlink()
