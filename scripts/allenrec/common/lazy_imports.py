"""Packages that are loaded when they are first used, not when they are imported."""

import sys
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import Any


def import_when_used(name: str) -> None:
    """Let `import name`, here and in other packages, load a package only when one of its names is used.

    Until then, a module without content takes its place. `importlib.util.LazyLoader` would load it with the second import.
    """
    if name in sys.modules or (spec := find_spec(name)) is None:
        return
    stand_in, lock = ModuleType(name), Lock()

    def from_package(attribute: str) -> Any:
        with lock:
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
        return getattr(import_module(name), attribute)

    vars(stand_in).update(__spec__=spec, __getattr__=from_package)
    sys.modules[name] = stand_in
