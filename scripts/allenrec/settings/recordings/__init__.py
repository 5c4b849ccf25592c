"""Recordings: spikes, choice of templates, drift, gains of spikes, noise, filter and what is kept.

One module a subject; `recording` joins them. Jobs load the modules of their subjects only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
