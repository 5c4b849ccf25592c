"""Realism: the spikes of a cell, as a recording would show them, beside what is measured in living animals."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
