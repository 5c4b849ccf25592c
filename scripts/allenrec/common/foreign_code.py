"""Files of recordings and sortings that could run a program when SpikeInterface opens them.

Such files should hold data only. What could run code is refused before it is opened: pickles, objects in arrays that are not
text or numbers, classes that are not SpikeInterface's, and `params.py` with more than plain values. Truncated chunks of zarr,
which could kill the process, are refused as they are read.
"""

from __future__ import annotations

import ast
import importlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UserError, shown
from .plain_files import read_text

if TYPE_CHECKING:
    from .files import AnyPath

#: Endings of pickles
PICKLES = (".pkl", ".pickle")
#: The descriptions that SpikeInterface opens in a folder that it saved, as JSON and as pickles
DESCRIPTIONS = ("si_folder.json", "cached.json")
PICKLED = ("cached.pkl", "cached.pickle")
#: The arrays in such a folder that SpikeInterface lets numpy read with all objects in them
PROPERTIES = "properties/*.npy"
#: What the folder of a sorter, or of an analyzer of SpikeInterface, is recognised by; both have pickles in them
OF_PROGRAMS = ("spikeinterface_info.json", "spikeinterface_log.json", "waveforms")
#: The readers of SpikeInterface that run files as Python code, or unpickle them
RUN_FILES = ("read_kilosort_as_analyzer", "read_klusta", "read_shybrid", "read_sinaps")
#: Parts of the names of the modules of SpikeInterface that define them
MODULES_THAT_RUN_FILES = ("deepinterpolation", "klusta", "shybrid", "sinaps")
#: The bytes of the header of a chunk of Blosc that hold the length of the chunk
BLOSC_SIZE = slice(12, 16)
#: The names in numpy's pickle of an array of text and numbers
NAMES_OF_ARRAYS = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (module, name) for module in ("numpy.core.multiarray", "numpy._core.multiarray") for name in ("_reconstruct", "scalar")
}


def require_data(path: AnyPath, seen: frozenset[Path] = frozenset()) -> None:
    """Refuse a file or folder that could run a program when it is opened, or a description of another one that could.

    Parameters
    ----------
    path : path
    seen : frozenset of pathlib.Path
        The files and folders that led here.

    Raises
    ------
    UserError
        One line that names the file.
    """
    path = Path(path)
    seen |= {path.resolve()}
    if path.is_dir():
        _require_plain_folder(path, seen)
        decode_zarr_with_care()
    elif path.name.endswith(PICKLES):  # also a file that is called just `.pkl`, which has no suffix
        raise UserError(f"{path}: a pickle can run any program, so it is not opened; save it to a folder or as JSON")
    elif path.name.endswith(".json"):
        _require_known(path, seen)


def require_no_file_is_run(extractor: str) -> None:
    """Refuse a reader of SpikeInterface that runs its files; that of phy runs `params.py` only, which is checked."""
    if extractor.startswith(RUN_FILES):
        raise UserError(f"extractor {extractor}: runs its files as a program; save the recording with SpikeInterface first")


def decode_zarr_with_care() -> None:
    """Let numcodecs, in this process, refuse pickles and truncated chunks of Blosc.

    Some versions of numcodecs refuse pickles by themselves. Blosc reads as many bytes as a chunk says that it has. Where there
    are fewer, it reads what lies behind them in memory, which can kill the process.
    """
    from numcodecs import Blosc, Pickle, register_codec
    from numcodecs.compat import ensure_contiguous_ndarray

    class NoPickle(Pickle):
        def decode(self, buf: Any, out: Any = None) -> Any:
            raise UserError("an array of zarr holds pickles, which can run any program; save numbers or text")

    class WholeChunks(Blosc):
        def decode(self, buf: Any, out: Any = None) -> Any:
            chunk = ensure_contiguous_ndarray(buf).view(np.uint8)
            length = max(BLOSC_SIZE.stop, int.from_bytes(chunk[BLOSC_SIZE].tobytes(), "little"))
            if len(chunk) != length:
                raise ValueError(f"a chunk of zarr has {len(chunk)} bytes instead of {length}")
            return super().decode(buf, out)

    register_codec(NoPickle, NoPickle.codec_id)
    register_codec(WholeChunks, WholeChunks.codec_id)


