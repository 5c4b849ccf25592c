"""A model folder in the layout of the Allen archives: its files are read, checked, and returned as plain values."""

import json
import math
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allenrec.common.errors import UserError, shown
from allenrec.common.files import sha256

from .mechanisms import Mechanism, declared_mechanisms, mechanisms_digest, mod_files
from .metadata import KIND_OF_TEMPLATE, METADATA, read_metadata
from .recorded_sweeps import SWEEPS

FIT = "fit_parameters.json"
MORPHOLOGY = "reconstruction.swc"
MODFILES = "modfiles"

#: SWC structure identifiers and the section types of the fits
SECTION_OF_SWC_TYPE = {1: "soma", 2: "axon", 3: "dend", 4: "apic"}
SECTIONS = frozenset(SECTION_OF_SWC_TYPE.values())

#: Parameters that every section has, without any mod file
SECTION_PARAMETERS = frozenset({"g_pas", "e_pas", "cm", "Ra"})

#: Mechanisms that only the newer all-active fits use; these were fitted with an axon stub (AllenSDK's `AllActiveUtils` calls
#: it `axon_type` "stub", as against "truncated")
STUB_MECHANISMS = frozenset({"NaTa_t", "NaTs2_t", "Nap_Et2", "K_Pst", "K_Tst"})


@dataclass(frozen=True)
class Parameter:
    """One value of a fit: the parameter `name`, as NEURON calls it, of a mechanism in all sections of one type.

    `mechanism` is "" for the cable itself and for global parameters, whose `section` is "glob".
    """

    section: str
    name: str
    mechanism: str
    value: float


@dataclass(frozen=True)
class Model:
    """A checked biophysical model.

    `kind` is "perisomatic" or "all active". In perisomatic models, `capacitance` (µF/cm²) maps section types to values and
    `e_pas` (mV) is a number; all-active models have both among their `parameters`. `reversal` maps section types to
    {ion: mV}. Units: `axial_resistivity` Ω cm, `temperature` °C, `v_init` mV.
    """

    model_id: str
    folder: Path
    kind: str
    axial_resistivity: float
    capacitance: Mapping[str, float]
    e_pas: float | None
    parameters: tuple[Parameter, ...]
    reversal: Mapping[str, Mapping[str, float]]
    temperature: float
    v_init: float

    @property
    def morphology(self) -> Path:
        """The path of the reconstruction."""
        return self.folder / MORPHOLOGY

    @property
    def mechanisms(self) -> frozenset[str]:
        """The names of the mechanisms that the fit inserts."""
        return frozenset(p.mechanism for p in self.parameters if p.mechanism)


def read_model(folder: str | Path, model_id: str | None = None) -> Model:
    """Read and check a model folder.

    Parameters
    ----------
    folder : path
        Holds `fit_parameters.json`, `reconstruction.swc` and `modfiles/*.mod`.
    model_id : str, optional
        The id of the model, if it is not the one in the folder's name.

    Returns
    -------
    Model

    Raises
    ------
    UserError
        The message names the model and the file: something is missing, does not parse, names a mechanism or parameter that
        no mod file defines, or leaves a section type of the morphology without values.

    Examples
    --------
    >>> model = read_model("allen_models/neuronal_model_473863510")  # doctest: +SKIP
    >>> model.kind, model.temperature  # doctest: +SKIP
    ('perisomatic', 34.0)
    """
    folder = Path(folder).absolute()  # not resolved: the id is in the name of a link
    model_id = model_id or folder.name.removeprefix("neuronal_model_")
    for name in (FIT, MORPHOLOGY, MODFILES):
        if not (folder / name).exists():
            raise UserError(f"model {model_id}: {folder / name} is missing; an Allen model archive holds it")
    mechanisms = declared_mechanisms(folder / MODFILES)
    morphology_sections = _check_morphology(model_id, folder / MORPHOLOGY)
    model = _FitReader(model_id, folder / FIT).model(folder, mechanisms, morphology_sections)
    stated = KIND_OF_TEMPLATE.get(read_metadata(folder).get("neuronal_model_template_id"), model.kind)
    if stated != model.kind:
        raise UserError(
            f"model {model_id}: {folder / METADATA} calls it {stated}, but {FIT} is the fit of a model that is "
            f"{model.kind}, which is loaded by another recipe; one of the two files belongs to another model"
        )
    return model


