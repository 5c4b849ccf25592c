"""A model is a folder of some kind. This is what the rest of the code asks of a kind, and of a model of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..mechanisms import ModFile
    from ..metadata import CellFacts


class CellModel(Protocol):
    """A checked model: a frozen dataclass, a class of its own for each kind.

    `kind` is what tables and reports call it, such as "perisomatic" or "nmc". `temperature` (°C) and `v_init` (mV) are those
    at which it is simulated, None where the model's own code sets them. `mechanisms` are the names of those that it inserts and
    that its mod files define.
    """

    @property
    def model_id(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def kind(self) -> str: ...
    @property
    def temperature(self) -> float | None: ...
    @property
    def v_init(self) -> float | None: ...
    @property
    def mechanisms(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Kind:
    """A kind of models.

    Attributes
    ----------
    name : str
        Its name in the registers, here and in `allenrec.intracellular.kinds.register`.
    looks : str
        How a folder of this kind looks, in words, for messages.
    recognise : callable
        Takes a folder; returns whether it is of this kind, from the names of its files or from what `model.yaml` says.
    read : callable
        Takes a folder and a model id; returns the checked `CellModel`. It raises a `UserError` of one line that names the
        model and the file. It does not run code of the model.
    files : callable
        Takes a folder; returns the paths of the files that make up the model: their digests are kept, and a job sees these
        files only.
    mod_files : callable
        Takes a folder and the contents of these files by their names in it; returns the mod files to compile, [] if there
        are none.
    describe : callable
        Takes a folder; returns the `CellFacts`, the columns of metadata.
    digests : callable
        Takes a folder; returns digests of its parts for the provenance of what is made from it.
    runs_code : bool
        Whether building a model runs code of its folder, beside mod files. Then the user has to consent.
    """

    name: str
    looks: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path, str], CellModel]
    files: Callable[[Path], list[Path]]
    mod_files: Callable[[Path, Mapping[str, bytes]], Sequence[ModFile]]
    describe: Callable[[Path], CellFacts]
    digests: Callable[[Path], dict[str, str]]
    runs_code: bool = True
