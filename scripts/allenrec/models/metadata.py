"""The metadata of a model: what an archive's `model_metadata.json` says about the model and about its cell."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean
from typing import Any

from allenrec.common.errors import UserError, shortened, shown

METADATA = "model_metadata.json"
#: Its name in archives of 2015
OLD_METADATA = "neuronal_model.json"

#: The key of our own record in them: where the model comes from
OUR_RECORD = "allenrec"

#: The Allen Institute's names of the two kinds of models, by the id of the template in the metadata
KIND_OF_TEMPLATE: dict[Any, str] = {329230710: "perisomatic", 491455321: "all active"}

#: Names of species by the organism's id
SPECIES: dict[Any, str] = {1: "Homo Sapiens", 2: "Mus musculus"}


@dataclass(frozen=True)
class CellFacts:
    """The facts about the cell of a model, each as text; "" where nothing is known.

    `area` and `layer` are those of the cortex, `line` the transgenic driver lines, separated by ";". `explained_variance` is
    the share of the recorded voltage's variance that the model explains. `flags` names what is wrong with the model; it is
    None until the model has been simulated.

    The last ones are known for some kinds of models only, and None for others: `cell_type`, where it is not the dendrite
    type; `m_type` and `e_type` of the Blue Brain Project; `synapse_class`, "excitatory" or "inhibitory";
    `rotation_angle_zaxis`, the rotation about z after which the pia lies towards y, rad; the model's `licence` and `citation`.
    """

    specimen_id: str = ""
    specimen_name: str = ""
    dendrite_type: str = ""
    apical: str = ""
    area: str = ""
    layer: str = ""
    line: str = ""
    species: str = ""
    model_kind: str = ""
    explained_variance: str = ""
    flags: str | None = None
    cell_type: str | None = None
    m_type: str | None = None
    e_type: str | None = None
    synapse_class: str | None = None
    rotation_angle_zaxis: str | None = None
    licence: str | None = None
    citation: str | None = None

    def columns(self) -> dict[str, str]:
        """Return the facts as columns of a table; those that may be None only if they are known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


#: The columns that the metadata of every model have
FACTS = tuple(field.name for field in fields(CellFacts) if field.default is not None)
#: The columns that the metadata of some kinds of models have, and that may hold the cell types
FACTS_OF_SOME_KINDS = ("m_type", "e_type", "synapse_class")


def read_metadata(folder: str | Path) -> dict[str, Any]:
    """Read the `model_metadata.json` of a model folder.

    Parameters
    ----------
    folder : path
        The model folder.

    Returns
    -------
    dict
        The content of the file; {} if there is none, as in archives of 2015.

    Raises
    ------
    UserError
        If the file does not hold a JSON object.
    """
    path = next((path for name in (METADATA, OLD_METADATA) if (path := Path(folder) / name).exists()), None)
    return {} if path is None else parse_metadata(path, path.read_bytes())


def parse_metadata(path: str | Path, content: bytes) -> dict[str, Any]:
    """Return the object in the content of a file with metadata; see `read_metadata`."""
    try:
        metadata = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} does not parse as JSON: {shortened(error)}") from None
    if not isinstance(metadata, dict):
        raise UserError(f"{path} does not hold a JSON object")
    return metadata


def metadata_digest(metadata: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the archive's content of the metadata; our own record in them is not part of the model."""
    own = {key: value for key, value in metadata.items() if key != OUR_RECORD}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def cell_facts(metadata: dict[str, Any]) -> CellFacts:
    """Return what the metadata of a model say about its cell.

    Parameters
    ----------
    metadata : dict
        The content of `model_metadata.json`, as in the archives of the Allen site; {} if there is none.

    Returns
    -------
    CellFacts

    Raises
    ------
    UserError
        If the metadata have another shape.
    """
    try:
        facts = _facts(metadata)
        if any(not isinstance(value, str) or not value.isprintable() for value in facts.columns().values()):
            raise TypeError(f"not text: {shown(facts.columns())}")
        return facts
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"model {shown(metadata.get('id'))}: its metadata have another shape than an archive's: {shown(error)}"
        ) from None


def stated_kind(metadata: dict[str, Any]) -> str:
    """Return the kind of a model that its metadata state, "" if they state none or one that is not known."""
    template = metadata.get("neuronal_model_template_id")
    if template is not None and not isinstance(template, int):
        raise UserError(f"{METADATA}: neuronal_model_template_id {shown(template)} is not a whole number")
    return KIND_OF_TEMPLATE.get(template, "")


def _facts(metadata: dict[str, Any]) -> CellFacts:
    specimen, specimen_id = metadata.get("specimen") or {}, metadata.get("specimen_id")
    if not isinstance(specimen_id or "", int | str):
        raise TypeError(f"specimen_id {shown(specimen_id)}")
    structure = specimen.get("structure") or {}
    donor = specimen.get("donor") or {}
    tags = dict(tag["name"].split(" - ", 1) for tag in specimen.get("specimen_tags") or [] if " - " in tag["name"])
    drivers = [
        line["name"] for line in donor.get("transgenic_lines") or [] if line.get("transgenic_line_type_name") == "driver"
    ]
    layer = re.search(r"layer (\S+)", structure.get("name") or "")
    return CellFacts(
        specimen_id=str(specimen_id or ""),
        specimen_name=specimen.get("name") or "",
        dendrite_type=tags.get("dendrite type", ""),
        apical=tags.get("apical", ""),
        area=(structure.get("acronym") or "").removesuffix(layer[1] if layer else ""),
        layer=layer[1] if layer else "",
        line=";".join(drivers),
        species=SPECIES.get(donor.get("organism_id"), ""),
        model_kind=stated_kind(metadata),
        explained_variance=format_variance(explained_variance(metadata)),
    )


def explained_variance(model: dict[str, Any]) -> float | None:
    """Return the explained variance of a model, which is the mean over its runs.

    Parameters
    ----------
    model : dict
        The metadata of a model, or its row in the tables of the Allen site.

    Returns
    -------
    float or None
        None if no run says it.
    """
    runs = [run.get("explained_variance_ratio") for run in model.get("neuronal_model_runs") or []]
    known = [float(value) for value in runs if value is not None]
    if not all(map(math.isfinite, known)):
        raise ValueError(f"explained variances {shown(known)}")
    return mean(known) if known else None


def format_variance(variance: float | None) -> str:
    """Return an explained variance as text with three decimals, "" if it is unknown."""
    return "" if variance is None else f"{variance:.3f}"
