"""Cells of the kind `swc`: a morphology with the channels of a table."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING, Any

from allenrec.common.errors import UserError
from allenrec.models.kinds.model_yaml import DESCRIPTION
from allenrec.models.kinds.swc import PROPERTIES

from ..lfpy_cell import Cell
from ..model_cell import ModelCell, as_model_cell
from ..nrn import neuron, neuron_errors_for_users, path_for_neuron
from ..sections import divide, own_name, turn_upright

if TYPE_CHECKING:
    from allenrec.models.kinds.swc import Setting, SwcModel

#: The share of the length constant at a frequency (Hz) that a segment has at most (Hines and Carnevale 2001)
D_LAMBDA, FREQUENCY = 0.1, 100.0


@neuron_errors_for_users()
def build(model: SwcModel, *, dt: float, tstop: float, axon: str) -> ModelCell:
    """Build the cell of a morphology with channels. The reconstructed axon is kept, whatever `axon` is."""
    with path_for_neuron(model.morphology.resolve()) as morphology, chdir("/"):
        cell = Cell(
            morphology=morphology,
            v_init=model.v_init,
            celsius=model.temperature,
            passive=False,
            nsegs_method=None,
            custom_fun=[_insert],
            custom_fun_args=[{"model": model}],
            dt=dt,
            tstart=0.0,
            tstop=tstop,
            pt3d=False,
        )
    built = as_model_cell(cell, model, soma=neuron.h.soma[0], axon="keep")
    turn_upright(built, model.description.axis)
    return built


def _insert(cell: Any, model: SwcModel) -> None:
    """Set the properties of sections, divide them into segments, and insert the mechanisms.

    Segments depend on resistivity and capacitance, and reversal potentials exist where a channel of the ion does.
    """
    h, where = neuron.h, f"model {model.model_id}: {model.folder / DESCRIPTION}: channels"
    for section in h.allsec():
        for segment in section:
            segment.area()  # makes NEURON derive the diameters from the 3-D points
    cable, ions = PROPERTIES[:2], PROPERTIES[2:]
    for setting in model.settings:
        if setting.parameters and setting.parameters[0][0] in cable and not setting.mechanism:
            _set(setting, where)
    if model.description.segment_length:
        divide(h.allsec(), model.description.segment_length)
    else:
        for section in h.allsec():
            section.nseg = int((section.L / (D_LAMBDA * h.lambda_f(FREQUENCY, sec=section)) + 0.9) / 2) * 2 + 1
    for setting in model.settings:
        if setting.mechanism:
            _set(setting, where)
    for setting in model.settings:
        if not setting.mechanism and setting.parameters[0][0] in ions:
            _set(setting, where)


def _set(setting: Setting, where: str) -> None:
    """Set a line of the table of channels.

    Raises
    ------
    UserError
        If no section has a channel of the ion whose reversal potential is set.
    """
    n = 0
    for section in neuron.h.allsec():
        if setting.section not in ("all", own_name(section.name())):
            continue
        if setting.mechanism:
            section.insert(setting.mechanism)
        for name, value in setting.parameters:
            ion = f"{name[1:]}_ion"
            if setting.mechanism or name in PROPERTIES[:2] or neuron.h.ismembrane(ion, sec=section):
                setattr(section, name, value)
                n += 1
    if setting.parameters and n == 0:
        name = setting.parameters[0][0]
        raise UserError(f"{where}.{setting.section}.{name}: no mechanism there has a current of the ion {name[1:]}")
