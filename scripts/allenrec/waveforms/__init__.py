"""Waveforms of spikes: their features, and what the filter of a recording makes of them. Libraries and recordings use it."""
