"""Zip archives in the layout of the Allen archives: what belongs to a model is unpacked into its folder."""

import datetime
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from allenrec.common.errors import UserError
from allenrec.common.files import folder_built_beside, sha256, write_json

from ..archive import FIT, MODFILES, MORPHOLOGY, read_model
from ..metadata import METADATA, read_metadata
from ..recorded_sweeps import SWEEPS

#: Largest size of all files of an archive, unpacked, bytes; no model is so large
LARGEST_CONTENT = 500 * 2**20


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
        read_model(temporary, model_id)
        # The record is written first, because a run that is killed here must not leave a folder of unknown origin.
        write_json(temporary / METADATA, read_metadata(temporary) | {"allenrec": record})
    return record


def _unpack(model_id: str, archive: Path, folder: Path) -> None:
    """Extract what belongs to a model, under the names of today's archives."""
    with zipfile.ZipFile(archive) as zipped:
        members = [member for member in zipped.infolist() if not member.is_dir()]
        targets = {_target(PurePosixPath(member.filename)): member for member in members}
        problem = _problem_of_members(members) or _missing_part(members, set(targets))
        if problem:
            raise UserError(f"model {model_id}: the archive {problem}")
        for target, member in targets.items():
            if target is not None:
                (folder / target).parent.mkdir(exist_ok=True)
                try:
                    with zipped.open(member) as source, open(folder / target, "wb") as file:
                        shutil.copyfileobj(source, file)
                except (zipfile.BadZipFile, EOFError) as error:
                    raise UserError(f"model {model_id}: the archive is damaged: {error}") from None


def _problem_of_members(members: list[zipfile.ZipInfo]) -> str:
    """Return why an archive must not be unpacked, "" if it may."""
    if sum(member.file_size for member in members) > LARGEST_CONTENT:
        return f"would unpack to more than {LARGEST_CONTENT >> 20} MB"
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
            return f"has a member outside of its folder, {member.filename!r}"
        if stat.S_ISLNK(member.external_attr >> 16):
            return f"has a symbolic link, {member.filename!r}"
    return ""


def _missing_part(members: list[zipfile.ZipInfo], targets: set[str | None]) -> str:
    """Return which part of a model an archive lacks, "" if it has all."""
    if FIT not in targets and any("neuron_config" in member.filename for member in members):
        return "is that of a GLIF point neuron; it has no morphology. Choose a biophysical model of the cell"
    for name in (FIT, MORPHOLOGY):
        if name not in targets:
            return f"has no {name}"
    if not any(target and target.startswith(f"{MODFILES}/") for target in targets):
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
