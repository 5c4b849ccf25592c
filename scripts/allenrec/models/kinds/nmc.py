"""The kind `nmc`: cells of the Blue Brain Project's Neocortical Microcircuit, in the folders in which its portal packs them.

Markram et al. 2015, Cell 163:456-492; Ramaswamy et al. 2015, Frontiers in Neural Circuits 9:44.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from allenrec.common.errors import UserError, shortened, shown

from ..mechanisms import ModFile, declared_mechanisms
from ..metadata import CellFacts
from .contract import Kind
from .folders import all_files, contents_of, digests_of_folder, mod_files_in

CELL_INFO, TEMPLATE, MORPHOLOGY, BIOPHYSICS = "cellinfo.json", "template.hoc", "morphology.hoc", "biophysics.hoc"
CONSTANTS, MECHANISMS = "constants.hoc", "mechanisms"
PARTS = (CELL_INFO, TEMPLATE, MORPHOLOGY, BIOPHYSICS, "synapses/synapses.hoc", MECHANISMS)

#: Temperature (°C) where `constants.hoc` names none, and the initial potential (mV) of the portal's own scripts
TEMPERATURE, V_INIT = 34.0, -70.0
#: Mechanisms that NEURON has itself
BUILT_IN = frozenset({"pas", "hh"})

#: Mechanisms of synapses. The template only names them, as its synapses are left out, and their C code does not compile with
#: NEURON 9. Point processes that do nothing take their places.
SYNAPSES = ("ProbAMPANMDA_EMS", "ProbGABAAB_EMS")
EMPTY = ": In place of the synapse of this name, whose C code needs a NEURON before version 9. The cells have no synapses.\n"
EMPTY += "NEURON {{\n    POINT_PROCESS {name}\n}}\n"

#: The m-types whose cells excite others; all others of the 55 inhibit (Markram et al. 2015, figure 2 and table S1)
EXCITATORY = frozenset(
    {
        *("L23_PC", "L4_PC", "L4_SP", "L4_SS", "L5_TTPC1", "L5_TTPC2", "L5_UTPC", "L5_STPC"),
        *("L6_TPC_L1", "L6_TPC_L4", "L6_UTPC", "L6_IPC", "L6_BPC"),
    }
)
#: The m-types of layer 1 and those that every other layer has
INHIBITORY = frozenset(
    {
        *("L1_DAC", "L1_NGC-DA", "L1_NGC-SA", "L1_HAC", "L1_DLAC", "L1_SLAC"),
        *(f"{layer}_{name}" for layer in ("L23", "L4", "L5", "L6") for name in "MC BTC DBC BP NGC LBC NBC SBC ChC".split()),
    }
)
#: The published name of an e-type, where `cellinfo.json` has another
E_TYPES = {"L5PC": "cADpyr"}

LICENCE = "CC BY-NC-SA 4.0"
CITATION = (
    "Blue Brain Project, (c) EPFL, Neocortical Microcircuit Collaboration Portal: Markram et al. 2015, Cell 163:456-492, "
    "doi:10.1016/j.cell.2015.09.029; Ramaswamy et al. 2015, Frontiers in Neural Circuits 9:44, doi:10.3389/fncir.2015.00044"
)


@dataclass(frozen=True)
class NmcModel:
    """A checked model of the Neocortical Microcircuit.

    `template` is the name of its hoc template, `morphology` the path of its reconstruction. Units: `temperature` °C, `v_init`
    mV.
    """

    model_id: str
    folder: Path
    template: str
    morphology: Path
    mechanisms: frozenset[str]
    temperature: float
    v_init: float = V_INIT
    kind: str = "nmc"


def recognise(folder: Path) -> bool:
    """Return whether a folder has the files that the portal packs."""
    return (folder / CELL_INFO).is_file() and (folder / TEMPLATE).is_file()


def read(folder: Path, model_id: str) -> NmcModel:
    """Read and check a model folder; hoc is read as text.

    Raises
    ------
    UserError
        The message names the model and the file: a part is missing, there is not one template or one morphology, or no mod
        file defines a mechanism that is inserted.
    """
    for part in PARTS:
        if not (folder / part).exists():
            raise UserError(f"model {model_id}: {folder / part} is missing; a folder of the portal holds it")
    describe(folder)
    template = _only(model_id, folder / TEMPLATE, r"^\s*begintemplate\s+(\w+)", "template (`begintemplate`)")
    named = _only(model_id, folder / MORPHOLOGY, r'\.\s*input\s*\(\s*"([^"]+)"', "morphology (`input`)")
    morphology = (folder / named).absolute()
    if not morphology.is_relative_to(folder.absolute()) or ".." in Path(named).parts or not morphology.is_file():
        raise UserError(f"model {model_id}: {folder / MORPHOLOGY} reads {shown(named)}, which is not a file of the folder")
    inserted = set(re.findall(r"\binsert\s+(\w+)", hoc_text(folder / BIOPHYSICS))) - BUILT_IN
    defined = declared_mechanisms(mod_files(folder, contents_of(folder)))
    if missing := sorted(inserted - defined.keys()):
        raise UserError(
            f"model {model_id}: {folder / BIOPHYSICS} inserts {missing[0]}, which no mod file in {MECHANISMS}/ defines"
        )
    return NmcModel(model_id, folder, template, morphology, frozenset(inserted), _temperature(folder))


def hoc_text(path: Path) -> str:
    """Return the text of a hoc file without its comments."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


