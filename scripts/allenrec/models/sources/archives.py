"""Zip archives in the layout of the Allen archives: what belongs to a model is unpacked into its folder."""

import datetime
import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from allenrec.common.errors import UserError
from allenrec.common.files import folder_built_beside, sha256, write_json

from ..archive import FIT, MODFILES, MORPHOLOGY, read_model
from ..mechanisms import check_mod_file_name
from ..metadata import METADATA, read_metadata
from ..recorded_sweeps import SWEEPS

#: Largest size of all files of an archive, unpacked, bytes; a model has two megabytes
LARGEST_CONTENT = 100 * 2**20

#: Largest size of one file of an archive, unpacked, bytes; morphologies have up to two megabytes
LARGEST_MEMBER = 20 * 2**20

#: Largest number of files in an archive; the Allen Institute's have 23
MOST_MEMBERS = 1000

#: Kinds of compression that never unpack more than is asked for
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

#: What `zipfile` and zlib raise for archives that are damaged or made to do harm
DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OverflowError)

#: The names in today's archives of what archives of 2015 have under other names
NAMES_OF_TODAY = frozenset({FIT, MORPHOLOGY, METADATA})

#: The beginning of each entry of an archive's table of contents
ENTRY = b"PK\1\2"


def fetch_archive(
    model_id: str, folder: Path, source: str, url: str, citation: str, download: Callable[[Path], None]
) -> dict[str, str]:
    """Fill a model folder with the content of an archive.

    Parameters
    ----------
    model_id : str
    folder : pathlib.Path
        It appears when it is complete and its model is valid.
    source, url, citation : str
        Name of the source, address of the archive, and how to cite it; for the record.
    download : callable
        Saves the archive under the path that it is given.

    Returns
    -------
    dict
        The record: `source`, `url`, `date`, `sha256` of the archive, `citation`.

    Raises
    ------
    UserError
        If the archive does not hold a valid model.
    """
    with folder_built_beside(folder) as temporary:
        archive = temporary / "archive.zip"
        download(archive)
        record = {
            "source": source,
            "url": url,
            "date": datetime.date.today().isoformat(),
            "sha256": sha256(archive),
            "citation": citation,
        }
        _unpack(model_id, archive, temporary)
        archive.unlink()
        try:
            read_model(temporary, model_id)
        except UserError as error:  # the folder is gone when the message is read
            reason = str(error).replace(f"{temporary.absolute()}/", "the archive: ").removeprefix(f"model {model_id}: ")
            raise type(error)(f"model {model_id}: {reason}") from None
        # The record is written first, because a run that is killed here must not leave a folder of unknown origin.
        write_json(temporary / METADATA, read_metadata(temporary) | {"allenrec": record})
    return record


def _unpack(model_id: str, archive: Path, folder: Path) -> None:
    """Extract what belongs to a model, under the names of today's archives."""
    with _damage_in_one_line(model_id):
        if archive.read_bytes().count(ENTRY) > MOST_MEMBERS:  # before they are all read into memory
            raise UserError(f"model {model_id}: the archive has more than {MOST_MEMBERS} files; that is not a model archive")
        zipped = zipfile.ZipFile(archive)
    with zipped:
        members = [member for member in zipped.infolist() if not member.is_dir()]
        targets, repeated = _targets(members)
        problem = _problem_of_members(members) or repeated or _missing_part(members, set(targets))
        if problem:
            raise UserError(f"model {model_id}: the archive {problem}")
        total = 0
        for target, member in targets.items():
            if target.startswith(MODFILES):
                check_mod_file_name(PurePosixPath(target).name, f"model {model_id}: the archive")
            content = _read_member(model_id, zipped, member)
            total += len(content)
            if total > LARGEST_CONTENT:
                raise UserError(f"model {model_id}: the archive {_too_large(LARGEST_CONTENT)}")
            (folder / target).parent.mkdir(exist_ok=True)
            (folder / target).write_bytes(content)


def _read_member(model_id: str, zipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the content of a member. Its real size counts, not the one that its header gives."""
    problem = ""
    if member.flag_bits & 1:
        problem = "is encrypted"
    elif member.compress_type not in COMPRESSIONS:
        problem = f"has an unknown compression ({member.compress_type}); what is read is stored or deflated"
    else:
        with _damage_in_one_line(model_id), zipped.open(member) as source:
            content = source.read(LARGEST_MEMBER + 1)
        if len(content) <= LARGEST_MEMBER:
            return content
        problem = _too_large(LARGEST_MEMBER)
    raise UserError(f"model {model_id}: the archive has a file that cannot be used: {member.filename[:100]!r} {problem}")


def _too_large(limit: int) -> str:
    return f"would unpack to more than {limit >> 20} MB"


@contextmanager
def _damage_in_one_line(model_id: str) -> Iterator[None]:
    """Turn what `zipfile` raises for a damaged archive into a `UserError`."""
    try:
        yield
    except DAMAGES as error:
        raise UserError(f"model {model_id}: the archive is damaged: {' '.join(str(error).split())[:200]}") from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # that of a place before the beginning of the file
            raise
        raise UserError(f"model {model_id}: the archive is damaged: it names a place outside of itself") from None


def _problem_of_members(members: list[zipfile.ZipInfo]) -> str:
    """Return why an archive must not be unpacked, "" if it may."""
    if sum(member.file_size for member in members) > LARGEST_CONTENT:
        return _too_large(LARGEST_CONTENT)
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
            return f"has a member outside of its folder, {member.filename[:100]!r}"
        if stat.S_ISLNK(member.external_attr >> 16):
            return f"has a symbolic link, {member.filename[:100]!r}"
    return ""


def _targets(members: list[zipfile.ZipInfo]) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """Return the members that are needed by the names under which they are unpacked, and which name two have, "" if none.

    A file under its name of today goes before one under that of 2015, as in a folder.
    """
    targets: dict[str, zipfile.ZipInfo] = {}
    repeated = ""
    for member in sorted(members, key=lambda member: member.filename in NAMES_OF_TODAY, reverse=True):
        target = _target(PurePosixPath(member.filename))
        if target in targets and targets[target].filename not in NAMES_OF_TODAY - {member.filename}:
            both = f"{targets[target].filename[:100]!r} and {member.filename[:100]!r}"
            repeated = repeated or f"has two files for {target}: {both}"
        elif target is not None and target not in targets:
            targets[target] = member
    return targets, repeated


def _missing_part(members: list[zipfile.ZipInfo], targets: set[str]) -> str:
    """Return which part of a model an archive lacks, "" if it has all."""
    if FIT not in targets and any("neuron_config" in member.filename for member in members):
        return "is that of a GLIF point neuron; it has no morphology. Choose a biophysical model of the cell"
    for name in (FIT, MORPHOLOGY):
        if name not in targets:
            return f"has no {name}"
    if not any(target.startswith(f"{MODFILES}/") for target in targets):
        return f"has no mod files in {MODFILES}/"
    return ""


def _target(path: PurePosixPath) -> str | None:
    """Return the name under which a member of an archive is unpacked, None if it is not needed.

    The archives of 2015 had other names.
    """
    name = path.name
    if path.parent.name == MODFILES and path.suffix == ".mod":
        return f"{MODFILES}/{name}"
    if len(path.parts) > 1:
        return None
    if name == FIT or name.endswith("_fit.json"):
        return FIT
    if name == MORPHOLOGY or (name.endswith("_m.swc") and not name.endswith("_marker_m.swc")):
        return MORPHOLOGY
    return {METADATA: METADATA, "neuronal_model.json": METADATA, SWEEPS: SWEEPS}.get(name)