def _require_plain_folder(folder: Path, seen: frozenset[Path]) -> None:
    """Refuse a folder with files that SpikeInterface would run. Its other files are not checked."""
    if any((folder / name).exists() for name in OF_PROGRAMS):
        raise UserError(
            f"{folder}: the folder of a sorter or an analyzer; name the folder in it that has the recording or sorting"
        )
    for name in (*PICKLED, *DESCRIPTIONS):
        if (folder / name).exists():
            require_data(folder / name, seen)
    for array in sorted(folder.glob(PROPERTIES)):
        _require_plain_array(array)
    if (folder / "params.py").exists():
        _require_plain_values(folder / "params.py")


def _require_known(file: Path, seen: frozenset[Path]) -> None:
    """Refuse a description that names foreign classes, or files that could run a program."""
    described = _dicts_in(file)
    _require_known_classes(file, described)
    for other in _paths_in(file, described):
        if other.resolve() not in seen:
            require_data(other, seen)


def _require_plain_array(file: Path) -> None:
    """Refuse a file of numpy that holds other objects than text and numbers, or is none, which numpy takes for a pickle."""
    if not file.is_file():  # a pipe may have no end
        raise UserError(f"{file}: not a regular file")
    with open(file, "rb") as content:
        try:
            version = np.lib.format.read_magic(content)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            dtype = read(content)[2]
        except Exception as error:  # numpy reads the header as a literal of Python, which fails in many ways
            raise UserError(f"{file}: not a file of numpy ({shown(str(error))})") from None
        if dtype.hasobject:
            try:
                _OnlyTextAndNumbers(content).load()
            except Exception:  # unpickling what is damaged raises any error
                raise UserError(f"{file}: holds objects of Python, which can run any program; save numbers or text") from None


class _OnlyTextAndNumbers(pickle.Unpickler):
    """A reader of pickles that knows nothing but arrays of text and numbers, so that it can run nothing.

    SpikeInterface saves columns of text in this way, such as those of phy's tables.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES_OF_ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def _require_plain_values(file: Path) -> None:
    """Refuse a `params.py`, which SpikeInterface runs, with more than `name = value` in it."""
    try:
        statements = ast.parse(read_text(file)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{file}: cannot be read ({shown(str(error))})") from None
    for statement in statements:
        try:
            if not (isinstance(statement, ast.Assign) and all(isinstance(name, ast.Name) for name in statement.targets)):
                raise ValueError
            ast.literal_eval(statement.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            raise UserError(
                f"{file}, line {statement.lineno}: is run as a program, so only lines `name = value` with plain values are "
                f"allowed"
            ) from None


def _require_known_classes(file: Path, described: list[dict[str, Any]]) -> None:
    """Refuse a description of a recording or sorting by classes that are not SpikeInterface's."""
    from spikeinterface.core.base import BaseExtractor

    for value in described:
        name = value.get("class")
        if "kwargs" in value and not (isinstance(name, str) and _is_extractor(name, BaseExtractor)):
            raise UserError(f"{file}: {shown(name)} is no class of SpikeInterface's recordings and sortings; it is not loaded")


def _dicts_in(file: Path) -> list[dict[str, Any]]:
    """Return all dicts of a JSON file, at any depth."""
    try:
        waiting: list[Any] = [json.loads(read_text(file))]
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: not JSON ({shown(str(error))})") from None
    found = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if isinstance(value, dict):
            waiting += value.values()
            found.append(value)
    return found


def _paths_in(file: Path, described: list[dict[str, Any]]) -> Iterator[Path]:
    """Yield the files and folders that a description names, relative to its folder if it says so."""
    folder = file.parent if described and described[0].get("relative_paths") else Path()
    items = [item for value in described for item in value.items()]
    named = [value for key, value in items if key.endswith(("path", "paths", "folder", "file", "files"))]
    for name in (name for value in named for name in (value if isinstance(value, list) else [value])):
        if isinstance(name, str) and name:
            yield from [path for path in (folder / name, Path(name)) if _exists(path)][:1]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no path at all
        return False


def _is_extractor(name: str, base: type) -> bool:
    module, _, last = name.rpartition(".")
    if not module.startswith("spikeinterface."):
        return False
    try:
        found = getattr(importlib.import_module(module), last, None)
    except ImportError:
        return False
    if not (isinstance(found, type) and issubclass(found, base)):
        return False
    # SpikeInterface has its classes in other modules as well, so what counts is where they are defined.
    return not any(word in one.__module__ for one in found.__mro__ for word in MODULES_THAT_RUN_FILES)
