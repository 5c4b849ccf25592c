"""Cells of the kind `nmc`: the hoc template of a model of the Neocortical Microcircuit, wrapped in an `LFPy.Cell`."""

from contextlib import chdir

from allenrec.models.kinds.nmc import TEMPLATE, NmcModel

from ..hoc_errors import hoc_errors_for_users
from ..lfpy_cell import Cell
from ..model_cell import ModelCell, as_model_cell
from ..nrn import neuron

#: The template replaces the reconstructed axon by a stub of two sections
AXON = "stub of the model"


def build(model: NmcModel, *, dt: float, tstop: float, axon: str) -> ModelCell:
    """Build the cell of a model, without synapses. The axon is that of the template, whatever `axon` is.

    An error of its hoc code, or a file of it that is missing or damaged, is a `UserError`.

    It is the cell of MEArec's `return_bbp_cell` to the last bit: LFPy's rule for the number of segments (a tenth of the length
    constant at 100 Hz) replaces that of the template (40 µm), and LFPy moves the 3-D points, which have single precision.
    """
    h = neuron.h
    with chdir("/"):  # NEURON takes files of the working directory for its own
        h.load_file("stdrun.hoc")
        h.load_file("import3d.hoc")
    # Hoc names its files relative to this folder
    with hoc_errors_for_users(model.model_id, model.folder), chdir(model.folder):
        h.load_file(1, TEMPLATE)
        template = getattr(h, model.template)(0)  # 0: no synapses
    cell = Cell(
        morphology=template.all,
        v_init=model.v_init,
        celsius=model.temperature,
        passive=False,
        nsegs_method="lambda100",
        dt=dt,
        tstart=0.0,
        tstop=tstop,
        pt3d=True,
        delete_sections=False,
    )
    cell.template = template  # NEURON deletes sections whose template is gone
    return as_model_cell(cell, model, soma=template.soma[0], axon=AXON)
