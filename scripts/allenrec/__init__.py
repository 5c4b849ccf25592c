"""From the Allen Institute's biophysical neuron models to ground-truth extracellular recordings."""

__version__ = "0.1.0"