def input_digests(folder: str | Path) -> dict[str, str]:
    """Return the digests of a model's files: the set of mechanisms, the fit and the morphology."""
    folder = Path(folder)
    return {
        "mechanisms": mechanisms_digest(folder / MODFILES),
        FIT: sha256(folder / FIT),
        MORPHOLOGY: sha256(folder / MORPHOLOGY),
    }


def model_files(folder: str | Path) -> list[Path]:
    """Return the paths of the files that make up a model: the fit, the morphology, the mod files, and the recorded sweeps if
    the folder has them."""
    folder = Path(folder)
    sweeps = [folder / SWEEPS] if (folder / SWEEPS).exists() else []
    return [folder / FIT, folder / MORPHOLOGY, *mod_files(folder / MODFILES), *sweeps]


def _check_morphology(model_id: str, path: Path) -> set[str]:
    """Check an SWC file (columns: id, type, x, y, z, radius in µm, parent id); return the section types that it has."""
    import numpy as np  # many jobs only list the files of a model

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # np.loadtxt warns about an empty file, which is an error below
            rows = np.loadtxt(path, comments="#", ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"model {model_id}: {path} is not an SWC file: {error}") from None
    if rows.size == 0 or rows.shape[1] != 7 or not np.isfinite(rows).all():
        raise UserError(f"model {model_id}: {path} is not an SWC file: rows of 7 finite numbers expected")
    types = set(rows[:, 1].astype(int))
    if 1 not in types:
        raise UserError(f"model {model_id}: {path} has no soma (a row of type 1)")
    unknown = types - set(SECTION_OF_SWC_TYPE)
    if unknown:
        raise UserError(f"model {model_id}: {path} has rows of type {min(unknown)}; known are 1, 2, 3 and 4")
    if (rows[:, 5] <= 0).any():
        raise UserError(f"model {model_id}: {path} has a radius that is not positive")
    ids, parents = rows[:, 0].astype(int), rows[:, 6].astype(int)
    disorder = np.flatnonzero(np.diff(ids) <= 0)
    if len(disorder):
        raise UserError(f"model {model_id}: {path} has row {ids[disorder[0] + 1]} after row {ids[disorder[0]]}")
    # NEURON needs parents before their children, too.
    orphans = (parents != -1) & ~(np.isin(parents, ids) & (parents < ids))
    if orphans.any():
        raise UserError(f"model {model_id}: {path} names the parent {parents[orphans][0]}, which is not in a row before")
    return {SECTION_OF_SWC_TYPE[t] for t in types}


