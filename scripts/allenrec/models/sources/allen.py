"""The Allen Cell Types Database, over the web API that its download links use."""

import datetime
import shutil
import stat
import zipfile
from pathlib import PurePosixPath

from allenrec.common.errors import UserError
from allenrec.common.files import folder_built_beside, sha256, write_json

from ..archive import FIT, KIND_OF_TEMPLATE, METADATA, MODFILES, MORPHOLOGY, SWEEPS, read_metadata, read_model
from .allen_api import AllenApi, NotFound

CITATION = (
    "Allen Institute for Brain Science, Allen Cell Types Database, celltypes.brain-map.org; perisomatic models: Gouwens et al. "
    "2018, Nature Communications 9:710; all-active models: Nandi et al. 2022, Cell Reports 40:111176"
)

#: Of an unpacked archive; nothing of this size is a model
LARGEST_CONTENT = 500 * 2**20


def fetch(model_id, folder, **options):
    """Fill `folder` with a model of the Allen site; return its record.

    Parameters
    ----------
    model_id : str
    folder : pathlib.Path
    **options
        Those of `AllenApi`.

    Raises
    ------
    UserError
        One message: there is no such model, the server does not answer well, or what it sent is not a sound archive.
    """
    api = AllenApi(**options)
    path = f"neuronal_model/download/{model_id}"
    with folder_built_beside(folder) as temporary:
        archive = temporary / "archive.zip"
        try:
            api.download_zip(path, archive)
        except NotFound:
            raise UserError(_what_the_id_is(model_id, api)) from None
        except UserError as error:
            raise type(error)(f"model {model_id}: {error}") from None
        record = {
            "source": "allen",
            "url": api.address(path),
            "date": datetime.date.today().isoformat(),
            "sha256": sha256(archive),
            "citation": CITATION,
        }
        _unpack(model_id, archive, temporary)
        archive.unlink()
        read_model(temporary, model_id)
        # With its record from the first moment: a run that is killed here must not leave a folder of unknown origin.
        write_json(temporary / METADATA, read_metadata(temporary) | {"allenrec": record})
    return record


def _unpack(model_id, archive, folder):
    """Extract what belongs to a model, under the names of today's archives."""

    def fault(text):
        return UserError(f"model {model_id}: the archive {text}")

    with zipfile.ZipFile(archive) as zipped:
        members = [member for member in zipped.infolist() if not member.is_dir()]
        if sum(member.file_size for member in members) > LARGEST_CONTENT:
            raise fault(f"would unpack to more than {LARGEST_CONTENT >> 20} MB")
        for member in members:
            path = PurePosixPath(member.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
                raise fault(f"has a member outside of its folder, {member.filename!r}")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise fault(f"has a symbolic link, {member.filename!r}")
        targets = {_target(PurePosixPath(member.filename)): member for member in members}
        if FIT not in targets and any("neuron_config" in member.filename for member in members):
            raise fault("is that of a GLIF point neuron; it has no morphology. Choose a biophysical model of the cell")
        for name in (FIT, MORPHOLOGY):
            if name not in targets:
                raise fault(f"has no {name}")
        if not any(target and target.startswith(f"{MODFILES}/") for target in targets):
            raise fault(f"has no mod files in {MODFILES}/")
        for target, member in targets.items():
            if target is not None:
                (folder / target).parent.mkdir(exist_ok=True)
                try:
                    with zipped.open(member) as source, open(folder / target, "wb") as file:
                        shutil.copyfileobj(source, file)
                except (zipfile.BadZipFile, EOFError) as error:
                    raise fault(f"is damaged: {error}") from None


def _target(path):
    """Where a member of an archive goes, None if it is not needed. The archives of 2015 had other names."""
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


def _what_the_id_is(model_id, api):
    """The message for an id that is no model: perhaps it is a cell, and then which models it has."""
    message = f"model {model_id}: the Allen site has no model with this id"
    try:
        rows = api.models_of([model_id])
    except UserError:
        return message
    models = ", ".join(f"{row['id']} ({KIND_OF_TEMPLATE[row['neuronal_model_template_id']]})" for row in rows)
    return f"{message}; it is the id of a cell, whose models are {models}" if models else message
