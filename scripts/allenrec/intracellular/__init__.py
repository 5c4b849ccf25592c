"""Spikes of a cell and its membrane currents. Only `cell` and `simulation` need NEURON."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
