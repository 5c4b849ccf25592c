"""The record of a model's check, and the check at the moment of use that its files have not changed since."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from allenrec.common.errors import DamagedFile, UserError
from allenrec.common.files import read_json

from .archive import MODFILES, model_files
from .mechanisms import CompiledSet, ModFile, compile_set, mechanisms_digest
from .metadata import METADATA, metadata_digest, parse_metadata

#: The file of ours beside those of the archive, with the digests of the checked files
VERIFIED = "verified.json"

#: What the user has to do when a file is another one
AGAIN = "check the model again with `snakemake --forcerun download_model`"


def read_verified(folder: str | Path) -> dict[str, bytes]:
    """Read the files of a model, each once, and check that they are still those that `fetch_model` has checked.

    Parameters
    ----------
    folder : path
        The model folder.

    Returns
    -------
    dict
        The contents of fit, morphology, mod files, recorded sweeps and metadata by their names in the folder.

    Raises
    ------
    DamagedFile
        If a file was changed, added or removed since then, or if the record of the check cannot be read.
    """
    folder = Path(folder)
    try:
        checked = read_json(folder / VERIFIED, "record")
    except (OSError, DamagedFile):
        raise DamagedFile(f"{folder / VERIFIED} is not a valid record of a check; {AGAIN}") from None
    try:
        paths = model_files(folder)
    except UserError as error:
        raise DamagedFile(f"{folder / MODFILES} was changed after it was checked ({error}); {AGAIN}") from None
    paths.append(folder / METADATA)
    contents = {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}
    for name in sorted(contents.keys() | checked.keys()):
        if name not in contents or _digest(folder / name, contents[name]) != checked.get(name):
            raise DamagedFile(f"{folder / name} was changed after it was checked; {AGAIN}")
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
    """Return the mod files among the contents that `read_verified` returns."""
    paths = {Path(name): content for name, content in contents.items()}
    return [ModFile(Path(folder) / path, paths[path]) for path in sorted(paths) if path.parent.name == MODFILES]


def approved_set(folder: str | Path, contents: Mapping[str, bytes], approval: str | Path, *, isolated: bool) -> CompiledSet:
    """Return the compiled mechanisms of a model that the job `compile_mechanisms` has approved.

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
    compiled = compile_set(modfiles, Path(approval).parent, approved=library, isolated=isolated)
    if compiled.library != library:
        print(f"note: {compiled.folder}: compiled again; the library differs from the one that {approval} names")
    return compiled


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
    prefix = f".{folder.name}.copy-"
    for abandoned in Path(place).glob(prefix + "*"):  # by a killed run
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place) as private:
        copy = Path(private).absolute() / folder.name
        (copy / MODFILES).mkdir(parents=True)
        for name, content in contents.items():
            (copy / name).write_bytes(content)
        try:
            yield copy
        except UserError as error:
            raise type(error)(str(error).replace(str(copy), str(folder))) from None


def require_verified(folder: str | Path) -> None:
    """Check that the files of a model are still those that `fetch_model` has checked; see `read_verified`."""
    read_verified(folder)
