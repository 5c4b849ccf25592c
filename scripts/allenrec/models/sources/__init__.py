"""Sources of models: the first source that has a model fills its folder, and the folder is checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError, shown
from allenrec.common.files import sha256, write_json

from ..archive import model_files, read_model
from ..metadata import METADATA, metadata_digest, read_metadata
from ..recorded_sweeps import read_recorded_steps
from ..verified import VERIFIED
from .bmtk import CELLS
from .local import FROM_USER, find_record
from .register import SOURCES, Record

if TYPE_CHECKING:
    from allenrec.settings.models import Models


def fetch_model(model_id: str, models_folder: str | Path, settings: Models) -> Path:
    """Return the folder of a model, complete and checked.

    Parameters
    ----------
    model_id : str
        Id of a neuronal model (not of its cell).
    models_folder : path
        Holds `neuronal_model_<model_id>/`.
    settings : allenrec.settings.models.Models
        `sources` are tried in their order. A folder that is there already is used as it is.

    Returns
    -------
    pathlib.Path
        The folder, with the archive's files; `model_metadata.json`, which says under "allenrec" where they come from; and
        `verified.json` with the SHA-256 of each.

    Raises
    ------
    Unavailable
        If a source cannot be reached.
    UserError
        If no source has the model, or what a source has is not a valid model.

    Examples
    --------
    >>> from allenrec.settings.models import Models
    >>> folder = fetch_model("473863510", "allen_models", Models(sources=["local", "bmtk"]))  # doctest: +SKIP
    """
    folder = Path(models_folder) / f"neuronal_model_{model_id}"
    record = find_record(folder)
    if record is not None and record["source"] not in settings.sources:
        raise UserError(
            f"model {model_id}: {folder} holds files of the source {shown(record['source'])}, which models.sources does not "
            f"list; add it there, or move the folder away"
        )
    for name in settings.sources:
        if record is None:
            record = SOURCES[name].fetch(model_id, folder, settings)
    if record is None:
        raise UserError(
            f"model {model_id}: not found in {', '.join(settings.sources)} (models.sources). Is it the id of a model, not of a "
            f"cell? Unzip its archive to {folder}, or use one of the models in bmtk: {', '.join(sorted(CELLS))}"
        )
    return _verify(folder, record)


def _verify(folder: Path, record: Record) -> Path:
    """Check the model in a folder; write the digests of its files and the record of its source."""
    read_model(folder)
    read_recorded_steps(folder)
    files = {str(path.relative_to(folder)): sha256(path) for path in model_files(folder)}
    metadata = read_metadata(folder)
    earlier = metadata.pop("allenrec", None)
    if record != FROM_USER and earlier:
        _check_unchanged(folder, files, earlier)
    write_json(folder / METADATA, metadata | {"allenrec": {**record, "files": files}})
    write_json(folder / VERIFIED, files | {METADATA: metadata_digest(metadata)}, checked=True)
    return folder


def _check_unchanged(folder: Path, files: dict[str, str], earlier: dict) -> None:
    """Raise a `UserError` if files of a source do not have the digests in the record of the folder."""
    known = earlier.get("files", files)
    for name in sorted(files.keys() | known.keys()):
        if files.get(name) != known.get(name):
            raise UserError(
                f"model {folder.name.removeprefix('neuronal_model_')}: {folder / name} was changed since it came from "
                f"{earlier['source']}; delete the folder to fetch it again, or delete "
                f"`allenrec` in its {METADATA} to keep your change"
            )
