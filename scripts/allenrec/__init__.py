"""Ground-truth extracellular recordings from biophysical neuron models.

Names are imported when they are used: `import allenrec` loads neither NEURON nor SpikeInterface nor numba.
"""

import lazy_loader

from .common.kernel_files import forget_stale

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

forget_stale()
