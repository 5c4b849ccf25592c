"""Mod files: the mechanisms that they define, whether they are known, and the library that they are compiled to."""

import hashlib
import json
import platform
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from allenrec.common.errors import DamagedFile, UserError
from allenrec.common.files import folder_built_beside

from .nrnivmodl import compile_library, library_file

#: The file of a compiled set that records how it was built
BUILD_RECORD = "build.json"

#: The mod files of the Allen Institute by the digest of their text (see `mod_file_digest`): the 16 of the archives, of which
#: Kv2like has two versions that differ below -119 mV only, and 5 of the newer all-active fits, as in AllenSDK's example;
#: and those of models in pinned packages
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
    # Those of the Blue Brain Project's models; the two Prob*_EMS are our own empty ones, see `allenrec.models.kinds.nmc`
    "cc7262880d8b436c58ef8d28bc70456277ac1ef17932af1d312b52bb056e00fc": "Ca",
    "12c01a834495c02b84a266c40e6207136e0c72f305bbf3b2223deeae1f851a65": "Ca_HVA",
    "bea1431b4ee7cf3497ff8ea1c504b466af8105988cbea15a7d54df24ba61c27e": "Ca_LVAst",
    "1f6d8b183b1f8e7c3d37eb9f28f8dbccf0ba2be3e9350e91c86c02ed76a17902": "CaDynamics_E2",
    "ecaa81683b7e430248256b05648507fe8982ed5c80d2ef634b940d09ffa66fb7": "Ih",
    "5d36c5fa65b56c745c63edb6bef1334a2da31bb6416c7315fde371f90a96e5d8": "Im",
    "5ca211ee9154425220891bb964045c6d46f8060323de3abf77bd8e76ab6fd100": "K_Pst",
    "760db1cc7ead5bdd2d1ea984db2b7ac65abf61f3edea9ae64843be7649b9df79": "K_Tst",
    "d2b8a386a1e6ac87aa701e065a0d1a998fb039082469b5336739596de9d579ee": "Nap_Et2",
    "59060ba80ea7822a8e4766442bb3fff009e30b982c22ed0fb40dac464afb8456": "NaTa_t",
    "ac334e8e8fa08a88941b9497385cfeab53439971fc0dd27bcfb1e575d54204ea": "NaTs2_t",
    "04a0424e9e93780be14b385f75b7354cad42e04c824a36673d4c1dcee48ca89a": "ProbAMPANMDA_EMS",
    "6cc338f6e52db2183de35a67e6475954716e01cc820a46940dee17f328c74998": "ProbGABAAB_EMS",
    "6ac36529045fa2c8fea8af4654855de78fb48be59774de227e223537544996b1": "SK_E2",
    "d6e5042d631938680f9f534223fa36d322e0dfff4b8a5c8a18f947ce56b5f30b": "SKv3_1",
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
MOD_FILE_NAME = re.compile(r"[A-Za-z0-9_]{1,100}\.mod", re.ASCII)


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
        check_mod_file_name(path.name, f"{folder}")
        if not path.is_file():
            raise UserError(f"{path} must be a file")
    return files


def check_mod_file_name(name: str, place: str) -> None:
    """Raise a `UserError`, which names the place, if a mod file must not have a name."""
    if not MOD_FILE_NAME.fullmatch(name):
        raise UserError(f"{place}: the name of the mod file {name[:100]!r} must have letters, digits and _ only, at most 100")


@dataclass(frozen=True)
class ModFile:
    """A mod file that has been read, once: the bytes that are checked are those that are compiled."""

    path: Path
    content: bytes

    @cached_property
    def text(self) -> bytes:
        """The content with LF as line ends: old archives hold some of the same files with CRLF."""
        return self.content.replace(b"\r\n", b"\n")

    @cached_property
    def known_form(self) -> bytes:
        """The text without blanks before line ends and without empty lines around it."""
        return b"\n".join(line.rstrip() for line in self.text.split(b"\n")).strip(b"\n")

    @cached_property
    def digest(self) -> str:
        """The SHA-256 by which the file is known. Kinds of line ends, blanks before them, and empty lines around the text do
        not count."""
        return hashlib.sha256(self.known_form).hexdigest()

    @property
    def as_compiled(self) -> tuple[str, bytes]:
        """The name and the text that are compiled: those of the Allen Institute if the file is one of its own."""
        known = KNOWN_MOD_FILES.get(self.digest)
        return (self.path.name, self.text) if known is None else (f"{known}.mod", self.known_form + b"\n")


#: Mod files that have been read, or the folder where they are
ModFiles = str | Path | Sequence[ModFile]


def read_mod_files(modfiles: ModFiles) -> Sequence[ModFile]:
    """Read the mod files of a folder, sorted by name; files that have been read are returned as they are."""
    if isinstance(modfiles, str | Path):
        return [ModFile(path, path.read_bytes()) for path in mod_files(modfiles)]
    return modfiles


def mod_file_digest(path: Path) -> str:
    """Return the SHA-256 of a mod file's text; see `ModFile.digest`."""
    return ModFile(path, path.read_bytes()).digest


