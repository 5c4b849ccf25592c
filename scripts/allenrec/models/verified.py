"""The record of a model's check, and the check at the moment of use that its files have not changed since."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from allenrec.common.errors import DamagedFile, UserError
from allenrec.common.files import read_json, write_json

from .kinds.folders import VERIFIED as VERIFIED  # the file of ours beside those of the model, with their digests
from .kinds.register import kind_of, model_id_of
from .mechanisms import CompiledSet, ModFile, compile_set, mechanisms_digest
from .metadata import METADATA, metadata_digest, parse_metadata


def check_again(folder: str | Path) -> str:
    """Return what the user has to do when a file of a model is another one."""
    rule = "download_model" if model_id_of(folder).isdigit() else "download_cell_model"
    return f"check the model again with `snakemake --forcerun {rule}`"


def read_verified(folder: str | Path) -> dict[str, bytes]:
    """Read the files of a model, each once, and check that they are still those that `fetch_model` has checked.

    Parameters
    ----------
    folder : path
        The model folder.

    Returns
    -------
    dict
        The contents of the files that make up the model, and of its metadata, by their names in the folder.

    Raises
    ------
    DamagedFile
        If a file was changed, added or removed since then, or if the record of the check cannot be read.
    """
    folder = Path(folder)
    try:
        checked = read_json(folder / VERIFIED, "record")
    except (OSError, DamagedFile):
        raise DamagedFile(f"{folder / VERIFIED} is not a valid record of a check; {check_again(folder)}") from None
    try:
        paths = kind_of(folder).files(folder)
    except UserError as error:
        raise DamagedFile(f"{folder} was changed after it was checked ({error}); {check_again(folder)}") from None
    paths.append(folder / METADATA)
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    for name in sorted(contents.keys() | checked.keys()):
        if name not in contents or _digest(folder / name, contents[name]) != checked.get(name):
            raise DamagedFile(f"{folder / name} was changed after it was checked; {check_again(folder)}")
    return contents


def _digest(path: Path, content: bytes) -> str | None:
    """Return the digest of a file as the record of the check has it; None if it has no digest."""
    if path.name != METADATA:
        return hashlib.sha256(content).hexdigest()
    try:
        return metadata_digest(parse_metadata(path, content))
    except UserError:
        return None


def verified_mod_files(folder: str | Path, contents: Mapping[str, bytes]) -> list[ModFile]:
    """Return the mod files to compile for the contents that `read_verified` returns, [] if the model has none."""
    folder = Path(folder)
    return list(kind_of(folder).mod_files(folder, contents))


def approve_set(
    modfiles: Sequence[ModFile], approval: str | Path, notes: Sequence[str] = (), *, isolated: bool
) -> CompiledSet | None:
    """Compile mod files that may be run, and write the file that approves them; None if there are none.

    Parameters
    ----------
    modfiles : sequence of ModFile
    approval : path
        The file to write, beside the folders of compiled mechanisms.
    notes : sequence of str
        What `check_mod_files` returns.
    isolated : bool
        See `compile_set`.
    """
    root = Path(approval).parent
    compiled = compile_set(modfiles, root, isolated=isolated) if modfiles else None
    library = compiled.library if compiled else ""
    write_json(approval, {"digest": mechanisms_digest(modfiles), "library": library, "notes": list(notes)}, checked=True)
    return compiled


def approved_set(
    folder: str | Path, contents: Mapping[str, bytes], approval: str | Path, *, isolated: bool
) -> CompiledSet | None:
    """Return the compiled mechanisms of a model that the job `compile_mechanisms` has approved, None if it has no mod files.

    If they are gone, or if their library is not the one that was approved, they are compiled again, from the mod files that
    were approved.

    Parameters
    ----------
    folder : path
        The model folder.
    contents : mapping
        What `read_verified` returns.
    approval : path
        The file that the job `compile_mechanisms` has written, beside the folders of compiled mechanisms.
    isolated : bool
        See `compile_set`.

    Raises
    ------
    DamagedFile
        If the mod files are not those that were approved.
    """
    modfiles = verified_mod_files(folder, contents)
    try:
        record = read_json(approval, "record")
        digest, library = record["digest"], record["library"]
    except (OSError, DamagedFile, KeyError):
        digest, library = None, None
    if digest != mechanisms_digest(modfiles) or not isinstance(library, str):
        raise DamagedFile(
            f"{approval} does not name the mod files of {folder}; compile them with `snakemake --forcerun compile_mechanisms`"
        )
    if not modfiles:
        return None
    compiled = compile_set(modfiles, Path(approval).parent, approved=library, isolated=isolated)
    if compiled.library != library:
        print(f"note: {compiled.folder}: compiled again; the library differs from the one that {approval} names")
    return compiled


def _prefix_of_copies(folder: Path) -> str:
    return f".{folder.name}.copy-"


def remove_copies(folder: str | Path, place: str | Path) -> None:
    """Remove the copies of a model folder that a process which ended too early has left; see `verified_copy`."""
    for abandoned in Path(place).glob(f"{_prefix_of_copies(Path(folder))}*"):
        shutil.rmtree(abandoned, ignore_errors=True)


@contextmanager
def verified_copy(folder: str | Path, contents: Mapping[str, bytes], place: str | Path) -> Iterator[Path]:
    """Yield a copy of a model folder that holds just the contents that were checked.

    NEURON and LFPy read files by their names. From the copy they read the bytes that were compared with the record, whatever
    happens to the model folder meanwhile.

    Parameters
    ----------
    folder : path
        The model folder.
    contents : mapping
        What `read_verified` returns.
    place : path
        An existing folder, in which the copy is made and removed again. Only the user may read the copy.
    """
    folder = Path(folder)
    remove_copies(folder, place)  # of a killed run
    with tempfile.TemporaryDirectory(prefix=_prefix_of_copies(folder), dir=place) as private:
        copy = Path(private).absolute() / folder.name
        copy.mkdir()
        for name, content in contents.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(content)
        try:
            yield copy
        except UserError as error:
            raise type(error)(str(error).replace(str(copy), str(folder))) from None


def require_verified(folder: str | Path) -> None:
    """Check that the files of a model are still those that `fetch_model` has checked; see `read_verified`."""
    read_verified(folder)
