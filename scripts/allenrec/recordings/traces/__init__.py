"""Traces of a recording: spikes, gains, drift, noise and filter, block by block."""