def _only(model_id: str, path: Path, pattern: str, what: str) -> str:
    """Return the one name in a hoc file that a pattern finds."""
    found = list(dict.fromkeys(re.findall(pattern, hoc_text(path), flags=re.MULTILINE)))
    if len(found) != 1:
        names = f": {', '.join(found)}" if found else ""
        raise UserError(f"model {model_id}: {path} names {len(found)} {what}{names}; it must be one")
    return found[0]


def _temperature(folder: Path) -> float:
    """Return the temperature (°C) that the model's own scripts use."""
    text = hoc_text(folder / CONSTANTS) if (folder / CONSTANTS).is_file() else ""
    found = re.search(r"^\s*celsius\s*=\s*([0-9.]+)\s*$", text, flags=re.MULTILINE)
    return float(found[1]) if found else TEMPERATURE


def mod_files(folder: Path, contents: Mapping[str, bytes]) -> list[ModFile]:
    """Return the mod files of a model; those of synapses do nothing."""
    return [
        replace(file, content=EMPTY.format(name=file.path.stem).encode()) if file.path.stem in SYNAPSES else file
        for file in mod_files_in(folder, contents, MECHANISMS)
    ]


def describe(folder: Path) -> CellFacts:
    """Return what `cellinfo.json` and the published tables say of a cell."""
    path = folder / CELL_INFO
    try:
        info: Any = json.loads(path.read_text(encoding="utf-8"))
        values = {key: info[key] for key in ("cell name", "m-type", "e-type", "layer")}
        if not all(isinstance(value, str) and value.isprintable() for value in values.values()):
            raise TypeError("not text")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} does not say `cell name`, `m-type`, `e-type` and `layer` of a cell: {shortened(error)}"
        ) from None
    m_type, excitatory = values["m-type"], values["m-type"] in EXCITATORY
    return CellFacts(
        specimen_name=values["cell name"],
        dendrite_type="spiny" if excitatory else "",
        apical="intact" if excitatory else "NA",
        area="S1HL",
        layer={"23": "2/3"}.get(layer := values["layer"].removeprefix("L"), layer),
        species="Rattus norvegicus",
        model_kind="nmc",
        cell_type=m_type,
        m_type=m_type,
        e_type=E_TYPES.get(values["e-type"], values["e-type"]),
        synapse_class="excitatory" if excitatory else "inhibitory" if m_type in INHIBITORY else "",
        rotation_angle_zaxis="0",  # reconstructions have the pia towards y
        licence=LICENCE,
        citation=CITATION,
    )


def digests(folder: Path) -> dict[str, str]:
    """Return the digests of the mechanisms and of the whole folder."""
    return digests_of_folder(folder, mod_files(folder, contents_of(folder)))


NMC = Kind(
    name="nmc",
    looks="cellinfo.json, template.hoc, mechanisms/ and so on, as the Neocortical Microcircuit portal packs a cell",
    recognise=recognise,
    read=read,
    files=all_files,
    mod_files=mod_files,
    describe=describe,
    digests=digests,
)
