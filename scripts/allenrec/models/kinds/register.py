"""The register of kinds of models.

A new kind is a module here with a `Kind`; an entry in `KINDS` or, if `model.yaml` states it, in `described_kinds`; and a
function that builds its cells, in `allenrec.intracellular.kinds`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError

from .allen import ALLEN, PREFIX
from .folders import DESCRIPTION
from .nmc import NMC

if TYPE_CHECKING:
    from .contract import CellModel, Kind

#: The kinds that a folder shows by the names of its files, in the order in which it is asked for them
KINDS = (ALLEN, NMC)


def described_kinds() -> tuple[Kind, ...]:
    """Return the kinds that a `model.yaml` states. Pydantic checks it; where there is no such file, it need not be loaded."""
    from .hoc import HOC
    from .python import PYTHON
    from .swc import SWC

    return HOC, PYTHON, SWC


def kind_of(folder: str | Path) -> Kind:
    """Return the kind of a model folder.

    Raises
    ------
    UserError
        If the folder is of no known kind; the message says how folders of each kind look.
    """
    folder = Path(folder).absolute()  # not resolved: a link has the name that counts
    stated = described_kinds() if (folder / DESCRIPTION).is_file() else ()
    for kind in (*stated, *KINDS):
        if kind.recognise(folder):
            return kind
    known = "; ".join(f"`{kind.name}` has {kind.looks}" for kind in (*described_kinds(), *KINDS))
    raise UserError(f"model {model_id_of(folder)}: {folder} is of no known kind of model: {known}")


def model_id_of(folder: str | Path) -> str:
    """Return the id of the model in a folder, which is in the folder's name."""
    return Path(folder).absolute().name.removeprefix(PREFIX)


def folder_name(model_id: str) -> str:
    """Return the name of the folder of a model: ids of digits are the Allen Institute's."""
    return f"{PREFIX}{model_id}" if model_id.isdigit() else model_id


def read_model(folder: str | Path, model_id: str | None = None) -> CellModel:
    """Read and check a model folder of any kind.

    Parameters
    ----------
    folder : path
    model_id : str, optional
        The id of the model, if it is not the one in the folder's name.

    Returns
    -------
    CellModel
        A dataclass of its kind; `allenrec.models.fit.Model` for models of the Allen Institute.

    Raises
    ------
    UserError
        The message names the model and the file that is wrong.

    Examples
    --------
    >>> model = read_model("allen_models/neuronal_model_473863510")  # doctest: +SKIP
    >>> model.kind, model.temperature  # doctest: +SKIP
    ('perisomatic', 34.0)
    """
    folder = Path(folder).absolute()
    return kind_of(folder).read(folder, model_id or model_id_of(folder))
