"""Where models come from. A source is a function from a model id and a folder to a record of where the model was found, with
the folder filled in the archive's layout; or None, if the source does not have that model."""

import hashlib
import json
from pathlib import Path

from allenrec.common.errors import UserError
from allenrec.common.files import sha256, write_json

from ..archive import METADATA, model_files, read_metadata, read_model
from ..recorded_sweeps import read_recorded_steps
from . import allen, bmtk, local

#: Those that fetch; "local" is what is there already
FETCH = {"bmtk": bmtk.fetch, "allen": allen.fetch}

#: Ours, beside the archive's files: what was checked, by digest
VERIFIED = "verified.json"


def fetch_model(model_id, models_folder, sources, options=None):
    """Return the folder of a model, complete and checked.

    Parameters
    ----------
    model_id : str
        Id of a neuronal model (not of its cell).
    models_folder : path
        Holds `neuronal_model_<model_id>/`.
    sources : list of str
        "local" and names in `FETCH`, tried in this order. A folder that is there already is used as it is.
    options : dict, optional
        Further arguments of sources, by name; "allen" needs those of `allen.fetch`.

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
            record = FETCH[name](model_id, folder, **(options or {}).get(name, {}))
    if record is None:
        raise UserError(
            f"model {model_id}: not found in {', '.join(sources)} (models.sources). Is it the id of a model, not of a cell? "
            f"Unzip its archive to {folder}, or use one of the models in bmtk: {', '.join(sorted(bmtk.CELLS))}"
        )
    return _verify(folder, record)


def _verify(folder, record):
    read_model(folder)
    read_recorded_steps(folder)
    files = {str(path.relative_to(folder)): sha256(path) for path in model_files(folder)}
    metadata = read_metadata(folder)
    earlier = metadata.pop("allenrec", None)
    if record != local.A_PERSON and earlier:
        _check_unchanged(folder, files, earlier)
    write_json(folder / METADATA, metadata | {"allenrec": {**record, "files": files}})
    # Of the metadata, what the archive said; our own record is not part of the model.
    said = json.dumps(metadata, sort_keys=True).encode()
    write_json(folder / VERIFIED, files | {METADATA: hashlib.sha256(said).hexdigest()})
    return folder


def _check_unchanged(folder, files, earlier):
    """A folder whose record names a source holds that source's files, or says so."""
    known = earlier.get("files", files)
    for name in sorted(files.keys() | known.keys()):
        if files.get(name) != known.get(name):
            raise UserError(
                f"model {folder.name.removeprefix('neuronal_model_')}: {folder / name} was changed since it came from "
                f"{earlier['source']}; delete the folder to fetch it again, or `allenrec` in its {METADATA} to make it your own"
            )


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
