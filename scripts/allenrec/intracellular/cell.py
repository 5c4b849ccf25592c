"""The cell of a model of any kind, ready to be simulated.

`nrn` imports NEURON. This package is the only one that needs it.
"""

from pathlib import Path
from typing import Any

from allenrec.models.kinds.register import kind_of, model_id_of

from .kinds.register import BUILDERS
from .nrn import load_mechanisms, neuron_errors_for_users


@neuron_errors_for_users()
def load_cell(
    model_folder: str | Path,
    mechanisms: str | Path | None,
    *,
    dt: float = 2**-5,
    tstop: float = 1000.0,
    axon: str = "auto",
    library: str | None = None,
) -> Any:
    """Build the cell of a model, faithful to how it was published.

    A process can load one model only, because NEURON keeps sections and mechanisms in a global state. If the model is code
    (hoc or Python), the code runs: the caller decides that it may, see `allenrec.models.trust`.

    Parameters
    ----------
    model_folder : path
        Folder in the layout of an Allen archive, or of another kind of model (`allenrec.models.kinds`).
    mechanisms : path or None
        Folder of compiled mechanisms, as `compile_mechanisms` returns it; None for a model without mod files.
    dt, tstop : float
        Time step and end of simulations, ms.
    axon : {"auto", "stub", "truncated", "keep"}
        What replaces the reconstructed axon of a model of the Allen Institute. "auto" takes what the model was fitted with: a
        stub of two sections, 30 µm long and 1 µm thick, at soma(0.5), for perisomatic and newer all-active models; two
        sections with the diameters of the reconstructed axon at soma(1) for older all-active ones.
    library : str, optional
        The SHA-256 that the compiled library must have. By default it is that of the library when it was compiled.

    Returns
    -------
    ModelCell
        An `LFPy.Cell` with its soma centre at the origin, in the orientation of the reconstruction. `cell.model` is the
        checked model and `cell.axon` the treatment of its axon.

    Raises
    ------
    UserError
        If the folder does not hold a valid model, or if NEURON cannot load or run the mechanisms.

    Examples
    --------
    >>> mechanisms = compile_mechanisms(folder / "modfiles", "mechanisms")  # doctest: +SKIP
    >>> cell = load_cell(folder, mechanisms)  # doctest: +SKIP
    """
    folder = Path(model_folder).absolute()
    kind = kind_of(folder)
    model = kind.read(folder, model_id_of(folder))
    if mechanisms is not None:
        load_mechanisms(Path(mechanisms).resolve(), library)
    return BUILDERS[kind.name](model, dt=dt, tstop=tstop, axon=axon)
