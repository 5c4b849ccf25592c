"""Template libraries: poses of a cell beside a probe, its extracellular action potentials, and their file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
