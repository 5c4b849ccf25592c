"""Cells of the kind `python`: what a function of the user returns, wrapped in an `LFPy.Cell` if it is not one."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allenrec.common.errors import UserError, shortened
from allenrec.models.kinds.model_yaml import DESCRIPTION
from allenrec.models.nrnivmodl import NRNIVMODL_DEFAULTS

from ..hoc_errors import hoc_errors_for_users
from ..lfpy_cell import Cell
from ..nrn import neuron
from ..sections import as_described, find_soma, load_libraries, require_one_tree, wrap

if TYPE_CHECKING:
    from allenrec.models.kinds.python import PythonModel

    from ..model_cell import ModelCell

#: What the function has to return
RETURNS = "an `LFPy.Cell`, a NEURON section list, a list of sections or the soma"


def build(model: PythonModel, *, dt: float, tstop: float, axon: str) -> ModelCell:
    """Build the cell of a model; its function runs, in the model folder.

    Raises
    ------
    UserError
        If the function fails, with the file and the line; if its arguments do not fit; or if it returns something else.
    """
    h, described = neuron.h, model.description
    load_libraries()
    with hoc_errors_for_users(model.model_id, model.folder), _surroundings(model.folder):
        with _python_errors_for_users(model):
            function = _load(model)
            offered = {"dt": dt, "start_T": 0.0, "end_T": tstop, "tstart": 0.0, "tstop": tstop}
            found = function(str(model.folder), **_keywords(model, function, offered))
        soma = _soma_of(model, found)
        celsius = float(h.celsius) if described.celsius is None else described.celsius
        v_init = getattr(found, "v_init", h.v_init) if described.v_init is None else described.v_init
        if isinstance(found, Cell):
            cell = found
            cell.dt, cell.tstop, cell.v_init = dt, tstop, float(v_init)
        else:
            cell = wrap(soma, v_init=float(v_init), celsius=celsius, dt=dt, tstop=tstop)
            cell.template = found  # NEURON deletes sections that nobody holds
    return as_described(cell, model, soma=soma, celsius=celsius, types={})


@contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """Run in a model folder, from which Python imports, with nrnivmodl at hand and a folder for temporary files."""
    before = dict(os.environ), list(sys.path), tempfile.tempdir
    # The job may write next to the model only
    with tempfile.TemporaryDirectory(prefix=".temporary-", dir=folder) as temporary, chdir(folder):
        beside = f"{Path(sys.executable).parent}{os.pathsep}"
        os.environ.update(NRNIVMODL_DEFAULTS | os.environ | {"PATH": beside + os.environ.get("PATH", ""), "TMPDIR": temporary})
        sys.path.insert(0, str(folder))
        tempfile.tempdir = None
        try:
            yield
        finally:
            environment, sys.path[:], tempfile.tempdir = before
            os.environ.clear()
            os.environ.update(environment)


@contextmanager
def _python_errors_for_users(model: PythonModel) -> Iterator[None]:
    """Turn any error of the user's code into a `UserError` of one line with the file and the line; the traceback is printed."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, RuntimeError) and "hoc" in str(error):
            raise
        traceback.print_exc()
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(model.folder)
        ]
        place = f"{Path(frames[-1].filename).relative_to(model.folder)}, line {frames[-1].lineno}: " if frames else ""
        raise UserError(f"model {model.model_id}: {place}{type(error).__name__}: {shortened(error)}") from None


def _load(model: PythonModel) -> Callable[..., Any]:
    """Return the function of a model; its file runs."""
    path = model.folder / model.description.file
    name = f"model_{path.stem}"  # no module that others import
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"model {model.model_id}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as `import` does, for classes that look for their module
    spec.loader.exec_module(module)
    function = getattr(module, model.description.name, None)
    if not callable(function):
        raise UserError(f"model {model.model_id}: {model.description.function} is no function")
    return function


def _keywords(model: PythonModel, function: Callable[..., Any], offered: Mapping[str, float]) -> dict[str, Any]:
    """Return the keyword arguments of a function: those of the description, and those on offer that it has parameters for.

    So it may have MEArec's signature, `(cell_model_folder, dt, start_T, end_T)`, or just `(folder)`.

    Raises
    ------
    UserError
        If it cannot be called with them and, before them, the folder.
    """
    given = model.description.arguments
    parameters = list(inspect.signature(function).parameters.values())
    keywords = {p.name: offered[p.name] for p in parameters[1:] if p.name in offered} | given
    try:
        inspect.signature(function).bind(str(model.folder), **keywords)
    except TypeError as error:
        raise UserError(
            f"model {model.model_id}: {model.description.function}{inspect.signature(function)} cannot be called: {error}. It "
            f"gets the folder, then by their names {', '.join(offered)} and the `arguments` of {DESCRIPTION}"
        ) from None
    return dict(keywords)


def _soma_of(model: PythonModel, found: Any) -> Any:
    """Return the soma of what a function returned, whose sections must hang together."""
    sections = _sections_of(model, found)
    wanted = model.description.soma
    if wanted is None and isinstance(found, neuron.nrn.Section):
        soma = found
    elif wanted is None:
        named = [section for section in sections if "soma" in section.name().lower()]
        soma = named[0] if named else find_soma(model.model_id, sections, "soma")
        others = [section.name() for section in named if section not in set(soma.wholetree())]
        if others:
            raise UserError(
                f"model {model.model_id}: {model.description.function} returns several cells, {soma.name()} and {others[0]}; "
                f"return one, or name its soma as `soma:`"
            )
    else:
        soma = find_soma(model.model_id, sections, wanted)
    require_one_tree(model.model_id, soma, sections)
    return soma


def _sections_of(model: PythonModel, found: Any) -> list[Any]:
    """Return the sections of what a function returned."""
    if isinstance(found, Cell):
        return list(found.allseclist)
    if isinstance(found, neuron.nrn.Section):
        return list(found.wholetree())
    try:
        listed = list(found) if isinstance(found, list | tuple | neuron.hoc.HocObject) else []
    except TypeError:  # an object of hoc that is no list
        listed = []
    if listed and all(isinstance(section, neuron.nrn.Section) for section in listed):
        return listed
    sections = [s for s in neuron.h.allsec() if s.cell() is not None and s.cell() == found]
    if not sections:
        raise UserError(
            f"model {model.model_id}: {model.description.function} returns {type(found).__name__}; it must return {RETURNS}"
        )
    return sections
