"""The settings of the configuration, one module a block. Jobs load the modules of their blocks only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
