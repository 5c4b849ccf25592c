"""Where models come from. A source is a function from a model id and a folder to a record of where the model was found, with
the folder filled in the archive's layout; or None, if the source does not have that model."""

import hashlib
import json
from pathlib import Path

from ..errors import UserError
from ..files import sha256, write_json
from ..models import METADATA, model_files, read_model
from . import bmtk, local

#: Those that fetch; "local" is what is there already
FETCH = {"bmtk": bmtk.fetch}

#: Ours, beside the archive's files: what was checked, by digest
VERIFIED = "verified.json"


def fetch_model(model_id, models_folder, sources):
    """Return the folder of a model, complete and checked.

    Parameters
    ----------
    model_id : str
        Id of a neuronal model (not of its cell).
    models_folder : path
        Holds `neuronal_model_<model_id>/`.
    sources : list of str
        "local" and names in `FETCH`, tried in this order. A folder that is there already is used as it is.

    Returns
    -------
    pathlib.Path
        With the archive's files; `model_metadata.json`, which says under "allenrec" where they come from; and
        `verified.json` with the SHA-256 of each.

    Raises
    ------
    UserError
        If no source has the model, or what it has is not a sound model.
    """
    folder = Path(models_folder) / f"neuronal_model_{model_id}"
    record = local.find(folder)
    if record is not None and record["source"] not in sources:
        raise UserError(
            f"model {model_id}: {folder} holds files of the source {record['source']!r}, which models.sources does not list; "
            f"add it there, or move the folder away"
        )
    for name in sources:
        if record is None and name in FETCH:
            record = FETCH[name](model_id, folder)
    if record is None:
        raise UserError(
            f"model {model_id}: not found in {', '.join(sources)} (models.sources). Is it the id of a model, not of a cell? "
            f"Unzip its archive to {folder}, or use one of the models in bmtk: {', '.join(sorted(bmtk.CELLS))}"
        )
    return _verify(folder, record)


def _verify(folder, record):
    read_model(folder)
    files = {str(path.relative_to(folder)): sha256(path) for path in model_files(folder)}
    metadata = {key: value for key, value in read_metadata(folder).items() if key != "allenrec"}
    write_json(folder / METADATA, metadata | {"allenrec": {**record, "files": files}})
    # Of the metadata, what the archive said; our own record is not part of the model.
    said = json.dumps(metadata, sort_keys=True).encode()
    write_json(folder / VERIFIED, files | {METADATA: hashlib.sha256(said).hexdigest()})
    return folder


def read_metadata(folder):
    """Return the content of a folder's `model_metadata.json`, {} if there is none (archives of 2015)."""
    path = Path(folder) / METADATA
    if not path.exists():
        return {}
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} does not parse as JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise UserError(f"{path} does not hold a JSON object")
    return metadata


def files_of_a_person(folder):
    """Return the model files in a folder that a person put there, [] for one that a source downloaded.

    A rule takes them as inputs, so that a changed file is checked again.
    """
    folder = Path(folder)
    if local.find(folder) != local.A_PERSON:
        return []
    try:
        return [path for path in model_files(folder) if path.exists()]
    except UserError:
        return []  # no mod files: the rule itself says so
