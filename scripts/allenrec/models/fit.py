"""The fit of a model: its file is read, checked, and returned as plain values."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allenrec.common.errors import UserError, shortened, shown
from allenrec.common.plain_files import without_repeats

from .parts import MODFILES, MORPHOLOGY, SECTIONS, part_of

if TYPE_CHECKING:
    from .mechanisms import Mechanism

#: Parameters that every section has, without any mod file
SECTION_PARAMETERS = frozenset({"g_pas", "e_pas", "cm", "Ra"})
#: Lowest and highest values that NEURON can compute with and a cell can have: of the cable, which are positive, of potentials
#: (mV), of the temperature (°C), and of all others
POSITIVE, POTENTIAL, TEMPERATURE, ANY = (1e-6, 1e6), (-1000.0, 1000.0), (-50.0, 100.0), (-1e9, 1e9)
BOUNDS = {
    "cm": POSITIVE,
    "Ra": POSITIVE,
    **dict.fromkeys(("e_pas", "el_hh", "ena", "ek", "eca"), POTENTIAL),
    # The calcium that flows in divided by a depth, of which a share stays free and decays with a time constant
    "gamma_CaDynamics": (0.0, 1.0),
    "decay_CaDynamics": POSITIVE,
    "depth_CaDynamics": POSITIVE,
}
#: Conductances, such as `g_pas`, `gbar_Ih` or `gNaTs2_tbar_NaTs2_t`, and what they may be, S/cm²
CONDUCTANCE, CONDUCTANCES = re.compile(r"g(l|\w*bar)?_\w+"), (0.0, 1e6)
#: Numbers as text: Python alone would take 1_0 for 10, and digits of other scripts
NUMBER = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*|\s*[-+]?(inf|nan)\s*", re.ASCII | re.IGNORECASE)


def bounds_of(name: str) -> tuple[float, float]:
    """Return the lowest and the highest value of a parameter."""
    return CONDUCTANCES if CONDUCTANCE.fullmatch(name) else BOUNDS.get(name, ANY)


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
        return part_of(self.folder, MORPHOLOGY)

    @property
    def mechanisms(self) -> frozenset[str]:
        """The names of the mechanisms that the fit inserts."""
        return frozenset(p.mechanism for p in self.parameters if p.mechanism)


class FitReader:
    """A reader of one fit file. Each of its methods raises a `UserError` that names the entry that is wrong."""

    def __init__(self, model_id: str, path: Path) -> None:
        self.model_id = model_id
        self.path = path
        self.where = f"model {model_id}: {path}"
        try:
            self.content = json.loads(
                path.read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: without_repeats(self.where, pairs)
            )
        except (ValueError, RecursionError) as error:
            raise self.error(f"does not parse as JSON: {shortened(error)}") from None
        if not isinstance(self.content, dict):
            raise self.error("does not hold a JSON object")

    def error(self, text: str) -> UserError:
        return UserError(f"{self.where} {text}")

    def model(self, mechanisms: Mapping[str, Mechanism], morphology_sections: Collection[str]) -> Model:
        passive = self.block("passive")
        conditions = self.block("conditions")
        perisomatic = "e_pas" in passive and "cm" in passive
        if not perisomatic and ("e_pas" in passive or "cm" in passive):
            raise self.error("has only one of passive.e_pas and passive.cm; a perisomatic fit has both, others none")
        parameters = tuple(self.parameter(i, entry, mechanisms) for i, entry in enumerate(self.list_of("genome")))
        self.require_once((f"{p.name} of {p.section}" for p in parameters), "genome")
        reversal = {
            self.section(entry, "conditions.erev"): {
                ion: self.number(entry, ion, "conditions.erev", POTENTIAL) for ion in ("ena", "ek") if ion in entry
            }
            for entry in self.entries(conditions, "erev", "conditions.erev")
        }
        self.require_reversals(parameters, mechanisms, reversal)
        return Model(
            model_id=self.model_id,
            folder=self.path.parent,
            kind="perisomatic" if perisomatic else "all active",
            axial_resistivity=self.number(passive, "ra", "passive", POSITIVE),
            capacitance=self.capacitance(passive, morphology_sections) if perisomatic else {},
            e_pas=self.number(passive, "e_pas", "passive", POTENTIAL) if perisomatic else None,
            parameters=parameters,
            reversal=reversal,
            temperature=self.number(conditions, "celsius", "conditions", TEMPERATURE),
            v_init=self.number(conditions, "v_init", "conditions", POTENTIAL),
        )

    def require_reversals(
        self,
        parameters: Collection[Parameter],
        mechanisms: Mapping[str, Mechanism],
        reversal: Mapping[str, Mapping[str, float]],
    ) -> None:
        """Require the reversal potentials that the mechanisms read; NEURON has defaults that no fit means."""
        for parameter in parameters:
            read = mechanisms[parameter.mechanism].reversals if parameter.mechanism else ()
            for ion in sorted(set(read) - reversal.get(parameter.section, {}).keys()):
                raise self.error(
                    f"gives no `{ion}` for {parameter.section} in conditions.erev, which {parameter.mechanism} there needs"
                )

    def capacitance(self, passive: dict[str, Any], morphology_sections: Collection[str]) -> dict[str, float]:
        capacitance = {
            self.section(entry, "passive.cm"): self.number(entry, "cm", "passive.cm", POSITIVE)
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
        self.require_once((entry["section"] for entry in entries if isinstance(entry, dict) and "section" in entry), where)
        return entries

    def require_once(self, names: Iterable[Any], where: str) -> None:
        """Refuse a list that has something twice: one of its values would count, and nobody knows which."""
        name, times = max(Counter(map(shown, names)).items(), key=lambda found: found[1], default=("", 1))
        if times > 1:
            raise self.error(f"{where} has {name} {times} times; keep one of them")

    def block(self, name: str) -> dict[str, Any]:
        block, *others = self.list_of(name)
        if others:
            raise self.error(f"`{name}` holds {1 + len(others)} blocks; keep one of them")
        if not isinstance(block, dict):
            raise self.error(f"`{name}` does not hold an object")
        return block

    def number(self, block: dict[str, Any], key: str, where: str, bounds: tuple[float, float] = ANY) -> float:
        # All-active fits write their numbers as strings.
        try:
            if isinstance(block[key], bool) or (isinstance(block[key], str) and not NUMBER.fullmatch(block[key])):
                raise TypeError
            value = float(block[key])
        except KeyError:
            raise self.error(f"has no `{key}` in {where}") from None
        except (TypeError, ValueError, OverflowError):
            raise self.error(f"{where}: `{key}` is {shown(block[key])}, not a number") from None
        if not math.isfinite(value):
            raise self.error(f"{where}: `{key}` is {value}, not a finite number")
        if not bounds[0] <= value <= bounds[1]:
            raise self.error(f"{where}: `{key}` is {value:g}; it must be between {bounds[0]:g} and {bounds[1]:g}")
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
        value = self.number(entry, "value", where, bounds_of(name))
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