def check_mod_files(modfiles: ModFiles, *, known: Collection[str] = (), allow_unknown: bool = False) -> list[str]:
    """Check that mod files are known, because they will be compiled and run.

    Parameters
    ----------
    modfiles : path or sequence of ModFile
        Folder with `*.mod` files, or the files if they have been read.
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
    for file in read_mod_files(modfiles):
        # The word counts in comments too, where it does no harm: code that skips comments could be deceived.
        verbatim = " with a VERBATIM block of C code" if re.search(rb"\bVERBATIM\b", file.content) else ""
        if file.digest in KNOWN_MOD_FILES and not verbatim:
            continue
        note = f"{file.path} is not one of the Allen Institute's mod files{verbatim} (SHA-256 {file.digest})"
        if not (allow_unknown or {file.digest, hashlib.sha256(file.content).hexdigest()} & set(known)):
            raise UserError(
                f"{note}. It would be compiled and run: read it, then add the digest to models.known_mechanisms, or set "
                f"models.allow_unknown_mechanisms"
            )
        notes.append(note)
    return notes


def mechanisms_digest(modfiles: ModFiles) -> str:
    """Return the SHA-256 over the sorted names and (line-end normalised) contents of mod files."""
    digest = hashlib.sha256()
    for file in read_mod_files(modfiles):
        digest.update(f"{file.path.name}\0{len(file.text)}\0".encode())
        digest.update(file.text)
    return digest.hexdigest()


def declared_mechanisms(modfiles: ModFiles) -> dict[str, Mechanism]:
    """Return the mechanisms that mod files define, by name (SUFFIX)."""
    mechanisms = {}
    for file in read_mod_files(modfiles):
        # Comments run from ':' to the end of the line, or between COMMENT and ENDCOMMENT.
        text = file.text.decode("utf-8", errors="replace")
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


@dataclass(frozen=True)
class CompiledSet:
    """A compiled set of mod files: its folder, and the SHA-256 of the library that NEURON loads from there."""

    folder: Path
    library: str


def compile_mechanisms(modfiles: ModFiles, root: str | Path) -> Path:
    """Compile mod files, once for each distinct content.

    The caller decides that they may be compiled; see `check_mod_files`. The jobs of the workflow use `compile_set`, which can
    isolate the compiler.

    Several processes may need the same set at once: one compiles, the others wait for it. The library is built in a temporary
    folder and then renamed.

    Parameters
    ----------
    modfiles : path or sequence of ModFile
        Folder with `*.mod` files, or the files if they have been read.
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
    return compile_set(modfiles, root).folder


def compile_set(modfiles: ModFiles, root: str | Path, *, approved: str | None = None, isolated: bool = False) -> CompiledSet:
    """Compile mod files as `compile_mechanisms` does.

    Parameters
    ----------
    modfiles, root
        See `compile_mechanisms`.
    approved : str, optional
        SHA-256 of a library. If the set is there with another library, it is compiled again.
    isolated : bool
        Whether the compiler gets no network and may write in its own folder only, as far as the system offers it.
    """
    from filelock import FileLock  # loads asyncio, which others who read mod files need not

    files = read_mod_files(modfiles)
    root = Path(root).resolve()
    folder = root / mechanisms_digest(files)
    # The library is linked to the NEURON that it was built with, by its path.
    build = {"neuron": version("neuron"), "environment": sys.prefix, "machine": platform.machine()}
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        content = library_file(folder).read_bytes() if library_file(folder).is_file() else b""
        library = hashlib.sha256(content).hexdigest()
        if _build_record(folder) != build | {"sha256": library} or approved not in (None, library):
            with folder_built_beside(folder) as temporary:
                origin = modfiles if isinstance(modfiles, str | Path) else files[0].path.parent
                content = compile_library(_texts_to_compile(files), root, origin, isolated=isolated)
                library = hashlib.sha256(content).hexdigest()
                _write_set(temporary, files, content, build | {"sha256": library})
    return CompiledSet(folder, library)


def read_compiled_library(folder: str | Path, approved: str | None = None) -> bytes:
    """Return the content of the library in a folder of compiled mechanisms. These bytes may be loaded.

    Parameters
    ----------
    folder : path
        As `compile_mechanisms` returns it.
    approved : str, optional
        The SHA-256 that the library must have. By default it is that of the library when it was compiled.

    Raises
    ------
    UserError
        If there is no library for this kind of machine.
    DamagedFile
        If the library is another one.
    """
    path = library_file(folder)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{folder}: no compiled mechanisms for this kind of machine; compile them here") from None
    record = _build_record(Path(folder))
    approved = approved or (record.get("sha256") if isinstance(record, dict) else None)
    if approved and hashlib.sha256(content).hexdigest() != approved:
        raise DamagedFile(f"{path} is not the library that was compiled (SHA-256 {approved}); delete {folder} and run again")
    return content


def _build_record(folder: Path) -> Any:
    try:
        return json.loads((folder / BUILD_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _texts_to_compile(files: Sequence[ModFile]) -> dict[str, bytes]:
    """Return the texts to compile by their names."""
    texts: dict[str, bytes] = {}
    for file in files:
        name, text = file.as_compiled
        if texts.setdefault(name, text) != text:
            raise UserError(f"{file.path}: another mod file of the model is {name} as well, with another text; remove one")
    return texts


def _write_set(folder: Path, files: Sequence[ModFile], library: bytes, record: dict[str, str]) -> None:
    """Write a compiled set: the texts of its mod files, the library and the record of the build."""
    for name, text in _texts_to_compile(files).items():
        (folder / name).write_bytes(text)
    library_file(folder).parent.mkdir()
    library_file(folder).write_bytes(library)
    (folder / BUILD_RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
