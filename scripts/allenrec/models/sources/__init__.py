"""Sources of models: the first source that has a model fills its folder, and the folder is checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError, shown
from allenrec.common.files import sha256, write_json

from ..kinds.folders import contents_of
from ..kinds.register import folder_name, kind_of, model_id_of
from ..metadata import METADATA, metadata_digest, read_metadata
from ..pinned import PINNED_MODELS
from ..recorded_sweeps import read_recorded_steps
from ..trust import require_consent
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
        Id of a neuronal model (not of its cell), digits for those of the Allen Institute.
    models_folder : path
        Holds `neuronal_model_<model_id>/`, or `<model_id>/` for models of other kinds.
    settings : allenrec.settings.models.Models
        `sources` are tried in their order. A folder that is there already is used as it is. `trusted` has the user's consent
        to models that are code.

    Returns
    -------
    pathlib.Path
        The folder, with the files of the model; `model_metadata.json`, which says under "allenrec" where they come from; and
        `verified.json` with the SHA-256 of each.

    Raises
    ------
    Unavailable
        If a source cannot be reached.
    UserError
        If no source has the model, what a source has is not a valid model, or it is code without consent.

    Examples
    --------
    >>> from allenrec.settings.models import Models
    >>> folder = fetch_model("473863510", "allen_models", Models(sources=["local", "bmtk"]))  # doctest: +SKIP
    """
    folder = Path(models_folder) / folder_name(model_id)
    record = find_record(folder)
    if record is not None and record["source"] not in settings.sources:
        raise UserError(
            f"model {model_id}: {folder} holds files of the source {shown(record['source'])}, which models.sources does not "
            f"list; add it there, or move the folder away"
        )
    for name in settings.sources:
        if record is None and SOURCES[name].may_have(model_id):
            record = SOURCES[name].fetch(model_id, folder, settings)
    if record is None:
        raise _not_found(model_id, folder, settings)
    return _verify(folder, record, settings)


def _not_found(model_id: str, folder: Path, settings: Models) -> UserError:
    """Return the error for a model that no source has."""
    tried = f"model {model_id}: not found in {', '.join(settings.sources)} (models.sources)"
    if not model_id.isdigit():
        has = f"the source mearec has {', '.join(PINNED_MODELS)}"
        return UserError(f"{tried}. Put its folder at {folder}, or use a model of a package: {has}")
    return UserError(
        f"{tried}. Is it the id of a model, not of a cell? Unzip its archive to {folder}, or use one of the models in bmtk: "
        f"{', '.join(sorted(CELLS))}"
    )


def _verify(folder: Path, record: Record, settings: Models) -> Path:
    """Check the model in a folder; write the digests of its files and the record of its source."""
    kind = kind_of(folder)
    model_id = model_id_of(folder)
    kind.read(folder, model_id)
    read_recorded_steps(folder)
    if kind.runs_code:
        require_consent(model_id, folder, contents_of(folder), settings.trusted)
    files = {path.relative_to(folder).as_posix(): sha256(path) for path in kind.files(folder)}
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
                f"model {model_id_of(folder)}: {folder / name} was changed since it came from "
                f"{earlier['source']}; delete the folder to fetch it again, or delete "
                f"`allenrec` in its {METADATA} to keep your change"
            )
