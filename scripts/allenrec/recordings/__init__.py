"""Recordings: units of a library, their spikes, noise, drift and filter, and the formats that hold them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