class _FitReader:
    """A reader of one fit file. Each of its methods raises a `UserError` that names the entry that is wrong."""

    def __init__(self, model_id: str, path: Path) -> None:
        self.model_id = model_id
        self.path = path
        try:
            self.content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise self.error(f"does not parse as JSON: {error}") from None
        if not isinstance(self.content, dict):
            raise self.error("does not hold a JSON object")

    def error(self, text: str) -> UserError:
        return UserError(f"model {self.model_id}: {self.path} {text}")

    def model(self, folder: Path, mechanisms: Mapping[str, Mechanism], morphology_sections: Collection[str]) -> Model:
        passive = self.block("passive")
        conditions = self.block("conditions")
        perisomatic = "e_pas" in passive and "cm" in passive
        if not perisomatic and ("e_pas" in passive or "cm" in passive):
            raise self.error("has only one of passive.e_pas and passive.cm; a perisomatic fit has both, others none")
        parameters = tuple(self.parameter(i, entry, mechanisms) for i, entry in enumerate(self.list_of("genome")))
        return Model(
            model_id=self.model_id,
            folder=folder,
            kind="perisomatic" if perisomatic else "all active",
            axial_resistivity=self.number(passive, "ra", "passive"),
            capacitance=self.capacitance(passive, morphology_sections) if perisomatic else {},
            e_pas=self.number(passive, "e_pas", "passive") if perisomatic else None,
            parameters=parameters,
            reversal={
                self.section(entry, "conditions.erev"): {
                    ion: self.number(entry, ion, "conditions.erev") for ion in ("ena", "ek") if ion in entry
                }
                for entry in self.entries(conditions, "erev", "conditions.erev")
            },
            temperature=self.number(conditions, "celsius", "conditions"),
            v_init=self.number(conditions, "v_init", "conditions"),
        )

    def capacitance(self, passive: dict[str, Any], morphology_sections: Collection[str]) -> dict[str, float]:
        capacitance = {
            self.section(entry, "passive.cm"): self.number(entry, "cm", "passive.cm")
            for entry in self.entries(passive, "cm", "passive.cm")
        }
        # The axon of the reconstruction is replaced, so the fit must know every other type that is there.
        missing = set(morphology_sections) - capacitance.keys() - {"axon"}
        if missing:
            raise self.error(f"gives no passive.cm for {min(missing)}, which {MORPHOLOGY} has")
        return capacitance

    def list_of(self, name: str) -> list[Any]:
        value = self.content.get(name)
        if not isinstance(value, list) or not value:
            raise self.error(f"has no list `{name}`")
        return value

    def entries(self, block: dict[str, Any], key: str, where: str) -> list[Any]:
        entries = block.get(key, [])
        if not isinstance(entries, list):
            raise self.error(f"{where} is {shown(entries)}, not a list")
        return entries

    def block(self, name: str) -> dict[str, Any]:
        block = self.list_of(name)[0]
        if not isinstance(block, dict):
            raise self.error(f"`{name}` does not hold an object")
        return block

    def number(self, block: dict[str, Any], key: str, where: str) -> float:
        # All-active fits write their numbers as strings.
        try:
            if isinstance(block[key], bool):
                raise TypeError
            value = float(block[key])
        except KeyError:
            raise self.error(f"has no `{key}` in {where}") from None
        except (TypeError, ValueError):
            raise self.error(f"{where}: `{key}` is {shown(block[key])}, not a number") from None
        if not math.isfinite(value):
            raise self.error(f"{where}: `{key}` is {value}, not a finite number")
        return value

    def section(self, entry: Any, where: str, others: frozenset[str] = frozenset()) -> str:
        section = entry.get("section") if isinstance(entry, dict) else None
        if not isinstance(section, str) or section not in SECTIONS | others:
            raise self.error(f"{where}: section {shown(section)} is not one of {', '.join(sorted(SECTIONS))}")
        return section

    def parameter(self, index: int, entry: Any, mechanisms: Mapping[str, Mechanism]) -> Parameter:
        where = f"genome[{index}]"
        section = self.section(entry, where, others=frozenset({"glob"}))
        name, mechanism = entry.get("name"), entry.get("mechanism")
        if not isinstance(name, str) or not isinstance(mechanism or "", str):
            raise self.error(f"{where}: name {shown(name)} and mechanism {shown(mechanism)} must be text")
        value = self.number(entry, "value", where)
        known: Collection[str]
        if section == "glob":
            known = {f"{g}_{m}" for m, declared in mechanisms.items() for g in declared.global_parameters}
            mechanism = ""
        elif not mechanism:
            known, mechanism = SECTION_PARAMETERS, ""
        elif mechanism not in mechanisms:
            raise self.error(f"{where}: no mod file in {MODFILES}/ defines the mechanism {shown(mechanism)}")
        else:
            known = {f"{parameter}_{mechanism}" for parameter in mechanisms[mechanism].range_parameters}
        if name not in known:
            allowed = ", ".join(sorted(known)) or "nothing"
            raise self.error(f"{where}: {shown(name)} cannot be set in {mechanism or section}; what can be: {allowed}")
        return Parameter(section, name, mechanism, value)
