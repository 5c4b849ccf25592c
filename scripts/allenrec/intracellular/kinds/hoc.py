"""Cells of the kind `hoc`: a template in hoc, or sections at top level, wrapped in an `LFPy.Cell`."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING, Any

from allenrec.common.errors import UserError

from ..hoc_errors import hoc_errors_for_users
from ..nrn import neuron
from ..sections import as_described, divide, find_soma, is_section_list, load_libraries, own_name, require_one_tree, wrap

if TYPE_CHECKING:
    from allenrec.models.kinds.hoc import HocDescription, HocModel

    from ..model_cell import ModelCell

#: The public section lists of templates that NEURON's import of morphologies fills, by the type of their sections
USUAL_LISTS = {"soma": "somatic", "dend": "basal", "apic": "apical", "axon": "axonal"}
#: NEURON's readers of morphologies by the ending of the file
READERS = {".asc": "Import3d_Neurolucida3", ".swc": "Import3d_SWC_read", ".xml": "Import3d_MorphML"}


def build(model: HocModel, *, dt: float, tstop: float, axon: str) -> ModelCell:
    """Build the cell of a model; its code runs. The axon is that of the model, whatever `axon` is.

    Raises
    ------
    UserError
        If the hoc code fails; the message names its file and line. If there is no soma, or no such section list.
    """
    h, described = neuron.h, model.description
    load_libraries()
    # Hoc names its files relative to this folder
    with hoc_errors_for_users(model.model_id, model.folder), chdir(model.folder):
        _set_conditions(described)
        template = _run_code(model)
        sections = [s for s in h.allsec() if template is None or s.cell() == template]
        soma = find_soma(model.model_id, sections, described.soma)
        require_one_tree(model.model_id, soma, sections)
        if described.segment_length:
            divide(sections, described.segment_length)
        _initialise(described)
        types = _section_types(model, template, sections)
        celsius, v_init = float(h.celsius), float(h.v_init)
        cell = wrap(soma, v_init=v_init, celsius=celsius, dt=dt, tstop=tstop)
    cell.template = template  # NEURON deletes sections whose template is gone
    return as_described(cell, model, soma=soma, celsius=celsius, types=types)


def _set_conditions(described: HocDescription) -> None:
    """Set the temperature and the initial potential that the description states, before code that reads or replaces them and
    after it."""
    if described.celsius is not None:
        neuron.h.celsius = described.celsius
    if described.v_init is not None:
        neuron.h.v_init = described.v_init


def _initialise(described: HocDescription) -> None:
    """Call `init()` of NEURON's run system once, which models may replace by their own.

    Theirs often sets reversal potentials and balances the leak, so that the cell rests where it should. What it sets stays.
    """
    _set_conditions(described)
    neuron.h.init()
    _set_conditions(described)


def _run_code(model: HocModel) -> Any:
    """Run the code of a model; return its template's instance, None if it has its sections at top level."""
    h, described = neuron.h, model.description
    if described.template_name is None and described.morphology:
        _import(described.morphology, None)
    for file in described.template_file:
        h.load_file(1, file)
    if described.template_name is None:
        return None
    make = getattr(h, described.template_name, None)
    if make is None:
        raise UserError(f"model {model.model_id}: its hoc files do not define the template {described.template_name}")
    template = make(*model.arguments)
    if described.morphology and described.morphology not in model.arguments:
        if any(True for _ in getattr(template, "all", ())):
            raise UserError(
                f"model {model.model_id}: morphology: {described.template_name} has sections already; if it takes the file "
                f"as an argument, give it among `arguments`"
            )
        _import(described.morphology, template)
    return template


def _import(morphology: str, template: Any) -> None:
    """Make the sections of a morphology, in an instance of a template or at top level."""
    h = neuron.h
    ending = f".{morphology.rpartition('.')[2].lower()}"
    if ending not in READERS:
        command = f'xopen("{morphology}")'
        h.load_file(1, morphology) if template is None else h.execute(command, template)
        return
    reader = getattr(h, READERS[ending])()
    reader.quiet = 1
    reader.input(morphology)
    h.Import3d_GUI(reader, 0).instantiate(template)


def _section_types(model: HocModel, template: Any, sections: list[Any]) -> dict[str, str]:
    """Return the types of sections by their names, as far as section lists tell them."""
    scope = neuron.h if template is None else template
    types: dict[str, str] = {}
    for kind, usual in USUAL_LISTS.items():
        named = model.description.section_lists.get(kind)  # type: ignore[call-overload]
        for name in named or [usual]:
            listed = getattr(scope, name, None)
            if is_section_list(listed):
                mine = [section.name() for section in listed]  # type: ignore[union-attr]
            else:
                mine = [section.name() for section in sections if own_name(section.name()) == name]
            if named and not mine:
                raise UserError(
                    f"model {model.model_id}: section_lists: {kind}: no section list and no section is called {name}"
                )
            types |= dict.fromkeys(mine, kind)
    return types
